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
    assert!(waiting.record().told_user());
}

#[test]
fn lines_after_an_unprompted_notice_get_the_notice_and_nothing_else() {
    let mut session = Session::default();
    session.receive(b"PI");
    assert_eq!(session.phase(), Phase::PartialLine);
    session.send_unprompted_notice();
    session.receive(b"NG\r\nSELECT 2\r\nECHO me\r\n");
    assert_eq!(take_replies(&mut session), NOTICE_ERROR.repeat(4));
    assert_eq!(session.phase(), Phase::Idle);
    session.receive(b"QUIT\r\nPING\r\n");
    assert_eq!(take_replies(&mut session), "+OK\r\n");
    assert_eq!(session.phase(), Phase::Closed);
}

#[test]
fn the_unprompted_notice_is_the_reply_to_the_first_resp_command() {
    for (command, refused, told) in [
        (&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"[..], Some("SET"), true),
        (b"*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n", Some("SELECT"), false),
        (b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", Some("HELLO"), false),
        (b"*1\r\nmalformed", None, false),
    ] {
        let mut session = Session::default();
        session.send_unprompted_notice();
        assert_eq!(take_replies(&mut session), NOTICE_ERROR);
        session.receive(&[command, b"*1\r\n$4\r\nPING\r\n"].concat());
        assert_eq!(session.phase(), Phase::Closed);
        let record = session.record();
        assert_eq!(record.client.refused.map(CommandName::as_str), refused);
        assert_eq!(record.told_user(), told, "{refused:?}");
    }
}

#[test]
fn a_resp_command_that_stalls_gets_no_unprompted_notice() {
    for bytes in ["*", "*1\r\n", "*1\r\n$4", "*1\r\n$4\r\n", "*1\r\n$4\r\nPI", "*1\r\n$4\r\nPING\r"]
    {
        let mut session = Session::default();
        session.receive(bytes.as_bytes());
        assert_eq!(session.phase(), Phase::Busy, "{bytes:?}");
    }
}

#[test]
fn blank_lines_and_empty_arrays_are_no_command() {
    for bytes in ["\r\n", "\n", "\r\n\r\n", " \r\n", "*0\r\n", "*-1\r\n", "\r"] {
        let mut session = Session::default();
        session.receive(bytes.as_bytes());
        assert_eq!(session.phase(), Phase::AwaitingInput, "{bytes:?}");
        session.end_of_input();
        assert_eq!(take_replies(&mut session), NOTICE_ERROR, "{bytes:?}");
        assert_ne!(session.record().client.protocol, Protocol::None);
    }
}

#[test]
fn only_the_reply_to_an_own_call_tells_the_user() {
    for (bytes, told) in [
        (&b"GET k\r\n"[..], true),
        (b"HELLO 3\r\nCLIENT SETINFO LIB-NAME x\r\n", false),
        (b"COMMAND DOCS\r\n", false),
        (b"COMMAND DOCS\r\nGET k\r\n", true),
        (b"READONLY\r\n", false),
        (b"info\r\n", false),
        (b"GET / HTTP/1.1\r\n", true),
        (b"*x\r\n", false),
    ] {
        let mut session = Session::default();
        session.receive(bytes);
        take_replies(&mut session);
        assert_eq!(session.record().told_user(), told, "{}", bytes.escape_ascii());
    }
    let mut pooled = Session::default();
    pooled.receive(b"HELLO 3\r\n");
    pooled.close_with_notice();
    take_replies(&mut pooled);
    assert!(!pooled.record().told_user(), "nobody asked");
}

#[test]
fn the_first_refused_command_is_recorded() {
    let mut session = Session::default();
    session.receive(b"HELLO 3\r\nCLIENT SETINFO LIB-NAME x\r\nget k\r\nSET k v\r\n");
    let client = session.record().client;
    assert_eq!(client.command.map(CommandName::as_str), Some("HELLO"));
    assert_eq!(client.refused.map(CommandName::as_str), Some("GET"));
}

#[test]
fn other_protocols_get_one_reply_and_are_named() {
    for (opening, protocol, told) in [
        (Opening::Tls, Protocol::Tls, false),
        (Opening::SslV2Hello, Protocol::Tls, false),
        (Opening::Foreign(Protocol::Ssh), Protocol::Ssh, false),
        (Opening::Foreign(Protocol::Http2), Protocol::Http2, false),
        (Opening::MalformedProxy, Protocol::Proxy, false),
    ] {
        let mut session = Session::default();
        session.open(opening);
        session.receive(b"PING\r\n");
        take_replies(&mut session);
        let record = session.record();
        assert_eq!((record.client.protocol, record.stats.sent), (protocol, 1));
        assert_eq!((record.told_user(), session.phase()), (told, Phase::Closed), "{opening:?}");
    }
    let mut late = Session::default();
    late.send_unprompted_notice();
    late.open(Opening::Foreign(Protocol::Ssh));
    assert_eq!(take_replies(&mut late), NOTICE_ERROR);
}

#[test]
fn an_unfinished_command_is_answered_at_the_end_of_input() {
    assert_eq!(replies_to(b"PING", 9), NOTICE_ERROR);
    assert_eq!(replies_to(b"*2\r\n$3\r\nGET\r\n$9\r\nab", 9), NOTICE_ERROR);
    assert_eq!(replies_to(b"PING\r\n", 9), NOTICE_ERROR);
    let mut unfinished = Session::default();
    unfinished.receive(b"*2\r\n$3\r\nget\r\n$9\r\nab");
    unfinished.end_of_input();
    assert_eq!(unfinished.record().client.command.map(CommandName::as_str), Some("GET"));
}

#[test]
fn a_library_that_has_asked_nothing_gets_no_notice_when_the_listener_closes() {
    let mut library = Session::default();
    library.receive(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
    take_replies(&mut library);
    library.close_with_notice();
    assert_eq!(take_replies(&mut library), "");
    let mut amid_a_command = Session::default();
    amid_a_command.receive(b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$3\r\nGET\r\n");
    take_replies(&mut amid_a_command);
    amid_a_command.close_with_notice();
    assert_eq!(take_replies(&mut amid_a_command), NOTICE_ERROR);
}

#[test]
fn nobody_else_is_left_without_the_notice_when_the_listener_closes() {
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
    tls.open(Opening::Tls);
    let mut buffer = WriteBuffer::default();
    tls.render(&notice(), &mut buffer);
    assert_eq!(buffer.bytes(), [0x15, 3, 3, 0, 2, 2, 49]);
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
    let client = session.record().client;
    assert_eq!(client.command.map(CommandName::as_str), Some("AUTH"));
    assert_eq!(client.protocol, Protocol::Inline);
    assert_eq!(client.stated().library.as_deref(), Some(&b"redis-py"[..]));
    assert_eq!(client.stated().library_version.as_deref(), Some(&b"5.0"[..]));
    let state = format!("{session:?}");
    for secret in ["hunter2", "value", "104, 117, 110", "118, 97, 108, 117, 101"] {
        assert!(!state.contains(secret), "{secret} is kept: {state}");
    }
}

#[test]
fn what_is_asked_before_the_tracer_is_not_the_users_call() {
    let mut session = Session::default();
    session.receive(b"GET __Booksleeve_TieBreak\r\n");
    session.receive(b"*2\r\n$4\r\nECHO\r\n$16\r\n\x01#Eg\x89\xab\xcdO\x9a\xbc\xde\xf0\x124Vx\r\n");
    take_replies(&mut session);
    assert!(!session.record().told_user());
    session.receive(b"GET key\r\n");
    take_replies(&mut session);
    assert!(session.record().told_user());
}
