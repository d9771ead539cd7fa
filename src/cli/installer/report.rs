//! `report`: who still knocks, from the logs: as a table, JSON, CSV or a page.

use super::output::print_json;
use crate::args::{InstallerArgs, KernelLog, ReportArgs, Since};
use crate::bundle::GuardConfig;
use crate::cli::output::{Status, err, out, print_error};
use crate::error::Error;
use crate::files;
use crate::host::{Host, bundle_source};
use crate::log_sources;
use crate::log_sources::{Counted, Found};
use crate::os::resolver;
use crate::report::output::html::Page;
use crate::report::output::{csv, table};
use crate::report::{Moment, Scope, Summary, Writer};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::Path;

/// What a host was given, for the installer.
const FACTS: &str = "/etc/redisguard/guard.toml";
/// How many are listed where nobody says.
const TOP_OF_TEXT: usize = 20;
const TOP_OF_PAGE: usize = 1000;
/// Clocks of logs may be ahead of this one by so much.
const AHEAD: Moment = 86_400_000;

pub(super) fn run(args: &InstallerArgs, verb: &ReportArgs) -> Result<Status, Error> {
    let host = Host::at(&args.root)?;
    let now = Timestamp::now();
    let since = since(verb, now)?;
    let (mut found, kernel) = found(args, verb, &host, since)?;
    if found.logs.is_empty() {
        return Err(nothing_to_read(found.troubles));
    }
    if let Some(since) = since.filter(|_| verb.log.is_empty()) {
        found.leave_out(since);
    }
    let Found { logs, mut troubles, .. } = found;
    let read: Vec<String> = logs.iter().map(|log| log.name.clone()).collect();
    let until = now.as_millisecond() + AHEAD;
    let scope = Scope { since: since.unwrap_or(Moment::MIN), until, ports: verb.port.clone() };
    let bar = bar(logs.iter().map(|log| log.bytes).sum());
    let Counted { census, troubles: unread } = log_sources::count(logs, &scope, &zone(&host), &bar);
    bar.finish_and_clear();
    troubles.extend(unread);

    let mut summary = Summary::of(&census, top(args, verb));
    summary.host = name_of(&host);
    (summary.logs, summary.kernel) = (read, kernel);
    summary.incomplete = troubles.iter().map(|trouble| format!("{trouble:#}")).collect();
    if verb.resolve {
        resolve(&mut summary);
    }
    troubles.iter().for_each(print_error);
    show(args, verb, &summary, now)?;
    Ok(if troubles.is_empty() { Status::Same } else { Status::Differs })
}

fn show(
    args: &InstallerArgs,
    verb: &ReportArgs,
    summary: &Summary,
    now: Timestamp,
) -> Result<(), Error> {
    match &verb.html {
        Some(path) => {
            let page = Page::of(summary, now).text();
            let page = page.map_err(|cause| Error::new("make the page", cause))?;
            if path == Path::new("-") {
                out!("{page}");
            } else {
                // It says what the log says, and is for those who may read that, unless it was opened.
                let mode = files::mode(path).unwrap_or(0o640);
                files::stage(path, page.as_bytes(), mode, None)?.commit()?;
                out!("wrote {}", path.display());
            }
        }
        None if args.json => print_json(summary),
        None if verb.csv => out!("{}", csv::text(summary)),
        None => out!("{}", table::text(summary, table::glyphs())),
    }
    Ok(())
}

fn top(args: &InstallerArgs, verb: &ReportArgs) -> usize {
    let all = args.json || verb.csv;
    let usual = match verb.html {
        Some(_) => TOP_OF_PAGE,
        None if all => usize::MAX,
        None => TOP_OF_TEXT,
    };
    verb.top.unwrap_or(usual)
}

fn since(verb: &ReportArgs, now: Timestamp) -> Result<Option<Moment>, Error> {
    Ok(match verb.since {
        None => None,
        Some(Since::At(at)) => Some(at.as_millisecond()),
        Some(Since::Ago(age)) => {
            let at = now.checked_sub(age).map_err(|error| Error::new("go back so far", error))?;
            Some(at.as_millisecond())
        }
    })
}

/// The logs to read, and where the kernel's lines come from.
fn found(
    args: &InstallerArgs,
    verb: &ReportArgs,
    host: &Host,
    since: Option<Moment>,
) -> Result<(Found, Option<String>), Error> {
    let mut found = Found::default();
    if !verb.log.is_empty() {
        for path in &verb.log {
            if path == Path::new("-") {
                found.add_input();
            } else {
                found.add(path, Writer::Unknown);
            }
        }
        return Ok((found, None));
    }
    let guard_config = guard_config(args, host)?;
    // The second is a link to the first, or what a listener without a unit has written.
    for log in [&guard_config.log_file, &guard_config.log] {
        found.add_rotated(host, log, Writer::Listener)?;
    }
    let kernel = match verb.kernel {
        KernelLog::None => None,
        KernelLog::Journal => journal(&mut found, host, since).map(Some)?,
        KernelLog::Files => log_sources::add_syslog(&mut found, host)?.map(str::to_owned),
        KernelLog::Auto if log_sources::keeps_journal(host) => {
            Some(journal(&mut found, host, since)?)
        }
        KernelLog::Auto => match log_sources::add_syslog(&mut found, host)? {
            Some(path) => Some(path.to_owned()),
            None if host.has_systemd() => journal(&mut found, host, since).ok(),
            None => None,
        },
    };
    Ok((found, kernel))
}

fn journal(found: &mut Found, host: &Host, since: Option<Moment>) -> Result<String, Error> {
    found.add_journal(host, since)?;
    Ok("the journal".to_owned())
}

/// The guard config of what is installed on the host, unless a bundle is named; else of the built-in one.
fn guard_config(args: &InstallerArgs, host: &Host) -> Result<GuardConfig, Error> {
    let installed = match &args.bundle {
        Some(_) => None,
        None => {
            host.confine_file(FACTS)?;
            files::read(&host.path(FACTS))?
        }
    };
    match installed {
        Some(bytes) => GuardConfig::parse(&String::from_utf8_lossy(&bytes)).map_err(|cause| {
            Error::new(format!("use {}", host.path(FACTS).display()), cause)
                .help("redisguard-install status says what is wrong with it")
        }),
        None => bundle_source::guard_config(&bundle_source::bundle(args.bundle.as_deref())?),
    }
}

fn nothing_to_read(troubles: Vec<Error>) -> Error {
    let mut troubles = troubles.into_iter();
    match troubles.next() {
        Some(first) => troubles.fold(first, |all, trouble| all.and(trouble)),
        None => Error::new("report who knocks", "there is no log here yet")
            .help("after `redisguard-install apply` there will be; --log FILE reads another one"),
    }
}

/// The zone of stamps that name none.
fn zone(host: &Host) -> TimeZone {
    const PATH: &str = "/etc/localtime";
    // In an offline tree that link leads into its own files, and not into ours.
    let place = match host.path(PATH).read_link() {
        Ok(target) if target.is_absolute() => host.path(&target.to_string_lossy()),
        _ => host.path(PATH),
    };
    let zone = std::fs::read(place).ok().and_then(|bytes| TimeZone::tzif("localtime", &bytes).ok());
    zone.unwrap_or(TimeZone::UTC)
}

fn name_of(host: &Host) -> Option<String> {
    let bytes = files::read(&host.path("/etc/hostname")).ok().flatten()?;
    let name = String::from_utf8(bytes).ok()?.trim().to_owned();
    (!name.is_empty() && name.chars().all(|character| character.is_ascii_graphic())).then_some(name)
}

/// A bar on a terminal, and nothing elsewhere.
fn bar(bytes: u64) -> ProgressBar {
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

fn resolve(summary: &mut Summary) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in summary.knocks.iter().filter_map(|knocks| knocks.address) {
        if !addresses.contains(&address) && addresses.len() <= resolver::NAMES_LIMIT {
            addresses.push(address);
        }
    }
    if addresses.len() > resolver::NAMES_LIMIT {
        err!("note: only the {} heaviest sources are asked for their names", resolver::NAMES_LIMIT);
    }
    match resolver::names(&addresses) {
        Err(trouble) => print_error(&trouble),
        Ok(names) => {
            for knocks in &mut summary.knocks {
                knocks.name = knocks.address.and_then(|address| names.get(&address).cloned());
            }
        }
    }
}
