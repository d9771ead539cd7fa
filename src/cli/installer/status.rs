//! `status`: what is wrong, or that nothing is.

use super::input::host;
use super::plan::indented;
use crate::args::InstallerArgs;
use crate::cli::output::{Status, coloured, err, out, print_json};
use crate::error::Error;
use crate::host::Host;
use crate::log_sources::RecentAttempt;
use crate::spec::Expected;
use crate::status::{Finding, HostStatus, Probing, Verdict, collect};
use crate::text_layout;
use std::io;

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let host = host(args)?;
    let status = collected(args, &host, Probing::Connect)?;
    if args.json {
        print_json(&status);
    } else {
        show(&status);
    }
    Ok(if status.is_fine() { Status::Same } else { Status::Differs })
}

/// The host's state. Prints its notes.
pub(super) fn collected(
    args: &InstallerArgs,
    host: &Host,
    probing: Probing,
) -> Result<HostStatus, Error> {
    let status = collect(host, args.bundle.as_deref(), probing)?;
    for note in &status.notes {
        err!("note: {}", indented(note));
    }
    Ok(status)
}

/// The columns of a terminal.
const WIDTH: usize = 80;

/// A finding in lines that fit a terminal: where target and detail do not fit into one, the
/// detail follows in lines of its own. A line with a fix stays whole, so that it can be copied.
pub(super) fn wrapped(finding: &Finding) -> String {
    const INDENT: &str = "             ";
    let subject = format!("  {:<8} {}:", finding.kind, finding.target);
    let line = format!("{subject} {}", finding.detail);
    if line.chars().count() <= WIDTH && !line.contains('\n') {
        return line;
    }
    let lines = finding.detail.lines().map(|line| match line.starts_with("fix: ") {
        true => format!("{INDENT}{line}"),
        false => text_layout::wrapped(line, WIDTH, INDENT, INDENT),
    });
    format!("{subject}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The verdict in a few words: green where nothing is wrong, yellow where the ports are guarded all the same,
/// else red.
fn headline(verdict: Verdict, colour: bool) -> String {
    const GREEN: u8 = 32;
    const YELLOW: u8 = 33;
    const RED: u8 = 31;
    let (paint, words) = match verdict {
        Verdict::InSync => (GREEN, "in sync: the files are as applied"),
        Verdict::Guarded => (GREEN, "guarded: everything is as it was applied"),
        Verdict::GuardedWithFindings => (YELLOW, "guarded: but see what others have done"),
        Verdict::NotApplied => (RED, "not applied"),
        Verdict::Broken => (RED, "broken: something that guards or answers is not in place"),
        Verdict::Drifted => (YELLOW, "drifted: guarded, but not as it was applied"),
    };
    if colour { format!("\x1b[1;{paint}m{words}\x1b[0m") } else { words.to_owned() }
}

fn show(status: &HostStatus) {
    out!("{}", headline(status.verdict(), coloured(&io::stdout())));
    if let (Some(bundle), Some(applied)) = (&status.bundle, &status.applied) {
        out!("bundle {bundle}, applied {applied}");
    }
    let all = Expected::default().names();
    if let Some(parts) = status.expect.as_ref().filter(|parts| **parts != all) {
        let parts = parts.join(", ");
        let by = if status.declares { "apply --expect" } else { "the bundle" };
        out!("expected on this host: {parts} (declared by {by})");
    }
    if let Some(missing) = status.missing_family {
        out!("{missing}");
    }
    for finding in &status.findings {
        out!("{}", wrapped(finding));
    }
    if let Some(mend) = &status.mend {
        out!("mend with: {mend}");
    }
    show_ports(status);
    show_attempts(&status.knocks);
    if !status.listener.answers.is_empty() {
        let unit = status.listener.unit.as_deref().unwrap_or("not under systemd");
        out!("\nlistener ({unit}), asked on this host:");
        for answer in &status.listener.answers {
            out!("  port {:<11} {}  {}", answer.port, answer.family.name(), answer.outcome);
        }
    }
    if let Some(unconfirmed) = &status.unconfirmed {
        out!("\n{unconfirmed}");
    }
}

fn show_ports(status: &HostStatus) {
    // Beyond this many ports only those with packets are shown.
    const MAX_UNUSED: usize = 40;
    if status.ports.is_empty() {
        return;
    }
    let many = status.ports.len() > MAX_UNUSED;
    let shown = status.ports.iter().filter(|count| !many || count.packets > 0);
    let since = status.counted_since.as_ref().map(|since| format!(" since {since}"));
    let since = since.unwrap_or_else(|| " so far".to_owned());
    out!("\nstopped or told{since}{}:", if many { " (others: nothing)" } else { "" });
    for count in shown {
        out!(
            "  port {:<11} {}  {:>12} packets {:>16} bytes",
            count.port_label(),
            count.family,
            count.packets,
            count.bytes
        );
    }
}

fn show_attempts(attempts: &[RecentAttempt]) {
    if attempts.is_empty() {
        return;
    }
    out!("\nlatest attempts (`redisguard-install report` lists all):");
    attempts.iter().for_each(|attempt| out!("{}", attempt_line(attempt)));
}

/// An attempt in lines that fit a terminal: what does not fit goes below the source.
fn attempt_line(attempt: &RecentAttempt) -> String {
    let RecentAttempt { at, source, local_client, port, answer, library, .. } = attempt;
    let client = [local_client, library].into_iter().flatten();
    let client: String = client.map(|name| format!(", {name}")).collect();
    let line = format!("{at}  {source:<18} port {port:<5}  {answer}{client}");
    text_layout::wrapped(&line, WIDTH, "  ", &" ".repeat(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(local_client: Option<&str>, library: Option<&str>) -> RecentAttempt {
        RecentAttempt {
            at: "2026-11-22T22:56:34Z".to_owned(),
            source: "127.0.0.1".to_owned(),
            unit: None,
            container: None,
            cgroup: None,
            local_client: local_client.map(str::to_owned),
            port: 6379,
            answer: "told",
            library: library.map(str::to_owned),
        }
    }

    #[test]
    fn an_attempt_is_one_line_or_goes_on_below_its_source() {
        let begin = "  2026-11-22T22:56:34Z  127.0.0.1          port 6379   told";
        assert_eq!(attempt_line(&attempt(None, None)), begin);
        assert_eq!(
            attempt_line(&attempt(Some("billing.service"), None)),
            format!("{begin}, billing.service")
        );
        let both = attempt_line(&attempt(Some("billing.service"), Some("redis-py 5.0.1")));
        let below = " ".repeat(24);
        assert_eq!(both, format!("{begin}, billing.service,\n{below}redis-py 5.0.1"));
    }
}
