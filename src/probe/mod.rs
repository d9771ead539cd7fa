//! Owns finding out what a client of a port meets: silence, a refusal, the notice or something else;
//! and, in its parts, what a bundle promises of that and how many hosts keep it.

pub mod hosts;

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a client met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer within the time: the packets are dropped.
    Silence,
    /// A reset: nobody listens, or a rule rejects.
    Refused,
    /// Our sentence.
    Notice(String),
    /// Somebody else's answer, empty if they only close.
    Served(String),
    /// A connection, and no word within the time: somebody listens who does not answer.
    Mute,
    /// Anything else that the system said.
    Failed(String),
}

impl Outcome {
    /// The kind in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Refused => "refused",
            Self::Notice(_) => "notice",
            Self::Served(_) => "served",
            Self::Mute => "mute",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence | Self::Refused | Self::Mute => formatter.write_str(self.word()),
            Self::Notice(text) | Self::Served(text) | Self::Failed(text) => {
                write!(formatter, "{} {text}", self.word())
            }
        }
    }
}

/// Connects, sends PING as a Redis client would, and reads the first line of the answer. `patience` is
/// for the connection, and once more for the answer.
pub fn probe(address: SocketAddr, patience: Duration) -> Outcome {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(meet(address, patience)),
        Err(error) => failure(&error),
    }
}

/// The same for those who ask many at once.
pub async fn meet(address: SocketAddr, patience: Duration) -> Outcome {
    let stream = match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return failure(&error),
        Err(_) => return Outcome::Silence,
    };
    match timeout(patience, first_line(stream)).await {
        Ok(Ok(line)) if line.starts_with("-PORTCLOSED ") => Outcome::Notice(line),
        Ok(Ok(line)) => Outcome::Served(line),
        Ok(Err(error)) => failure(&error),
        Err(_) => Outcome::Mute,
    }
}

fn failure(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::TimedOut => Outcome::Silence,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Refused,
        _ => Outcome::Failed(error.to_string()),
    }
}

/// At most 600 bytes: the notice has 512.
async fn first_line(mut stream: TcpStream) -> Result<String, Error> {
    const MOST: usize = 600;
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
    let mut line = Vec::with_capacity(MOST);
    while line.len() < MOST && !line.contains(&b'\n') {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect())
}
