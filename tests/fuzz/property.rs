//! What must hold for any bytes that a peer sends: one function, for the fuzz target, the property
//! tests and the seeds.

use redisguard::listener::simulate::{Peer, Replay, replay};

/// The most bytes that a conversation may keep: 256 answers that wait to be sent, 8 KiB that ECHO
/// gives back, and a few short words, each in a buffer that may be twice as large as its content.
pub const MAX_RETAINED_BYTES: usize = 32 * 1024;

/// Panics unless everything holds for `bytes`.
pub fn check(bytes: &[u8]) {
    for max_command_bytes in [Peer::default().max_command_bytes, 48] {
        let peer = Peer { max_command_bytes, ..Peer::default() };
        let whole = replay([bytes], peer);
        is_bounded(bytes, &whole);
        let slow = Peer { reads: 0, ..peer };
        is_the_same(&whole, &replay([bytes], slow));
        is_the_same(&whole, &replay(bytes.chunks(1), peer));
        is_the_same(&whole, &replay(bytes.chunks(1), slow));
        // Answers are rendered anew for every few bytes that are read: costly where many wait.
        let reads = if bytes.len() <= 512 { 3 } else { 5_000 };
        is_the_same(&whole, &replay(cut(bytes), Peer { reads, ..peer }));
    }
}

/// Memory has a bound, and so has the number of replies: every command ends with a line, but for
/// the last one, which may be unfinished, or the end of the conversation.
fn is_bounded(bytes: &[u8], whole: &Replay) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(whole.replies <= lines + 1, "{} replies to {lines} lines", whole.replies);
    assert!(whole.replies <= whole.commands + 1, "{} replies", whole.replies);
    assert!(whole.replies >= whole.commands, "{} commands", whole.commands);
    assert_eq!(replies_in(&whole.wire), Some(whole.replies), "{}", whole.wire.escape_ascii());
    assert!(whole.notice_sent || whole.replies > 0 || !bytes.is_empty());
}

/// Only what is kept may differ, and has a bound too.
fn is_the_same(whole: &Replay, other: &Replay) {
    for replay in [whole, other] {
        assert!(
            replay.max_retained_bytes <= MAX_RETAINED_BYTES,
            "{} bytes are kept",
            replay.max_retained_bytes
        );
    }
    let other = Replay { max_retained_bytes: whole.max_retained_bytes, ..other.clone() };
    assert_eq!(*whole, other, "the split makes a difference");
}

/// Pieces of 1 to 16 bytes. Where they end depends on nothing but the bytes, so that what was found
/// once is found again.
fn cut(bytes: &[u8]) -> Vec<&[u8]> {
    let seed = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325, seed);
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let size = 1 + usize::try_from(state >> 60).unwrap_or(0);
        let (piece, later) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = later;
    }
    pieces
}

/// How many replies these bytes are, if they are whole replies and nothing else. HTTP and TLS get
/// one, and it is the last.
pub fn replies_in(mut wire: &[u8]) -> Option<u64> {
    let mut replies = 0;
    while !wire.is_empty() {
        wire = if wire.starts_with(b"HTTP/1.1 ") || wire.first() == Some(&0x15) {
            &[]
        } else {
            after_reply(wire)?
        };
        replies += 1;
    }
    Some(replies)
}

/// What follows the first RESP2 or RESP3 reply.
pub fn after_reply(wire: &[u8]) -> Option<&[u8]> {
    let end = wire.windows(2).position(|two| two == b"\r\n")?;
    let (line, mut rest) = (&wire[..end], &wire[end + 2..]);
    let (sign, number) = line.split_first()?;
    let number = || std::str::from_utf8(number).ok()?.parse::<i64>().ok();
    match sign {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
        b'$' | b'=' | b'!' => {
            if let Ok(length) = usize::try_from(number()?) {
                rest = rest.get(length..)?.strip_prefix(b"\r\n")?;
            }
        }
        b'*' | b'~' | b'>' | b'%' => {
            let each = if *sign == b'%' { 2 } else { 1 };
            for _ in 0..number()?.max(0) * each {
                rest = after_reply(rest)?;
            }
        }
        _ => return None,
    }
    Some(rest)
}
