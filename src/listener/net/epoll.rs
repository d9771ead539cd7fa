//! Readiness of sockets: the listener's own epoll instance, edge triggered. tokio watches that one
//! descriptor; a socket that tokio watched itself would cost several hundred bytes and two more
//! system calls a connection.
//!
//! Never: reads, writes or accepts.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::Interest as TokioInterest;
use tokio::io::unix::AsyncFd;

/// Events taken from the kernel at once.
const MAX_EVENTS: usize = 256;

/// What a socket is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Input, and the peer's end.
    Read,
    /// The same, and room in its send buffer.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        let read = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        match self {
            Interest::Read => read,
            Interest::ReadWrite => read | EpollFlags::EPOLLOUT,
        }
    }
}

/// What a socket is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The key under which it is watched.
    pub key: u64,
    /// Whether its send buffer has room again.
    pub writable: bool,
    /// Whether the peer has ended, so that reading leads to the end or an error.
    pub ended: bool,
}

/// The watched sockets. Each readiness is reported once: its user goes on until the socket would
/// block.
#[derive(Debug)]
pub struct Poller {
    epoll: AsyncFd<EpollFd>,
    events: Vec<EpollEvent>,
}

/// nix's epoll instance with the trait that tokio asks for.
#[derive(Debug)]
struct EpollFd(Epoll);

impl AsRawFd for EpollFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl Poller {
    /// An empty epoll instance; call it within a tokio runtime with its I/O driver enabled.
    #[expect(
        deprecated,
        reason = "its successor is unsafe: the caller vouches that the descriptor stays open"
    )]
    pub fn new() -> io::Result<Poller> {
        let epoll = EpollFd(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let epoll = AsyncFd::with_interest(epoll, TokioInterest::READABLE)?;
        Ok(Poller { epoll, events: vec![EpollEvent::empty(); MAX_EVENTS] })
    }

    /// Watches `socket` from now on. Closing it ends that.
    pub fn add(&self, socket: impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        Ok(self.epoll.get_ref().0.add(socket, EpollEvent::new(interest.flags(), key))?)
    }

    /// Watches `socket`, which was added before, with another interest.
    pub fn modify(&self, socket: impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        let mut event = EpollEvent::new(interest.flags(), key);
        Ok(self.epoll.get_ref().0.modify(socket, &mut event)?)
    }

    /// Waits until sockets are ready; returns how many. [`Poller::event`] names them.
    pub async fn ready(&mut self) -> io::Result<usize> {
        loop {
            let mut guard = self.epoll.readable().await?;
            let count = self.epoll.get_ref().0.wait(&mut self.events, EpollTimeout::ZERO)?;
            // A full list may not be all: only then is the epoll instance known to be still ready.
            if count < self.events.len() {
                guard.clear_ready();
            }
            if count > 0 {
                return Ok(count);
            }
        }
    }

    /// The socket at `index` among those that [`Poller::ready`] found.
    pub fn event(&self, index: usize) -> Ready {
        let event = &self.events[index];
        let flags = event.events();
        let end = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        Ready {
            key: event.data(),
            writable: flags.contains(EpollFlags::EPOLLOUT),
            ended: flags.intersects(end),
        }
    }
}
