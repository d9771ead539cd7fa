//! Finds out what a client of a port gets, from this machine.
//!
//! Never: sends anything but the PING of a Redis client, and its name.

pub mod hosts;

pub use crate::expectation::Outcome;

use crate::expectation::NOTICE_PREFIX;
use crate::family::Family;
use crate::listener_contract::{OWN_CLIENT_NAME, OWN_SOURCE_PORTS};
use socket2::SockRef;
use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
use std::io::{self, Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Connects, sends PING as a Redis client would, and reads the first line of the answer. `limit` is the time
/// for the connection, and again for the answer.
pub fn probe(address: SocketAddr, limit: Duration) -> Outcome {
    block_on(probe_async(address, limit))
}

/// [`probe`] of a port on this host's loopback interface, from one of [`OWN_SOURCE_PORTS`] where this process may
/// bind them: the listener neither counts nor logs that.
pub fn probe_own_host(port: u16, family: Family, limit: Duration) -> Outcome {
    let host: IpAddr = match family {
        Family::V4 => Ipv4Addr::LOCALHOST.into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    };
    let address = SocketAddr::new(host, port);
    block_on(probe_over(connect_as_own(address), limit))
}

fn block_on(probe: impl Future<Output = Outcome>) -> Outcome {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(probe),
        Err(error) => failure(&error),
    }
}

/// [`probe`] for callers that probe many ports at once.
pub async fn probe_async(address: SocketAddr, limit: Duration) -> Outcome {
    probe_over(TcpStream::connect(address), limit).await
}

/// Connects from a privileged port; without the right to that, or with all of them in use, from any other.
async fn connect_as_own(address: SocketAddr) -> io::Result<TcpStream> {
    for port in OWN_SOURCE_PORTS {
        let connected = match bound(SocketAddr::new(address.ip(), port)) {
            Ok(socket) => socket.connect(address).await,
            Err(cause) => Err(cause),
        };
        match connected {
            // Another question to the same port has it.
            Err(cause) if matches!(cause.kind(), AddrInUse | AddrNotAvailable) => {}
            Err(cause) if cause.kind() == PermissionDenied => break,
            connected => return connected,
        }
    }
    TcpStream::connect(address).await
}

fn bound(source: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // A reset at the end leaves no TIME_WAIT, in which the port could not be used again for a minute.
    SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    socket.bind(source)?;
    Ok(socket)
}

async fn probe_over(
    connection: impl Future<Output = io::Result<TcpStream>>,
    limit: Duration,
) -> Outcome {
    let stream = match timeout(limit, connection).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return failure(&error),
        Err(_) => return Outcome::Silence,
    };
    match timeout(limit, first_line(stream)).await {
        Ok(Ok(line)) if line.starts_with(NOTICE_PREFIX) => Outcome::Notice(line),
        Ok(Ok(line)) => Outcome::Served(line),
        Ok(Err(error)) => failure(&error),
        Err(_) => Outcome::Mute,
    }
}

fn failure(error: &Error) -> Outcome {
    match error.kind() {
        // The kernel gave up before `limit`.
        ErrorKind::TimedOut => Outcome::Silence,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Refused,
        _ => Outcome::Failed(error.to_string()),
    }
}

/// The first line of the answer to PING, without control characters: it is printed on terminals. At most 600
/// bytes, since the notice has 512 at most.
async fn first_line(mut stream: TcpStream) -> Result<String, Error> {
    const MAX: usize = 600;
    // The name comes second, so that the first line is the answer to PING. A listener on this host knows
    // redisguard by it where root asks from an ordinary port.
    let length = OWN_CLIENT_NAME.len();
    let question = format!(
        "*1\r\n$4\r\nPING\r\n*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n${length}\r\n{OWN_CLIENT_NAME}\r\n"
    );
    stream.write_all(question.as_bytes()).await?;
    let mut line = Vec::with_capacity(MAX);
    while line.len() < MAX && !line.contains(&b'\n') {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect())
}
