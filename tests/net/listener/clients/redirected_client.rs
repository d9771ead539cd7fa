//! A client that the firewall redirects gets the notice of the port it asked for.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::listener::harness::run;
use crate::support::{need, tools};

const SETTINGS: &str = "port = 63790\n[[reserved]]\nfirst = 6379\n\
    last = 6381\nlisten = \"never\"\nsentence = \"PORTCLOSED {port} is blocked here.\"\n";

fn namespaces_work() -> bool {
    if !tools(&["unshare", "ip", "iptables", "ip6tables", "redis-cli"]) {
        return false;
    }
    let probe = "ip link set lo up && iptables -w -t nat -L -n && ip6tables -w -t nat -L -n";
    let output = Command::new("unshare").args(["-Urn", "sh", "-c", probe]).output().unwrap();
    need("user namespaces with netfilter", output.status.success())
}

#[test]
fn a_redirected_client_gets_the_notice_of_the_port_it_asked_for() {
    if !namespaces_work() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let settings = folder.path().join("notice.toml");
    fs::write(&settings, SETTINGS).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/redirected.sh");
    let listener = env!("CARGO_BIN_EXE_redisguard-install");
    let seen =
        run(&["unshare", "-Urn", "sh", script, listener, settings.to_str().unwrap()], b"").text;
    for host in ["127.0.0.1", "::1"] {
        for (port, told) in [(6379, 6379), (6381, 6381), (63790, 6379)] {
            let line = format!("{host} {port}: PORTCLOSED {told} is blocked here.\n");
            assert!(seen.contains(&line), "{line} is missing: {seen}");
        }
    }
    for reached in ["0 16383 ::1 6380 ", "0 16383 127.0.0.2 6380 "] {
        assert!(seen.contains(reached), "{reached} is missing: {seen}");
    }
    for (family, port, via) in
        [(4, 6381, "redirected"), (6, 6381, "redirected"), (6, 6379, "local")]
    {
        let fields = format!(" port={port} family={family} via={via} ");
        assert!(seen.contains(&fields), "{fields} is missing: {seen}");
    }
}
