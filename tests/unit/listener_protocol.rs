//! The listener's replies do not depend on how bytes are split, and its memory is bounded.
//!
//! There are never more replies than commands. The same property is what the fuzz target checks.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::property::after_reply;
use crate::support::property::check;
use crate::support::property::simulate::{Peer, Replay, SENTENCE, Step, replay, replay_steps};
use crate::support::resp_commands::{array, command, pipeline};
use crate::support::{cases, root};

/// Other protocols, endings, and what is begun and not ended.
const OTHERS: [&[u8]; 12] = [
    b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 6379\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc0\0\x02\x01\xc3\x50\x18\xeb",
    b"\r\n",
    b"SSH-2.0-x\r\n",
    b"\0\0\0\x08\x04\xd2\x16\x2f",
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"\x16\x03\x01\x00\x44\x01\x00",
    b"\x16",
    b"QUIT\r\n",
    b"CLIENT ID\r\n",
    b"*2\r\n$3\r\nGET\r\n$5\r\nab",
];

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

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_bytes_keep_the_properties_of_the_protocol(bytes in anything()) {
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
    fn memory_does_not_grow_with_the_input(bytes in anything()) {
        for reads in [0, 100_000] {
            let pieces = std::iter::repeat_n(&bytes[..], 300);
            let kept = replay(pieces, Peer { reads, ..Peer::default() }).max_retained_bytes;
            prop_assert!(kept <= crate::support::property::MAX_RETAINED_BYTES, "{kept} bytes are kept");
        }
    }
}

/// A command that libraries send while connecting, or one that reads or writes data, as an array or a
/// line.
#[derive(Debug, Clone)]
struct Asked {
    bytes: Vec<u8>,
    is_data: bool,
    is_line: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    const SETUP: [&str; 12] = [
        "SELECT 2",
        "AUTH secret",
        "HELLO 3",
        "CLIENT SETINFO LIB-NAME x",
        "CLIENT MAINT_NOTIFICATIONS ON",
        "CLIENT ID",
        "CLUSTER SLOTS",
        "CLUSTER NODES",
        "ECHO mark",
        "info",
        "PING",
        "READONLY",
    ];
    const DATA: [&str; 6] =
        ["SET k v", "GET k", "INCR n", "DEL k", "PUBLISH news x", "XADD s * a 1"];
    let text = prop_oneof![
        select(&SETUP[..]).prop_map(|text| (text, false)),
        select(&DATA[..]).prop_map(|text| (text, true)),
    ];
    (text, any::<bool>()).prop_map(|((text, is_data), is_line)| {
        let words: Vec<&str> = text.split(' ').collect();
        let word = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
        let array = format!("*{}\r\n{}", words.len(), words.iter().map(word).collect::<String>());
        let bytes = if is_line { format!("{text}\r\n") } else { array }.into_bytes();
        Asked { bytes, is_data, is_line }
    })
}

/// What may come before the first command: PROXY headers, then blank lines.
fn preface() -> impl Strategy<Value = Vec<u8>> {
    (vec(select(&OTHERS[..2]), 0..3), 0..3usize)
        .prop_map(|(headers, lines)| [headers.concat(), b"\r\n".repeat(lines)].concat())
}

/// The replies in `wire`.
fn replies(mut wire: &[u8]) -> Vec<&[u8]> {
    let mut replies = Vec::new();
    while let Some(rest) = after_reply(wire) {
        replies.push(&wire[..wire.len() - rest.len()]);
        wire = rest;
    }
    assert_eq!(wire, b"", "a reply is not whole");
    replies
}

proptest! {
    #![proptest_config(cases(2000))]

    /// A client takes the first reply for the one to its first command, and so on. However late the
    /// bytes come, none of them is answered as another should be.
    #[test]
    fn a_late_client_is_never_told_that_a_command_on_data_succeeded(
        preface in preface(),
        commands in vec(asked(), 0..8),
        places in vec(any::<u16>(), 0..6),
    ) {
        let bytes = commands.iter().fold(preface, |mut bytes, command| {
            bytes.extend(&command.bytes);
            bytes
        });
        let pieces = cut(&bytes, &places);
        let steps = pieces.into_iter().flat_map(|piece| [Step::Wait, Step::Send(piece)]);
        let Replay { wire, .. } = replay_steps(steps, Peer::default());
        let replies = replies(&wire);
        for (command, reply) in commands.iter().zip(&replies) {
            prop_assert!(!command.is_data || reply[0] == b'-', "{command:?} {}", reply.escape_ascii());
        }
        // A person who types gets one more: the one that came unprompted.
        let typed = usize::from(commands.is_empty() || commands.iter().any(|command| command.is_line));
        prop_assert!(replies.len() <= commands.len() + typed, "{}", wire.escape_ascii());
    }
}

/// The random GUID by which StackExchange.Redis recognises a connection.
const TRACER: &[u8] = b"\x01#Eg\x89\xab\xcdO\x9a\xbc\xde\xf0\x124Vx";

#[test]
fn each_set_up_conversation_gets_its_replies() {
    let path = root().join("tests/unit/set_up_conversations.txt");
    let text = fs::read_to_string(path).unwrap();
    let conversations: Vec<&str> = text.split("\n## ").skip(1).collect();
    assert!(conversations.len() >= 20);
    for conversation in conversations {
        let lines: Vec<&str> = conversation.lines().skip(1).filter(|it| !it.is_empty()).collect();
        let words = |line: &str| -> Vec<Vec<u8>> {
            let word =
                |word: &str| if word == "TRACER" { TRACER } else { word.as_bytes() }.to_vec();
            line.split_whitespace().skip(1).map(word).collect()
        };
        let bytes: Vec<u8> = lines.iter().flat_map(|line| array(&words(line))).collect();
        let Replay { wire, .. } = replay(bytes.chunks(1), Peer::default());
        let replies = replies(&wire);
        assert_eq!(replies.len(), lines.len(), "{conversation}");
        for (line, reply) in lines.iter().zip(replies) {
            let is_expected = match line.split(' ').next() {
                Some("notice") => reply.starts_with(b"-PORTCLOSED "),
                Some("hello2") => reply.starts_with(b"*14\r\n"),
                Some("hello3") => reply.starts_with(b"%7\r\n"),
                Some("nodes") => reply.windows(13).any(|part| part == b"myself,master"),
                Some("echo") => reply.strip_suffix(b"\r\n").unwrap().ends_with(&words(line)[1]),
                literal => {
                    Some(reply)
                        == literal.map(|it| format!("{it}\r\n")).as_deref().map(str::as_bytes)
                }
            };
            assert!(is_expected, "{line}: {}", reply.escape_ascii());
        }
    }
}

#[test]
fn a_replay_has_the_replies_of_the_listener() {
    let pieces = [&b"AUTH x\r\nPI"[..], b"NG\r\nGET"];
    for reads in [0, 1, 5, usize::MAX] {
        let replay = replay(pieces, Peer { reads, ..Peer::default() });
        let wire = String::from_utf8_lossy(&replay.wire).into_owned();
        assert_eq!(wire, format!("+OK\r\n-{SENTENCE}\r\n-{SENTENCE}\r\n"));
        assert_eq!((replay.commands, replay.replies, replay.notice_sent), (2, 3, true));
        assert!(replay.max_retained_bytes > 0);
    }
}

#[test]
fn the_fuzz_seeds_keep_the_properties_of_the_protocol() {
    let seeds = fs::read_dir(root().join("tests/fuzz/seeds")).unwrap();
    let checked = seeds.map(|seed| check(&fs::read(seed.unwrap().path()).unwrap())).count();
    assert!(checked >= 20, "only {checked} seeds are there");
}
