//! `plan`, `apply`, `status` and `remove` agree, and a removal leaves the host as it was.
//!
//! The real iptables on a real kernel, in namespaces with a copy of this machine's files.

mod bundle_choice;
mod confirm_without_systemd;
mod drift_repair;
mod error_fixes;
mod failed_changes;
mod failure_at_every_step;
mod interrupted_apply;
mod local_reserved_ports;
mod many_ports;
mod offline_tree;
mod open_connections;
mod rules;
mod unexpected_paths;
mod unit_rollback;
mod unwritable_output;
mod without_systemd;

use crate::support::namespace::Host;
use crate::support::{GEN, INSTALL, can_make_namespaces, exit_status, tools, transcript};
use serde_json::Value;
use std::process::{Command, Output};

fn able() -> bool {
    can_make_namespaces() && tools(&["iptables", "ip6tables", "iptables-restore", "nsenter"])
}

/// A host for one test; `None` where none can be made, after saying why.
fn new_host() -> Option<Host> {
    able().then(Host::new)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}", transcript(output)))
}

/// Runs the installer on a host; it must end with this exit status.
#[track_caller]
fn install(host: &Host, arguments: &[&str], status: i32) -> Output {
    let output = host.install(arguments);
    assert_eq!(exit_status(&output), status, "{}", transcript(&output));
    output
}

/// What the installer has printed must contain a text.
#[track_caller]
fn assert_contains(output: &Output, text: &str) {
    assert!(transcript(output).contains(text), "{}", transcript(output));
}

/// A bundle of another spec, rendered into a folder of its own.
fn bundle(toml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
    let output = Command::new(GEN).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    folder
}

const OTHER: &str = "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
    [[reserved]]\nport = 6381\nexternal = \"notice\"\nlisten = \"never\"\n\
    [firewall]\nexisting = \"keep\"\n";

#[test]
fn apply_plan_and_status_agree_and_a_second_apply_changes_nothing() {
    let Some(host) = new_host() else { return };
    let planned = install(&host, &["plan", "--json"], 1);
    assert_eq!(host.rules(), Host::new().rules(), "plan changed rules");
    let applied = install(&host, &["apply", "--json"], 0);
    assert_eq!(json(&planned)["steps"], json(&applied)["steps"]);
    assert_eq!(json(&applied)["changed"], true);

    let input = host.sh(
        "iptables -L INPUT -n | grep -E '6379|6380'; ip6tables -L INPUT -n | grep -E '6379|6380'",
    );
    assert_eq!(input.lines().filter(|line| line.contains("6379,6380")).count(), 2, "{input}");
    host.sh("redisguard-install status && redisguard-install plan");

    let (files, counters) = (host.changed_files(), host.counters());
    let again = host.install(&["apply", "--json"]);
    assert_eq!((exit_status(&again), json(&again)["changed"].clone()), (0, Value::Bool(false)));
    assert_eq!(host.install(&["rules", "load"]).stdout, b"in place: nothing was touched\n");
    assert_eq!((host.changed_files(), host.counters()), (files, counters));
}

#[test]
fn an_empty_path_is_enough_and_a_removal_leaves_nothing_in_run() {
    let Some(host) = new_host() else { return };
    for (environment, verb) in [("PATH=", "apply"), ("PATH=:", "plan"), ("A=b", "remove")] {
        let output = host.run("/usr/bin/env", &["-i", environment, INSTALL, verb]);
        assert_eq!(exit_status(&output), 0, "{verb}: {}", transcript(&output));
    }
    assert_eq!(host.sh("find /run -name '*redisguard*'"), "");
}

#[test]
fn remove_leaves_the_host_as_it_was_with_foreign_rules_and_files() {
    let Some(host) = new_host() else { return };
    host.sh(
        "iptables -A INPUT -p tcp --dport 6379 -s 127.0.0.1 -j ACCEPT; iptables -A INPUT -p tcp --dport 6379 -j DROP
         ip6tables -N THEIRS; ip6tables -A INPUT -j THEIRS; iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080
         echo 'theirs' > /etc/systemd/system/redis-ports-block.service; chmod 600 /etc/systemd/system/redis-ports-block.service
         chown 1000:1000 /etc/systemd/system/redis-ports-block.service
         ln -s /etc/hostname /etc/logrotate.d/redis-port-notice
         echo 'old lines' > /var/log/redis_port_notice.log
         echo 9100-9110 > /proc/sys/net/ipv4/ip_local_reserved_ports",
    );
    let before = (host.rules(), without_times(&host.changed_files()));
    let kept_free = || host.sh("cat /proc/sys/net/ipv4/ip_local_reserved_ports");
    install(&host, &["apply"], 0);
    assert_eq!(kept_free().trim(), "6379-6380,7000-7002,9100-9110,17000-17002,63790");
    assert_eq!(
        host.sh("iptables -S INPUT | sed -n 2p | grep -o REDISGUARD-IN").trim(),
        "REDISGUARD-IN"
    );

    install(&host, &["remove", "--dry-run"], 1);
    install(&host, &["remove"], 0);
    assert_eq!((host.rules(), without_times(&host.changed_files())), before);
    assert_eq!(kept_free().trim(), "9100-9110");
    let again = host.install(&["remove"]);
    assert!(
        exit_status(&again) == 0 && transcript(&again).contains("nothing to remove"),
        "{}",
        transcript(&again)
    );
}

fn without_times(files: &str) -> String {
    files
        .lines()
        .map(|line| {
            let mut words: Vec<&str> = line.split(' ').collect();
            words.remove(2);
            words.join(" ")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn another_bundle_replaces_the_first_without_leftovers() {
    let Some(host) = new_host() else { return };
    // Foreign ports: in the kernel's list alone, and in a file that names a reserved port too.
    host.sh("echo 12345 > /proc/sys/net/ipv4/ip_local_reserved_ports
             echo 'net.ipv4.ip_local_reserved_ports = 6380' > /etc/sysctl.d/99-others.conf");
    let kept_free = || host.sh("cat /proc/sys/net/ipv4/ip_local_reserved_ports");
    let directories = || host.sh("find /etc -type d | sort");
    let bare = directories();
    host.install(&["apply", "--expect", "bundle"]);
    let first = (kept_free(), directories());
    let folder = bundle(OTHER);
    host.copy_in(&folder.path().join("generated"), "/run/other");
    let other = ["--bundle", "/run/other", "apply", "--expect", "rules"];
    let output = install(&host, &other, 0);
    assert_contains(&output, "take out 6379,7001-7002,17001-17002");
    assert_eq!(kept_free(), "6380-6381,7000,12345,17000,63790\n");
    // Directories of units that the listener gives way to.
    let of_redis = |directories: &str| directories.contains("/redis-server.service.wants\n");
    assert!(!of_redis(&bare) && of_redis(&first.1) && !of_redis(&directories()));
    let rules = host.rules();
    assert!(
        rules.contains("--dport 6381") && rules.contains("-j DNAT") && !rules.contains("6379 "),
        "{rules}"
    );
    install(&host, &["status"], 0);
    assert!(!rules.contains("session of a container"), "{rules}");
    install(&host, &["--bundle", "built-in", "apply", "--expect", "bundle"], 0);
    assert_eq!((kept_free(), directories()), first);
    assert!(!host.rules().contains("--to-destination"), "{}", host.rules());
    assert!(host.rules().contains("session of a container"), "{}", host.rules());
}

#[test]
fn help_matches_its_snapshot() {
    let help = |arguments: &[&str]| {
        let output = Command::new(INSTALL).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_notice", help(&["notice", "--help"]));
}

#[test]
fn the_plan_of_a_bare_host_matches_its_snapshot() {
    let Some(host) = new_host() else { return };
    host.sh("rm -f /usr/local/sbin/redisguard-install; echo 'hand-made' > /etc/logrotate.d/redis-port-notice");
    let output = host.run(INSTALL, &["plan"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let steps = said.split("\n\n").next().unwrap().to_owned();
    assert!(steps.lines().count() < 25, "{steps}");
    assert!(!said.contains("+*filter"), "the content of a new file: {said}");
    let all = String::from_utf8(host.install(&["plan", "--diff"]).stdout).unwrap();
    for shown in
        ["+*filter", "rules.v4: create\n", "/ufw.service.wants/redis-ports-check@ufw.service:"]
    {
        assert!(all.contains(shown), "{shown}: {all}");
    }
    insta::with_settings!({filters => vec![("bundle [0-9a-f]{12}", "bundle DIGEST")]}, {
        insta::assert_snapshot!("plan_of_a_bare_host", steps);
    });
    assert!(said.contains("-hand-made\n"), "{said}");
}
