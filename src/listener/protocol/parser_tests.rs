//! The events of given bytes, at any split.

use super::*;
use crate::listener::protocol::command::LIB_NAME;

fn events_of<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    max_command_bytes: u64,
) -> Vec<String> {
    let mut parser = Parser::new(max_command_bytes);
    let mut events = Vec::new();
    for piece in pieces {
        parser.feed(piece, &mut |event| {
            events.push(match event {
                Event::Command(command) => {
                    format!("{} {}", command.name_for_log().as_str(), command.arguments())
                }
                Event::Http(command) => format!("http {}", command.name_for_log().as_str()),
                Event::Malformed => "malformed".to_owned(),
                Event::Oversize(_) => "oversize".to_owned(),
            });
        });
    }
    events
}

fn events(bytes: &[u8]) -> Vec<String> {
    events_of([bytes], MAX_COMMAND_BYTES)
}

#[test]
fn arrays_and_lines_are_commands() {
    assert_eq!(events(b"*1\r\n$4\r\nPING\r\nGET key\r\nping\n"), ["PING 0", "GET 1", "PING 0"]);
    assert_eq!(events(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n"), ["GET 1"]);
}

#[test]
fn blank_lines_and_empty_arrays_are_ignored() {
    assert_eq!(events(b"\r\n \r\n*0\r\n*-1\r\n\nPING\r\n"), ["PING 0"]);
}

#[test]
fn a_value_may_look_like_anything() {
    let value = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$16\r\n*1\r\n$4\r\nQUIT\r\n\0\n\r\nPING\r\n";
    assert_eq!(events(value), ["SET 2", "PING 0"]);
}

#[test]
fn what_is_not_resp_is_one_malformed_event() {
    for odd in [
        &b"*x\r\n"[..],
        b"*\r\n",
        b"*1\r\nPING\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$4x",
        b"*1\rx",
        b"*9999999999999\r\n",
    ] {
        let twice = [odd, &b"PING\r\nPING\r\n"[..]].concat();
        assert_eq!(events(&twice), ["malformed"], "{}", odd.escape_ascii());
    }
}

#[test]
fn http_is_recognised_only_at_the_start() {
    assert_eq!(events(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"), ["http GET"]);
    assert_eq!(events(b"\x16\x04x\r\n"), ["other 0"]);
    assert_eq!(events(b"\x16\nPING\r\n"), ["other 0", "PING 0"]);
    assert_eq!(events(b"PING\r\nGET / HTTP/1.1\r\n"), ["PING 0", "GET 2"]);
    assert_eq!(events(b"get / HTTP/1.1\r\n"), ["GET 2"]);
}

#[test]
fn a_command_past_the_limit_is_oversize() {
    let many_words = [&b"*1000\r\n"[..], &b"$5\r\nabcde\r\n".repeat(1000)].concat();
    assert_eq!(events_of([&many_words[..]], 1024), ["oversize"]);
    assert_eq!(events_of([&b"x".repeat(2000)[..]], 1024), ["oversize"]);
    assert_eq!(events_of([&b"*1\r\n$1025\r\n"[..]], 1024), ["oversize"]);
    assert_eq!(events_of([&b"PING\r\n".repeat(1000)[..]], 64).len(), 1000);
}

#[test]
fn what_is_kept_of_an_oversize_command_does_not_depend_on_the_split() {
    let name = format!("CLIENT SETINFO LIB-NAME {}", "x".repeat(60));
    let kept = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut parser, mut kept) = (Parser::new(48), 0);
        pieces.for_each(|piece| {
            parser.feed(piece, &mut |event| {
                let Event::Oversize(command) = event else { panic!("{event:?}") };
                kept = command.library(LIB_NAME).map_or(0, <[u8]>::len);
            });
        });
        kept
    };
    assert_eq!(kept(&mut [name.as_bytes()].into_iter()), 25);
    assert_eq!(kept(&mut name.as_bytes().chunks(1)), 25);
}

#[test]
fn the_position_tells_a_partial_line_from_a_partial_array() {
    let position = |bytes: &[u8]| {
        let mut parser = Parser::new(MAX_COMMAND_BYTES);
        parser.feed(bytes, &mut |_| {});
        parser.position()
    };
    assert_eq!(position(b""), Position::Start);
    assert_eq!(position(b"PI"), Position::InLine);
    assert_eq!(position(b"\r\n \r PI"), Position::InLine);
    assert_eq!(position(b"\r\n*0\r\n \r"), Position::Start);
    assert_eq!(position(b"*1\r\n$4"), Position::InArray);
    assert_eq!(position(b"*1\r\n$4\r\nPI"), Position::InArray);
    assert_eq!(position(b"PING\r\n\r"), Position::Between);
    assert_eq!(position(b"PING\r\n"), Position::Between);
    assert_eq!(position(b"*x"), Position::Closed);
}

/// A small linear congruential generator: the same numbers on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap_or(0) % end
    }
}

fn cut<'a>(bytes: &'a [u8], dice: &mut Dice) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + dice.below(rest.len().min(9)));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[test]
fn any_split_of_any_bytes_gives_the_same_events() {
    let words: [&[u8]; 15] = [
        b"*",
        b"$",
        b"1",
        b"3",
        b"-",
        b"\r\n",
        b"\n",
        b" ",
        b"PING",
        b"*1\r\n$4\r\nPING\r\n",
        b"HTTP/",
        b"\x16\x03",
        b"\0\xff",
        b"HELLO 3\r\n",
        b"$3\r\nGET\r\n",
    ];
    let mut dice = Dice(7);
    for _ in 0..20_000 {
        let bytes: Vec<u8> =
            (0..1 + dice.below(14)).flat_map(|_| words[dice.below(words.len())].to_vec()).collect();
        let whole = events_of([&bytes[..]], 40);
        let split = events_of(cut(&bytes, &mut dice), 40);
        let single = events_of(bytes.chunks(1), 40);
        assert_eq!(whole, split, "{}", bytes.escape_ascii());
        assert_eq!(whole, single, "{}", bytes.escape_ascii());
    }
}
