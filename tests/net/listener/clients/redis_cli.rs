//! redis-cli and redis-benchmark show the notice, in every manner of use.

use crate::listener::harness::{Notice, Seen, run, sentence, talk};
use crate::support::tools;

/// What follows `redis-cli -p PORT` on the command line, and how often it shows the sentence. The
/// page docs/clients.md names them all.
pub const CALLS: &[(&str, usize)] = &[
    ("get key", 1),
    ("-h ::1 get key", 1),
    ("-2 get key", 1),
    ("-3 get key", 1),
    ("-c get key", 1),
    ("-c -3 get key", 1),
    ("-n 3 get key", 1),
    ("-a secret get key", 1),
    ("--user u --pass p get key", 1),
    ("-c -3 -n 3 --user u --pass p set key value", 1),
    ("-u redis://u:p@127.0.0.1:PORT/3 get key", 1),
    ("--raw get key", 1),
    ("--json get key", 1),
    ("--csv get key", 1),
    ("-e get key", 1),
    ("-r 3 ping", 3),
    ("info", 1),
    ("INFO", 1),
    ("monitor", 1),
    ("subscribe news", 1),
    ("--scan", 1),
    ("--bigkeys", 1),
    ("--memkeys", 1),
    ("--hotkeys", 1),
    ("--stat", 1),
    ("--eval /dev/null", 1),
    ("--rdb /dev/null", 3),
    ("--replica", 3),
    ("--cluster check 127.0.0.1:PORT", 1),
];

/// The same for `redis-benchmark -p PORT -n 10 -c 2`.
pub const BENCHMARKS: &[(&str, usize)] =
    &[("-q", 1), ("-t set", 1), ("-t get -P 16", 1), ("-a p --user u -t set", 1), ("get key", 1)];

/// Runs `program` with what follows, where PORT stands for the port, against a listener of its own.
fn call(program: &[&str], arguments: &str, input: &[u8]) -> Option<(Seen, String)> {
    if !tools(&program[..1]) {
        return None;
    }
    let notice = Notice::start("");
    let port = notice.port.to_string();
    let arguments = arguments.replace("PORT", &port);
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let client = [&[program[0], "-p", &port], &program[1..], &arguments].concat();
    Some((run(&client, input), sentence(notice.port)))
}

fn redis_cli(arguments: &str, input: &[u8]) -> Option<(Seen, String)> {
    call(&["redis-cli"], arguments, input)
}

fn all_show_the_notice(program: &[&str], calls: &[(&str, usize)]) {
    for (arguments, times) in calls {
        let Some((seen, sentence)) = call(program, arguments, b"") else { return };
        let report = format!("{} {arguments}: {}", program[0], seen.text);
        assert_eq!(seen.text.matches(&sentence).count(), *times, "{report}");
        assert!(!seen.text.contains("AUTH failed"), "{report}");
    }
}

#[test]
fn every_call_of_redis_cli_shows_the_notice() {
    all_show_the_notice(&["redis-cli"], CALLS);
}

#[test]
fn every_benchmark_ends_with_the_notice() {
    all_show_the_notice(&["redis-benchmark", "-n", "10", "-c", "2"], BENCHMARKS);
}

#[test]
fn every_piped_command_shows_the_notice() {
    for arguments in ["", "-c", "-3", "-c -3 -a secret"] {
        let Some((seen, sentence)) = redis_cli(arguments, b"ping\nset a b\nget a\n") else {
            return;
        };
        assert_eq!(seen.text.matches(&sentence).count(), 3, "{arguments}: {}", seen.text);
    }
}

#[test]
fn bulk_loading_ends_and_counts_every_error() {
    let input = b"SET a b\r\n".repeat(20_000);
    let Some((seen, sentence)) = redis_cli("--pipe", &input) else { return };
    assert!(seen.text.contains("errors: 20000, replies: 20000"), "{}", seen.text);
    assert_eq!(seen.text.matches(&sentence).count(), 20_000, "the sentence for each");
}

#[test]
fn a_value_of_four_mebibytes_is_taken_in_and_answered() {
    let input = vec![b'x'; 4 << 20];
    for arguments in ["-x set key", "-3 -x set key", "-c -x set key"] {
        let Some((seen, sentence)) = redis_cli(arguments, &input) else { return };
        assert_eq!(seen.text.matches(&sentence).count(), 1, "{arguments}: {}", seen.text);
    }
}

#[test]
fn on_a_terminal_a_call_prints_it_as_an_error() {
    if !tools(&["redis-cli"]) || !tools(&["script"]) {
        return;
    }
    for arguments in ["ping", "-c -3 get key", "-a secret get key", "--no-auth-warning -a p ping"] {
        let notice = Notice::start("");
        let command = format!("redis-cli -p {} {arguments}", notice.port);
        let seen = run(&["script", "-qec", &command, "/dev/null"], b"");
        let expected = format!("(error) {}", sentence(notice.port));
        assert_eq!(seen.text.matches(&expected).count(), 1, "{command}: {}", seen.text);
    }
}

#[test]
fn on_a_terminal_its_prompt_stays_and_prints_it_for_every_command() {
    if !tools(&["redis-cli"]) || !tools(&["script"]) {
        return;
    }
    for arguments in ["", "-c -3 -a secret"] {
        let notice = Notice::start("");
        let prompt = format!("127.0.0.1:{}> ", notice.port);
        let expected = format!("(error) {}", sentence(notice.port));
        let command = format!(
            "stty cols 200; TERM=xterm redis-cli -p {} --no-auth-warning {arguments}",
            notice.port
        );
        // What is typed before a prompt stands is thrown away.
        let seen = talk(
            &["script", "-qec", &command, "/dev/null"],
            &[
                (&prompt, "get a\r"),
                (&expected, ""),
                (&prompt, "get b\r"),
                (&expected, ""),
                (&prompt, "quit\r"),
            ],
        );
        assert_eq!(seen.text.matches(&expected).count(), 2, "{arguments}: {}", seen.text);
    }
}

#[test]
fn with_tls_it_says_that_access_is_denied() {
    let Some((seen, _)) = redis_cli("--tls --insecure ping", b"") else { return };
    assert!(seen.text.contains("alert access denied"), "{}", seen.text);
}
