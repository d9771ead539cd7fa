//! Owns finding out what a client of a port meets: silence, a refusal, the notice or something else.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a client met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No answer within the time: the packets are dropped.
    Silence,
    /// A reset: nobody listens, or a rule rejects.
    Refused,
    /// Our sentence.
    Notice(String),
    /// Somebody else's answer, or a connection that stays mute.
    Served(String),
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
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence | Self::Refused => formatter.write_str(self.word()),
            Self::Notice(text) | Self::Served(text) | Self::Failed(text) => {
                write!(formatter, "{} {text}", self.word())
            }
        }
    }
}

/// Connects, sends PING as a Redis client would, and reads the first line of the answer.
pub fn probe(address: SocketAddr, patience: Duration) -> Outcome {
    let stream = match TcpStream::connect_timeout(&address, patience) {
        Ok(stream) => stream,
        Err(error) => return failure(&error),
    };
    match first_line(stream, patience) {
        Ok(line) if line.starts_with("-PORTCLOSED ") => Outcome::Notice(line),
        Ok(line) => Outcome::Served(line),
        Err(error) => failure(&error),
    }
}

fn failure(error: &std::io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Outcome::Silence,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Refused,
        _ => Outcome::Failed(error.to_string()),
    }
}

/// At most 600 bytes: the notice has 512.
fn first_line(mut stream: TcpStream, patience: Duration) -> std::io::Result<String> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
    let mut line = Vec::new();
    let mut buffer = [0; 600];
    while line.len() < buffer.len() && !line.contains(&b'\n') {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => line.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = String::from_utf8_lossy(&line);
    Ok(text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect())
}
