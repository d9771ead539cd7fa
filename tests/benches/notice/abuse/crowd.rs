//! Owns connections that are held, and replaced when the listener ends them.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Socket, Type};

use crate::abuser::SOURCES;
use crate::stage::source;

/// How often the crowd is looked after.
const EVERY: Duration = Duration::from_millis(500);
/// How many come back then of those that were sent away.
const RETURNING: usize = 500;

/// Connections that their peers hold for as long as they can.
pub struct Crowd {
    address: SocketAddr,
    sockets: Vec<Socket>,
    next: Instant,
    buffer: Box<[u8]>,
}

impl Crowd {
    /// So many connections, opened as fast as possible.
    pub fn new(address: SocketAddr, connections: usize) -> Crowd {
        let sockets = (0..connections).map(|index| begin(address, index)).collect();
        Crowd { address, sockets, next: Instant::now(), buffer: vec![0; 16 * 1024].into() }
    }

    /// Looks after everybody once: has each forget what it was sent and do `each`.
    pub fn meet(&mut self, mut each: impl FnMut(&Socket) -> Result<()>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.visit(|mut socket| {
            patiently(socket.read(&mut buffer))?;
            each(socket)
        });
        self.buffer = buffer;
    }

    /// Has each send these commands for as long as they go in, and never read.
    pub fn push(&mut self, commands: &[u8]) {
        self.visit(|mut socket| {
            while patiently(socket.write(commands))? {}
            Ok(())
        });
    }

    /// Once in a while; some of those that were sent away come back.
    fn visit(&mut self, mut each: impl FnMut(&Socket) -> Result<()>) {
        sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = Instant::now() + EVERY;
        let mut returning = RETURNING;
        for index in 0..self.sockets.len() {
            if each(&self.sockets[index]).is_err() && returning > 0 {
                returning -= 1;
                self.sockets[index] = begin(self.address, index);
            }
        }
    }
}

/// Whether bytes went through; that there were none to be had is no failure, the end is.
fn patiently(done: Result<usize>) -> Result<bool> {
    match done {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// A connection that is being made, from one of the abusers' addresses.
pub fn begin(address: SocketAddr, index: usize) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true).unwrap();
    let source = source(address.ip(), SOURCES.start + index % SOURCES.len());
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    // It is on its way; what becomes of it shows when it is used.
    let _ = socket.connect(&address.into());
    socket
}
