//! Finds out what a client of a port gets, from this machine.
//!
//! Never: sends anything but the PING of a Redis client, and its name.

pub mod hosts;

pub use crate::expectation::Outcome;

use crate::expectation::NOTICE_PREFIX;
use crate::listener_contract::OWN_CLIENT_NAME;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects, sends PING as a Redis client would, and reads the first line of the answer. `limit` is the time
/// for the connection, and again for the answer.
pub fn probe(address: SocketAddr, limit: Duration) -> Outcome {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(probe_async(address, limit)),
        Err(error) => failure(&error),
    }
}

/// [`probe`] for callers that probe many ports at once.
pub async fn probe_async(address: SocketAddr, limit: Duration) -> Outcome {
    let stream = match timeout(limit, TcpStream::connect(address)).await {
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
    // The name comes second, so that the first line is the answer to PING. A listener on this host leaves
    // this connection out of its log.
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
