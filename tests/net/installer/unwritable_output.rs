//! A standard output or error that cannot be written changes no result.

use super::{able, assert_contains, exit_status, install, new_host};
use crate::support::namespace::Host;
use crate::support::{INSTALL, tools, transcript};
use std::process::Output;

/// Runs the installer in a shell, with a descriptor 5 into a pipe that nobody reads.
fn run(host: &Host, arguments: &str) -> Output {
    let pipe = "mkfifo /run/pipe 2>/dev/null; exec 4<>/run/pipe 5>/run/pipe 4<&-";
    host.run("bash", &["-c", &format!("{pipe}; {INSTALL} {arguments}")])
}

#[test]
fn an_unwritable_standard_error_stops_nothing() {
    if !able() || !tools(&["nft", "flock"]) {
        return;
    }
    for nowhere in ["2>/dev/full", "2>&5"] {
        let host = Host::new();
        host.sh("flock /run/redisguard.lock -c 'touch /run/held; sleep 2' &>/dev/null &
             until [ -e /run/held ]; do sleep 0.01; done");
        let waited = run(&host, &format!("apply {nowhere}"));
        assert_eq!(exit_status(&waited), 0, "{nowhere}: {}", transcript(&waited));
        assert!(host.rules().contains("REDISGUARD-IN"));
    }

    // Without iptables there is something to note.
    let host = Host::new();
    host.sh("mkdir /run/few; ln -s $(command -v nft) /run/few");
    let apply =
        |to: &str| host.run("bash", &["-c", &format!("PATH=/run/few; exec {INSTALL} apply {to}")]);
    assert!(transcript(&apply("")).contains("note: iptables is not installed"));
    host.sh("redisguard-install remove");
    let noted = apply("2>/dev/full");
    assert_eq!(exit_status(&noted), 0, "{}", transcript(&noted));
    assert!(host.sh("nft list tables").contains("redisguard"));
}

#[test]
fn the_exit_status_of_a_change_does_not_depend_on_its_output() {
    let Some(host) = new_host() else { return };
    for nowhere in [">/dev/full", ">&5"] {
        let applied = run(&host, &format!("apply {nowhere}"));
        assert_eq!(exit_status(&applied), 0, "{nowhere}: {}", transcript(&applied));
        assert!(host.rules().contains("REDISGUARD-IN"));
        let full = nowhere.contains("full");
        assert_eq!(
            transcript(&applied).contains("standard output"),
            full,
            "{}",
            transcript(&applied)
        );
        for verb in ["rules load", "rules unload", "remove"] {
            let done = run(&host, &format!("{verb} {nowhere}"));
            assert_eq!(exit_status(&done), 0, "{verb} {nowhere}: {}", transcript(&done));
        }
        assert!(!host.has("/etc/redisguard"));

        // Until when it can be confirmed must be known, wherever it can still be said.
        for json in ["", "--json"] {
            let waits = run(&host, &format!("apply --confirm 1h {json} {nowhere}"));
            assert_eq!(exit_status(&waits), 0, "{nowhere}: {}", transcript(&waits));
            let by = host.sh("sed -n 's/.*\"confirm_by\": \"\\(.*\\)\".*/\\1/p' \
                              /var/lib/redisguard/unconfirmed/record.json");
            let said = format!("it is undone at {}, unless", by.trim());
            assert!(transcript(&waits).contains(&said), "{said}: {}", transcript(&waits));
            assert_contains(&waits, "redisguard-install confirm");
            let back = run(&host, &format!("revert {nowhere}"));
            assert_eq!(exit_status(&back), 0, "{nowhere}: {}", transcript(&back));
        }
    }
}

#[test]
fn a_full_output_is_an_error_and_a_closed_pipe_is_not() {
    let Some(host) = new_host() else { return };
    install(&host, &["apply"], 0);
    for verb in ["plan", "status", "status --json", "remove --dry-run"] {
        let full = run(&host, &format!("{verb} >/dev/full"));
        assert_eq!(exit_status(&full), 2, "{verb}: {}", transcript(&full));
        let said = transcript(&full);
        assert_eq!(said.matches("could not write to standard output").count(), 1, "{said}");
        let left = run(&host, &format!("{verb} >&5"));
        assert_eq!(
            (exit_status(&left), &left.stderr[..]),
            (2, &b""[..]),
            "{verb}: {}",
            transcript(&left)
        );
    }
}
