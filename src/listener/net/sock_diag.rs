//! Asks the kernel about one TCP socket of this network namespace (sock_diag(7)): whose it is, and in which
//! control group it was made. No right is needed for that.
//!
//! Guarantees: a record describes the socket of exactly these addresses and ports.
//! Never: waits for the kernel, which answers before `send` returns; trusts a length in a message; or
//! lists other sockets.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{AF_INET, AF_INET6, IPPROTO_TCP, NLM_F_REQUEST, NLMSG_ERROR};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `INET_DIAG_CGROUP_ID` (linux/inet_diag.h), since Linux 5.8.
const CGROUP_ID: u16 = 21;
/// The length of a `struct nlmsghdr` (netlink(7)).
const HEADER: usize = 16;
/// The length of a `struct inet_diag_req_v2` behind it.
const REQUEST: usize = 56;
/// The length of a `struct inet_diag_msg`; attributes follow it.
const RECORD: usize = 72;
/// Where both have the `struct inet_diag_sockid`: the request behind 8 bytes, the record behind 4.
const REQUEST_ID: usize = HEADER + 8;
const RECORD_ID: usize = HEADER + 4;
/// Where the record has `idiag_uid` and `idiag_inode`.
const RECORD_UID: usize = HEADER + 64;
const RECORD_INODE: usize = HEADER + 68;
/// Room for one answer. The kernel sent 140 bytes to a user without rights.
const ANSWER: usize = 2048;
/// Answers to earlier requests that are skipped; none was ever seen.
const MAX_STALE_ANSWERS: usize = 8;

/// The states of a socket that is not an open connection (linux/tcp_states.h): it has no owner any more,
/// or the kernel answered about a listening socket at the same port.
const TIME_WAIT: u8 = 6;
const CLOSED: u8 = 7;
pub const LISTEN: u8 = 10;
const NEW_SYN_RECV: u8 = 12;

/// What the kernel knows of a TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpRecord {
    /// Its state (linux/tcp_states.h).
    pub state: u8,
    /// The user that made it, as this process's user namespace numbers users: 65534 for those it does
    /// not know.
    pub uid: u32,
    /// Its inode; zero once no process has it open.
    pub inode: u32,
    /// The control group v2 in which it was made; `None` before Linux 5.8.
    pub cgroup: Option<u64>,
}

impl TcpRecord {
    /// Whether it belongs to a connection that is not over.
    pub fn is_connected(&self) -> bool {
        !matches!(self.state, TIME_WAIT | CLOSED | LISTEN | NEW_SYN_RECV)
    }
}

/// A socket to the kernel.
#[derive(Debug)]
pub struct SockDiag {
    socket: OwnedFd,
    sequence: u32,
}

impl SockDiag {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel or a sandbox has no such sockets.
    pub fn open() -> io::Result<SockDiag> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkSockDiag;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        // A connected socket takes messages of the kernel alone (netlink(7): port 0).
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(SockDiag { socket, sequence: 0 })
    }

    /// The socket that has `local` as its own address and `remote` as its peer's; `None` if there is none
    /// in this network namespace.
    ///
    /// # Errors
    /// The kernel cannot be asked, or answers something else.
    pub fn tcp_socket(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> io::Result<Option<TcpRecord>> {
        self.sequence = self.sequence.wrapping_add(1);
        let flags = MsgFlags::MSG_DONTWAIT;
        send(self.socket.as_raw_fd(), &request(self.sequence, local, remote), flags)?;
        let mut answer = [0; ANSWER];
        for _ in 0..MAX_STALE_ANSWERS {
            let length = recv(self.socket.as_raw_fd(), &mut answer, flags)?;
            match read_answer(&answer[..length], self.sequence, local, remote) {
                Answer::Stale => {}
                Answer::Record(record) => return Ok(Some(record)),
                Answer::Error(Errno::ENOENT) | Answer::OtherSocket => return Ok(None),
                Answer::Error(errno) => return Err(errno.into()),
                Answer::Malformed => return Err(ErrorKind::InvalidData.into()),
            }
        }
        Err(ErrorKind::InvalidData.into())
    }
}

/// What a message of the kernel says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Record(TcpRecord),
    Error(Errno),
    /// A record of a socket with other addresses: the kernel looks for a listening one as well.
    OtherSocket,
    /// The answer to another request.
    Stale,
    Malformed,
}

/// The message that asks for one socket.
fn request(sequence: u32, local: SocketAddr, remote: SocketAddr) -> [u8; HEADER + REQUEST] {
    let mut message = [0; HEADER + REQUEST];
    let length = (message.len() as u32).to_ne_bytes();
    put(&mut message, 0, &length);
    put(&mut message, 4, &BY_FAMILY.to_ne_bytes());
    put(&mut message, 6, &(NLM_F_REQUEST as u16).to_ne_bytes());
    put(&mut message, 8, &sequence.to_ne_bytes());
    message[HEADER] = if local.is_ipv4() { AF_INET as u8 } else { AF_INET6 as u8 };
    message[HEADER + 1] = IPPROTO_TCP as u8;
    put(&mut message, HEADER + 4, &u32::MAX.to_ne_bytes());
    put(&mut message, REQUEST_ID, &socket_id(local, remote));
    // A link-local address belongs to an interface, and so do sockets that use it.
    if let SocketAddr::V6(address) = local {
        put(&mut message, REQUEST_ID + 36, &address.scope_id().to_ne_bytes());
    }
    // INET_DIAG_NOCOOKIE, twice: whatever the socket's cookie is.
    put(&mut message, REQUEST_ID + 40, &u64::MAX.to_ne_bytes());
    message
}

/// The ports and addresses of a `struct inet_diag_sockid`.
fn socket_id(local: SocketAddr, remote: SocketAddr) -> [u8; 36] {
    let mut id = [0; 36];
    put(&mut id, 0, &local.port().to_be_bytes());
    put(&mut id, 2, &remote.port().to_be_bytes());
    for (at, address) in [(4, local.ip()), (20, remote.ip())] {
        match address {
            IpAddr::V4(four) => put(&mut id, at, &four.octets()),
            IpAddr::V6(six) => put(&mut id, at, &six.octets()),
        }
    }
    id
}

fn put(message: &mut [u8], at: usize, bytes: &[u8]) {
    message[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Reads the first message of `bytes`.
fn read_answer(bytes: &[u8], sequence: u32, local: SocketAddr, remote: SocketAddr) -> Answer {
    let Some(length) = u32_at(bytes, 0).map(|length| length as usize) else {
        return Answer::Malformed;
    };
    let Some(message) = bytes.get(..length).filter(|_| length >= HEADER) else {
        return Answer::Malformed;
    };
    if u32_at(message, 8) != Some(sequence) {
        return Answer::Stale;
    }
    match u16_at(message, 4) {
        Some(kind) if i32::from(kind) == NLMSG_ERROR => match u32_at(message, HEADER) {
            Some(code) => Answer::Error(Errno::from_raw((code as i32).wrapping_neg())),
            None => Answer::Malformed,
        },
        Some(BY_FAMILY) => match read_record(message) {
            Some((record, addresses)) if addresses == plain(local, remote) => {
                Answer::Record(record)
            }
            Some(_) => Answer::OtherSocket,
            None => Answer::Malformed,
        },
        _ => Answer::Malformed,
    }
}

/// Addresses and ports in the form in which they are compared: an IPv6 socket may have a connection
/// over IPv4.
type Addresses = [(IpAddr, u16); 2];

fn plain(local: SocketAddr, remote: SocketAddr) -> Addresses {
    [local, remote].map(|address| (address.ip().to_canonical(), address.port()))
}

/// The record in a message, and the addresses of its socket.
fn read_record(message: &[u8]) -> Option<(TcpRecord, Addresses)> {
    let attributes = message.get(HEADER + RECORD..)?;
    let (family, state) = (*message.get(HEADER)?, *message.get(HEADER + 1)?);
    let address = |at: usize| -> Option<IpAddr> {
        match i32::from(family) {
            AF_INET => Some(Ipv4Addr::from(array_at::<4>(message, at)?).into()),
            AF_INET6 => Some(Ipv6Addr::from(array_at::<16>(message, at)?).to_canonical()),
            _ => None,
        }
    };
    let port = |at: usize| Some(u16::from_be_bytes(array_at(message, at)?));
    let record = TcpRecord {
        state,
        uid: u32_at(message, RECORD_UID)?,
        inode: u32_at(message, RECORD_INODE)?,
        cgroup: attribute(attributes, CGROUP_ID).and_then(|value| {
            array_at(value, 0).filter(|_| value.len() == 8).map(u64::from_ne_bytes)
        }),
    };
    let addresses = [
        (address(RECORD_ID + 4)?, port(RECORD_ID)?),
        (address(RECORD_ID + 20)?, port(RECORD_ID + 2)?),
    ];
    Some((record, addresses))
}

/// The value of the first attribute of that kind; none where a length is wrong before it.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    // struct nlattr: length and kind, in the machine's byte order. Lengths are rounded up to 4.
    while let Some(length) = u16_at(attributes, 0).map(usize::from) {
        let value = attributes.get(4..length)?;
        if u16_at(attributes, 2) == Some(kind) {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
#[path = "sock_diag_tests.rs"]
mod tests;
