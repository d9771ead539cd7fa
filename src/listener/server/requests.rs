//! What the thread that receives signals asks of the event loop: one byte for each request, in a pipe that
//! the event loop waits for like for a socket.
//!
//! Guarantees: requests are carried out in their order.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// Requests that are read at once; further ones wait in the pipe.
const MAX_READ: usize = 64;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// Reopen the log file and reload the certificate.
    Reload,
    /// Close the connections and end.
    Stop,
}

/// The end that asks.
#[derive(Debug)]
pub(super) struct Requester(PipeWriter);

/// The end of the event loop.
#[derive(Debug)]
pub(super) struct Requests(PipeReader);

/// Both ends.
///
/// # Errors
/// No descriptors are left.
pub(super) fn requests() -> io::Result<(Requester, Requests)> {
    let (reader, writer) = io::pipe()?;
    Ok((Requester(writer), Requests(reader)))
}

impl Requester {
    /// Asks.
    ///
    /// # Errors
    /// The event loop has ended.
    pub(super) fn ask(&mut self, request: Request) -> io::Result<()> {
        self.0.write_all(&[request as u8])
    }
}

impl Requests {
    /// Takes what was asked. Only to be called when there is something: it would wait otherwise.
    pub(super) fn take(&mut self) -> Vec<Request> {
        let mut bytes = [0; MAX_READ];
        match self.0.read(&mut bytes) {
            Ok(count @ 1..) => bytes[..count].iter().map(|byte| Request::of(*byte)).collect(),
            // It is still there, and reported again.
            Err(cause) if cause.kind() == ErrorKind::Interrupted => Vec::new(),
            // The thread that asks has ended: nobody could ask to stop any more.
            _ => vec![Request::Stop],
        }
    }
}

impl Request {
    fn of(byte: u8) -> Request {
        if byte == Request::Reload as u8 { Request::Reload } else { Request::Stop }
    }
}

impl AsFd for Requests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_come_in_their_order_and_a_lost_requester_means_stop() {
        let (mut requester, mut requests) = requests().unwrap();
        for request in [Request::Reload, Request::Reload, Request::Stop] {
            requester.ask(request).unwrap();
        }
        assert_eq!(requests.take(), [Request::Reload, Request::Reload, Request::Stop]);
        drop(requester);
        assert_eq!(requests.take(), [Request::Stop]);
    }
}
