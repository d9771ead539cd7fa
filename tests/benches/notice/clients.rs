//! Owns the clients: each connects, sends one command, reads until the line that answers it is
//! complete, and closes. Many at once in one thread. Must never wait for one of them: a client
//! that gets no answer counts as timed out.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::rounds::quantile;
use crate::stage;

/// How long a client waits for the whole line.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
const EVENTS: usize = 256;
/// Stands for the clock where clients have their descriptor.
const CLOCK: u64 = u64::MAX;

/// What became of clients.
#[derive(Default, Clone)]
pub struct ClientStats {
    /// Those that saw a whole line.
    pub good: u64,
    /// Those whose connection broke or ended before.
    pub reset: u64,
    /// Those that waited in vain.
    pub timed_out: u64,
    /// Of the good ones, in the order of their answers.
    pub latencies: Vec<Duration>,
    /// How late the latest of them came: that is the clients' own fault.
    pub late: Duration,
}

impl ClientStats {
    /// Everybody.
    pub fn attempted(&self) -> u64 {
        self.good + self.reset + self.timed_out
    }

    /// How many of how many were served.
    pub fn served(&self) -> String {
        match (self.good, self.attempted()) {
            (good, all) if good == all => "all".to_owned(),
            (good, all) => format!("{good}/{all}"),
        }
    }

    /// The latency below which this part of the good ones had their line, in milliseconds.
    pub fn latency(&self, part: f64) -> f64 {
        match self.latencies.is_empty() {
            true => f64::INFINITY,
            false => quantile(self.latencies.iter().map(|taken| taken.as_secs_f64() * 1e3), part),
        }
    }

    /// Counts others in.
    pub fn add(&mut self, more: &ClientStats) {
        self.good += more.good;
        self.reset += more.reset;
        self.timed_out += more.timed_out;
        self.latencies.extend_from_slice(&more.latencies);
        self.late = self.late.max(more.late);
    }
}

struct Client {
    socket: Socket,
    since: Instant,
    sent: bool,
    received: usize,
}

/// Clients of one server.
pub struct Clients {
    epoll: Epoll,
    to: SockAddr,
    address: SocketAddr,
    request: &'static [u8],
    /// Where they come from: addresses of the server's network, one after the other.
    sources: std::ops::Range<usize>,
    next_source: usize,
    /// By descriptor.
    clients: Vec<Option<Client>>,
    present: usize,
    stats: ClientStats,
    swept: Instant,
    buffer: Box<[u8]>,
}

impl Clients {
    /// Nobody yet.
    pub fn new(address: SocketAddr, request: &'static [u8]) -> Clients {
        let sources = 0..250;
        Clients {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap(),
            to: address.into(),
            address,
            request,
            next_source: sources.start,
            sources,
            clients: Vec::new(),
            present: 0,
            stats: ClientStats::default(),
            swept: Instant::now(),
            buffer: vec![0; 4096].into(),
        }
    }

    /// The same, from other addresses.
    pub fn from(mut self, sources: std::ops::Range<usize>) -> Clients {
        self.next_source = sources.start;
        self.sources = sources;
        self
    }

    /// Serves `total` clients, always `at_once` of them together where there are so many.
    pub fn crowd(mut self, total: usize, at_once: usize) -> ClientStats {
        let mut started = 0;
        while started < total || self.present > 0 {
            while started < total && self.present < at_once {
                self.arrive(Instant::now());
                started += 1;
            }
            self.attend(100);
        }
        self.stats
    }

    /// Serves `total` clients, one `every` so often, however many are still waiting. Whoever is
    /// late because this process was counts from when it was due.
    pub fn steady(mut self, total: u32, every: Duration) -> ClientStats {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK).unwrap();
        let often = Expiration::Interval(TimeSpec::from_duration(every));
        timer.set(often, TimerSetTimeFlags::empty()).unwrap();
        self.epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, CLOCK)).unwrap();
        let begun = Instant::now();
        let mut started = 0;
        while started < total || self.present > 0 {
            let now = Instant::now();
            while started < total && begun + every * started <= now {
                let due = begun + every * started;
                let now = Instant::now();
                self.stats.late = self.stats.late.max(now - due);
                self.arrive(if now - due > every { due } else { now });
                started += 1;
            }
            if self.attend(100) {
                let _ = timer.wait();
            }
        }
        self.stats
    }

    /// One more client connects; its patience and its latency are counted from `since`.
    fn arrive(&mut self, since: Instant) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let source = stage::source(self.address.ip(), self.next_source);
        self.next_source += 1;
        if self.next_source == self.sources.end {
            self.next_source = self.sources.start;
        }
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        let mut client = Client { socket, since, sent: false, received: 0 };
        if let Err(cause) = client.socket.connect(&self.to)
            && cause.raw_os_error() != Some(Errno::EINPROGRESS as i32)
        {
            self.stats.reset += 1;
            return;
        }
        if self.speak(&mut client).is_err() {
            self.stats.reset += 1;
            return;
        }
        let slot = usize::try_from(client.socket.as_raw_fd()).unwrap();
        let mut wanted = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        if !client.sent {
            wanted |= EpollFlags::EPOLLOUT;
        }
        self.epoll.add(&client.socket, EpollEvent::new(wanted, slot as u64)).unwrap();
        if self.clients.len() <= slot {
            self.clients.resize_with(slot + 1, || None);
        }
        self.clients[slot] = Some(client);
        self.present += 1;
    }

    /// Waits at most so many milliseconds for something to happen, and deals with it. Says whether
    /// the clock was among it.
    fn attend(&mut self, milliseconds: u16) -> bool {
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.epoll.wait(&mut events, EpollTimeout::from(milliseconds)) {
            Err(Errno::EINTR) => 0,
            other => other.unwrap(),
        };
        let mut clock = false;
        for event in &events[..count] {
            match event.data() {
                CLOCK => clock = true,
                slot => self.hear(usize::try_from(slot).unwrap()),
            }
        }
        if self.swept.elapsed() > Duration::from_millis(500) {
            self.sweep();
        }
        clock
    }

    /// On loopback the connection is there at once, and the command goes out with it.
    fn speak(&self, client: &mut Client) -> nix::Result<()> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(client.socket.as_raw_fd(), self.request, flags) {
            Ok(_) => client.sent = true,
            Err(Errno::EAGAIN) => {}
            Err(cause) => return Err(cause),
        }
        Ok(())
    }

    /// Takes in all that is there: the kernel reports it once.
    fn hear(&mut self, slot: usize) {
        let Some(mut client) = self.clients[slot].take() else { return };
        self.present -= 1;
        if !client.sent && self.speak(&mut client).is_err() {
            self.stats.reset += 1;
            return;
        }
        loop {
            let buffer = &mut self.buffer;
            match recv(client.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(bytes) if bytes > 0 => {
                    let is_error = client.received > 0 || buffer[0] == b'-';
                    client.received += bytes;
                    if is_error && buffer[..bytes].ends_with(b"\r\n") {
                        self.stats.good += 1;
                        self.stats.latencies.push(client.since.elapsed());
                        return;
                    }
                }
                Err(Errno::EAGAIN) => return self.stay(slot, client),
                _ => {
                    self.stats.reset += 1;
                    return;
                }
            }
        }
    }

    fn stay(&mut self, slot: usize, client: Client) {
        self.clients[slot] = Some(client);
        self.present += 1;
    }

    fn sweep(&mut self) {
        self.swept = Instant::now();
        for place in &mut self.clients {
            if place.as_ref().is_some_and(|client| client.since.elapsed() > REPLY_TIMEOUT) {
                *place = None;
                self.present -= 1;
                self.stats.timed_out += 1;
            }
        }
    }
}
