//! Asks the kernel about the client's end of a local connection, once, when it is accepted.
//!
//! Guarantees: one look at the socket's own address for other clients, and nothing else.
//! Never: asks about a redirected connection, whose client is an outsider.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::rc::Rc;

use super::client::LocalClient;
use super::name::Name;
use super::names::{CGROUPS, Names};
use crate::listener::clock::Tick;
use crate::listener::net::sock_diag::{SockDiag, TcpRecord};
use crate::listener_contract::OWN_SOURCE_PORTS;
use nix::errno::Errno;

/// The user id that stands for users that this process's user namespace does not know
/// (user_namespaces(7)).
const OVERFLOW_UID: u32 = 65534;

/// Identifies local clients.
#[derive(Debug)]
pub struct Identifier {
    /// `None`: the kernel cannot be asked.
    kernel: Option<SockDiag>,
    /// `None`: control groups have no names here.
    names: Option<Names>,
    unknown: Rc<Name>,
    /// Whether it was said that some clients cannot be identified.
    is_reported: bool,
}

impl Identifier {
    /// Tries with one of the listening sockets whether the kernel tells control groups, and logs why not.
    pub fn new(listener: Option<&TcpListener>) -> Identifier {
        let (kernel, problem) = match ask_about(listener) {
            Ok((kernel, Some(_))) => (Some(kernel), None),
            // It still tells the user.
            Ok((kernel, None)) => {
                (Some(kernel), Some("the kernel is older than Linux 5.8".to_owned()))
            }
            Err(cause) => (None, Some(format!("the kernel cannot be asked: {cause}"))),
        };
        let (names, problem) = match (problem, Names::new(CGROUPS.into())) {
            (None, Ok(names)) => (Some(names), None),
            (None, Err(cause)) => (None, Some(cause.to_string())),
            (problem, _) => (None, problem),
        };
        if let Some(problem) = problem {
            tracing::info!("local clients are logged as cgroup=unknown: {problem}");
        }
        Identifier { kernel, names, unknown: Rc::new(Name::Unknown), is_reported: false }
    }

    /// The client of `stream` at `peer`, if it is on this host: its address is a loopback one, or the one
    /// that it connected to.
    pub fn identify(
        &mut self,
        stream: &TcpStream,
        peer: SocketAddr,
        now: Tick,
    ) -> Option<LocalClient> {
        let local = stream.local_addr().ok()?;
        if !peer.ip().is_loopback() && peer.ip() != local.ip() {
            return None;
        }
        let may_be_own = peer.ip().is_loopback() && OWN_SOURCE_PORTS.contains(&peer.port());
        let record = self.ask(peer, local, may_be_own);
        let cgroup = record.and_then(|record| NonZeroU64::new(record.cgroup?));
        let name = match (cgroup, &mut self.names) {
            (Some(id), Some(names)) => names.get(id, now),
            _ => Rc::clone(&self.unknown),
        };
        let known = |record: &TcpRecord| record.inode != 0 && record.uid != OVERFLOW_UID;
        let uid = record.filter(known).map(|record| record.uid);
        // A question that was given up is gone before it is accepted, and its user with it.
        let is_own = may_be_own && uid.map_or_else(|| is_privileged(peer), |uid| uid == 0);
        Some(LocalClient { name, uid, cgroup, is_own })
    }

    /// The client's own socket. The first time that there is none, that is logged, unless it is redisguard's.
    fn ask(&mut self, peer: SocketAddr, local: SocketAddr, is_own: bool) -> Option<TcpRecord> {
        let kernel = self.kernel.as_mut()?;
        let problem = match kernel.tcp_socket(peer, local) {
            Ok(Some(record)) if record.is_connected() => return Some(record),
            Ok(_) => "it was gone before the kernel was asked, or is in another network namespace"
                .to_owned(),
            Err(cause) => format!("the kernel did not answer: {cause}"),
        };
        if !is_own && !std::mem::replace(&mut self.is_reported, true) {
            tracing::info!(
                "the local client {peer} is logged as cgroup=unknown: {problem}; this is said once"
            );
        }
        None
    }
}

/// Whether only root may bind the port of `address`: net.ipv4.ip_unprivileged_port_start may have been lowered.
/// The sandbox of the unit forbids (EPERM) what would tell. A user who uses that must close its connection before
/// it is accepted, and thus hides nothing that was answered.
fn is_privileged(address: SocketAddr) -> bool {
    let denied = TcpListener::bind(address).err().and_then(|cause| cause.raw_os_error());
    matches!(denied.map(Errno::from_raw), Some(Errno::EACCES | Errno::EPERM))
}

/// Opens a socket to the kernel, and asks it for the control group of a listening one; that is `None`
/// where the kernel does not tell it.
fn ask_about(listener: Option<&TcpListener>) -> io::Result<(SockDiag, Option<u64>)> {
    let mut kernel = SockDiag::open()?;
    // There is none to ask about when every port was left to its holder.
    let Some(listener) = listener else { return Ok((kernel, Some(0))) };
    let local = listener.local_addr()?;
    let any = match local {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let record = kernel.tcp_socket(local, any)?;
    let record = record.ok_or_else(|| io::Error::other("it does not know the listening socket"))?;
    Ok((kernel, record.cgroup))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn accept(address: &str) -> (TcpStream, TcpStream, SocketAddr, Identifier) {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        (client, server, peer, Identifier::new(Some(&listener)))
    }

    #[test]
    fn a_local_client_has_the_control_group_and_user_of_its_socket() {
        let (_client, server, peer, mut clients) = accept("127.0.0.1");
        let found = clients.identify(&server, peer, Tick::default()).unwrap();
        assert!(found.cgroup.is_some(), "{found:?}");
        let own = nix::unistd::Uid::effective().as_raw();
        assert_eq!(found.uid, Some(own).filter(|uid| *uid != OVERFLOW_UID));
    }

    #[test]
    fn a_client_from_elsewhere_is_not_asked_about() {
        let (_client, server, _, mut clients) = accept("127.0.0.1");
        let outside = "192.0.2.1:40000".parse().unwrap();
        assert_eq!(clients.identify(&server, outside, Tick::default()), None);
        assert!(!clients.is_reported);
    }

    #[test]
    fn a_client_that_is_gone_is_unknown_and_that_is_reported() {
        let (client, server, peer, mut clients) = accept("127.0.0.1");
        socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(client);
        let found = clients.identify(&server, peer, Tick::default()).unwrap();
        assert_eq!((&*found.name, found.uid, found.cgroup), (&Name::Unknown, None, None));
        assert!(clients.is_reported);
    }

    #[test]
    fn without_the_kernels_answer_a_local_client_is_unknown() {
        let (_client, server, peer, mut clients) = accept("127.0.0.1");
        clients.kernel = None;
        let found = clients.identify(&server, peer, Tick::default()).unwrap();
        assert_eq!((&*found.name, found.uid, found.cgroup), (&Name::Unknown, None, None));
    }
}
