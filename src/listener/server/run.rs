//! The listener as a process: descriptor limit, runtime, signals, and the service manager.
//!
//! Never: daemonises or prints; diagnostics go through `tracing`.

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
use crate::listener::metrics::counters::Counters;
use crate::listener::metrics::http;
use crate::listener::net::bind::{BindError, Listeners};
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;
use crate::listener_contract::DEGRADED;

/// Ports that the status line names one by one; a thousand would make it unreadable.
const MAX_NAMED_PORTS: usize = 16;

/// Why the listener could not start.
#[derive(Debug)]
pub enum NoticeError {
    /// A port could not be bound.
    Bind(BindError),
    /// The log could not be opened.
    Log {
        /// The file, or `None` for standard output.
        path: Option<PathBuf>,
        /// The kernel's error.
        cause: io::Error,
    },
    /// The runtime, the signal handlers or epoll could not be set up.
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

/// Runs the listener until SIGTERM or SIGINT. SIGHUP makes it reopen the log file and reload the
/// certificate. An unusable certificate does not stop it: plain clients must still get the notice.
///
/// # Errors
/// The listener could not start: a port, the log, or the runtime.
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
        let counters = settings.scrape_port.map(|_| Arc::new(Counters::new(&settings)));
        let metrics = settings.scrape_port.zip(counters.clone());
        let no_metrics = metrics.and_then(|(port, counters)| serve_metrics(port, counters).err());
        report_ready(&listeners, &identity, no_metrics);
        let shutdown = signals.until_stopped(log.rotation());
        let summary = serve(listeners, settings, identity, log, counters, shutdown)
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

/// Serves metrics on `port` in a task. If that fails the listener goes on without: the error is one
/// line for the status.
fn serve_metrics(port: u16, counters: Arc<Counters>) -> Result<(), String> {
    let socket = http::bind(port).map_err(|cause| format!("no metrics on port {port}: {cause}"))?;
    tokio::spawn(http::serve(socket, counters));
    Ok(())
}

/// Tells the log and the service manager what is listened on, and what does not work.
fn report_ready(listeners: &Listeners, identity: &Identity, no_metrics: Option<String>) {
    for address in listeners.bound() {
        tracing::info!("listening on {address}");
    }
    for left in listeners.left_alone() {
        tracing::info!("port {} is left alone: {}", left.port, left.reason);
    }
    if let Some(no_metrics) = &no_metrics {
        tracing::warn!("{no_metrics}");
    }
    let ports = listeners.bound().iter().map(SocketAddr::port).collect();
    let degraded: Vec<String> = [identity.error(), no_metrics].into_iter().flatten().collect();
    let mut status = format!("{}{}", ports_status(&ports), tls_status(identity));
    if !degraded.is_empty() {
        status = format!("{status}{DEGRADED}{}", degraded.join(", "));
    }
    notify_manager(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

fn tls_status(identity: &Identity) -> &'static str {
    let works = identity.server_config().is_some() && identity.error().is_none();
    if works { ", also through TLS" } else { "" }
}

fn ports_status(ports: &BTreeSet<u16>) -> String {
    if ports.is_empty() {
        tracing::warn!("no port is left to listen on");
        return "left every port to its holder".to_owned();
    }
    let named: Vec<String> = ports.iter().take(MAX_NAMED_PORTS).map(u16::to_string).collect();
    let rest = match ports.len().saturating_sub(MAX_NAMED_PORTS) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    format!("answers on port {}{rest}", named.join(", "))
}

fn notify_manager(states: &[NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(states) {
        tracing::warn!("could not notify the service manager: {cause}");
    }
}

/// Raises the soft limit of descriptors, often 1024, to the hard one: each connection takes one. If
/// that fails the listener still works, and closes idle connections earlier.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(cause) = raised {
        tracing::warn!("could not raise the limit of open files: {cause}");
    }
}

/// The signals that the listener handles.
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

    /// Resolves at SIGTERM or SIGINT; requests a rotation at each SIGHUP.
    async fn until_stopped(mut self, rotation: Rotation) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => rotation.request(),
            }
        }
        notify_manager(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}
