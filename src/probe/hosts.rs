//! Owns asking many hosts at once what a client of theirs meets, from where this program runs. Sends
//! nothing but what a Redis client would, and needs no right that a user lacks.

use super::{Outcome, meet};
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::expectation;
use crate::expectation::{Kind, Promise, Standing};
use crate::os::resolver;
use nix::sys::resource::{Resource, getrlimit};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// At most so many connections at once to one host: the listener holds 256 of one source.
const AT_ONCE_TO_A_HOST: usize = 100;
/// And so many to all.
const AT_ONCE: usize = 2048;
/// How long a name may take to be found.
const NAME_PATIENCE: Duration = Duration::from_secs(10);

/// What was met on one port of one address.
#[derive(Clone, Debug)]
pub struct Met {
    /// The address that was asked.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Why it was asked.
    pub kind: Kind,
    /// What was to be met.
    pub promise: Promise,
    /// What was.
    pub outcome: Outcome,
    /// How long that took.
    pub took: Duration,
}

impl Met {
    /// Whether the promise was kept.
    pub fn as_promised(&self) -> bool {
        self.promise.is_kept(self.port, &self.outcome)
    }
}

/// What was met on one host.
#[derive(Clone, Debug)]
pub struct HostMet {
    /// As the caller named it.
    pub host: String,
    /// On every port of every address that could be asked, in that order.
    pub met: Vec<Met>,
    /// Addresses that cannot be asked from here, and why.
    pub unasked: Vec<(IpAddr, String)>,
    /// What keeps the host from being judged.
    pub problem: Option<String>,
}

impl HostMet {
    /// Whether the host keeps all that is promised. One that says nothing at all keeps nothing: it may
    /// be down.
    pub fn as_promised(&self) -> bool {
        self.problem.is_none() && self.met.iter().all(Met::as_promised)
    }
}

/// How to ask.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Ports that show whether a host is up, beside the cluster's.
    pub control: Vec<u16>,
    /// How long to wait for a connection, and once more for an answer.
    pub patience: Duration,
}

/// Asks every host for every port, over each of its addresses; in the order of `hosts`.
///
/// # Errors
/// A machine that has no means to ask anybody.
pub fn survey(
    guard_config: &GuardConfig,
    hosts: &[String],
    manner: &Manner,
) -> Result<Vec<HostMet>, Error> {
    let failed = |error: io::Error| Error::new("ask other hosts", error);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (guard_config, manner) = (Arc::new(guard_config.clone()), Arc::new(manner.clone()));
    let permits = Arc::new(Semaphore::new(at_once()));
    runtime.block_on(async {
        let mut asking = JoinSet::new();
        for (index, host) in hosts.iter().cloned().enumerate() {
            let (guard_config, manner) = (Arc::clone(&guard_config), Arc::clone(&manner));
            let permits = Arc::clone(&permits);
            asking.spawn(async move { (index, ask(&guard_config, host, &manner, &permits).await) });
        }
        let mut all = asking.join_all().await;
        all.sort_by_key(|(index, _)| *index);
        Ok(all.into_iter().map(|(_, met)| met).collect())
    })
}

/// What this process's limit of open files allows.
fn at_once() -> usize {
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(256, |(soft, _)| soft / 2);
    usize::try_from(allowed).unwrap_or(AT_ONCE).clamp(1, AT_ONCE)
}

async fn ask(
    guard_config: &GuardConfig,
    host: String,
    manner: &Manner,
    permits: &Arc<Semaphore>,
) -> HostMet {
    let mut report = HostMet { host, met: Vec::new(), unasked: Vec::new(), problem: None };
    let addresses = match addresses(&report.host, permits).await {
        Ok(addresses) => addresses,
        Err(cause) => {
            report.problem = Some(format!("its address was not found: {cause}"));
            return report;
        }
    };
    let ports = expectation::ports(guard_config, &manner.control);
    let (mut asking, mut met) = (JoinSet::new(), Vec::new());
    for (place, address) in addresses.into_iter().enumerate() {
        let standing = match source(address) {
            Ok(from) => Standing::of(guard_config, from, address.ip()),
            Err(error) => {
                report.unasked.push((address.ip(), error.to_string()));
                continue;
            }
        };
        for (index, (kind, port)) in ports.iter().copied().enumerate() {
            if asking.len() >= AT_ONCE_TO_A_HOST {
                met.extend(asking.join_next().await.and_then(Result::ok));
            }
            let promise = expectation::promise(guard_config, standing, kind, port);
            let (mut address, patience) = (address, manner.patience);
            address.set_port(port);
            let permits = Arc::clone(permits);
            asking.spawn(async move {
                let _permit = permits.acquire().await;
                let started = Instant::now();
                let outcome = meet(address, patience).await;
                let took = started.elapsed();
                let address = address.ip();
                ((place, index), Met { address, port, kind, promise, outcome, took })
            });
        }
    }
    met.extend(asking.join_all().await);
    met.sort_by_key(|(place, _)| *place);
    report.met = met.into_iter().map(|(_, met)| met).collect();
    report.problem = problem(&report);
    report
}

/// What keeps a host that was asked from being judged.
fn problem(report: &HostMet) -> Option<String> {
    if report.met.is_empty() {
        let (_, cause) = report.unasked.first()?;
        return Some(format!("it cannot be asked from here: {cause}"));
    }
    let mut failures = report.met.iter().filter_map(|met| match &met.outcome {
        Outcome::Failed(cause) => Some(cause),
        _ => None,
    });
    let is_mute =
        report.met.iter().all(|met| matches!(met.outcome, Outcome::Silence | Outcome::Failed(_)));
    let cause = failures.next().map(|cause| format!(" ({cause})")).unwrap_or_default();
    is_mute.then(|| {
        format!(
            "nothing on it answers{cause}: if it is up, name a port that answers with --control"
        )
    })
}

/// The addresses of a name, or that of an address, each once.
async fn addresses(host: &str, permits: &Semaphore) -> Result<Vec<SocketAddr>, String> {
    let _permit = permits.acquire().await;
    let host = host.to_owned();
    let asked = tokio::task::spawn_blocking(move || resolver::addresses(&host));
    let found = timeout(NAME_PATIENCE, asked).await;
    found.map_err(|_| "nobody knew it in time".to_owned())?.map_err(|error| error.to_string())?
}

/// The address that this machine would have for another one. Sends nothing.
fn source(mut to: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // The discard port: UDP's connect chooses a route and no more.
    to.set_port(9);
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}
