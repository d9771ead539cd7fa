//! A host without systemd: what does not run is said, and what docs/without-systemd.md starts is seen.

use super::{assert_contains, bundle, install, json, new_host};
use crate::support::namespace::{Host, Started};
use crate::support::{INSTALL, exit_status, need, root, tools, transcript, wait_until};
use serde_json::{Value, json as value};
use std::fs;
use std::process::Command;

/// Runs the installer as an operator types it; it must end with this exit status.
#[track_caller]
fn typed(host: &Host, arguments: &[&str], status: i32) -> String {
    let output = host.run(INSTALL, arguments);
    assert_eq!(exit_status(&output), status, "{arguments:?}: {}", transcript(&output));
    transcript(&output)
}

fn status(host: &Host) -> Value {
    json(&host.run(INSTALL, &["status", "--json"]))
}

/// The kinds of the findings of `status`.
fn kinds(host: &Host) -> Vec<String> {
    let status = status(host);
    let findings = status["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_healthy(host: &Host, healthy: bool) {
    let metrics = host.sh(&format!("{INSTALL} metrics"));
    assert!(
        metrics.contains(&format!("\nredisguard_healthy {}\n", u8::from(healthy))),
        "{metrics}"
    );
}

fn page() -> String {
    fs::read_to_string(root().join("docs/without-systemd.md")).unwrap()
}

/// The text of the file that the page gives for a path.
fn documented(path: &str) -> String {
    let page = page();
    let (_, after) = page.split_once(&format!("`{path}`:\n\n```")).unwrap();
    let (_, text) = after.split_once('\n').unwrap();
    text.split_once("\n```").unwrap().0.to_owned() + "\n"
}

/// The block of commands that follows a heading or sentence of the page.
fn commands(after: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(after).unwrap();
    let (_, block) = rest.split_once("```bash\n").unwrap();
    block.split_once("\n```").unwrap().0.to_owned()
}

/// Writes the file that the page gives for a path.
fn place(host: &Host, path: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), documented(path)).unwrap();
    host.sh(&format!("mkdir -p \"$(dirname {path})\"; cat {} > {path}", file.path().display()));
}

#[test]
fn parts_that_do_not_run_are_said_by_apply_and_status_and_are_no_health() {
    let Some(host) = new_host() else { return };
    let said = typed(&host, &["apply"], 0);
    let page = page();
    let (_, example) = page.split_once("# redisguard-install apply\n…\n").unwrap();
    let example = example.split_once("```").unwrap().0;
    assert!(said.contains(example), "{said}\nas documented:\n{example}");
    assert_eq!(kinds(&host), ["boot", "listener", "timer"]);
    assert_eq!(status(&host)["in_sync"], true);
    typed(&host, &["status"], 1);
    assert_healthy(&host, false);
    // What has nothing to change says it too.
    let again = json(&host.run(INSTALL, &["apply", "--json"]));
    assert_eq!(
        (again["changed"].clone(), again["findings"][1]["kind"].clone()),
        (value!(false), value!("listener"))
    );
    assert!(typed(&host, &["apply"], 0).contains("apply could not start the rest"), "{again}");

    host.sh(&format!("{INSTALL} rules load"));
    assert_eq!(kinds(&host), ["boot", "listener"]);
    // A record of seven minutes ago; one of another boot.
    host.sh("echo \"$(cat /proc/sys/kernel/random/boot_id) $(($(cut -d. -f1 /proc/uptime) - 430))\" > /run/redisguard.checked");
    assert!(typed(&host, &["status"], 1).contains("no check of the rules for 7 minutes"));
    host.sh("echo \"00000000-0000-4000-8000-000000000000 1\" > /run/redisguard.checked");
    assert!(typed(&host, &["status"], 1).contains("no check of the rules since the boot"));
}

#[test]
fn a_host_that_declares_the_rules_alone_is_ok_and_a_later_apply_keeps_that() {
    let Some(host) = new_host() else { return };
    let said = typed(&host, &["apply", "--expect", "rules"], 0);
    assert!(!said.contains("could not start"), "{said}");
    let said = typed(&host, &["status"], 0);
    assert!(said.contains("expected on this host: rules (declared by apply --expect)"), "{said}");
    assert_eq!(status(&host)["expect"], value!(["rules"]));
    assert_healthy(&host, true);
    typed(&host, &["plan"], 0);
    typed(&host, &["apply"], 0);
    typed(&host, &["status"], 0);
    // The flag changes it, and takes it back.
    typed(&host, &["plan", "--expect", "timer,rules"], 1);
    typed(&host, &["apply", "--expect", "timer,rules"], 0);
    assert_eq!(kinds(&host), ["timer"]);
    typed(&host, &["apply", "--expect", "bundle"], 0);
    assert_eq!(kinds(&host), ["boot", "listener", "timer"]);
    for (parts, why) in [("listener", "does not name rules"), ("rules,cron", "none of rules, boot")]
    {
        assert!(typed(&host, &["apply", "--expect", parts], 2).contains(why), "{parts}");
    }
    // What is undone brings back what was declared.
    typed(&host, &["apply", "--expect", "rules", "--confirm", "1h"], 0);
    typed(&host, &["revert"], 0);
    assert_eq!(kinds(&host), ["boot", "listener", "timer"]);
}

#[test]
fn a_bundle_declares_for_all_hosts_and_enables_nothing_else() {
    let Some(host) = new_host() else { return };
    let shipped = fs::read_to_string(root().join("redisguard.toml")).unwrap();
    let quiet =
        bundle(&format!("{shipped}\n[host]\nexpect = [\"rules\"]\n").replace("guides", "#guides"));
    host.copy_in(&quiet.path().join("generated"), "/run/quiet");
    typed(&host, &["--bundle", "/run/quiet", "apply"], 0);
    let said = typed(&host, &["--bundle", "/run/quiet", "status"], 0);
    assert!(said.contains("expected on this host: rules (declared by the bundle)"), "{said}");
    let wants = || {
        host.sh(
            "cd /etc/systemd/system; find *.wants -name 'redis-port*' -printf '%f\\n' | sort -u",
        )
    };
    let (quiet, block) = (wants(), "redis-ports-block.service");
    assert!(
        quiet.contains(block) && !quiet.contains("notice") && !quiet.contains("timer"),
        "{quiet}"
    );
    // A host can expect more than its bundle.
    typed(&host, &["--bundle", "/run/quiet", "apply", "--expect", "rules,listener"], 0);
    assert!(wants().contains("redis-port-notice.service"), "{}", wants());
    assert_eq!(kinds(&host), ["listener"]);
}

/// A host whose first process of its own starts what a script says, and every process of that ends with the value.
fn started(host: &Host, script: &str) -> Started {
    let script = format!("{script}\nexec sleep infinity");
    let unshare = ["--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c"];
    host.start("unshare", &[&unshare[..], &[&script]].concat())
}

/// A host with OpenRC and runit beside its own files, a user for the listener, and the program.
fn with_init_systems() -> Option<Host> {
    let host = new_host().filter(|_| tools(&["dpkg-deb", "apt-get", "useradd", "pkill"]))?;
    let output = Command::new(root().join("tests/tools/init-systems")).output().unwrap();
    if !need("a mirror of Debian", output.status.success()) {
        return None;
    }
    let tree = String::from_utf8(output.stdout).unwrap();
    let tree = tree.trim();
    host.sh(&format!(
        "for part in bin sbin lib; do
             mount -t overlay overlay -o lowerdir={tree}/usr/$part:/usr/$part /usr/$part
         done
         cp -a {tree}/etc/. /etc"
    ));
    host.sh(&commands("## A user for the listener"));
    Some(host)
}

/// The check that cron would run, the page's own line: `command` follows the five times and the user.
fn cron_lines() -> Vec<String> {
    let table = documented("/etc/cron.d/redisguard");
    let command = |line: &str| {
        let words: Vec<&str> = line.splitn(7, ' ').collect();
        words[6].to_owned()
    };
    table.lines().map(command).collect()
}

#[track_caller]
fn assert_whole(host: &Host) {
    wait_until("the listener answers", || !kinds(host).contains(&"listener".to_owned()));
    host.sh(&cron_lines()[0]);
    typed(host, &["status"], 0);
    assert_healthy(host, true);
    // As the user that was made for it, and its log can be moved away.
    let log = "/var/log/redisguard/redis_port_notice.log";
    host.sh("ps -eo user:20,args | grep '^redisguard .*redisguard-install notice'");
    host.sh(&format!("mv {log} {log}.1; {}", cron_lines()[1]));
    wait_until("the log is open anew", || host.has(log));
}

#[test]
fn the_documented_openrc_scripts_run_the_guard() {
    let Some(host) = with_init_systems() else { return };
    typed(&host, &["apply"], 0);
    for script in ["/etc/init.d/redisguard-rules", "/etc/init.d/redisguard-notice"] {
        place(&host, script);
    }
    let enable = commands("Enable and start both");
    let (enable, _) = enable.split_once("rc-service").unwrap();
    host.sh(enable);
    host.sh(&format!("{INSTALL} rules unload"));
    // What boots runs the runlevels, in which nothing else is.
    host.sh("find /etc/runlevels -type l ! -name 'redisguard-*' -delete");
    let _booted = started(&host, "openrc sysinit; openrc boot; openrc default");
    assert_whole(&host);
    assert!(host.rules().contains("REDISGUARD-IN"));
}

#[test]
fn the_documented_runit_service_runs_the_listener() {
    let Some(host) = with_init_systems() else { return };
    typed(&host, &["apply"], 0);
    place(&host, "/etc/sv/redisguard-notice/run");
    host.sh("mkdir -p \"$(readlink --canonicalize-missing /etc/service)\"");
    let enable = page();
    let (_, enable) = enable.split_once("## runit").unwrap();
    let (_, enable) = enable.split_once("```bash\n").unwrap();
    host.sh(enable.split_once("```").unwrap().0);
    host.sh(
        "mkdir -p /etc/runit; echo '/usr/local/sbin/redisguard-install rules load' >> /etc/runit/1",
    );
    let _booted = started(&host, "runsvdir /etc/service &");
    assert_whole(&host);
}

#[test]
fn a_removal_forgets_the_record_of_checks() {
    let Some(host) = new_host() else { return };
    install(&host, &["apply"], 0);
    host.sh(&format!("{INSTALL} rules load"));
    assert!(host.has("/run/redisguard.checked"));
    assert_contains(&install(&host, &["remove"], 0), "removed");
    assert!(!host.has("/run/redisguard.checked"));
}
