//! Whole sessions without a socket.

use super::*;
use crate::listener::protocol::known_commands::CommandName;

const NOTICE_ERROR: &str = "-PORTCLOSED 6379 is blocked\r\n";

fn notice() -> Notice {
    Notice {
        sentence: "PORTCLOSED 6379 is blocked".into(),
        port: 6379,
        address: [127, 0, 0, 1].into(),
    }
}

fn take_replies(session: &mut Session) -> String {
    let (mut buffer, mut wire) = (WriteBuffer::default(), Vec::new());
    while session.owes_replies() {
        session.render(&notice(), &mut buffer);
        wire.extend_from_slice(buffer.bytes());
        session.mark_sent(&buffer, buffer.bytes().len());
    }
    String::from_utf8_lossy(&wire).into_owned()
}

/// All replies to `bytes` in pieces of `size`, followed by the end of input.
fn replies_to(bytes: &[u8], size: usize) -> String {
    let mut session = Session::default();
    let mut wire = String::new();
    for piece in bytes.chunks(size) {
        session.receive(piece);
        wire.push_str(&take_replies(&mut session));
        // A parked session must be complete, whatever the session did that resumes it.
        if let Some(parked) = session.park() {
            session = Session::default();
            session.receive(b"*1\r\n$4\r\nQUIT\r\n*9\r\n");
            session.resume(parked);
        }
    }
    session.end_of_input();
    wire + &take_replies(&mut session)
}

#[test]
fn a_session_reads_the_same_however_it_is_split() {
    let session = b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n\
        $8\r\nLIB-NAME\r\n$5\r\nmylib\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n*1\r\n$4\r\nQUIT\r\n\
        CLUSTER SLOTS\r\n*2\r\n$4\r\nECHO\r\n$4\r\nmark\r\nPING\r\nQUIT\r\nPING\r\n";
    let whole = replies_to(session, usize::MAX);
    assert_eq!(whole.matches(NOTICE_ERROR).count(), 2, "{whole}");
    assert!(whole.starts_with("%7\r\n") && whole.ends_with("+OK\r\n"), "{whole}");
    for size in 1..session.len() {
        assert_eq!(replies_to(session, size), whole, "in pieces of {size}");
    }
}

/// A row of the table in the module's head: the phase after `input` and its replies, and what each
/// event makes the session owe then.
struct Row {
    input: &'static [u8],
    phase: Phase,
    end_of_input: &'static str,
    close_with_notice: &'static str,
}

#[test]
fn each_event_owes_the_replies_of_its_phase() {
    let rows = [
        Row {
            input: b"",
            phase: Phase::AwaitingInput,
            end_of_input: NOTICE_ERROR,
            close_with_notice: NOTICE_ERROR,
        },
        Row {
            input: b"AUTH x\r\nPI",
            phase: Phase::PartialLine,
            end_of_input: NOTICE_ERROR,
            close_with_notice: NOTICE_ERROR,
        },
        Row {
            input: b"AUTH x\r\n*1\r\n$4\r\nPI",
            phase: Phase::Busy,
            end_of_input: NOTICE_ERROR,
            close_with_notice: NOTICE_ERROR,
        },
        Row {
            input: b"AUTH x\r\n",
            phase: Phase::Idle,
            end_of_input: "",
            close_with_notice: NOTICE_ERROR,
        },
        Row { input: b"PING\r\n", phase: Phase::Idle, end_of_input: "", close_with_notice: "" },
        Row { input: b"QUIT\r\n", phase: Phase::Closed, end_of_input: "", close_with_notice: "" },
        Row { input: b"*x", phase: Phase::Closed, end_of_input: "", close_with_notice: "" },
    ];
    for Row { input, phase, end_of_input, close_with_notice } in rows {
        let shown = input.escape_ascii();
        let session = || {
            let mut session = Session::default();
            session.receive(input);
            take_replies(&mut session);
            session
        };
        assert_eq!(session().phase(), phase, "{shown}");
        let owed = |event: fn(&mut Session)| {
            let mut session = session();
            event(&mut session);
            let replies = take_replies(&mut session);
            assert_eq!(session.phase(), Phase::Closed, "{shown}");
            replies
        };
        assert_eq!(owed(Session::end_of_input), end_of_input, "{shown}");
        assert_eq!(owed(Session::close_with_notice), close_with_notice, "{shown}");
        assert_eq!(owed(Session::abort), "", "{shown}");
    }
}

#[test]
fn queued_replies_make_a_session_busy_or_closing() {
    for (input, queued, sent) in
        [(&b"PING\r\n"[..], Phase::Busy, Phase::Idle), (b"QUIT\r\n", Phase::Closing, Phase::Closed)]
    {
        let mut session = Session::default();
        session.receive(input);
        assert_eq!(session.phase(), queued);
        take_replies(&mut session);
        assert_eq!(session.phase(), sent);
    }
}

#[test]
fn a_silent_client_gets_the_notice_once() {
    let mut silent = Session::default();
    assert_eq!(silent.phase(), Phase::AwaitingInput);
    silent.end_of_input();
    assert_eq!(take_replies(&mut silent), NOTICE_ERROR);
    let mut waiting = Session::default();
    waiting.send_unprompted_notice();
    waiting.send_unprompted_notice();
    waiting.end_of_input();
    assert_eq!(take_replies(&mut waiting), NOTICE_ERROR);
    assert!(waiting.stats().notice_sent);
}

#[test]
fn commands_after_an_unprompted_notice_are_still_answered() {
    let mut session = Session::default();
    session.receive(b"PI");
    assert_eq!(session.phase(), Phase::PartialLine);
    session.send_unprompted_notice();
    session.receive(b"NG\r\n");
    assert_eq!(take_replies(&mut session), NOTICE_ERROR.repeat(2));
    assert_eq!(session.phase(), Phase::Idle);
}

#[test]
fn an_unfinished_command_is_answered_at_the_end_of_input() {
    assert_eq!(replies_to(b"PING", 9), NOTICE_ERROR);
    assert_eq!(replies_to(b"*2\r\n$3\r\nGET\r\n$9\r\nab", 9), NOTICE_ERROR);
    assert_eq!(replies_to(b"PING\r\n", 9), NOTICE_ERROR);
    let mut unfinished = Session::default();
    unfinished.receive(b"*2\r\n$3\r\nget\r\n$9\r\nab");
    unfinished.end_of_input();
    assert_eq!(unfinished.client().command.map(CommandName::as_str), Some("GET"));
}

#[test]
fn no_session_is_closed_without_the_notice() {
    let mut only_set_up = Session::default();
    only_set_up.receive(b"AUTH secret\r\n");
    only_set_up.close_with_notice();
    assert_eq!(take_replies(&mut only_set_up), format!("+OK\r\n{NOTICE_ERROR}"));
    let mut answered = Session::default();
    answered.receive(b"PING\r\n");
    answered.close_with_notice();
    assert_eq!(take_replies(&mut answered), NOTICE_ERROR);
}

#[test]
fn http_and_tls_get_one_reply_of_their_own() {
    let http = replies_to(b"GET / HTTP/1.1\r\nHost: x\r\nPING\r\n\r\n", 3);
    assert!(http.starts_with("HTTP/1.1 421 PORTCLOSED") && http.ends_with("blocked\n"), "{http}");
    let mut tls = Session::default();
    tls.receive(b"\x16\x03\x01\x02\x00\x01PING\r\n");
    let mut buffer = WriteBuffer::default();
    tls.render(&notice(), &mut buffer);
    assert_eq!(buffer.bytes(), [0x15, 3, 3, 0, 2, 2, 49]);
    assert_eq!(tls.client().protocol, Protocol::Tls);
}

#[test]
fn oversize_and_malformed_input_gets_one_notice() {
    assert_eq!(replies_to(b"*2\r\n$3\r\nSET\r\n$999999999\r\nPING\r\n", 5), NOTICE_ERROR);
    assert_eq!(replies_to(b"*1\r\nPING\r\nPING\r\n", 5), NOTICE_ERROR);
}

#[test]
fn the_log_gets_names_and_never_arguments() {
    let mut session = Session::default();
    session.receive(b"auth hunter2\r\nCLIENT SETINFO LIB-NAME redis-py\r\n");
    session.receive(b"CLIENT SETINFO LIB-VER 5.0\r\nSET key value\r\n");
    let client = session.client();
    assert_eq!(client.command.map(CommandName::as_str), Some("AUTH"));
    assert_eq!(client.protocol, Protocol::Inline);
    assert_eq!(client.library_name(), Some(&b"redis-py"[..]));
    assert_eq!(client.library_version(), Some(&b"5.0"[..]));
    let state = format!("{session:?}");
    for secret in ["hunter2", "value", "104, 117, 110", "118, 97, 108, 117, 101"] {
        assert!(!state.contains(secret), "{secret} is kept: {state}");
    }
}
