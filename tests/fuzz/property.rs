//! What must hold for a session with any received bytes: one function, for the fuzz target, the property
//! tests and the seeds.

pub mod simulate;

use simulate::{Peer, Replay, replay};

/// The most heap bytes of a session: 256 queued runs of replies, 8 KiB of ECHO arguments, and a few short
/// words, each in a buffer that may be twice as large as its content.
pub const MAX_RETAINED_BYTES: usize = 32 * 1024;

/// Panics unless everything holds for `bytes`.
pub fn check(bytes: &[u8]) {
    for max_command_bytes in [Peer::default().max_command_bytes, 48] {
        let peer = Peer { max_command_bytes, ..Peer::default() };
        let whole = replay([bytes], peer);
        assert_bounded(bytes, &whole);
        let slow = Peer { reads: 0, ..peer };
        assert_same(&whole, &replay([bytes], slow));
        assert_same(&whole, &replay(bytes.chunks(1), peer));
        assert_same(&whole, &replay(bytes.chunks(1), slow));
        // Queued replies are rendered again for every read: small reads are slow if many are queued.
        let reads = if bytes.len() <= 512 { 3 } else { 5_000 };
        assert_same(&whole, &replay(cut(bytes), Peer { reads, ..peer }));
    }
}

/// There are not more replies than lines, because every command ends with one; except for one more reply
/// to a command that was cut off, or to the end of input.
fn assert_bounded(bytes: &[u8], whole: &Replay) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(whole.replies <= lines + 1, "{} replies to {lines} lines", whole.replies);
    assert!(whole.replies <= whole.commands + 1, "{} replies", whole.replies);
    assert!(whole.replies >= whole.commands, "{} commands", whole.commands);
    assert_eq!(replies_in(&whole.wire), Some(whole.replies), "{}", whole.wire.escape_ascii());
    assert!(whole.notice_sent || whole.replies > 0 || !bytes.is_empty());
}

/// Memory is bounded in both, and nothing else may differ.
fn assert_same(whole: &Replay, other: &Replay) {
    for replay in [whole, other] {
        assert!(
            replay.max_retained_bytes <= MAX_RETAINED_BYTES,
            "{} bytes are retained",
            replay.max_retained_bytes
        );
    }
    let other = Replay { max_retained_bytes: whole.max_retained_bytes, ..other.clone() };
    assert_eq!(*whole, other, "the split makes a difference");
}

/// Pieces of 1 to 16 bytes. Their lengths are derived from the bytes (FNV-1a as the seed of a linear
/// congruential generator), so that a failure can be repeated.
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

/// The number of replies in `wire`; `None` if it is not a sequence of whole replies. A reply by HTTP or TLS
/// is the last one.
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

/// What follows the first RESP2 or RESP3 reply; `None` if that is not whole.
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
