//! The command line of `redisguard-install`.

use super::exits;
use crate::spec::Expected;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Ends the program's help; each verb's says more.
const EXIT_STATUS: &str =
    "Exit status: 0 same or done, 1 differs, 2 trouble (a fault, a refusal, wrong usage).";

/// Applies a reviewed redisguard bundle to this host, and runs its notice listener.
///
/// The bundle is the one built into this program unless --bundle names a directory made by
/// redisguard-gen. Without --bundle, plan and apply use the copy that the host keeps where the last
/// bundle came from a directory. Every bundle is checked against its SHA256SUMS before it is used.
#[derive(Clone, Debug, Parser)]
#[command(name = "redisguard-install", version, after_help = EXIT_STATUS)]
pub struct InstallerArgs {
    /// Use the bundle in this directory; `built-in` is the one in this program
    #[arg(long, value_name = "DIR", global = true)]
    pub bundle: Option<PathBuf>,

    /// Work on the offline tree at DIR: files and enablement there, kernel and services untouched
    #[arg(long, value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,

    /// Print one JSON object instead of text; none on exit 2, when the text on stderr says why
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What the installer can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Show what apply would change; exit 1 if anything
    #[command(after_help = exits::of("redisguard-install plan"))]
    Plan(PlanArgs),
    /// Make the host match the bundle: all or nothing
    #[command(after_help = exits::of("redisguard-install apply"))]
    Apply(ApplyArgs),
    /// Keep what `apply --confirm` changed; exit 2 if it came too late
    #[command(after_help = exits::of("redisguard-install confirm"))]
    Confirm,
    /// Go back now from a change that is not confirmed yet
    #[command(after_help = exits::of("redisguard-install revert"))]
    Revert(RevertArgs),
    /// Show rules, units, listener, files and counters; exit 1 on drift or a dead part
    #[command(after_help = exits::of("redisguard-install status"))]
    Status,
    /// Tell who still knocks: sources, ports and libraries, from the listener's log and the kernel's
    #[command(after_help = exits::of("redisguard-install report"))]
    Report(ReportArgs),
    /// Take away what was applied; foreign rules and files and the logs stay
    #[command(after_help = exits::of("redisguard-install remove"))]
    Remove(RemoveArgs),
    /// Try the bundle in throw-away network namespaces; the host is not touched, no root is needed
    #[command(after_help = exits::of("redisguard-install rehearse"))]
    Rehearse,
    /// Ask other hosts what a user of theirs meets on each port; no root is needed
    #[command(after_help = exits::of("redisguard-install probe"))]
    Probe(ProbeArgs),
    /// Write metrics of the guard for Prometheus, in the text format
    #[command(after_help = exits::of("redisguard-install metrics"))]
    Metrics(MetricsArgs),
    /// Load or unload the firewall rules alone
    #[command(subcommand)]
    Rules(RulesVerb),
    /// Run the notice listener in the foreground
    #[command(after_help = exits::of("redisguard-install notice"))]
    Notice(NoticeArgs),
}

/// What to plan, and how much of it to show.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Show every file and link by itself, and the content of new files
    #[arg(long)]
    pub diff: bool,

    /// Plan as if apply were given this
    #[arg(long, value_name = "PARTS", value_parser = declared)]
    pub expect: Option<Declared>,
}

/// Which parts of the guard a host declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// None of its own: those that the bundle expects.
    Bundle,
    /// These.
    Parts(Expected),
}

/// Parses what follows `--expect`.
fn declared(text: &str) -> Result<Declared, String> {
    match text {
        "bundle" => Ok(Declared::Bundle),
        parts => parts.parse().map(Declared::Parts),
    }
}

/// How to apply.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// Close open connections from outside without asking, where the bundle has existing = "cut"
    #[arg(long)]
    pub cut_sessions: bool,

    /// Undo the change after TIME (60s, 5m, 1h30m) unless you run `confirm`, also after a reboot
    #[arg(long, value_name = "TIME", value_parser = confirmation_time)]
    pub confirm: Option<Duration>,

    /// Declare which parts this host runs: rules and any of boot, listener and timer, with commas
    /// between them; `bundle` for those of the bundle. Kept until another apply says otherwise
    #[arg(long, value_name = "PARTS", value_parser = declared)]
    pub expect: Option<Declared>,
}

/// Parses the time after which an unconfirmed change is undone: long enough to log in again, at most a
/// day.
fn confirmation_time(text: &str) -> Result<Duration, String> {
    const BOUNDS: RangeInclusive<SignedDuration> =
        SignedDuration::from_secs(5)..=SignedDuration::from_hours(24);
    time_within(text, BOUNDS, "from 5s to 24h, such as 60s, 5m or 1h30m")
}

/// How to go back.
#[derive(Args, Clone, Debug)]
pub struct RevertArgs {
    /// Wait until the time to confirm is over; what apply starts
    #[arg(long, hide = true)]
    pub when_lapsed: bool,
}

/// What to report of, and how.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Read these logs (- for standard input) instead of those of this host, compressed ones too
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "kernel")]
    pub log: Vec<PathBuf>,

    /// Where to look for those whom the kernel dropped or reset; what several logs have counts once
    #[arg(long, value_enum, default_value = "auto")]
    pub kernel: KernelLog,

    /// Leave out what is older: a time (2026-11-27, 2026-11-27T05:45:00Z) or an age (90m, 36h, 7d, 4w)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,

    /// Only this reserved port; may be repeated
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,

    /// List the N with the most attempts: 20 as text unless given, else all. A page lists 1000 or N at once
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,

    /// Print one line of CSV for each source at each port
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub csv: bool,

    /// Write a page to FILE (- for standard output) that needs nothing but itself
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,

    /// Ask the name service for the names of the addresses that are listed, for a few seconds
    #[arg(long)]
    pub resolve: bool,

    /// Show the lines that were skipped and are not other programs', each with its log, number and reason
    #[arg(long, conflicts_with_all = ["csv", "html"])]
    pub skipped: bool,
}

/// Where the kernel's lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KernelLog {
    /// In the journal, and in syslog's files for what is older
    Auto,
    /// In the journal
    Journal,
    /// In syslog's files in /var/log: kern.log, messages, syslog and others
    Files,
    /// Nowhere
    None,
}

/// The beginning of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This long before now.
    Ago(Duration),
    /// At this time.
    At(Timestamp),
}

/// Parses a date, a time or an age; dates begin at midnight UTC.
fn since(text: &str) -> Result<Since, String> {
    const UNITS: [(char, u64); 5] =
        [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let age = UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds).map(Duration::from_secs)
    });
    let at = || text.parse::<Timestamp>().ok();
    let midnight = || format!("{text}T00:00:00Z").parse::<Timestamp>().ok();
    age.map(Since::Ago).or_else(|| at().or_else(midnight).map(Since::At)).ok_or_else(|| {
        "give a time in UTC such as 2026-11-27 or 2026-11-27T05:45:00Z, or an age such as 36h or 7d"
            .to_owned()
    })
}

/// How to remove.
#[derive(Args, Clone, Debug)]
pub struct RemoveArgs {
    /// Only show what would be taken away; exit 1 if anything
    #[arg(long)]
    pub dry_run: bool,
}

/// Whom to ask, and how.
#[derive(Args, Clone, Debug)]
pub struct ProbeArgs {
    /// Hosts by name or address; a name stands for all of its addresses
    #[arg(value_name = "HOST", required = true)]
    pub hosts: Vec<String>,

    /// Wait so long for a connection, and once more for an answer (500ms, 2s, 1m)
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = probe_timeout)]
    pub timeout: Duration,

    /// Also try PORT, which answers on a host that is up: from one that is all silent nothing follows
    #[arg(long, value_name = "PORT", default_value = "22", value_parser = clap::value_parser!(u16).range(1..))]
    pub control: Vec<u16>,
}

/// Parses a time-out for one step of a probe.
fn probe_timeout(text: &str) -> Result<Duration, String> {
    const BOUNDS: RangeInclusive<SignedDuration> =
        SignedDuration::from_millis(10)..=SignedDuration::from_mins(1);
    time_within(text, BOUNDS, "from 10ms to 1m, such as 500ms or 2s")
}

/// A duration such as `1h30m` within the bounds, which `wanted` says in words.
fn time_within(
    text: &str,
    bounds: RangeInclusive<SignedDuration>,
    wanted: &str,
) -> Result<Duration, String> {
    let time = text.parse().ok().filter(|time| bounds.contains(time));
    let time = time.and_then(|time| Duration::try_from(time).ok());
    time.ok_or_else(|| format!("give a time {wanted}"))
}

/// Where the metrics go.
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Write to FILE, in one step, instead of standard output: for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,
}

/// What can be done with the rules alone.
#[derive(Clone, Debug, Subcommand)]
pub enum RulesVerb {
    /// Load the installed rules if they are not in place; with --bundle, that bundle's
    #[command(after_help = exits::of("redisguard-install rules load"))]
    Load,
    /// Keep what the rules have counted, as at shutdown; they stay
    #[command(after_help = exits::of("redisguard-install rules save"))]
    Save,
    /// Take the rules away: the ports are open to the outside, until the timer finds it
    #[command(after_help = exits::of("redisguard-install rules unload"))]
    Unload,
}

/// How to run the listener.
#[derive(Args, Clone, Debug)]
pub struct NoticeArgs {
    /// Write the log to FILE (- for standard output) instead of where the settings say
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Read the listener's settings from FILE instead of the bundle
    #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
    pub settings: Option<PathBuf>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_confirm_is_read_as_people_write_it() {
        let seconds = |text| confirmation_time(text).map(|time| time.as_secs());
        assert_eq!(
            ["5s", "60s", "5m", "1h30m", "24h"].map(|text| seconds(text).unwrap()),
            [5, 60, 300, 5400, 86400]
        );
        for wrong in ["", "60", "4s", "-60s", "25h", "2d", "soon", "5 parsecs"] {
            let error = confirmation_time(wrong).unwrap_err();
            assert!(error.contains("from 5s to 24h"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_time_or_an_age_is_read_as_people_write_it() {
        let ago = |seconds| Ok(Since::Ago(Duration::from_secs(seconds)));
        for (text, seconds) in [("90m", 5400), ("36h", 129_600), ("7d", 604_800), ("4w", 2_419_200)]
        {
            assert_eq!(since(text), ago(seconds), "{text}");
        }
        for (text, at) in [
            ("2026-11-27", "2026-11-27T00:00:00Z"),
            ("2026-11-27T05:45:00+01:00", "2026-11-27T04:45:00Z"),
        ] {
            assert_eq!(since(text), Ok(Since::At(at.parse().unwrap())), "{text}");
        }
        for wrong in ["", "7", "d", "-7d", "yesterday", "2026-13-01", "99999999999999999999d"] {
            assert!(since(wrong).unwrap_err().contains("such as"), "{wrong}");
        }
    }
}
