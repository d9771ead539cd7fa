//! What somebody sees who uses redis-cli.

use crate::listener::{Notice, Seen, run, sentence};
use crate::support::tools;

/// Runs redis-cli with `arguments` against a listener of its own.
fn redis_cli(arguments: &[&str], input: &[u8]) -> Option<(Seen, String)> {
    if !tools(&["redis-cli"]) {
        return None;
    }
    let notice = Notice::start("");
    let port = notice.port.to_string();
    let client = [&["redis-cli", "-p", &port], arguments].concat();
    Some((run(&client, input), sentence(notice.port)))
}

fn shows_the_sentence(arguments: &[&str]) {
    let Some((seen, sentence)) = redis_cli(arguments, b"") else { return };
    assert!(seen.text.contains(&sentence), "{arguments:?}: {}", seen.text);
}

#[test]
fn a_command_on_the_command_line_shows_the_sentence() {
    shows_the_sentence(&["ping"]);
    shows_the_sentence(&["-h", "::1", "get", "key"]);
}

#[test]
fn resp3_shows_the_sentence() {
    shows_the_sentence(&["-3", "ping"]);
}

#[test]
fn a_password_is_taken_and_the_command_shows_the_sentence() {
    for arguments in [&["-a", "secret", "ping"][..], &["--user", "u", "--pass", "p", "ping"]] {
        let Some((seen, sentence)) = redis_cli(arguments, b"") else { return };
        assert!(seen.text.contains(&sentence), "{}", seen.text);
        assert!(!seen.text.contains("AUTH failed"), "{}", seen.text);
    }
}

#[test]
fn cluster_mode_and_a_database_show_the_sentence() {
    shows_the_sentence(&["-c", "get", "key"]);
    shows_the_sentence(&["-n", "3", "get", "key"]);
}

#[test]
fn every_piped_command_shows_the_sentence() {
    let Some((seen, sentence)) = redis_cli(&[], b"ping\nset a b\nget a\n") else { return };
    assert_eq!(seen.text.matches(&sentence).count(), 3, "{}", seen.text);
}

#[test]
fn bulk_loading_ends_and_counts_every_error() {
    let input = b"SET a b\r\n".repeat(20_000);
    let Some((seen, _)) = redis_cli(&["--pipe"], &input) else { return };
    assert!(seen.text.contains("errors: 20000, replies: 20000"), "{}", seen.text);
}

#[test]
fn a_value_of_four_mebibytes_is_taken_in_and_answered() {
    let input = vec![b'x'; 4 << 20];
    let Some((seen, sentence)) = redis_cli(&["-x", "set", "key"], &input) else { return };
    assert!(seen.text.contains(&sentence), "{}", seen.text);
}

#[test]
fn on_a_terminal_it_is_printed_as_an_error() {
    if !tools(&["redis-cli"]) || !tools(&["script"]) {
        return;
    }
    let notice = Notice::start("");
    let port = notice.port;
    let expected = format!("(error) {}", sentence(port));
    let once = run(&["script", "-qc", &format!("redis-cli -p {port} ping"), "/dev/null"], b"");
    assert!(once.text.contains(&expected), "{}", once.text);
    // Its prompt throws away what was typed before it stood, so it is typed repeatedly.
    let typed = format!(
        "(for i in 1 2 3 4 5 6; do sleep 0.5; printf 'get key\\r'; done; \
         for i in 1 2; do sleep 0.5; printf 'quit\\r'; done) | \
         script -qc 'stty cols 200; TERM=xterm redis-cli -p {port}' /dev/null"
    );
    let prompt = run(&["sh", "-c", &typed], b"");
    assert!(prompt.text.contains(&expected), "{}", prompt.text);
}
