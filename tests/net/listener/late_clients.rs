//! Clients whose first bytes come late see the sentence or a closed connection, never a reply to data.

use std::thread;
use std::time::Duration;

use crate::listener::clients::client_program::Library;
use crate::listener::clients::libraries;
use crate::listener::harness::slow_tunnel::{Late, SlowTunnel};
use crate::listener::harness::{Notice, run_bounded, sentence};

/// A library by name; the manner in which it is used by default; and what its users may see instead of the
/// sentence when the listener closed the connection before the first bytes came. Both manners choose a
/// database before their SET, so that one reply too many would make the reply to SELECT the reply to SET;
/// `no-retry` never tries twice.
const CLIENTS: &[(&str, &str, Option<&str>)] = &[
    ("redis-py 8", "set", Some("redis.exceptions.ConnectionError: Connection closed by server.")),
    ("node-redis 6", "set", None),
    ("ioredis 6", "set", Some("Error: Connection is closed.")),
    ("redis-rs 1", "set", Some("RedisError: unexpected end of file")),
    ("Jedis 8", NO_RETRY, Some("JedisConnectionException: ")),
    ("go-redis 9.14", NO_RETRY, Some("EOF")),
];

const NO_RETRY: &str = "no-retry";

/// How late, in milliseconds, on which connections, and whether in the manner without a second try. Where
/// every connection is 8 s late, some libraries try for minutes.
const DELAYS: &[(u64, Late, bool)] = &[
    (8_000, Late::First, false),
    (8_000, Late::Every, true),
    (3_000, Late::First, false),
    (3_000, Late::Every, false),
    (1_300, Late::First, false),
    (1_300, Late::Every, false),
    (500, Late::First, false),
    (500, Late::Every, false),
];

/// When the listener tells a client that sends nothing.
const UNPROMPTED_AFTER: Duration = Duration::from_secs(5);

/// The most seconds that a client may take: time for 48 of them to start on a busy machine, and to wait.
const CLIENT_TIMEOUT_SECONDS: u32 = 80;

/// All at once, because most of the time they wait.
#[test]
fn late_clients_see_the_sentence_or_a_closed_connection() {
    let clients: Vec<_> = CLIENTS
        .iter()
        .filter_map(|(name, manner, closed)| {
            let library = libraries::all().find(|library| library.name == *name).unwrap();
            Some((library, library.program.ready()?, *manner, *closed))
        })
        .collect();
    let faults: Vec<String> = thread::scope(|scope| {
        let cases = DELAYS.iter().flat_map(|case| clients.iter().map(move |client| (client, case)));
        let threads: Vec<_> = cases
            .map(|((library, program, manner, closed), (delay, late, once))| {
                let delay = Duration::from_millis(*delay);
                let manner = if *once { NO_RETRY } else { manner };
                scope.spawn(move || fault(library, program, *closed, delay, *late, manner))
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What is wrong with what the user sees, if anything is. A program's exit status is 1 if its call
/// raised no error, and 124 if it did not end by itself.
fn fault(
    library: &Library,
    program: &[String],
    closed: Option<&str>,
    delay: Duration,
    late: Late,
    manner: &str,
) -> Option<String> {
    let notice = Notice::start("");
    let tunnel = SlowTunnel::start(notice.port, delay, late);
    let words = library.program.words(program, tunnel.port, manner);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seen = run_bounded(CLIENT_TIMEOUT_SECONDS, &words, b"");
    let sentence = sentence(notice.port);
    // redis-rs sets the first word apart.
    let is_told = sentence
        .split_once(' ')
        .is_some_and(|(code, words)| [code, words].iter().all(|part| seen.stdout.contains(part)));
    let was_closed = tunnel.longest_silence() >= UNPROMPTED_AFTER
        && closed.is_some_and(|closed| seen.stdout.contains(closed));
    let is_right = seen.status.success() && (is_told || was_closed);
    (!is_right).then(|| {
        let (name, status, text) = (library.name, seen.status, seen.text);
        format!("{name}, {manner}, {late:?} late by {delay:?}: {status}: {text:?}")
    })
}
