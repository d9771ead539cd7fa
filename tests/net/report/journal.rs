//! The kernel's lines are read from the journal, in every form in which journalctl prints them.

use crate::support::report_logs::{Tree, line, packet, piped};
use crate::support::{exit_status, need, tools, transcript};
use std::fs;
use std::path::Path;
use std::process::Stdio;

#[test]
fn a_journal_that_may_not_be_read_is_an_error() {
    let tree = Tree::with_log("");
    fs::create_dir_all(tree.path("var/log/journal")).unwrap();
    let fake = "#!/bin/sh\ncase \"$*\" in *--quiet*) ;; *) echo 'Hint: You are currently not seeing messages \
                from other users and the system.' >&2 ;; esac\n";
    tree.write("bin/journalctl", fake);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tree.path("bin/journalctl"), mode).unwrap();
    let output = tree.command(&[]).env("PATH", tree.path("bin")).output().unwrap();
    let said = transcript(&output);
    assert_eq!(exit_status(&output), 1, "{said}");
    assert!(!said.to_lowercase().contains("nobody"), "{said}");
    assert!(
        said.contains("could not read the whole journal: Hint: You are currently not seeing"),
        "{said}"
    );
}

#[test]
fn syslog_reaches_further_back_than_the_journal() {
    let tree = Tree::with_log("");
    fs::create_dir_all(tree.path("var/log/journal")).unwrap();
    let message = |text: &str| text.split_once("] ").unwrap().1.trim_end().to_owned();
    let [old, both, new] =
        [1, 3, 4].map(|day| packet(day, "drop", &format!("192.0.2.{day}"), 6379));
    // 2026-11-03T05:45:00.123456Z, and what only the journal has a day later.
    let fake = format!(
        "#!/bin/sh\necho '1793684700.123456 web kernel: {}'\necho '1793771100.123456 web kernel: {}'\n",
        message(&both),
        message(&new)
    );
    tree.write("bin/journalctl", fake);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tree.path("bin/journalctl"), mode).unwrap();
    tree.write("var/log/kern.log", format!("{old}{both}"));
    let output = tree.command(&["--json"]).env("PATH", tree.path("bin")).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((exit_status(&output), &json["attempts"]), (0, &3.into()), "{json:#}");
    assert_eq!(json["lines"]["repeated"], 1);
    assert_eq!(json["kernel"], "the journal, /var/log/kern.log");
}

/// Every form in which journalctl of systemd 252 prints entries (`journalctl -o help`).
const FORMS: [&str; 16] = [
    "short",
    "short-full",
    "short-iso",
    "short-iso-precise",
    "short-precise",
    "short-monotonic",
    "short-delta",
    "short-unix",
    "with-unit",
    "verbose",
    "export",
    "json",
    "json-pretty",
    "json-sse",
    "json-seq",
    "cat",
];

#[test]
fn a_persistent_journal_is_read_instead_of_the_files() {
    const REMOTE: &str = "/lib/systemd/systemd-journal-remote";
    if !tools(&["journalctl"]) || !need("systemd-journal-remote", Path::new(REMOTE).exists()) {
        return;
    }
    let tree = Tree::with_log(&line(1, "192.0.2.1", 6379, "", "told"));
    tree.write("var/log/kern.log", packet(2, "drop", "192.0.2.2", 6379));
    let message = |source: &str| {
        let packet = packet(2, "drop", source, 6380);
        packet.split_once("] ").unwrap().1.trim_end().to_owned()
    };
    // Three boots, as `journalctl -o export` writes them; one entry is somebody else's words.
    let mut entries = String::new();
    for (place, (transport, source)) in
        [("kernel", "192.0.2.3"), ("kernel", "192.0.2.4"), ("syslog", "192.0.2.5")]
            .into_iter()
            .enumerate()
    {
        entries.push_str(&format!(
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID={place:032x}\n_TRANSPORT={transport}\n\
             _HOSTNAME=web\nSYSLOG_IDENTIFIER=kernel\nMESSAGE={}\n\n",
            1_793_500_000_000_000_u64 + place as u64,
            message(source)
        ));
    }
    let folder = "var/log/journal/0123456789abcdef0123456789abcdef";
    fs::create_dir_all(tree.path(folder)).unwrap();
    let journal = tree.path(folder).join("system.journal");
    piped(REMOTE, &["-o", journal.to_str().unwrap(), "-"], entries.as_bytes());
    let (json, code) = tree.json(&[]);
    assert_eq!((code, &json["kernel"]), (0, &"the journal".into()), "{json:#}");
    assert_eq!(
        (&json["attempts"], &json["answers"]["dropped"]),
        (&3.into(), &2.into()),
        "{json:#}"
    );
    let (json, _) = tree.json(&["--kernel", "files"]);
    assert_eq!(json["attempts"], 2);
    // Nothing of it is older than what is asked for.
    assert_eq!(tree.json(&["--since", "2026-11-25"]).0["lines"]["read"], 1);
    // The same, as journalctl prints it for people and for programs.
    for form in FORMS {
        let output = std::process::Command::new("journalctl")
            .args(["--quiet", "--no-pager", "-o", form, "-D"])
            .arg(tree.path("var/log/journal"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        let mut command = tree.command(&["--json", "--log", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &output.stdout).unwrap();
        let said = child.wait_with_output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        // Only forms with all fields say who spoke.
        let expected = match form {
            "json" | "json-pretty" | "json-sse" | "json-seq" | "export" | "verbose" => 2,
            "cat" => 0,
            _ => 3,
        };
        assert_eq!(
            json["attempts"],
            expected,
            "{form}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
