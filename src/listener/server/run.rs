//! Owns the listener's life as a process: descriptors, runtime, signals and the service manager.
//! Must never daemonise or print; what there is to say goes through `tracing`.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::event_loop::serve;
use crate::listener::log::{Log, LogTarget, Rotation};
use crate::listener::metrics::counters::Counts;
use crate::listener::metrics::http;
use crate::listener::net::bind::{BindError, Listeners};
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;

/// Stands in the status line before what keeps some clients from the sentence.
const TROUBLE: &str = "; trouble: ";
/// Ports that the status line names one by one.
const STATUS_PORTS: usize = 16;

/// Why the listener could not start.
#[derive(Debug)]
pub enum NoticeError {
    /// A port could not be taken.
    Bind(BindError),
    /// The log could not be opened.
    Log {
        /// The file, or `None` for standard output.
        path: Option<PathBuf>,
        /// What the kernel said.
        cause: io::Error,
    },
    /// The runtime or its signal handlers could not be set up.
    Runtime(io::Error),
}

impl fmt::Display for NoticeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoticeError::Bind(error) => error.fmt(out),
            NoticeError::Log { path: Some(path), cause } => write!(
                out,
                "could not open the log {}: {cause}\n  its directory must exist and be writable \
                 for the listener; --log - writes to standard output instead",
                path.display()
            ),
            NoticeError::Log { path: None, cause } => {
                write!(out, "could not open standard output as the log: {cause}")
            }
            NoticeError::Runtime(cause) => write!(out, "could not set up the listener: {cause}"),
        }
    }
}

impl std::error::Error for NoticeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NoticeError::Bind(error) => Some(error),
            NoticeError::Log { cause, .. } | NoticeError::Runtime(cause) => Some(cause),
        }
    }
}

/// The trouble in a status line of the listener's, as the service manager repeats it.
#[must_use]
pub fn trouble(status: &str) -> Option<&str> {
    status.split_once(TROUBLE).map(|(_, trouble)| trouble)
}

/// Runs the listener until SIGTERM or SIGINT; SIGHUP has the log file opened anew and the
/// certificate read again. A certificate that cannot be used does not stop it: that would keep the
/// sentence from plain clients too.
///
/// # Errors
/// The listener could not start: a port, the log, or the runtime is not to be had.
pub fn run(settings: Settings, log: LogTarget) -> Result<(), NoticeError> {
    raise_descriptor_limit();
    let listeners = Listeners::bind(&settings).map_err(NoticeError::Bind)?;
    let log = Log::open(&log, settings.log_format).map_err(|cause| {
        let path = match log {
            LogTarget::File(path) => Some(path),
            LogTarget::Stdout => None,
        };
        NoticeError::Log { path, cause }
    })?;
    let credentials = env::var_os("CREDENTIALS_DIRECTORY");
    let identity = Identity::read(settings.tls.clone(), credentials.as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NoticeError::Runtime)?;
    runtime.block_on(async {
        let signals = Signals::new().map_err(NoticeError::Runtime)?;
        let counts = settings.scrape_port.map(|_| Arc::new(Counts::new(&settings)));
        let unseen = settings.scrape_port.zip(counts.clone()).and_then(|(port, counts)| {
            let bound = http::bind(port);
            let shown = bound.map(|socket| tokio::spawn(http::serve(socket, counts)));
            shown.err().map(|cause| format!("no metrics on port {port}: {cause}"))
        });
        announce(&listeners, &identity, unseen);
        let shutdown = signals.until_stopped(log.rotation());
        let summary = serve(listeners, settings, identity, log, counts, shutdown)
            .await
            .map_err(NoticeError::Runtime)?;
        tracing::info!(
            connections = summary.connections,
            told = summary.told,
            replies = summary.replies,
            "stopped"
        );
        Ok(())
    })
}

/// Says what is listened on and what is not, to people and to the service manager.
fn announce(listeners: &Listeners, identity: &Identity, unseen: Option<String>) {
    for address in listeners.bound() {
        tracing::info!("listening on {address}");
    }
    for left in listeners.left_alone() {
        tracing::info!("port {} is left alone: {}", left.port, left.reason);
    }
    let ports = listeners.bound().iter().map(SocketAddr::port).collect();
    if let Some(unseen) = &unseen {
        tracing::warn!("{unseen}");
    }
    let troubles: Vec<String> = [identity.error(), unseen].into_iter().flatten().collect();
    let trouble = match troubles.as_slice() {
        [] => String::new(),
        troubles => format!("{TROUBLE}{}", troubles.join(", ")),
    };
    let status = format!("{}{}{trouble}", answers(&ports), through_tls(identity));
    tell_manager(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

fn through_tls(identity: &Identity) -> &'static str {
    let through = identity.server_config().is_some() && identity.error().is_none();
    if through { ", also through TLS" } else { "" }
}

fn answers(ports: &BTreeSet<u16>) -> String {
    if ports.is_empty() {
        tracing::warn!("no port is left to listen on");
        return "left every port to its holder".to_owned();
    }
    let named: Vec<String> = ports.iter().take(STATUS_PORTS).map(u16::to_string).collect();
    let rest = match ports.len().saturating_sub(STATUS_PORTS) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("answers on port {}{rest}", named.join(", "))
}

fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!("could not notify the service manager: {cause}");
    }
}

/// A connection costs one descriptor, and the soft limit is often 1024. Without the right to
/// raise it the listener still works: it sheds idle connections earlier.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(cause) = raised {
        tracing::warn!("could not raise the limit of open files: {cause}");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn until_stopped(mut self, rotation: Rotation) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => rotation.request(),
            }
        }
        tell_manager(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}
