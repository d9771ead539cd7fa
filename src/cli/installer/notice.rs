//! The verb `notice`: runs the listener in the foreground.

use crate::args::{InstallerArgs, NoticeArgs};
use crate::cli::output::{Status, coloured};
use crate::error::Error;
use crate::host::bundle_source;
use crate::listener::{self, LogTarget, Settings};
use std::fs;
use std::io;
use std::path::Path;
use tracing_subscriber::EnvFilter;

/// The path of the listener's settings in a bundle.
const SETTINGS: &str = "host/etc/redisguard/notice.toml";

pub(super) fn run(args: &InstallerArgs, verb: &NoticeArgs) -> Result<Status, Error> {
    let settings = settings(args, verb)?;
    let log = match &verb.log {
        Some(path) if path == Path::new("-") => LogTarget::Stdout,
        Some(path) => LogTarget::File(path.clone()),
        None => LogTarget::File(settings.log.clone()),
    };
    let filter = EnvFilter::try_from_env("REDISGUARD_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(coloured(&io::stderr()))
        .with_target(false)
        // A diagnostic that cannot be written is no reason to stop: the default would panic when the
        // disk is full.
        .log_internal_errors(false)
        .init();
    listener::run(settings, log)?;
    Ok(Status::Same)
}

fn settings(args: &InstallerArgs, verb: &NoticeArgs) -> Result<Settings, Error> {
    let (name, text) = match &verb.settings {
        Some(path) => {
            let name = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|error| Error::new(format!("read {name}"), error))?;
            (name, text)
        }
        None => {
            let bundle = bundle_source::bundle(args.bundle.as_deref())?;
            let bytes = bundle.get(SETTINGS).unwrap_or_default();
            (SETTINGS.to_owned(), String::from_utf8_lossy(bytes).into_owned())
        }
    };
    Settings::parse(&text).map_err(|cause| Error::new(format!("use {name}"), cause))
}
