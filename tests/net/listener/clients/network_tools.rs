//! netcat, telnet, a shell, curl, wget and TLS tools show the notice.

use std::net::TcpListener;

use crate::listener::harness::{Notice, run, sentence, talk};
use crate::support::tools;

/// What follows `curl -sS` on the command line, where URL is one of HTTP, and how often it shows the
/// sentence. The page docs/clients.md names them all.
pub const CURLS: &[(&str, usize)] = &[
    ("URL", 1),
    ("-i URL", 2),
    ("-I URL", 1),
    ("-I --http1.0 URL", 1),
    ("--http0.9 URL", 1),
    ("--http2 URL", 1),
    ("-d key=value URL", 1),
    ("-X OPTIONS URL", 1),
    ("-x URL http://redis.example/", 1),
    ("dict://127.0.0.1:PORT/PING", 2),
    ("gopher://127.0.0.1:PORT/_PING%0D%0AQUIT%0D%0A", 1),
];

/// Clients of TLS, where URL is one of HTTPS, and what they say; `redis-cli --tls` is another.
pub const TLS_CLIENTS: &[(&str, &str)] = &[
    ("openssl s_client -connect 127.0.0.1:PORT", "alert access denied"),
    ("curl -sS URL", "alert access denied"),
    ("wget -O- URL", "Access was denied"),
    ("python3 -c import~urllib.request;urllib.request.urlopen('URL')", "ACCESS_DENIED"),
];

/// The command line with this listener's port and address in it; `~` stands for a blank.
fn words(line: &str, scheme: &str, port: u16) -> Vec<String> {
    let url = format!("{scheme}://127.0.0.1:{port}/path?query=1");
    let line = line.replace("URL", &url).replace("PORT", &port.to_string());
    line.split(' ').map(|word| word.replace('~', " ")).collect()
}

/// The arguments with which each netcat ends by itself once its input has.
const NETCATS: &[(&str, &[&str])] = &[("nc.openbsd", &["-N"]), ("nc.traditional", &["-q", "5"])];

#[test]
fn netcat_shows_the_notice_for_a_command_and_for_silence() {
    for (netcat, arguments) in NETCATS {
        if !tools(&[netcat]) {
            return;
        }
        let notice = Notice::start("");
        let port = notice.port.to_string();
        for input in [&b"PING\r\n"[..], b"PING\n", b"PING", b""] {
            let client = [&[*netcat][..], arguments, &["127.0.0.1", &port]].concat();
            let seen = run(&client, input);
            assert_eq!(seen.text, notice.line(), "{netcat}: {}", input.escape_ascii());
        }
    }
}

#[test]
fn lines_typed_into_netcat_each_show_the_notice() {
    for (netcat, _) in NETCATS {
        if !tools(&[netcat]) {
            return;
        }
        let notice = Notice::start("");
        let (port, line) = (notice.port.to_string(), notice.line());
        // The first words are the listener's: nothing was typed.
        let exchange = [(&*line, "PING\r\n"), (&*line, "get key\n"), (&*line, "QUIT\r\n")];
        let seen = talk(&[netcat, "127.0.0.1", &port], &exchange);
        assert_eq!(seen.text, format!("{line}{line}{line}+OK\r\n"), "{netcat}");
    }
}

#[test]
fn lines_typed_into_telnet_show_the_notice() {
    if !tools(&["telnet"]) {
        return;
    }
    let notice = Notice::start("");
    let (port, line) = (notice.port.to_string(), notice.line());
    let (connected, closed) = ("Escape character", "Connection closed");
    let line = line.trim_end();
    let telnet = ["telnet", "127.0.0.1", &port];
    let asked = talk(&telnet, &[(connected, "PING\r\n"), (line, "QUIT\r\n"), (closed, "")]);
    assert_eq!(asked.text.matches(line).count(), 1, "{}", asked.text);
    let silent = talk(&telnet, &[(connected, ""), (line, "QUIT\r\n"), (closed, "")]);
    assert_eq!(silent.text.matches(line).count(), 1, "{}", silent.text);
}

#[test]
fn a_shell_without_any_client_reads_the_notice() {
    let notice = Notice::start("");
    for typed in ["echo PING >&3; ", ""] {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; {typed}head -n 1 <&3", notice.port);
        let seen = run(&["bash", "-c", &script], b"");
        assert_eq!(seen.text, notice.line(), "{script}");
    }
}

#[test]
fn every_call_of_curl_shows_the_notice() {
    if !tools(&["curl"]) {
        return;
    }
    for (arguments, times) in CURLS {
        let notice = Notice::start("");
        let arguments = words(arguments, "http", notice.port);
        let mut client = vec!["curl", "-sS"];
        client.extend(arguments.iter().map(String::as_str));
        let seen = run(&client, b"");
        let count = seen.text.matches(&sentence(notice.port)).count();
        assert_eq!(count, *times, "{client:?}: {}", seen.text);
        assert!(seen.status.success(), "{client:?}: {}", seen.text);
    }
}

#[test]
fn curl_shows_it_in_the_status_line_and_in_the_body() {
    if !tools(&["curl"]) {
        return;
    }
    let notice = Notice::start("");
    let url = format!("http://127.0.0.1:{}/path?query=1", notice.port);
    let sentence = sentence(notice.port);
    let status = format!("HTTP/1.1 421 {sentence}\r\n");
    let full = run(&["curl", "-sS", "-i", &url], b"");
    assert!(full.text.starts_with(&status), "{}", full.text);
    assert!(full.text.ends_with(&format!("\r\n\r\n{sentence}\n")), "{}", full.text);
    let head = run(&["curl", "-sS", "-I", &url], b"");
    assert!(head.text.starts_with(&status), "{}", head.text);
    let posted = run(&["curl", "-sS", "-i", "--data-binary", "@-", &url], &vec![b'x'; 3 << 20]);
    assert!(posted.text.contains(&status), "{}", posted.text);
    assert!(posted.status.success(), "{}", posted.text);
}

#[test]
fn curl_as_a_client_of_telnet_shows_the_notice() {
    if !tools(&["curl"]) {
        return;
    }
    let notice = Notice::start("");
    let url = format!("telnet://127.0.0.1:{}", notice.port);
    let seen = run(&["curl", "-sS", &url], b"PING\r\nQUIT\r\n");
    assert_eq!(seen.text, format!("{}+OK\r\n", notice.line()));
}

#[test]
fn wget_shows_the_notice_as_its_error() {
    if !tools(&["wget"]) {
        return;
    }
    let notice = Notice::start("");
    let url = format!("http://127.0.0.1:{}/path", notice.port);
    let seen = run(&["wget", "-O-", &url], b"");
    let expected = format!("ERROR 421: {}.", sentence(notice.port));
    assert!(seen.text.contains(&expected), "{}", seen.text);
}

#[test]
fn clients_of_tls_show_that_access_is_denied() {
    for (line, expected) in TLS_CLIENTS {
        let notice = Notice::start("");
        let client = words(line, "https", notice.port);
        let client: Vec<&str> = client.iter().map(String::as_str).collect();
        if !tools(&client[..1]) {
            return;
        }
        let seen = run(&client, b"");
        assert!(seen.text.contains(expected), "{client:?}: {}", seen.text);
        assert!(!seen.status.success(), "{client:?}");
    }
}

#[test]
fn a_free_port_refuses_connections() {
    // Proves that the clients above would not pass against nothing.
    let port = crate::listener::harness::free_port();
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
    if tools(&["redis-cli"]) {
        let seen = run(&["redis-cli", "-p", &port.to_string(), "ping"], b"");
        assert!(seen.text.contains("refused"), "{}", seen.text);
    }
}
