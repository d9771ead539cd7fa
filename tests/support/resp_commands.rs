//! Redis commands for property tests, as clients write them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

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

pub fn array(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

pub fn name() -> impl Strategy<Value = Vec<u8>> {
    select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec())
}

/// An argument: a word that counts, or any bytes.
pub fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        vec(any::<u8>(), 0..40),
        (1..3usize).prop_map(|times| b"*1\r\n$4\r\nQUIT\r\n".repeat(times)),
    ]
}

/// A whole command, as an array or as a line. None of them ends the connection.
pub fn command() -> impl Strategy<Value = Vec<u8>> {
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
pub fn gap() -> impl Strategy<Value = Vec<u8>> {
    select(&["", "", "", "\r\n", " \r\n", "*0\r\n", "*-1\r\n"][..])
        .prop_map(|gap| gap.as_bytes().to_vec())
}

/// Commands, and how many there are.
pub fn pipeline() -> impl Strategy<Value = (Vec<u8>, u64)> {
    vec((gap(), command()), 1..30).prop_map(|commands| {
        let bytes = commands.iter().flat_map(|(gap, command)| [&gap[..], command].concat());
        (bytes.collect(), commands.len() as u64)
    })
}
