//! Clients that speak TLS show the notice where the listener has a certificate.

use crate::listener::certificates::Certificate;
use crate::listener::clients::client_program::{JVM_SECONDS, Manners, Program, output_of_use};
use crate::listener::harness::{Notice, Seen, run, run_within, sentence, wait_until};
use crate::support::tools;

/// The modules in tests/clients/java: what each is used for, and how often the sentence must be seen.
/// The last column is for a listener without a certificate.
const JAVA: &[(&str, Manners, &str)] = &[
    ("jedis-4", &[("get", 1), ("pool", 3), ("subscribe", 1), ("cluster", 1)], "set"),
    ("jedis", &[("get", 1), ("resp3", 1), ("subscribe", 1), ("cluster", 1)], "set"),
    ("lettuce", &[("get", 1), ("pipeline", 2), ("subscribe", 1), ("cluster", 1)], "set"),
    ("redisson", &[("get", 1), ("batch", 2), ("cluster", 1)], "set"),
    ("spring", &[("lettuce-get", 1), ("jedis-get", 1), ("lettuce-cluster-get", 1)], "jedis-set"),
];

/// The libraries of Go, in the same way.
const GO: &[(&str, Manners)] = &[
    ("go-redis", &[("get", 1), ("pipeline", 3), ("subscribe", 1), ("cluster", 1)]),
    ("redigo", &[("get", 1), ("pool", 3), ("pipeline", 2), ("subscribe", 1)]),
    ("rueidis", &[("get", 1), ("pipeline", 2), ("subscribe", 1), ("cluster", 1)]),
];

/// A listener with a certificate.
pub fn start() -> Option<(Notice, Certificate)> {
    let certificate = Certificate::new()?;
    Some((Notice::start(&certificate.settings()), certificate))
}

/// What `openssl s_client` shows who sends a command and takes leave.
pub fn s_client(notice: &Notice, arguments: &[&str]) -> Seen {
    let address = format!("127.0.0.1:{}", notice.port);
    let client = ["openssl", "s_client", "-ign_eof", "-connect", &address];
    run(&[&client, arguments].concat(), b"PING\r\nQUIT\r\n")
}

/// Waits for a log line with these fields.
#[track_caller]
pub fn logs(notice: &Notice, fields: &str) {
    wait_until(&format!("{fields} is logged: {}", notice.log()), || notice.log().contains(fields));
}

#[test]
fn redis_cli_shows_the_notice() {
    let Some((notice, certificate)) = start().filter(|_| tools(&["redis-cli"])) else { return };
    let (port, cert) = (notice.port.to_string(), certificate.path("cert.pem"));
    for arguments in [
        &["--insecure", "ping"][..],
        &["--cacert", &cert, "ping"],
        &["--cacert", &cert, "--sni", "localhost", "-3", "-a", "secret", "get", "key"],
        &["--cacert", &cert, "-h", "::1", "-c", "set", "key", "value"],
    ] {
        let seen = run(&[&["redis-cli", "--tls", "-p", &port], arguments].concat(), b"");
        assert!(seen.text.contains(&sentence(notice.port)), "{arguments:?}: {}", seen.text);
    }
    logs(&notice, " protocol=resp tls=1.3 command=PING replies=1 ");
    logs(&notice, " protocol=resp tls=1.3 command=SET ");
    let plain = run(&["redis-cli", "-p", &port, "ping"], b"");
    assert!(plain.text.contains(&sentence(notice.port)), "{}", plain.text);
    logs(&notice, " protocol=resp command=PING replies=1 ");
}

#[test]
fn redis_cli_loads_in_bulk_through_tls() {
    let Some((notice, certificate)) = start().filter(|_| tools(&["redis-cli"])) else { return };
    let (port, cert) = (notice.port.to_string(), certificate.path("cert.pem"));
    let client = ["redis-cli", "--tls", "--cacert", &cert, "-p", &port, "--pipe"];
    let seen = run(&client, &b"SET a b\r\n".repeat(20_000));
    assert!(seen.text.contains("errors: 20000, replies: 20000"), "{}", seen.text);
}

#[test]
fn a_client_that_does_not_trust_the_certificate_says_so() {
    let Some((mut notice, certificate)) = start().filter(|_| tools(&["redis-cli"])) else { return };
    let port = notice.port.to_string();
    let seen = run(&["redis-cli", "--tls", "-p", &port, "ping"], b"");
    assert!(seen.text.contains("certificate verify failed"), "{}", seen.text);
    assert!(!seen.text.contains("PORTCLOSED"), "{}", seen.text);
    let (_, log) = notice.stop();
    let fields = " protocol=tls tls=untrusted command=none replies=0 ";
    assert!(log.contains(fields) && log.ends_with(" outcome=closed\n"), "{log}");
    drop(certificate);
}

#[test]
fn openssl_shows_the_notice_in_either_version() {
    let Some((notice, certificate)) = start() else { return };
    let cert = certificate.path("cert.pem");
    for (option, version) in [("-tls1_2", "1.2"), ("-tls1_3", "1.3")] {
        let verified = ["-CAfile", &cert, "-verify_return_error"];
        let seen = s_client(&notice, &[&[option], &verified[..]].concat());
        assert!(seen.text.contains(&format!("{}+OK\r\n", notice.line())), "{}", seen.text);
        assert!(seen.text.contains(&format!("TLSv{version}")), "{}", seen.text);
        assert!(seen.text.contains("Verify return code: 0 (ok)"), "{}", seen.text);
        logs(&notice, &format!(" protocol=inline tls={version} command=PING replies=2 "));
    }
}

#[test]
fn an_obsolete_tls_version_gets_a_readable_alert() {
    let Some((notice, _certificate)) = start() else { return };
    let seen = s_client(&notice, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(seen.text.contains("alert access denied"), "{}", seen.text);
    logs(&notice, " protocol=tls tls=incompatible command=none ");
}

#[test]
fn curl_shows_the_notice_of_an_https_address() {
    let Some((notice, certificate)) = start().filter(|_| tools(&["curl"])) else { return };
    let sentence = sentence(notice.port);
    let (url, cert) =
        (format!("https://localhost:{}/x", notice.port), certificate.path("cert.pem"));
    let curl = |arguments: &[&str], input: &[u8]| {
        let client = ["curl", "-sS", "--noproxy", "*", "--cacert", &cert];
        let seen = run(&[&client, arguments, &[&url]].concat(), input);
        assert!(seen.status.success(), "{}", seen.text);
        assert!(seen.text.starts_with(&format!("HTTP/1.1 421 {sentence}\r\n")), "{}", seen.text);
        seen.text
    };
    // It offers HTTP/2 as well, gets no answer to that, and takes HTTP/1.1.
    assert!(curl(&["-i"], b"").ends_with(&format!("\r\n\r\n{sentence}\n")));
    curl(&["-I", "--http1.1", "--tls-max", "1.2"], b"");
    curl(&["-i", "--data-binary", "@-"], &vec![b'x'; 3 << 20]);
    logs(&notice, " protocol=http tls=1.3 command=GET replies=1 ");
    logs(&notice, " protocol=http tls=1.2 command=HEAD replies=1 ");
}

#[test]
fn redis_py_raises_the_notice_through_tls() {
    let Some((notice, certificate)) = start() else { return };
    let Some(program) = Program::Python { script: "python/redis_py.py", package: "redis" }.ready()
    else {
        return;
    };
    let (port, cert) = (notice.port.to_string(), certificate.path("cert.pem"));
    for (manner, times) in [("get", 1), ("resp3", 1), ("asyncio", 1), ("cluster", 1)] {
        let seen = run(&[&program[0], &program[1], &port, manner, "redis", &cert], b"");
        assert!(seen.status.success(), "{manner}: {}", seen.text);
        let seen = seen.text.matches(&sentence(notice.port)).count();
        assert_eq!(seen, times, "{manner}");
    }
    logs(&notice, " library=redis-py ");
    assert!(notice.log().lines().all(|line| line.contains(" protocol=resp tls=1.3 ")));
}

/// Uses a module of Java on these ports, and trusts the certificate.
fn java(module: &'static str, certificate: &Certificate, uses: &[(u16, &str)]) -> Option<Seen> {
    let program = Program::Java { module }.ready()?;
    let trust = format!("tls={}", certificate.path("cert.pem"));
    let ports: Vec<String> = uses.iter().map(|(port, _)| port.to_string()).collect();
    let mut client: Vec<&str> = program.iter().map(String::as_str).collect();
    client.push(&trust);
    for (port, (_, manner)) in ports.iter().zip(uses) {
        client.extend([port.as_str(), manner]);
    }
    Some(run_within(JVM_SECONDS, &client, b""))
}

#[test]
fn libraries_of_java_throw_the_notice_through_tls_or_show_the_alert() {
    let Some((notice, certificate)) = start() else { return };
    let plain = Notice::start("");
    for (module, manners, refused) in JAVA {
        let mut uses: Vec<_> = manners.iter().map(|(manner, _)| (notice.port, *manner)).collect();
        uses.push((plain.port, refused));
        let Some(seen) = java(module, &certificate, &uses) else { return };
        for (manner, times) in *manners {
            let count = output_of_use(&seen.stdout, manner).matches(&sentence(notice.port)).count();
            assert_eq!(count, *times, "{module}, {manner}: {}", seen.text);
        }
        let alert = output_of_use(&seen.stdout, refused);
        assert!(alert.contains("Received fatal alert: access_denied"), "{module}: {}", seen.text);
    }
    // Redisson keeps spare connections, which send nothing.
    assert!(notice.log().lines().all(|line| line.contains(" tls=1.3 ")), "{}", notice.log());
    logs(&notice, " library=Lettuce ");
    logs(&plain, " protocol=tls ");
}

#[test]
fn libraries_of_go_return_the_notice_through_tls_or_show_the_alert() {
    let Some((notice, certificate)) = start() else { return };
    let plain = Notice::start("");
    let (told, untold) = (notice.port.to_string(), plain.port.to_string());
    let cert = certificate.path("cert.pem");
    for &(library, manners) in GO {
        let Some(program) = (Program::Go { library }).ready() else { return };
        for (manner, times) in manners {
            let seen = run(&[&program[0], &told, manner, library, &cert], b"");
            let count = seen.stdout.matches(&sentence(notice.port)).count();
            assert_eq!(count, *times, "{library}, {manner}: {}", seen.text);
        }
        let seen = run(&[&program[0], &untold, "get", library, &cert], b"");
        assert!(seen.stdout.contains("tls: access denied"), "{library}: {}", seen.text);
    }
    assert!(notice.log().lines().all(|line| line.contains(" protocol=resp tls=1.3 ")));
    logs(&notice, " library=\"go-redis(,go");
    logs(&plain, " protocol=tls ");
}

#[test]
fn python_reads_the_notice_and_then_close_notify() {
    let Some((notice, certificate)) = start().filter(|_| tools(&["python3"])) else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/tls.py");
    let (port, cert) = (notice.port.to_string(), certificate.path("cert.pem"));
    let told = |times: usize| format!("{}+OK\r\n\n", notice.line().repeat(times));
    for (manner, version, times) in
        [("1.2", "TLSv1.2", 1), ("1.3", "TLSv1.3", 1), ("silent", "TLSv1.3", 2)]
    {
        let seen = run(&["python3", script, &port, &cert, manner], b"");
        assert_eq!(seen.text, format!("{version}\n{}", told(times)), "{manner}");
    }
    let distrust = run(&["python3", script, &port, &cert, "distrust"], b"");
    assert!(distrust.text.contains("certificate verify failed"), "{}", distrust.text);
    logs(&notice, " tls=untrusted ");
}
