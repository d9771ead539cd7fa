//! `report`: who still tries to connect, from the logs, as a table, JSON, CSV or an HTML page.

use crate::args::{InstallerArgs, ReportArgs, Since};
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out, print_error, print_json};
use crate::error::Error;
use crate::files;
use crate::host::{Host, bundle_source};
use crate::log_sources::{self, HostLogs, ReadResult, Reading};
use crate::os::resolver;
use crate::report::output::sparkline::Glyphs;
use crate::report::output::{csv, html, skipped, table};
use crate::report::{Filter, LineFormat, Summary, UnixMillis};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use std::io::{self, IsTerminal};
use std::path::Path;

/// The guard config of the installed bundle.
const GUARD_CONFIG: &str = "/etc/redisguard/guard.toml";
/// How many sources are listed without `--top`: what fits a few screens, and what a browser lays out at once
/// without a pause. JSON and CSV list all.
const DEFAULT_TOP_OF_TEXT: usize = 20;
const DEFAULT_TOP_OF_PAGE: usize = 1000;
/// How far the clock of a log may be ahead of this one.
const CLOCK_SKEW: UnixMillis = 86_400_000;

pub(super) fn run(args: &InstallerArgs, verb: &ReportArgs) -> Result<Status, Error> {
    let host = Host::named(args.root.as_deref())?;
    let now = Timestamp::now();
    let since = since(verb, now)?;
    let mut found = log_set(args, verb, &host, since)?;
    let (logs, mut errors) =
        (std::mem::take(&mut found.set.logs), std::mem::take(&mut found.set.errors));
    let read: Vec<String> = logs.iter().map(|log| log.name.clone()).collect();
    let until = now.as_millisecond() + CLOCK_SKEW;
    let since = since.unwrap_or(UnixMillis::MIN);
    let filter = Filter { since, until, ports: verb.port.clone() };
    let progress = progress(logs.iter().map(|log| log.bytes).sum());
    let zone = log_sources::time_zone(&host);
    let journal_since = found.journal_since;
    let reading = Reading { filter: &filter, zone: &zone, journal_since, progress: &progress };
    let ReadResult { aggregate, errors: unread, skipped, places, .. } =
        log_sources::read_all(logs, &reading);
    progress.finish_and_clear();
    errors.extend(unread);

    let mut summary = Summary::new(&aggregate, top(args, verb));
    // A log that is named may be of another host.
    summary.host = host_name(&host).filter(|_| verb.log.is_empty());
    (summary.logs, summary.kernel) = (read, found.kernel(&places));
    summary.missing = found.missing;
    summary.incomplete = errors.iter().map(|error| format!("{error:#}")).collect();
    summary.skipped = verb.skipped.then_some(skipped);
    if verb.resolve {
        resolve(&mut summary);
    }
    errors.iter().for_each(print_error);
    show(args, verb, &summary, now)?;
    Ok(if summary.is_lacking() { Status::Differs } else { Status::Same })
}

fn show(
    args: &InstallerArgs,
    verb: &ReportArgs,
    summary: &Summary,
    now: Timestamp,
) -> Result<(), Error> {
    match &verb.html {
        Some(path) => {
            let page = html::text(summary, verb.top.unwrap_or(DEFAULT_TOP_OF_PAGE), now)
                .map_err(|cause| Error::new("make the page", cause))?;
            if path == Path::new("-") {
                out!("{page}");
            } else {
                // The page repeats the log, which only root and the group may read. A file that is there
                // keeps its mode: somebody may have opened it to others.
                let mode = files::mode(path).unwrap_or(0o640);
                files::stage(path, page.as_bytes(), mode, None)?.commit()?;
                out!("wrote {}", path.display());
            }
        }
        None if args.json => print_json(summary),
        None if verb.skipped => {
            out!("{}", skipped::text(summary.skipped.as_deref().unwrap_or_default()));
        }
        None if verb.csv => out!("{}", csv::text(summary)),
        None => out!("{}", table::text(summary, glyphs())),
    }
    Ok(())
}

/// The characters of sparklines that this terminal can show.
fn glyphs() -> Glyphs {
    let value = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // The precedence of locale(7).
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(value).unwrap_or_default();
    Glyphs::supported(&locale, &std::env::var("TERM").unwrap_or_default())
}

/// How many sources are listed.
fn top(args: &InstallerArgs, verb: &ReportArgs) -> usize {
    let default = match verb.html {
        // The page's filters search all of them; `top` only says how many its table lists at once.
        Some(_) => return usize::MAX,
        None if args.json || verb.csv => usize::MAX,
        None => DEFAULT_TOP_OF_TEXT,
    };
    verb.top.unwrap_or(default)
}

fn since(verb: &ReportArgs, now: Timestamp) -> Result<Option<UnixMillis>, Error> {
    Ok(match verb.since {
        None => None,
        Some(Since::At(at)) => Some(at.as_millisecond()),
        Some(Since::Ago(age)) => {
            let at = now.checked_sub(age).map_err(|error| Error::new("go back so far", error))?;
            Some(at.as_millisecond())
        }
    })
}

/// The logs that the options name, or else the host's.
///
/// # Errors
/// There is nothing to read.
fn log_set(
    args: &InstallerArgs,
    verb: &ReportArgs,
    host: &Host,
    since: Option<UnixMillis>,
) -> Result<HostLogs, Error> {
    let mut found = HostLogs::default();
    if verb.log.is_empty() {
        let guard_config = guard_config(args, host)?;
        found = log_sources::of_host(host, &guard_config, verb.kernel, since)?;
    }
    let logs = &mut found.set;
    for path in &verb.log {
        if path == Path::new("-") {
            logs.add_standard_input();
        } else {
            logs.add(path, LineFormat::Detect);
        }
    }
    if logs.logs.is_empty() {
        let errors = std::mem::take(&mut logs.errors);
        let error = errors.into_iter().reduce(|all, error| all.and(error));
        return Err(error.unwrap_or_else(|| {
            Error::new("report who knocks", "there is no log here yet").help(
                "after `redisguard-install apply` there will be; --log FILE reads another one",
            )
        }));
    }
    // A log that the user names is read whole.
    if let Some(since) = since.filter(|_| verb.log.is_empty()) {
        logs.remove_older(since);
    }
    Ok(found)
}

/// The guard config of the bundle that `--bundle` names, or else of the installed one, or else of the
/// built-in one.
fn guard_config(args: &InstallerArgs, host: &Host) -> Result<GuardConfig, Error> {
    if args.bundle.is_none()
        && let Some(bytes) = host.read(GUARD_CONFIG)?
    {
        return GuardConfig::parse(&String::from_utf8_lossy(&bytes)).map_err(|cause| {
            Error::new(format!("use {}", host.path(GUARD_CONFIG).display()), cause)
                .help("redisguard-install status says what is wrong with it")
        });
    }
    bundle_source::guard_config(&bundle_source::bundle(args.bundle.as_deref())?)
}

/// The host's name, if it is one that can be printed.
fn host_name(host: &Host) -> Option<String> {
    let bytes = host.read_system_file("/etc/hostname")?;
    let name = String::from_utf8(bytes).ok()?.trim().to_owned();
    (!name.is_empty() && name.chars().all(|character| character.is_ascii_graphic())).then_some(name)
}

/// A progress bar on a terminal; hidden elsewhere.
fn progress(bytes: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style.progress_chars("##-")),
        Err(_) => bar,
    }
}

/// Asks the name service for the names of the listed sources.
fn resolve(summary: &mut Summary) {
    let addresses = summary.addresses();
    if addresses.len() > resolver::NAMES_LIMIT {
        err!("note: only the {} heaviest sources are asked for their names", resolver::NAMES_LIMIT);
    }
    match resolver::names(&addresses) {
        Err(error) => print_error(&error),
        Ok(names) => summary.set_names(&names),
    }
}
