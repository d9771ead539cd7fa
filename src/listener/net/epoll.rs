//! Readiness of sockets: the listener's epoll instance, in which the event loop waits. A task of tokio's would
//! take several hundred bytes for each socket, and an instance that tokio watched two more system calls for
//! each wakeup (docs/performance.md).
//!
//! Never: reads, writes or accepts.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Events taken from the kernel at once.
const MAX_EVENTS: usize = 256;

/// What a descriptor is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Nothing, for now.
    Nothing,
    /// Input, reported as long as there is some.
    AnyInput,
    /// Input, and the peer's end, each reported once: its user goes on until the socket would block.
    Read,
    /// The same, and room in its send buffer.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        let read = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        match self {
            Interest::Nothing => EpollFlags::empty(),
            Interest::AnyInput => EpollFlags::EPOLLIN,
            Interest::Read => read,
            Interest::ReadWrite => read | EpollFlags::EPOLLOUT,
        }
    }
}

/// What a descriptor is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The key under which it is watched.
    pub key: u64,
    /// Whether its send buffer has room again.
    pub writable: bool,
    /// Whether the peer has ended, so that reading leads to the end or an error.
    pub ended: bool,
}

/// The watched descriptors.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
    events: Vec<EpollEvent>,
}

impl Poller {
    /// An empty epoll instance.
    pub fn new() -> io::Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Poller { epoll, events: vec![EpollEvent::empty(); MAX_EVENTS] })
    }

    /// Watches `descriptor` from now on. Closing it ends that.
    pub fn add(&self, descriptor: impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        Ok(self.epoll.add(descriptor, EpollEvent::new(interest.flags(), key))?)
    }

    /// Watches `descriptor`, which was added before, with another interest.
    pub fn modify(&self, descriptor: impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        let mut event = EpollEvent::new(interest.flags(), key);
        Ok(self.epoll.modify(descriptor, &mut event)?)
    }

    /// Waits until a descriptor is ready, but not longer than `timeout`, in whole milliseconds. Returns how
    /// many are ready; [`Poller::event`] names them.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timeout.map_or(EpollTimeout::NONE, |timeout| {
            EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::MAX)
        });
        match self.epoll.wait(&mut self.events, timeout) {
            Err(Errno::EINTR) => Ok(0),
            result => Ok(result?),
        }
    }

    /// The descriptor at `index` among those that [`Poller::wait`] found.
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
