//! Which settings are accepted, and the messages about others.

#![allow(clippy::unwrap_used)]
use super::*;

const TAIL: &str = "[[reserved]]\nfirst = 6379\nlast = 6379\n\
                    listen = \"if-free\"\nsentence = \"PORTCLOSED {port} is blocked\"\n";

#[test]
fn a_short_file_gets_the_defaults() {
    let settings = Settings::parse(TAIL).unwrap();
    assert_eq!(settings.log_format, LogFormat::Logfmt);
    assert_eq!((settings.max_connections, settings.max_per_source), (1024, 256));
    assert_eq!((settings.idle, settings.port), (300, None));
    assert_eq!(settings.reserved[0].listen, Listen::IfFree);
    let named =
        Settings::parse(&format!("log-format = {:?}\n{TAIL}", listener_contract::LOG_FORMAT));
    assert_eq!(named.unwrap(), settings, "the default of log-format is another in the TOML");
}

#[test]
fn the_port_replaces_its_placeholder_in_the_notice() {
    let settings = Settings::parse(TAIL).unwrap();
    let reservation = settings.reservation(6379).unwrap();
    assert_eq!(reservation.sentence_for(6379), "PORTCLOSED 6379 is blocked");
    assert_eq!(settings.reservation(6380), None);
}

#[test]
fn an_unknown_key_is_refused() {
    let message = Settings::parse(&format!("colour = 1\n{TAIL}")).unwrap_err();
    assert!(message.contains("colour"), "{message}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = format!(
        "idle = 0\nport = 6379\n{TAIL}[[reserved]]\nfirst = 6000\nlast = 6400\n\
         sentence = \"two\\nlines\"\n"
    );
    let message = Settings::parse(&text).unwrap_err();
    for part in ["idle", "notice port and reserved", "reserved twice", "one printable line"] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
}

#[test]
fn a_certificate_needs_its_key_and_absolute_paths() {
    let with = |tls: &str| Settings::parse(&format!("[tls]\n{tls}\n{TAIL}"));
    let tls = with("cert = \"/a/cert.pem\"\nkey = \"/a/key.pem\"").unwrap().tls.unwrap();
    assert_eq!((tls.cert, tls.key), ("/a/cert.pem".into(), "/a/key.pem".into()));
    assert!(with("cert = \"/a/cert.pem\"").unwrap_err().contains("`key`"));
    let message = with("cert = \"cert.pem\"\nkey = \"./key.pem\"").unwrap_err();
    for part in ["tls.cert must be an absolute path", "tls.key must be an absolute path"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_idle_time_over_a_day_is_refused() {
    let message = Settings::parse(&format!("idle = 86401\n{TAIL}")).unwrap_err();
    assert!(message.contains("idle must be at most 86400"), "{message}");
}

#[test]
fn a_notice_that_makes_too_long_a_line_is_refused() {
    let fits = TAIL.replace("is blocked", &"x".repeat(MAX_NOTICE_BYTES - 3 - 16));
    assert!(Settings::parse(&fits).is_ok());
    let message = Settings::parse(&fits.replace("xx", "xxx")).unwrap_err();
    assert!(message.contains("512 are allowed"), "{message}");
}
