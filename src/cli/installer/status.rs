//! `status`: whether outsiders get through, what is wrong, and the fix.

use super::input::host;
use super::plan::indented;
use crate::args::InstallerArgs;
use crate::cli::output::{Status, coloured, err, out, print_json};
use crate::error::Error;
use crate::host::Host;
use crate::log_sources::RecentAttempt;
use crate::spec::Expected;
use crate::status::{HostStatus, Probing, Verdict, collect};
use crate::text_layout::{self, WIDTH};
use std::io;

pub(super) fn run(args: &InstallerArgs) -> Result<Status, Error> {
    let host = host(args)?;
    let status = collected(args, &host, Probing::Connect)?;
    if args.json {
        print_json(&status);
    } else {
        show(&status);
    }
    Ok(match status.verdict {
        Verdict::Ok => Status::Same,
        _ => Status::Differs,
    })
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

/// The verdict and its sentence, in lines that fit a terminal: green where nothing is wrong, yellow where
/// outsiders are kept out all the same, else red.
fn headline(verdict: Verdict, sentence: &str, colour: bool) -> String {
    const GREEN: u8 = 32;
    const YELLOW: u8 = 33;
    const RED: u8 = 31;
    let (paint, word) = match verdict {
        Verdict::Open => (RED, "OPEN"),
        Verdict::Unknown => (RED, "UNKNOWN"),
        Verdict::Blocked => (YELLOW, "BLOCKED"),
        Verdict::Ok => (GREEN, "OK"),
        Verdict::Absent => (RED, "ABSENT"),
    };
    let text = text_layout::wrapped(&format!("{word}: {sentence}"), WIDTH, "", "  ");
    match text.strip_prefix(word).filter(|_| colour) {
        Some(rest) => format!("\x1b[1;{paint}m{word}\x1b[0m{rest}"),
        None => text,
    }
}

/// What is wrong, one sentence a cause.
pub(super) fn show_causes(causes: &[String]) {
    for line in causes.iter().flat_map(|cause| cause.lines()) {
        out!("{}", text_layout::wrapped(line, WIDTH, "  ", "    "));
    }
}

/// What a person must do first.
pub(super) fn show_first(sentences: &[String]) {
    for (sentence, number) in sentences.iter().zip(1..) {
        let label = if number == 1 { "first: " } else { "then: " };
        out!("{}", text_layout::wrapped(&format!("{label}{sentence}"), WIDTH, "", "  "));
    }
}

/// What to do about the causes. A command stays in one line, so that it can be copied.
fn show_fix(status: &HostStatus) {
    if let Some(test) = &status.test {
        out!("test with: {test}");
        out!(
            "  on another host{}",
            match test.contains(" DIR ") {
                true => ", where DIR is a copy of the bundle",
                false => "",
            }
        );
    }
    let (command, first) = match (&status.mend, status.fix.split_last()) {
        (Some(command), Some((_, first))) => (Some(command), first),
        _ => (None, status.fix.as_slice()),
    };
    show_first(first);
    if let Some(command) = command {
        out!("fix: {command}");
    }
}

fn show(status: &HostStatus) {
    out!("{}", headline(status.verdict, &status.headline, coloured(&io::stdout())));
    if let Some(unconfirmed) = &status.unconfirmed {
        out!("{}", text_layout::wrapped(unconfirmed, WIDTH, "", "  "));
    }
    show_causes(&status.causes);
    show_fix(status);
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
    show_ports(status);
    if !status.probes.is_empty() {
        let packets: u64 = status.probes.iter().map(|count| count.packets).sum();
        out!("probes, not counted above: {packets} packets (--json has them by port)");
    }
    show_attempts(&status.knocks);
    if !status.listener.answers.is_empty() {
        let unit = status.listener.unit.as_deref().unwrap_or("not under systemd");
        out!("\nlistener ({unit}), asked on this host:");
        for answer in &status.listener.answers {
            out!("  port {:<11} {}  {}", answer.port, answer.family.name(), answer.outcome);
        }
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
