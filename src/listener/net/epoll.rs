//! Owns the question which sockets are ready: an epoll instance of the listener's own, of which
//! tokio knows only that something in it is ready. A socket that tokio watched itself would cost
//! several hundred bytes and two more system calls a connection. Must never read, write or accept.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How many ready sockets are told at once.
const MOST_AT_ONCE: usize = 256;

/// What a socket is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) struct Ready {
    /// The name under which it is watched.
    pub(in crate::listener) key: u64,
    /// Whether more room for writing came up.
    pub(in crate::listener) writable: bool,
    /// Whether the peer has ended, so that reading leads to the end or an error.
    pub(in crate::listener) ended: bool,
}

/// The set of watched sockets. Each readiness is told once: whoever is told goes on until the
/// socket has no more.
#[derive(Debug)]
pub(in crate::listener) struct Poller {
    set: AsyncFd<Set>,
    events: Vec<EpollEvent>,
}

#[derive(Debug)]
struct Set(Epoll);

impl AsRawFd for Set {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

impl Poller {
    /// An empty set; a tokio runtime with I/O must be at work.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, to be told that the descriptor stays open: it does"
    )]
    pub(in crate::listener) fn new() -> io::Result<Poller> {
        let set = Set(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let set = AsyncFd::with_interest(set, Interest::READABLE)?;
        Ok(Poller { set, events: vec![EpollEvent::empty(); MOST_AT_ONCE] })
    }

    /// Watches `socket`, for room to write too where that is wanted.
    pub(in crate::listener) fn watch(
        &self,
        socket: impl AsFd,
        key: u64,
        writing: bool,
    ) -> io::Result<()> {
        Ok(self.set.get_ref().0.add(socket, EpollEvent::new(interest(writing), key))?)
    }

    /// From now on watches `socket` for room to write too.
    pub(in crate::listener) fn watch_for_room(
        &self,
        socket: impl AsFd,
        key: u64,
    ) -> io::Result<()> {
        let mut event = EpollEvent::new(interest(true), key);
        Ok(self.set.get_ref().0.modify(socket, &mut event)?)
    }

    /// Waits until some socket is ready; how many are. [`Poller::told`] names them.
    pub(in crate::listener) async fn ready(&mut self) -> io::Result<usize> {
        loop {
            let mut guard = self.set.readable().await?;
            let count = self.set.get_ref().0.wait(&mut self.events, EpollTimeout::ZERO)?;
            if count < self.events.len() {
                guard.clear_ready();
            }
            if count > 0 {
                return Ok(count);
            }
        }
    }

    /// The socket at `place` among those that were found ready.
    pub(in crate::listener) fn told(&self, place: usize) -> Ready {
        let event = &self.events[place];
        let flags = event.events();
        let end = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        Ready {
            key: event.data(),
            writable: flags.contains(EpollFlags::EPOLLOUT),
            ended: flags.intersects(end),
        }
    }
}

fn interest(writing: bool) -> EpollFlags {
    let reading = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
    if writing { reading | EpollFlags::EPOLLOUT } else { reading }
}
