//! The listener's replies do not depend on how bytes are split, and its memory is bounded.
//!
//! There are never more replies than commands. The same property is what the fuzz target checks.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::property::check;
use crate::support::property::simulate::{Peer, Replay, SENTENCE, replay};
use crate::support::resp_commands::{command, pipeline};
use crate::support::{cases, root};

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
