//! Many clients, each from a loopback address of its choice, with time-outs on every read and
//! write.

use std::io::Write;
use std::iter;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::listener::harness::{read_to_end, sentence};

/// The loopback address with this number.
pub fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x7f01_0000 + number)
}

/// A connection from `source` to `port`.
pub fn connect_from(source: Ipv4Addr, port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddrV4::new(source, 0).into()).unwrap();
    let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    socket.connect_timeout(&server.into(), Duration::from_secs(20)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// One attempt: connects, sends `request`, ends, and reads everything. From which port it came.
pub fn attempt(source: Ipv4Addr, port: u16, request: &[u8]) -> (SocketAddr, String) {
    let mut stream = connect_from(source, port);
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    (stream.local_addr().unwrap(), read_to_end(&mut stream))
}

/// What clients ask in turn: a source that repeats its question is slowed down.
const QUESTIONS: [&str; 40] = [
    "PING", "GET", "SET", "DEL", "INCR", "DECR", "TTL", "EXISTS", "TYPE", "KEYS", "SCAN", "HGET",
    "HSET", "HDEL", "HLEN", "LPUSH", "RPUSH", "LPOP", "RPOP", "LLEN", "SADD", "SREM", "SPOP",
    "SCARD", "ZADD", "ZREM", "ZCARD", "ZRANK", "APPEND", "STRLEN", "GETEX", "GETDEL", "MGET",
    "MSET", "EXPIRE", "PERSIST", "RENAME", "DUMP", "TOUCH", "UNLINK",
];

/// One attempt that must be told, as every well-behaved client must.
pub fn expect_notice(source: Ipv4Addr, port: u16) -> SocketAddr {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let question = QUESTIONS[NEXT.fetch_add(1, Ordering::Relaxed) % QUESTIONS.len()];
    let (from, told) = attempt(source, port, format!("{question}\r\n").as_bytes());
    assert_told(port, &told);
    from
}

/// That a client read the sentence and nothing else. On a busy machine a command may come a second
/// late: then it was said unasked as well.
pub fn assert_told(port: u16, told: &str) {
    let line = format!("-{}\r\n", sentence(port));
    assert!(told == line || told == line.repeat(2), "{told:?}");
}

/// Has `connect` called with 0, 1, 2 and so on by several threads at once, for as long as `goes_on`
/// says so. What the calls returned.
pub fn all_at_once<T: Send>(
    goes_on: impl Fn(u32) -> bool + Sync,
    connect: impl Fn(u32) -> T + Sync,
) -> Vec<T> {
    let next = AtomicU32::new(0);
    let work = || {
        let numbers = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        numbers.take_while(|number| goes_on(*number)).map(&connect).collect::<Vec<T>>()
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}
