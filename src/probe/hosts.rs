//! Probes the ports of many hosts at once and compares what this machine gets with what it must get.
//!
//! Guarantees: needs no privileges. Never: sends anything but the PING of a Redis client.

use super::probe_async;
use crate::bundle::GuardConfig;
use crate::error::Error;
use crate::expectation::{self, Origin, Outcome};
use crate::family::Family;
use crate::os::resolver;
use nix::sys::resource::{Resource, getrlimit};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The most simultaneous connections to one host: the listener holds 256 of one source.
const MAX_CONNECTIONS_PER_HOST: usize = 100;
/// The most simultaneous connections to all hosts.
const MAX_CONNECTIONS: usize = 2048;
/// How long the name service may take for a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The result for one port of one address, as `probe --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct PortResult {
    /// The port.
    pub port: u16,
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// The address.
    pub address: IpAddr,
    /// `reserved`, `notice port`, `cluster` or `control`.
    pub kind: &'static str,
    /// `dropped`, `refused`, `notice`, `notice or open` (from the host itself), `untouched` (anything but the
    /// notice), or `nothing` (from an allowed network: the host's other rules decide).
    pub promised: &'static str,
    /// `dropped`, `refused`, `notice`, `open` or `failed`.
    pub met: &'static str,
    /// The first line of the answer, or why the attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The time from connecting to the first line.
    pub milliseconds: u128,
    /// Whether that was promised.
    pub as_promised: bool,
    /// What the client got.
    #[serde(skip)]
    pub outcome: Outcome,
    /// How long that took.
    #[serde(skip)]
    pub took: Duration,
}

/// The result for one host, as `probe --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct HostResult {
    /// The host as it was named.
    pub host: String,
    /// Whether all of its ports are as promised.
    pub as_promised: bool,
    /// Why the host cannot be judged; null where it can.
    pub problem: Option<String>,
    /// Addresses without a route from here. They do not count against the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Unasked>,
    /// This machine's addresses towards the host that `[probe] from` does not name: it logs and counts the probe
    /// as attempts of users. Where addresses are translated in between, the host sees another one.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unnamed_from: BTreeSet<IpAddr>,
    /// Every port of every address.
    pub ports: Vec<PortResult>,
}

/// An address without a route from here.
#[derive(Clone, Debug, Serialize)]
pub struct Unasked {
    /// The address.
    pub address: IpAddr,
    /// Why it was not asked.
    pub cause: String,
}

/// The outcome in the words of a port's user.
fn met(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Silence => "dropped",
        Outcome::Served(_) | Outcome::Mute => "open",
        Outcome::Refused => "refused",
        Outcome::Notice(_) => "notice",
        Outcome::Failed(_) => "failed",
    }
}

/// The text of the answer or of the error.
fn text(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Notice(text) => Some(text.trim_start_matches('-').to_owned()),
        Outcome::Served(text) | Outcome::Failed(text) => {
            Some(text.clone()).filter(|text| !text.is_empty())
        }
        Outcome::Silence | Outcome::Refused | Outcome::Mute => None,
    }
}

/// How hosts are probed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports that show whether a host is up, in addition to the cluster's.
    pub control: Vec<u16>,
    /// The time to wait for a connection, and again for an answer.
    pub timeout: Duration,
}

/// Probes every port of every address of every host; the results are in the order of `hosts`.
///
/// # Errors
/// This machine cannot start a runtime: it has no file descriptors left, for example.
pub fn probe_hosts(
    guard_config: &GuardConfig,
    hosts: &[String],
    options: &Options,
) -> Result<Vec<HostResult>, Error> {
    let failed = |error: io::Error| Error::new("ask other hosts", error);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (guard_config, options) = (Arc::new(guard_config.clone()), Arc::new(options.clone()));
    let permits = Arc::new(Semaphore::new(max_connections()));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for (index, host) in hosts.iter().cloned().enumerate() {
            let (guard_config, options) = (Arc::clone(&guard_config), Arc::clone(&options));
            let permits = Arc::clone(&permits);
            tasks.spawn(async move {
                (index, probe_host(&guard_config, host, &options, &permits).await)
            });
        }
        let mut results = tasks.join_all().await;
        results.sort_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    })
}

/// The most simultaneous connections that this process's limit of open files allows. Half of it, since name
/// resolution opens files too.
fn max_connections() -> usize {
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(256, |(soft, _)| soft / 2);
    usize::try_from(allowed).unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS)
}

async fn probe_host(
    guard_config: &GuardConfig,
    host: String,
    options: &Options,
    permits: &Arc<Semaphore>,
) -> HostResult {
    let mut result = HostResult {
        host,
        as_promised: false,
        problem: None,
        unasked: vec![],
        unnamed_from: BTreeSet::new(),
        ports: vec![],
    };
    let addresses = match resolve(&result.host, permits).await {
        Ok(addresses) => addresses,
        Err(cause) => {
            result.problem = Some(format!("its address was not found: {cause}"));
            return result;
        }
    };
    let ports = expectation::ports(guard_config, &options.control);
    let (mut tasks, mut results) = (JoinSet::new(), Vec::new());
    for (address_index, address) in addresses.into_iter().enumerate() {
        let origin = match source_address(address) {
            Ok(from) => {
                let origin = Origin::of(guard_config, from, address.ip());
                // An allowed network meets no rule that counts.
                if origin == Origin::Outside && !guard_config.is_probe(from) {
                    result.unnamed_from.insert(from);
                }
                origin
            }
            Err(error) => {
                result.unasked.push(Unasked { address: address.ip(), cause: error.to_string() });
                continue;
            }
        };
        for (port_index, (role, port)) in ports.iter().copied().enumerate() {
            if tasks.len() >= MAX_CONNECTIONS_PER_HOST {
                results.extend(tasks.join_next().await.and_then(Result::ok));
            }
            let expectation = expectation::expectation(guard_config, origin, role, port);
            let (mut address, timeout) = (address, options.timeout);
            address.set_port(port);
            let permits = Arc::clone(permits);
            tasks.spawn(async move {
                let _permit = permits.acquire().await;
                let started = Instant::now();
                let outcome = probe_async(address, timeout).await;
                let (address, took) = (address.ip(), started.elapsed());
                let result = PortResult {
                    port,
                    family: Family::of(address).name(),
                    address,
                    kind: role.name(),
                    promised: expectation.name(),
                    met: met(&outcome),
                    text: text(&outcome),
                    milliseconds: took.as_millis(),
                    as_promised: expectation.is_met_by(port, &outcome),
                    outcome,
                    took,
                };
                ((address_index, port_index), result)
            });
        }
    }
    results.extend(tasks.join_all().await);
    results.sort_by_key(|(index, _)| *index);
    result.ports = results.into_iter().map(|(_, port)| port).collect();
    result.problem = problem(&result);
    // A host that answers on no port is not as promised: it may be down.
    result.as_promised =
        result.problem.is_none() && result.ports.iter().all(|port| port.as_promised);
    result
}

/// Why a host that was probed cannot be judged.
fn problem(result: &HostResult) -> Option<String> {
    if result.ports.is_empty() {
        let cause = &result.unasked.first()?.cause;
        return Some(format!("it cannot be asked from here: {cause}"));
    }
    let mut failures = result.ports.iter().filter_map(|port| match &port.outcome {
        Outcome::Failed(cause) => Some(cause),
        _ => None,
    });
    // Dropped packets and a host that is down look alike.
    let is_silent = result
        .ports
        .iter()
        .all(|port| matches!(port.outcome, Outcome::Silence | Outcome::Failed(_)));
    let cause = failures.next().map(|cause| format!(" ({cause})")).unwrap_or_default();
    is_silent.then(|| {
        format!(
            "nothing on it answers{cause}: if it is up, name a port that answers with --control"
        )
    })
}

/// The addresses of a name, or the address itself, each once.
async fn resolve(host: &str, permits: &Semaphore) -> Result<Vec<SocketAddr>, String> {
    let _permit = permits.acquire().await;
    let host = host.to_owned();
    // getaddrinfo(3) blocks.
    let addresses = tokio::task::spawn_blocking(move || resolver::addresses(&host));
    let found = timeout(RESOLVE_TIMEOUT, addresses).await;
    found.map_err(|_| "nobody knew it in time".to_owned())?.map_err(|error| error.to_string())?
}

/// The source address that the kernel would choose for a connection to `to`. Sends nothing: connect(2) on a
/// datagram socket only chooses a route.
fn source_address(mut to: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // Any port but 0 will do: discard (RFC 863).
    to.set_port(9);
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}
