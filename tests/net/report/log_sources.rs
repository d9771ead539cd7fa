//! Rotated, compressed, linked and journald logs are read once, each from one place.

use crate::support::report_logs::{LOG, Tree, everything, line, packet, piped};
use crate::support::{exit_status, need, tools, transcript};
use std::fs;
use std::path::Path;

fn one(source: &str) -> String {
    line(1, source, 6379, "", "told")
}

#[test]
fn rotated_logs_in_any_compression_are_read_once() {
    if !tools(&["gzip", "xz", "zstd", "bzip2"]) {
        return;
    }
    let tree = Tree::with_log(&one("192.0.2.1"));
    tree.write(&format!("{LOG}.1"), one("192.0.2.2"));
    let gzip = |text: &str| piped("gzip", &["-c"], text.as_bytes());
    // gzip files put together are one file (RFC 1952, section 2.2).
    tree.write(&format!("{LOG}.2.gz"), [gzip(&one("192.0.2.3")), gzip(&one("192.0.2.4"))].concat());
    tree.write(&format!("{LOG}.3.xz"), piped("xz", &["-c"], one("192.0.2.5").as_bytes()));
    tree.write(&format!("{LOG}-20261101.zst"), piped("zstd", &["-c"], one("192.0.2.6").as_bytes()));
    tree.write(&format!("{LOG}.4.bz2"), piped("bzip2", &["-c"], one("192.0.2.7").as_bytes()));
    // What a rotation leaves behind while it compresses.
    tree.write(&format!("{LOG}.1.gz"), &gzip(&one("192.0.2.2"))[..20]);
    // What is none.
    tree.write(&format!("{LOG}.bak"), one("192.0.2.8"));
    tree.write("var/log/redisguard/other.log", one("192.0.2.9"));
    let (json, code) = tree.json(&[]);
    assert_eq!((code, &json["attempts"], &json["sources"]), (0, &7.into(), &7.into()), "{json:#}");

    // By other names the same files are the same, and a name says nothing of what is inside.
    let log = tree.path(LOG);
    fs::hard_link(&log, tree.path("same")).unwrap();
    std::os::unix::fs::symlink(&log, tree.path("link")).unwrap();
    fs::copy(tree.path(&format!("{LOG}.2.gz")), tree.path("plain.log")).unwrap();
    let paths = [LOG, "same", "link", "plain.log"].map(|path| tree.path(path));
    let paths: Vec<&str> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let (json, code) = tree.json(&[&["--log"], &paths[..]].concat());
    assert_eq!((code, &json["attempts"]), (0, &3.into()), "{json:#}");
}

#[test]
fn logs_that_end_long_before_since_are_not_read() {
    let tree = Tree::with_log(&line(20, "192.0.2.1", 6379, "", "told"));
    let old = tree.path(&format!("{LOG}.1"));
    tree.write(&format!("{LOG}.1"), one("192.0.2.2").repeat(100));
    let status = std::process::Command::new("touch").args(["-d", "2026-11-01"]).arg(&old).status();
    assert!(status.unwrap().success());
    let (json, _) = tree.json(&["--since", "2026-11-10"]);
    assert_eq!((&json["attempts"], &json["lines"]["read"]), (&1.into(), &1.into()), "{json:#}");
    assert_eq!(tree.json(&["--since", "2026-11-01"]).0["attempts"], 101);
    // Who names a log wants it read.
    let (json, _) = tree.json(&["--since", "2026-11-10", "--log", old.to_str().unwrap()]);
    assert_eq!(json["lines"]["outside"], 100);
}

#[test]
fn more_logs_than_can_be_open_at_once_are_read() {
    let tree = Tree::new();
    let paths: Vec<String> = (0..400)
        .map(|number| {
            let source = format!("10.0.{}.{}", number / 256, number % 256);
            tree.write(&format!("logs/{number}"), one(&source));
            tree.path(&format!("logs/{number}")).display().to_string()
        })
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let output = std::process::Command::new("bash")
        .args([
            "-c",
            "ulimit -n 300; exec \"$0\" report --json --log \"$@\"",
            crate::support::INSTALL,
        ])
        .args(&paths)
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (exit_status(&output), &json["sources"]),
        (0, &400.into()),
        "{}",
        transcript(&output)
    );
}

#[test]
fn kernel_lines_are_read_from_one_source() {
    let tree = Tree::with_log(&one("192.0.2.1"));
    let dropped = packet(2, "drop", "192.0.2.2", 6379);
    tree.write("var/log/kern.log", &dropped);
    tree.write("var/log/kern.log.1", packet(1, "reject", "192.0.2.3", 6379));
    tree.write("var/log/syslog", &dropped);
    let (json, _) = tree.json(&[]);
    assert_eq!((&json["kernel"], &json["attempts"]), (&"/var/log/kern.log".into(), &3.into()));
    assert_eq!(json["lines"]["repeated"], 1);
    let (json, _) = tree.json(&["--kernel", "none"]);
    assert_eq!((&json["kernel"], &json["attempts"]), (&serde_json::Value::Null, &1.into()));
    // Nobody but the kernel speaks for the kernel, and the listener's lines are not looked for there.
    let forged = dropped.replace("kernel:", "mallory:") + &one("192.0.2.4");
    tree.write("var/log/kern.log", &forged);
    tree.write("var/log/syslog", forged);
    assert_eq!(tree.json(&[]).0["attempts"], 2);
}

#[test]
fn an_empty_or_forgotten_log_hides_no_other_and_no_line_counts_twice() {
    let tree = Tree::with_log(&one("192.0.2.1"));
    let old = packet(1, "drop", "192.0.2.2", 6379);
    let new = packet(2, "drop", "192.0.2.3", 6379);
    // The daemon was told to write elsewhere; one line is in both.
    tree.write("var/log/kern.log", "");
    tree.write("var/log/kern.log.4.gz", piped("gzip", &["-c"], old.as_bytes()));
    let other = new.replace("2026-11-02T05:45:00.123456+00:00", "Nov  2 05:45:01");
    tree.write("var/log/syslog", format!("{old}{other}{}", new.replace("ID=1", "ID=2")));
    tree.write("var/log/messages", &new);
    let (json, code) = tree.json(&[]);
    assert_eq!((code, &json["attempts"], &json["lines"]["repeated"]), (0, &4.into(), &2.into()));
    assert_eq!(json["kernel"], "/var/log/kern.log, /var/log/messages, /var/log/syslog");
    // A line that one log has twice is two packets.
    tree.write("var/log/messages", new.repeat(2));
    assert_eq!(tree.json(&[]).0["attempts"], 5);
}

#[test]
fn a_report_without_data_says_so() {
    // Neither log of the kernel: nobody knows who was dropped.
    let tree = Tree::with_log("");
    let output = tree.report(&[]);
    let said = transcript(&output);
    assert_eq!(exit_status(&output), 0, "{said}");
    assert!(
        !said.to_lowercase().contains("nobody") && said.contains("not found: the kernel's log"),
        "{said}"
    );
    tree.write("var/log/syslog", "2026-11-05T05:45:00+00:00 web sshd[1]: hello\n");
    let output = tree.report(&[]);
    assert_eq!(exit_status(&output), 0);
    assert!(transcript(&output).starts_with("nobody knocks\n"), "{}", transcript(&output));
    // A log that cannot be read to its end, and a program that is missing.
    let plain = packet(2, "drop", "192.0.2.2", 6379);
    for (name, program, package) in [
        ("xz", "xz", "xz-utils"),
        ("zst", "zstd", "zstd"),
        ("bz2", "bzip2", "bzip2"),
        ("lz4", "lz4", "lz4"),
    ] {
        if !tools(&[program]) {
            continue;
        }
        let path = format!("var/log/syslog.1.{name}");
        tree.write(&path, piped(program, &["-c"], plain.as_bytes()));
        assert_eq!(tree.json(&[]).0["attempts"], 1, "{program}");
        let output = tree.command(&[]).env("PATH", "/nowhere").output().unwrap();
        let said = transcript(&output);
        assert_eq!(exit_status(&output), 1, "{said}");
        assert!(!said.to_lowercase().contains("nobody"), "{said}");
        assert!(
            said.contains(&format!("{program} is not installed; it is in the package {package}")),
            "{said}"
        );
        fs::remove_file(tree.path(&path)).unwrap();
    }
}

#[test]
fn lines_that_cannot_be_counted_make_the_exit_status_1_and_are_shown() {
    let tree = Tree::with_log(&one("192.0.2.1"));
    let dropped = packet(2, "drop", "192.0.2.2", 6379);
    let torn = &dropped[..dropped.find("DPT=").unwrap()];
    let future = dropped.replace("2026-", "2126-");
    let forged = dropped.replace("kernel:", "mallory:");
    tree.write("var/log/kern.log", format!("{dropped}{forged}{torn}\x1b[2J\n{future}"));
    let output = tree.report(&[]);
    let said = transcript(&output);
    assert_eq!(exit_status(&output), 1, "{said}");
    assert!(said.contains("1 line skipped: its timestamp lies in the future"), "{said}");
    assert!(said.contains("2 of them may be about attempts"), "{said}");
    let output = tree.report(&["--skipped"]);
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    let log = tree.path("var/log/kern.log").display().to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((exit_status(&output), lines.len()), (1, 2), "{shown}");
    assert!(lines[0].starts_with(&format!("{log}:3: torn: 2026-11-02T")), "{shown}");
    assert!(lines[0].ends_with("\\x1b[2J") && !shown.contains('\u{1b}'), "{shown}");
    assert!(lines[1].starts_with(&format!("{log}:4: future: 2126-")), "{shown}");
    let (json, _) = tree.json(&["--skipped"]);
    assert_eq!((json["skipped"][1]["line"].as_u64(), &json["uncounted"]), (Some(4), &2.into()));
    assert_eq!(tree.json(&[]).0["skipped"], serde_json::Value::Null);
    // What is older than what is asked for is no reason to doubt the report.
    tree.write("var/log/kern.log", format!("{dropped}{torn}\n"));
    assert_eq!(tree.json(&["--since", "2026-11-10"]).1, 0);
}

#[test]
fn a_log_that_is_named_may_be_of_another_host() {
    let tree = everything();
    assert_eq!(tree.json(&[]).0["host"], "web");
    let log = tree.path(LOG).display().to_string();
    assert_eq!(tree.json(&["--log", &log]).0["host"], serde_json::Value::Null);
    let page = String::from_utf8(tree.report(&["--log", &log, "--html", "-"]).stdout).unwrap();
    assert!(page.contains("<title>Who still knocks</title>"));
}

#[test]
fn timestamps_without_a_zone_are_in_the_hosts_zone() {
    let zone = Path::new("/usr/share/zoneinfo/Asia/Kolkata");
    if !need("tzdata", zone.exists()) {
        return;
    }
    let tree = Tree::with_log(&one("192.0.2.1"));
    let dropped = packet(2, "drop", "192.0.2.2", 6379);
    tree.write(
        "var/log/kern.log",
        dropped.replace("2026-11-02T05:45:00.123456+00:00", "Nov  2 05:45:00"),
    );
    let last = |tree: &Tree| {
        let (json, _) = tree.json(&["--port", "6379"]);
        let knocks = json["knocks"].as_array().unwrap().clone();
        let dropped = knocks.into_iter().find(|knocks| knocks["source"] == "192.0.2.2").unwrap();
        dropped["last"].as_str().unwrap()[5..].to_owned()
    };
    assert_eq!(last(&tree), "11-02T05:45:00Z");
    // As a host has it: a link into its own files, by a name that this machine has not.
    tree.write("usr/share/zoneinfo/Of/Tree", fs::read(zone).unwrap());
    fs::create_dir_all(tree.path("etc")).unwrap();
    std::os::unix::fs::symlink("/usr/share/zoneinfo/Of/Tree", tree.path("etc/localtime")).unwrap();
    assert_eq!(last(&tree), "11-02T00:15:00Z");
}

#[test]
fn missing_and_truncated_logs_are_reported() {
    let tree = Tree::new();
    let output = tree.report(&[]);
    assert_eq!(exit_status(&output), 2);
    assert!(transcript(&output).contains("there is no log here yet"), "{}", transcript(&output));
    let output = tree.report(&["--log", "/nowhere/log"]);
    assert!(
        exit_status(&output) == 2 && transcript(&output).contains("could not read /nowhere/log"),
        "{}",
        transcript(&output)
    );

    let whole = everything();
    let gzip = piped("gzip", &["-c"], one("192.0.2.1").repeat(9999).as_bytes());
    whole.write(&format!("{LOG}.2.gz"), &gzip[..gzip.len() - 20]);
    let (json, code) = whole.json(&[]);
    assert_eq!(code, 1);
    let why = json["incomplete"][0].as_str().unwrap();
    assert!(why.contains("redis_port_notice.log.2.gz to its end"), "{why}");
    assert!(json["lines"]["counted"].as_u64().unwrap() > 5000, "{json:#}");
}

#[test]
fn an_offline_tree_is_read_alone_at_the_paths_of_its_own_bundle() {
    let tree = Tree::new();
    let elsewhere = Tree::with_log(&one("192.0.2.1"));
    tree.write("var/log/x", "");
    std::os::unix::fs::symlink(
        elsewhere.path("var/log/redisguard"),
        tree.path("var/log/redisguard"),
    )
    .unwrap();
    let output = tree.report(&[]);
    assert!(
        exit_status(&output) == 2 && transcript(&output).contains("out of the tree"),
        "{}",
        transcript(&output)
    );

    let tree = Tree::new();
    let facts = include_str!("../../../generated/host/etc/redisguard/guard.toml");
    tree.write(
        "etc/redisguard/guard.toml",
        facts.replace("redisguard/redis_port_notice.log", "elsewhere/notice.log"),
    );
    tree.write("var/log/elsewhere/notice.log", one("192.0.2.1"));
    assert_eq!(tree.json(&[]).0["attempts"], 1);
    tree.write("etc/redisguard/guard.toml", "nonsense");
    let output = tree.report(&[]);
    assert!(
        exit_status(&output) == 2 && transcript(&output).contains("guard.toml"),
        "{}",
        transcript(&output)
    );
}
