//! The [[reserved]] tables, each by itself.

use crate::spec::diagnostics::{Check, Problem};
use crate::spec::parse::Table;
use crate::spec::types::{External, Listen, Reserved};
use std::ops::Range;
use toml::Spanned;

/// The port of SSH, through which operators reach the host.
pub const SSH: u16 = 22;

/// The first port that an unprivileged program may bind (ip_unprivileged_port_start in
/// Documentation/networking/ip-sysctl.rst).
pub const FIRST_UNPRIVILEGED: u16 = 1024;

/// The span is that of the port.
pub fn reserved(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Spanned<Reserved>> {
    let port = table.ports("port", problems, |ranges| match ranges.as_slice() {
        [range] => Ok(*range),
        _ => Err("one [[reserved]] holds one port or one range".to_owned()),
    });
    let port = table.required("port", "port = 6379", port, problems);
    let label = table.line("label", problems).map(Spanned::into_inner);
    let external = table.choice::<External>(problems);
    let listen = table.choice::<Listen>(problems);
    // A value of a wrong type is reported already; a second problem about SSH would mislead.
    let allow_ssh = table.flag("allow-ssh", problems);
    let allow_ssh = allow_ssh.map_or(table.has("allow-ssh"), Spanned::into_inner);
    let port = port?;
    let (span, ports) = (port.span(), port.into_inner());
    let warning_span = match (&external, table.has("external")) {
        (Some(external), _) => Some(external.span()),
        (None, false) => Some(span.clone()),
        // The value is wrong, so what outsiders meet is not known.
        (None, true) => None,
    };
    let listen_span = listen.as_ref().map_or_else(|| span.clone(), Spanned::span);
    let reserved = Reserved {
        ports,
        label: label.unwrap_or_else(|| table.default_line("label")),
        external: external.map_or_else(|| table.default_choice(), Spanned::into_inner),
        listen: listen.map_or_else(|| table.default_choice(), Spanned::into_inner),
    };
    if ports.contains(SSH) && !allow_ssh {
        let message = format!("port {SSH} is how operators reach the host");
        let help = "add allow-ssh = true beside it if outsiders really must lose it";
        problems.push(Problem::new(Check::Ssh, span.clone(), message).help(help));
    }
    if ports.first() < FIRST_UNPRIVILEGED && reserved.listen != Listen::Never {
        let message = format!(
            "port {ports}: the listener runs without rights and cannot listen below \
             {FIRST_UNPRIVILEGED}"
        );
        let problem = Problem::new(Check::PrivilegedListen, listen_span, message);
        problems.push(problem.help("set listen = \"never\""));
    }
    if let Some(warning_span) = warning_span {
        warn_of_untold_clients(&reserved, warning_span, problems);
    }
    Some(Spanned::new(span, reserved))
}

/// Warns where clients of the port are not told where to go.
fn warn_of_untold_clients(reserved: &Reserved, span: Range<usize>, problems: &mut Vec<Problem>) {
    let ports = reserved.ports;
    if reserved.external == External::Drop {
        let message = format!("port {ports}: outsiders are dropped and will never see the notice");
        let problem = Problem::new(Check::DropHidesNotice, span.clone(), message);
        problems.push(problem.help("external = \"notice\" shows it"));
    }
    if reserved.listen == Listen::Never && reserved.external != External::Notice {
        let message = format!("port {ports}: nobody is told where to go, neither here nor outside");
        let help = "listen = \"if-free\" tells local users, external = \"notice\" outsiders";
        problems.push(Problem::new(Check::NobodyTold, span, message).help(help));
    }
}
