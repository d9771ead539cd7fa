//! Owns the least that a server must do which answers with one sentence: one thread, one epoll,
//! five calls of the kernel for each connection, nothing allocated for any of them. It is the
//! yardstick, no listener: it takes whatever comes for one command, has no clock and no bounds.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};
use socket2::{Domain, Socket, Type};

use crate::contestants::SENTENCE;

/// The first argument of the bench program when it is to play this server.
pub const ROLE: &str = "play-the-limit";

const BACKLOG: i32 = 4096;
/// Lines are written when so many bytes are gathered, or the events at hand are done.
const LOG_BATCH: usize = 32 * 1024;
const EVENTS: usize = 512;
/// Stands for the listening socket where connections have their descriptor.
const LISTENER: u64 = u64::MAX;

/// The bench program as this server.
pub fn command(port: u16, reads: bool, log: Option<&Path>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).arg(port.to_string()).arg(reads.to_string()).args(log);
    command
}

/// Serves for ever; the arguments are those of [`command`].
pub fn play(arguments: &[String]) -> ! {
    let port: u16 = arguments[0].parse().unwrap();
    let log = arguments.get(2).map(|path| Log::open(Path::new(path), port));
    Loop::new(port, arguments[1] == "true", log).run()
}

/// A connection between accept and close.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    answered: bool,
}

struct Loop {
    listener: TcpListener,
    epoll: Epoll,
    /// Whether it reads the command and waits for the end; else it answers unasked and closes, which
    /// is a reset where something came, and less work for the kernel.
    reads: bool,
    /// By descriptor: the kernel always gives the lowest that is free.
    slots: Vec<Option<Connection>>,
    answer: Vec<u8>,
    log: Option<Log>,
    now: Instant,
}

impl Loop {
    fn new(port: u16, reads: bool, log: Option<Log>) -> Loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()).unwrap();
        socket.listen(BACKLOG).unwrap();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let wanted = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(&socket, EpollEvent::new(wanted, LISTENER)).unwrap();
        let answer = format!("-{SENTENCE}\r\n").into_bytes();
        let listener = TcpListener::from(socket);
        Loop { listener, epoll, reads, slots: Vec::new(), answer, log, now: Instant::now() }
    }

    fn run(mut self) -> ! {
        let mut events = [EpollEvent::empty(); EVENTS];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                other => other.unwrap(),
            };
            self.now = Instant::now();
            if let Some(log) = &mut self.log {
                log.time = Timestamp::now();
            }
            for event in &events[..count] {
                match event.data() {
                    LISTENER => self.accept_all(),
                    slot => self.drive(usize::try_from(slot).unwrap(), event.events()),
                }
            }
            if let Some(log) = &mut self.log {
                log.write();
            }
        }
    }

    fn accept_all(&mut self) {
        loop {
            let (stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return,
                // Whoever left before it was accepted.
                Err(cause) if cause.kind() == ErrorKind::ConnectionAborted => continue,
                Err(cause) => panic!("could not accept: {cause}"),
            };
            let slot = usize::try_from(stream.as_raw_fd()).unwrap();
            let mut connection = Connection { stream, peer, since: self.now, answered: false };
            if !self.reads {
                connection.answered = true;
                let _ = self.answer(&connection);
                self.end(&connection);
                continue;
            }
            // The command is often there already; the kernel reports what comes later.
            if self.receive(&mut connection) {
                self.end(&connection);
                continue;
            }
            let wanted = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            self.epoll.add(&connection.stream, EpollEvent::new(wanted, slot as u64)).unwrap();
            if self.slots.len() <= slot {
                self.slots.resize_with(slot + 1, || None);
            }
            self.slots[slot] = Some(connection);
        }
    }

    fn drive(&mut self, slot: usize, happened: EpollFlags) {
        let Some(mut connection) = self.slots[slot].take() else { return };
        let over = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        let gone = connection.answered && happened.intersects(over);
        if gone || self.receive(&mut connection) {
            self.end(&connection);
        } else {
            self.slots[slot] = Some(connection);
        }
    }

    fn end(&mut self, connection: &Connection) {
        if let Some(log) = &mut self.log {
            log.line(connection, self.now);
        }
    }

    /// Answers where a command is there; says whether the connection is over.
    fn receive(&self, connection: &mut Connection) -> bool {
        let mut buffer = [0; 1024];
        let descriptor = connection.stream.as_raw_fd();
        match recv(descriptor, &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(Errno::EAGAIN) => return false,
            Err(_) => return true,
        }
        connection.answered = true;
        self.answer(connection).is_err()
    }

    fn answer(&self, connection: &Connection) -> nix::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(connection.stream.as_raw_fd(), &self.answer, flags)
    }
}

/// Lines on their way to a file.
struct Log {
    file: File,
    pending: Vec<u8>,
    /// The time of all lines that are made of the events at hand.
    time: Timestamp,
    /// The second for which `text` holds the time.
    second: i64,
    text: String,
    port: u16,
}

impl Log {
    fn open(path: &Path, port: u16) -> Log {
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let pending = Vec::with_capacity(2 * LOG_BATCH);
        Log { file, pending, time: Timestamp::UNIX_EPOCH, second: -1, text: String::new(), port }
    }

    /// The same fields as in the listener's own lines.
    fn line(&mut self, connection: &Connection, now: Instant) {
        let second = self.time.as_second();
        if second != self.second {
            self.second = second;
            self.text = format!("{:.0}", Timestamp::from_second(second).unwrap());
            self.text.pop();
        }
        let milliseconds = self.time.subsec_millisecond().unsigned_abs();
        let pending = &mut self.pending;
        pending.extend_from_slice(b"time=");
        pending.extend_from_slice(self.text.as_bytes());
        pending.push(b'.');
        for place in [100, 10, 1] {
            pending.push(b'0' + u8::try_from(milliseconds / place % 10).unwrap());
        }
        pending.extend_from_slice(b"Z peer=");
        if let SocketAddr::V4(peer) = connection.peer {
            for (index, octet) in peer.ip().octets().into_iter().enumerate() {
                if index > 0 {
                    pending.push(b'.');
                }
                number(pending, u64::from(octet));
            }
        }
        pending.extend_from_slice(b" peer-port=");
        number(pending, u64::from(connection.peer.port()));
        pending.extend_from_slice(b" port=");
        number(pending, u64::from(self.port));
        pending.extend_from_slice(b" family=4 via=local protocol=resp command=PING replies=");
        number(pending, u64::from(connection.answered));
        pending.extend_from_slice(b" duration-ms=");
        let duration = now.duration_since(connection.since).as_millis();
        number(pending, u64::try_from(duration).unwrap_or(u64::MAX));
        pending.extend_from_slice(b" outcome=told\n");
        if pending.len() >= LOG_BATCH {
            self.write();
        }
    }

    fn write(&mut self) {
        if !self.pending.is_empty() {
            self.file.write_all(&self.pending).unwrap();
            self.pending.clear();
        }
    }
}

fn number(text: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(value % 10).unwrap();
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[first..]);
}
