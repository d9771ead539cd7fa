//! The [[reserved]] tables, each by itself.

use crate::spec::choice::{External, Listen};
use crate::spec::diagnostics::{Check, Problem};
use crate::spec::parse::Table;
use crate::spec::types::Reserved;
use std::ops::Range;
use toml::Spanned;

/// The port of SSH, through which operators reach the host.
pub const SSH: u16 = 22;

/// The first port that an unprivileged program may bind (ip_unprivileged_port_start in
/// Documentation/networking/ip-sysctl.rst).
pub const FIRST_UNPRIVILEGED: u16 = 1024;

/// The span is that of the port.
pub fn reserved(table: &Table<'_>) -> Option<Spanned<Reserved>> {
    let port = table.ports("port", |ranges| match ranges.as_slice() {
        [range] => Ok(*range),
        _ => Err("one [[reserved]] holds one port or one range".to_owned()),
    });
    let port = table.required("port", "port = 6379", port);
    let label = table.line_or_default("label");
    let (external, listen) = (table.choice(), table.choice());
    // A value of a wrong type is reported already; a second problem about SSH would mislead.
    let allow_ssh = table.flag("allow-ssh");
    let allow_ssh = allow_ssh.map_or(table.has("allow-ssh"), Spanned::into_inner);
    let port = port?;
    let (span, ports) = (port.span(), port.into_inner());
    // A default is not in the text: what is wrong with it is shown at the port.
    let span_or_port = |given: Range<usize>| if given.is_empty() { span.clone() } else { given };
    // Where the value is wrong, what outsiders meet is not known.
    let external_is_known = !external.span().is_empty() || !table.has("external");
    let (external_span, listen_span) = (span_or_port(external.span()), span_or_port(listen.span()));
    let (external, listen) = (external.into_inner(), listen.into_inner());
    let reserved = Reserved { ports, label, external, listen };
    if ports.contains(SSH) && !allow_ssh {
        let message = format!("port {SSH} is how operators reach the host");
        let help = "add allow-ssh = true beside it if outsiders really must lose it";
        table.report(Problem::new(Check::Ssh, span.clone(), message).help(help));
    }
    if ports.first() < FIRST_UNPRIVILEGED && reserved.listen != Listen::Never {
        let message = format!(
            "port {ports}: the listener runs without rights and cannot listen below \
             {FIRST_UNPRIVILEGED}"
        );
        let problem = Problem::new(Check::PrivilegedListen, listen_span, message);
        table.report(problem.help("set listen = \"never\""));
    }
    if external_is_known {
        warn_of_untold_clients(&reserved, external_span, table);
    }
    Some(Spanned::new(span, reserved))
}

/// Warns where clients of the port are not told where to go.
fn warn_of_untold_clients(reserved: &Reserved, span: Range<usize>, table: &Table<'_>) {
    let ports = reserved.ports;
    if reserved.external == External::Drop {
        let message = format!("port {ports}: outsiders are dropped and will never see the notice");
        let problem = Problem::new(Check::DropHidesNotice, span.clone(), message);
        table.report(problem.help("external = \"notice\" shows it"));
    }
    if reserved.listen == Listen::Never && reserved.external != External::Notice {
        let message = format!("port {ports}: nobody is told where to go, neither here nor outside");
        let help = "listen = \"if-free\" tells local users, external = \"notice\" outsiders";
        table.report(Problem::new(Check::NobodyTold, span, message).help(help));
    }
}
