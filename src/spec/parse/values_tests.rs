//! Tests of the text values.

use super::*;

#[test]
fn a_line_of_any_script_is_taken() {
    for good in ["Default Redis Port", "Bob's & Co. (old) #1 100%", "Ключи — 缓存", "*_[x]|~"]
    {
        assert_eq!(Line::parse(good, 80).unwrap().as_str(), good);
    }
}

#[test]
fn a_line_that_could_break_out_is_refused() {
    for bad in [
        "",
        " x",
        "x ",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\0b",
        "a\u{1b}[31m",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{200b}b",
        "a\u{a0}b",
        "x\"; drop",
        "x\\",
        "`id`",
        "$(id)",
        "--> x",
        "<b>",
        "{{ x }}",
        "a\u{85}b",
        "a\u{feff}",
        "\u{e0041}",
        "\u{3164}",
        "a\u{2800}b",
        "a\u{fdd0}b",
        "a\u{1fffe}b",
    ] {
        assert!(Line::parse(bad, 80).is_err(), "{bad:?} was taken");
    }
    assert!(Line::parse(&"é".repeat(41), 80).unwrap_err().contains("82 bytes"));
}

#[test]
fn networks_are_canonical_or_say_what_would_be() {
    assert!(network("10.20.0.0/16").is_ok() && network("2001:db8::/32").is_ok());
    assert!(network("10.20.1.0/16").unwrap_err().contains("10.20.0.0/16"));
    assert!(network("10.0.0.1").unwrap_err().contains("10.0.0.1/32"));
    assert!(network("2001:DB8::/32").unwrap_err().contains("2001:db8::/32"));
    for bad in [
        "0.0.0.0/0",
        "::/0",
        "127.0.0.0/8",
        "::1/128",
        "224.0.0.0/4",
        "ff00::/8",
        "0.0.0.0/1",
        "::ffff:0.0.0.0/96",
        "::102:300/120",
        "10.0.0.0/33",
        "ten",
        "",
        "10.0.0.0/8 -j ACCEPT",
    ] {
        assert!(network(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn paths_stay_where_they_belong() {
    assert_eq!(LogPath::parse("/var/log/a/b.log").unwrap().real(), "/var/log/redisguard/b.log");
    assert!(!LogPath::parse("/var/log/redisguard/b.log").unwrap().is_linked());
    for bad in [
        "/etc/passwd",
        "var/log/x",
        "/var/log/../x",
        "/var/log/",
        "/var/log/a b",
        "/var/log//x",
        "/var/log/redisguard",
        "/var/log/redisguard/a/b",
        "/var/log/$x",
        "/var/log/private/x",
    ] {
        assert!(LogPath::parse(bad).is_err(), "{bad} was taken");
    }
    assert!(DocumentPath::parse("docs/redis/A.md").is_ok());
    for bad in [
        "/docs/a.md",
        "../a.md",
        "docs/../../a.md",
        "a.txt",
        "",
        ".git/a.md",
        "docs/.git/a.md",
        "a//b.md",
    ] {
        assert!(DocumentPath::parse(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn hosts_and_addresses_of_mail_are_plain() {
    for good in ["redis.example.org", "10.0.0.1", "::1", "node-1"] {
        assert!(Host::parse(good).is_ok(), "{good} was refused");
    }
    for bad in ["", "a b", "-x", "x-", "a..b", "1.2.3", "a;b", "a.b.", "10.0.0.256"] {
        assert!(Host::parse(bad).is_err(), "{bad} was taken");
    }
    assert!(Email::parse("commsops@nova.ai").is_ok());
    for bad in ["commsops", "@x", "a@", "a b@c", "a@b@c", "a'@b.c", "x@10.0.0.1"] {
        assert!(Email::parse(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn a_certificate_is_named_by_a_plain_absolute_path() {
    for good in ["/etc/letsencrypt/live/redis.example.org/fullchain.pem", "/a"] {
        assert!(PemPath::parse(good).is_ok(), "{good} was refused");
    }
    for bad in [
        "",
        "/",
        "tls/cert.pem",
        "./cert.pem",
        "/etc/ssl/../shadow",
        "/etc//cert.pem",
        "/etc/ssl/",
        "/etc/ssl/a b.pem",
        "/etc/ssl/%h.pem",
        "/etc/ssl/a:b.pem",
        "/etc/ssl/a\n[Service]",
        "/etc/ssl/ключ.pem",
    ] {
        assert!(PemPath::parse(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn a_textfile_is_one_that_node_exporter_reads() {
    let good = TextfilePath::parse("/var/lib/prometheus/node-exporter/redisguard.prom");
    let directory = good.map(|path| path.directory().to_owned());
    assert_eq!(directory.as_deref(), Ok("/var/lib/prometheus/node-exporter"));
    for bad in ["", "redisguard.prom", "/redisguard.prom", "/a/b.txt", "/a/.prom", "/a b/c.prom"] {
        assert!(TextfilePath::parse(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn an_address_of_a_page_has_a_host_and_no_fragment() {
    for good in ["https://wiki.example.org/a-b_c/d.md?x=1&y=%20", "http://10.0.0.1:8080"] {
        assert!(WebAddress::parse(good).is_ok(), "{good} was refused");
    }
    for bad in [
        "",
        "docs/runbook.md",
        "javascript:alert(1)",
        "ftp://example.org/",
        "https://",
        "https:///docs",
        "https://user@example.org/",
        "https://example.org:99999/",
        "https://example.org/#top",
        "https://example.org/a b",
        "https://example.org/\"x",
        "https://example.org/{{ x }}",
        "https://example.org/ключ",
    ] {
        assert!(WebAddress::parse(bad).is_err(), "{bad} was taken");
    }
    assert!(WebAddress::parse(&format!("https://a/{}", "x".repeat(200))).is_err());
}

#[test]
fn a_target_label_is_one_that_prometheus_keeps_and_redisguard_does_not_use() {
    for good in ["env", "_stage", "Cluster2", "job"] {
        assert!(TargetLabel::parse(good).is_ok(), "{good} was refused");
    }
    for bad in ["", "2env", "a-b", "a b", "__meta", "instance", "bundle", "ключ", "env\""] {
        assert!(TargetLabel::parse(bad).is_err(), "{bad} was taken");
    }
}
