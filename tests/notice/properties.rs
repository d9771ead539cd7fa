//! What holds for whatever anybody sends: the same replies however the bytes are split, never more
//! replies than commands, bounded memory, and as many replies as a Redis would give.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use redisguard::listener::simulate::{Peer, Replay, replay};
use tempfile::TempDir;

use crate::process::redis_server;
use crate::property::{check, replies_in};
use crate::support::{root, tools};

/// Commands that get exactly one reply, here and from Redis, whatever their arguments are.
const NAMES: [&str; 20] = [
    "PING", "ping", "ECHO", "GET", "SET", "DEL", "HELLO", "AUTH", "SELECT", "INFO", "info", "TIME",
    "CLUSTER", "COMMAND", "DBSIZE", "READONLY", "LPUSH", "NOSUCH", "x", "Expire",
];
/// Words that the answer depends on.
const WORDS: [&str; 14] = [
    "3", "2", "4", "SETNAME", "AUTH", "SLOTS", "shards", "NODES", "INFO", "SETINFO", "LIB-NAME",
    "LIB-VER", "HTTP/1.1", "0",
];

/// Other protocols, endings, and what is begun and not ended.
const OTHERS: [&[u8]; 7] = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"\x16\x03\x01\x00\x44\x01\x00",
    b"\x16",
    b"QUIT\r\n",
    b"CLIENT ID\r\n",
    b"*2\r\n$3\r\nGET\r\n$5\r\nab",
];

fn array(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec())
}

/// An argument: a word that counts, or any bytes.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        vec(any::<u8>(), 0..40),
        (1..3usize).prop_map(|times| b"*1\r\n$4\r\nQUIT\r\n".repeat(times)),
    ]
}

/// A whole command, as an array or as a line. None of them ends the connection.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let as_array = (name(), vec(argument(), 0..5)).prop_map(|(name, mut words)| {
        words.insert(0, name);
        array(&words)
    });
    let word = "[a-zA-Z0-9:=.-]{1,12}";
    let as_line =
        (name(), vec(word, 0..4), select(&["\r\n", "\n"][..]), select(&[" ", "  ", "\t"][..]))
            .prop_map(|(name, words, end, blank)| {
                let mut line = name;
                for word in words {
                    line.extend_from_slice(blank.as_bytes());
                    line.extend_from_slice(word.as_bytes());
                }
                line.extend_from_slice(end.as_bytes());
                line
            });
    let client = vec(argument(), 1..3).prop_map(|values| {
        let words = ["CLIENT", "SETINFO", "LIB-NAME"].map(|word| word.as_bytes().to_vec());
        array(&[&words[..], &values].concat())
    });
    prop_oneof![3 => as_array, 2 => as_line, 1 => client]
}

/// What lies between commands and is passed over in silence.
fn gap() -> impl Strategy<Value = Vec<u8>> {
    select(&["", "", "", "\r\n", " \r\n", "*0\r\n", "*-1\r\n"][..])
        .prop_map(|gap| gap.as_bytes().to_vec())
}

/// Commands, and how many there are.
fn pipeline() -> impl Strategy<Value = (Vec<u8>, u64)> {
    vec((gap(), command()), 1..30).prop_map(|commands| {
        let bytes = commands.iter().flat_map(|(gap, command)| [&gap[..], command].concat());
        (bytes.collect(), commands.len() as u64)
    })
}

/// Commands, and all that is none: other protocols, faults, lengths without end, any bytes.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (0..4u32).prop_map(|number| number.to_string()),
        "[0-9+x-]{0,16}",
    ];
    let header = (select(&["*", "$"][..]), number, select(&["\r\n", "\n", "\r", ""][..]))
        .prop_map(|(sign, number, end)| format!("{sign}{number}{end}").into_bytes());
    let part = prop_oneof![
        4 => command(),
        2 => header,
        2 => vec(any::<u8>(), 0..30),
        1 => select(&OTHERS[..]).prop_map(<[u8]>::to_vec),
        1 => (command(), 2..90usize).prop_map(|(command, times)| command.repeat(times)),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// `bytes` cut at `places`, which are taken as fractions of the whole.
fn cut<'a>(bytes: &'a [u8], places: &[u16]) -> Vec<&'a [u8]> {
    let place = |place: &u16| bytes.len() * usize::from(*place) / usize::from(u16::MAX);
    let mut ends: Vec<usize> = places.iter().map(place).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &bytes[start..*end]).collect()
}

fn cases(cases: u32) -> ProptestConfig {
    // What is found becomes a seed or a test of its own.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn whatever_is_sent_everything_holds(bytes in anything()) {
        check(&bytes);
    }

    #[test]
    fn any_split_and_any_way_of_reading_give_the_same_replies(
        bytes in anything(),
        places in vec(any::<u16>(), 0..20),
        reads in prop_oneof![0..200usize, Just(usize::MAX)],
    ) {
        let whole = replay([&bytes[..]], Peer::default());
        let split = replay(cut(&bytes, &places), Peer { reads, ..Peer::default() });
        prop_assert_eq!(&Replay { max_retained_bytes: 0, ..whole }, &Replay { max_retained_bytes: 0, ..split });
    }

    #[test]
    fn every_command_of_a_pipeline_gets_one_reply((bytes, commands) in pipeline()) {
        let replay = replay([&bytes[..]], Peer::default());
        prop_assert_eq!((replay.commands, replay.replies), (commands, commands));
    }

    #[test]
    fn the_longer_the_input_the_same_the_memory(bytes in anything()) {
        for reads in [0, 100_000] {
            let pieces = std::iter::repeat_n(&bytes[..], 300);
            let kept = replay(pieces, Peer { reads, ..Peer::default() }).max_retained_bytes;
            prop_assert!(kept <= crate::property::MAX_RETAINED_BYTES, "{kept} bytes are kept");
        }
    }
}

#[test]
fn as_many_replies_come_as_from_a_redis() {
    if !tools(&["redis-server", "redis-cli"]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (_server, port) = redis_server(folder.path(), "127.0.0.1");
    let ask_redis = |bytes: &[u8], end: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let (mut wire, mut buffer) = (Vec::new(), [0; 65_536]);
        while !wire.ends_with(end) {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "Redis hung up: {}", wire.escape_ascii());
            wire.extend_from_slice(&buffer[..read]);
        }
        wire
    };
    proptest!(cases(200), |((bytes, _) in pipeline())| {
        let bytes = [&bytes[..], &array(&[b"ECHO".to_vec(), b"that is all".to_vec()])].concat();
        let redis = ask_redis(&bytes, b"\r\nthat is all\r\n");
        let ours = replay([&bytes[..]], Peer::default());
        prop_assert_eq!(replies_in(&redis), Some(ours.replies), "{}", redis.escape_ascii());
    });
}

#[test]
fn everything_holds_for_the_seeds_of_the_fuzz_target() {
    let seeds = fs::read_dir(root().join("tests/fuzz/seeds")).unwrap();
    let checked = seeds.map(|seed| check(&fs::read(seed.unwrap().path()).unwrap())).count();
    assert!(checked >= 20, "only {checked} seeds are there");
}
