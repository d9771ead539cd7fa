//! What somebody sees who knocks with something other than a Redis client.

use std::net::TcpListener;

use crate::listener::{Notice, run, sentence};
use crate::support::tools;

#[test]
fn netcat_shows_the_sentence_for_a_command_and_for_silence() {
    if !tools(&["nc"]) {
        return;
    }
    let notice = Notice::start("");
    let port = notice.port.to_string();
    for input in [&b"PING\r\n"[..], b"PING", b""] {
        let seen = run(&["nc", "-N", "127.0.0.1", &port], input);
        assert_eq!(seen.text, notice.line(), "{}", input.escape_ascii());
    }
}

#[test]
fn curl_shows_the_sentence_in_the_status_line_and_in_the_body() {
    if !tools(&["curl"]) {
        return;
    }
    let notice = Notice::start("");
    let url = format!("http://127.0.0.1:{}/path?query=1", notice.port);
    let sentence = sentence(notice.port);
    let status = format!("HTTP/1.1 421 {sentence}\r\n");
    let full = run(&["curl", "-sS", "--noproxy", "*", "-i", &url], b"");
    assert!(full.text.starts_with(&status), "{}", full.text);
    assert!(full.text.ends_with(&format!("\r\n\r\n{sentence}\n")), "{}", full.text);
    let head = run(&["curl", "-sS", "--noproxy", "*", "-I", &url], b"");
    assert!(head.text.starts_with(&status), "{}", head.text);
    let large = vec![b'x'; 3 << 20];
    let upload = ["curl", "-sS", "--noproxy", "*", "-i", "--data-binary", "@-", &url];
    let posted = run(&upload, &large);
    assert!(posted.text.contains(&status), "{}", posted.text);
    for seen in [full, head, posted] {
        assert!(seen.status.success(), "{}", seen.text);
    }
}

#[test]
fn openssl_shows_that_access_is_denied() {
    if !tools(&["openssl"]) {
        return;
    }
    let notice = Notice::start("");
    let address = format!("127.0.0.1:{}", notice.port);
    let seen = run(&["openssl", "s_client", "-connect", &address], b"");
    assert!(seen.text.contains("alert access denied"), "{}", seen.text);
}

#[test]
fn a_free_port_is_not_an_open_one() {
    // Proves that the clients above would not pass against nothing.
    let port = crate::listener::free_port();
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
    if tools(&["redis-cli"]) {
        let seen = run(&["redis-cli", "-p", &port.to_string(), "ping"], b"");
        assert!(seen.text.contains("refused"), "{}", seen.text);
    }
}
