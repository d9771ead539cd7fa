//! The listener as a process: descriptor limit, runtime, signals, and the service manager.
//!
//! Never: daemonises or prints; diagnostics go through `tracing`.

use std::env;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::event_loop::{Server, Summary};
use super::requests::{Request, Requester, requests};
use crate::error::Error;
use crate::listener::health::Health;
use crate::listener::log::{Log, LogTarget};
use crate::listener::metrics::counters::Counters;
use crate::listener::metrics::http;
use crate::listener::net::bind::Listeners;
use crate::listener::settings::Settings;
use crate::listener::tls::Identity;

/// Runs the listener until SIGTERM or SIGINT. SIGHUP makes it reopen the log file and reload the
/// certificate. An unusable certificate, a log that cannot be written and a metrics port that is taken do not
/// stop it: clients must still get the notice.
///
/// # Errors
/// The listener could not start: every port, a thread, or the runtime.
pub fn run(settings: Settings, log: LogTarget) -> Result<(), Error> {
    raise_descriptor_limit();
    let listeners = Listeners::bind(&settings)?;
    let health = Arc::new(Health::default());
    let log = Log::open(&log, settings.log_format, Arc::clone(&health))
        .map_err(|cause| Error::io(format!("open {log}"), &cause))?;
    let credentials = env::var_os("CREDENTIALS_DIRECTORY");
    let identity =
        Identity::read(settings.tls.clone(), credentials.as_deref(), Arc::clone(&health));
    let summary = serve(listeners, settings, identity, log, &health)
        .map_err(|cause| Error::io("set up the listener", &cause))?;
    tracing::info!(
        connections = summary.connections,
        told = summary.told,
        replies = summary.replies,
        delayed = summary.delayed,
        "stopped"
    );
    Ok(())
}

/// Serves until a signal says to stop.
///
/// # Errors
/// The runtime, the signal handlers or epoll could not be set up.
fn serve(
    mut listeners: Listeners,
    settings: Settings,
    identity: Identity,
    log: Log,
    health: &Arc<Health>,
) -> io::Result<Summary> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (requester, requests) = requests()?;
    let signals = {
        let _context = runtime.enter();
        Signals::take_over()?
    };
    let counters =
        settings.scrape_port.map(|_| Arc::new(Counters::new(&settings, Arc::clone(health))));
    // Without its metrics the listener still serves.
    if let Some((port, counters)) = settings.scrape_port.zip(counters.clone()) {
        runtime.block_on(http::start(port, counters, Arc::clone(health)));
    }
    let left_alone = mem::take(&mut listeners.left_alone);
    let mut server =
        Server::new(listeners, settings, identity, log, counters, Arc::clone(health), requests)?;
    let forward = move || runtime.block_on(signals.forward(requester));
    thread::Builder::new().name("signals".to_owned()).spawn(forward)?;
    // Ready is said last: everything that can fail is set up, and every descriptor is open.
    server.announce_ready(&left_alone);
    server.serve()?;
    health.stopping();
    server.finish()
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
    /// Takes them over; call it within a tokio runtime with its I/O driver enabled.
    fn take_over() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Passes them on as requests until the event loop has ended.
    async fn forward(mut self, mut requester: Requester) {
        loop {
            let request = tokio::select! {
                _ = self.terminate.recv() => Request::Stop,
                _ = self.interrupt.recv() => Request::Stop,
                _ = self.hang_up.recv() => Request::Reload,
            };
            if requester.ask(request).is_err() {
                return;
            }
        }
    }
}
