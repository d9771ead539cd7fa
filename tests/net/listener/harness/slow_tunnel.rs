//! A relay in front of the listener that holds back what clients send, as a slow tunnel does.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Which connections are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    First,
    Every,
}

/// A running relay. It accepts no further connection once it is dropped; open ones go on until an end
/// closes them.
pub struct SlowTunnel {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_dropped: AtomicBool,
    longest_silence: AtomicU64,
}

impl SlowTunnel {
    /// Leads to `listener`, a port of this host. It connects there at once, and passes on the client's
    /// first bytes when the connection is `delay` old. What the listener sends is never delayed.
    pub fn start(listener: u16, delay: Duration, late: Late) -> SlowTunnel {
        let entrance = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = entrance.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let tunnel = SlowTunnel { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for (number, client) in entrance.incoming().enumerate() {
                if shared.is_dropped.load(Ordering::Relaxed) {
                    return;
                }
                let is_late = late == Late::Every || number == 0;
                let delay = if is_late { delay } else { Duration::ZERO };
                let server = TcpStream::connect(("127.0.0.1", listener));
                // The listener is gone only when its test is over.
                if let (Ok(client), Ok(server)) = (client, server) {
                    connect(&client, &server, delay, Arc::clone(&shared));
                }
            }
        });
        tunnel
    }

    /// How long the listener waited for the first bytes of a connection, at most. On a busy machine this
    /// is longer than the delay.
    pub fn longest_silence(&self) -> Duration {
        Duration::from_millis(self.shared.longest_silence.load(Ordering::Relaxed))
    }
}

impl Drop for SlowTunnel {
    fn drop(&mut self) {
        self.shared.is_dropped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn connect(client: &TcpStream, server: &TcpStream, delay: Duration, shared: Arc<Shared>) {
    let connected = Instant::now();
    for stream in [client, server] {
        // Nagle's algorithm would add a delay of its own.
        stream.set_nodelay(true).unwrap();
    }
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        thread::sleep(delay);
        let mut first = [0; 4096];
        let read = (&from).read(&mut first);
        // Before the write: the listener may answer, and the test end, at once after it.
        let silence = u64::try_from(connected.elapsed().as_millis()).unwrap();
        shared.longest_silence.fetch_max(silence, Ordering::Relaxed);
        let passed_on = read.and_then(|count| (&to).write_all(&first[..count]));
        pass_on(passed_on, &from, &to);
    });
    let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || pass_on(Ok(()), &from, &to));
}

/// Copies until one end is done: a FIN is passed on as it is, an error closes both ends.
fn pass_on(before: io::Result<()>, mut from: &TcpStream, mut to: &TcpStream) {
    let copied = before.and_then(|()| io::copy(&mut from, &mut to));
    if copied.and_then(|_| to.shutdown(Shutdown::Write)).is_err() {
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
