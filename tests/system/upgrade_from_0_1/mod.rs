//! A host guarded by version 0.1 is upgraded, goes back and is freed, with no packet unguarded and nothing left over.

mod role;
mod traffic;

use self::traffic::{Counts, counted, under_traffic};
use super::firewalls::container_engine::ENGINE;
use super::firewalls::{nft_rules, sh};
use super::*;
use std::collections::BTreeMap;
use std::fs;
use support::former_version::{FormerVersion, former_version};
use support::release;

/// Where the program of 0.1 is before it puts itself into its place.
const FORMER: &str = "/root/redisguard-0.1";
const PACKAGED: &str = "/usr/sbin/redisguard-install";
const APPLIED: &str = "/usr/local/sbin/redisguard-install";
const LOG: &str = "/var/log/redisguard/redis_port_notice.log";
const OLD_LOG: &str = "/var/log/redis_port_notice.log";
const RECEIPT: &str = "/var/lib/redisguard/receipt.json";

/// Everything that redisguard has on a host, by what it is; without what changes with each apply.
type Look = BTreeMap<String, String>;

fn look(machine: &Machine) -> Look {
    // What tests bring is in /root. Logs stay, and dpkg remembers what it did.
    const OTHERS: [&str; 5] = ["/var/log", "/root", "/var/lib/dpkg", COUNTERS, RECEIPT];
    let mut look = Look::new();
    for (path, changed) in machine.changed_contents() {
        if !OTHERS.iter().any(|other| path.starts_with(other)) {
            look.insert(format!("file {path}"), format!("{changed:?}"));
        }
    }
    if let Ok(mut receipt) = serde_json::from_str::<Value>(&machine.run(&["cat", RECEIPT]).stdout) {
        receipt["applied"] = Value::Null;
        // In the order in which they were made.
        let directories = receipt["directories"].as_array_mut().unwrap();
        directories.sort_by_key(Value::to_string);
        look.insert("receipt".to_owned(), format!("{receipt:#}"));
    }
    // 0.1 leaves the file of its lock.
    let run =
        "ls -d /run/*redisguard* /proc/net/xt_recent/* 2>/dev/null | grep -v 'guard.lock$' || :";
    let units =
        "systemctl list-units --all --plain --no-legend 'redis-port*' | awk '{ print $1, $2, $3 }'
        systemctl list-unit-files --no-legend 'redis-port*' | awk '{ print $1, $2 }'";
    at_rest(machine, CHECK);
    let local_ports = machine.read_file("/proc/sys/net/ipv4/ip_local_reserved_ports");
    let rules = nft_rules(machine);
    // The sources that were logged of late are no rules.
    let rules = rules
        .lines()
        .filter(|line| !line.contains(" limit rate ") || !line.starts_with("elements"));
    let rules = rules.collect::<Vec<_>>().join("\n");
    look.extend([
        ("run".to_owned(), sh(machine, run)),
        ("units".to_owned(), sh(machine, units)),
        ("local ports".to_owned(), local_ports),
        ("iptables".to_owned(), machine.iptables_save()),
        ("nft".to_owned(), rules),
    ]);
    look
}

/// The ports of [`bundle`]; the container gets 6379 and 6381, the host serves 6380.
const PORTS: [u16; 3] = [6379, 6380, 6381];

/// The same without directories: 0.1 leaves those of later bundles, empty, until it is removed.
fn look_without_directories(machine: &Machine) -> Look {
    let mut look = look(machine);
    look.retain(|_, what| !what.contains("what: Directory"));
    let mut receipt: Value = serde_json::from_str(&look["receipt"]).unwrap();
    receipt["directories"] = Value::Null;
    look.insert("receipt".to_owned(), format!("{receipt:#}"));
    look
}

/// What the receipt says of the host before the guard: a removal needs it.
fn what_was_there(machine: &Machine) -> [Value; 4] {
    let receipt: Value = serde_json::from_str(&machine.read_file(RECEIPT)).unwrap();
    assert_eq!(receipt["moved"][OLD_LOG], format!("{OLD_LOG}.before-redisguard"), "{receipt:#}");
    ["originals", "moved", "kept_free", "tables"].map(|key| receipt[key].clone())
}

/// Ports of every policy, and a server behind each.
fn bundle(backend: &str, policies: [&str; 3]) -> String {
    let reserved = |(port, external): (u16, &str)| {
        let listen = if port == 6379 { "always" } else { "if-free" };
        format!("[[reserved]]\nport = {port}\nexternal = \"{external}\"\nlisten = \"{listen}\"\n")
    };
    let reserved: String = PORTS.into_iter().zip(policies).map(reserved).collect();
    format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"7000-7002\"\n\
         {reserved}[firewall]\nbackend = \"{backend}\"\n"
    )
}

/// A host without a guard, with both programs, and a server behind each port of [`bundle`].
fn served_host(name: &str, former: &FormerVersion) -> Option<Machine> {
    let machine = host(name)?;
    machine.install(&former.install, FORMER);
    machine.write_file("/root/engine", ENGINE.replace("6379 7001", "6379 6381 7001"));
    sh(&machine, "chmod 755 /root/engine; /root/engine up");
    serve(&machine, 6380);
    wait_until("the container's Redis answers", || {
        let said = |address| machine.run(&["redis-cli", "-h", address, "ping"]).stdout;
        ["172.17.0.2", "fd17::2"].map(said) == ["PONG\n", "PONG\n"]
    });
    // Neighbours are known from the first packets on.
    assert_open(&machine, 6380);
    let seen = under_traffic(&machine, &PORTS, || ());
    assert!(seen.to_host > 100 && seen.to_container > 100, "the control saw nothing: {seen:?}");
    Some(machine)
}

/// What the program that is applied says: its status must be fine.
#[track_caller]
fn status(machine: &Machine) -> Value {
    let said = machine.run(&[APPLIED, "--json", "status"]);
    let status: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, &status["findings"]), (0, &Value::Array(Vec::new())), "{status:#}");
    status
}

/// Does something to a guarded host under traffic: nothing gets through, and all of it is counted, by whatever
/// program and rules.
#[track_caller]
fn guarded_throughout(machine: &Machine, ports: &[u16], what: &str, something: impl FnOnce()) {
    let before = status(machine);
    let seen = under_traffic(machine, ports, something);
    assert_eq!((seen.to_host, seen.to_container), (0, 0), "{what}: {seen:?}");
    let after = status(machine);
    let since = &before["counted_since"];
    // Nothing was stored before the first packet was counted.
    assert!(since.is_null() || *since == after["counted_since"], "{what}: {after:#}");
    let before = counted(&before);
    let mut since: Counts = counted(&after);
    since.iter_mut().for_each(|(key, count)| *count -= before.get(key).unwrap_or(&0));
    since.retain(|_, count| *count > 0);
    assert_eq!(since, seen.sent, "{what}");
}

/// Has the machine show the kernel's boot id, as hosts that are no containers do. systemd-nspawn mounts another
/// one over it, which units do not see; 0.1 then takes each for another boot, and counts packets twice.
fn uncover_boot_id(machine: &Machine) {
    run(machine, &["umount", "/proc/sys/kernel/random/boot_id"]);
}

/// Runs a program with arguments; it must succeed.
#[track_caller]
fn run(machine: &Machine, command: &[&str]) -> String {
    machine.run(command).ok()
}

/// The path from 0.1 to this version, back by each way, and to no guard: `former` and `today` are the arguments
/// that name the two bundles.
fn there_and_back(machine: &Machine, former: &[&str], today: &[&str]) {
    let old = |verb: &[&str]| run(machine, &[&[FORMER], former, verb].concat());
    let new = |verb: &[&str]| run(machine, &[&[PROGRAM], today, verb].concat());
    // Things of others that the guard replaces or extends.
    machine.write_file("/etc/sysctl.d/60-redisguard.conf", "# of somebody\n");
    machine.write_file(OLD_LOG, "old lines\n");
    run(machine, &["sysctl", "-q", "-w", "net.ipv4.ip_local_reserved_ports=8080"]);
    let bare = look(machine);
    old(&["apply"]);
    ping(machine, 6379);
    let by_former = look(machine);
    let without_directories = look_without_directories(machine);
    let before = what_was_there(machine);
    let told = machine.read_file(LOG);
    assert!(told.contains("port=6379"), "{told}");

    guarded_throughout(machine, &PORTS, "the upgrade", || drop(new(&["apply"])));
    new(&["plan"]);
    assert_eq!(what_was_there(machine), before);
    let by_today = look(machine);
    ping(machine, 6379);
    let log = machine.read_file(LOG);
    assert!(log.starts_with(&told) && log.len() > told.len(), "{log}");
    let report: Value = serde_json::from_str(&new(&["--json", "report"])).unwrap();
    let (lines, told) = (&report["lines"], &report["answers"]["told"]);
    assert!(["torn", "malformed", "misdated"].iter().all(|kind| lines[*kind] == 0), "{lines:#}");
    assert!(told.as_u64().unwrap() >= 2, "{report:#}");

    uncover_boot_id(machine);
    guarded_throughout(machine, &PORTS, "the way back", || drop(old(&["apply"])));
    assert_same(&look_without_directories(machine), &without_directories, "after the way back");

    guarded_throughout(machine, &PORTS, "an upgrade that is reverted", || {
        new(&["apply", "--confirm", "300s"]);
        new(&["revert"]);
    });
    assert_same(&look(machine), &by_former, "after a revert");

    run(machine, &[PROGRAM, "remove"]);
    assert_same(&look(machine), &bare, "after the removal of 0.1's guard");
    run(machine, &["test", "!", "-e", "/run/redisguard.lock"]);
    assert_eq!(machine.read_file(OLD_LOG), "old lines\n");
    assert_open(machine, 6380);

    new(&["apply"]);
    assert_same(&look(machine), &by_today, "on a host that never had 0.1");
    run(machine, &[PROGRAM, "remove"]);
}

/// Renders a spec with a program of either version, and brings its bundle to a place of the machine.
fn bring(machine: &Machine, generate: &Path, spec: &str, place: &str) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("redisguard.toml"), spec).unwrap();
    let rendered = Command::new(generate).current_dir(folder.path()).output().unwrap();
    assert!(rendered.status.success(), "{}", transcript(&rendered));
    for (path, bytes) in redisguard::files::read_tree(&folder.path().join("generated")).unwrap() {
        machine.write_file(&format!("{place}/{path}"), bytes);
    }
}

/// A host on which both versions were, and on which none is left.
fn by_backend(backend: &str, policies: [&str; 3]) -> Option<(FormerVersion, Machine)> {
    let former = former_version()?;
    let machine = served_host(&format!("upgrade-{backend}"), &former)?;
    let spec = bundle(backend, policies);
    bring(&machine, &former.generate, &spec, "/root/bundle-0.1");
    bring(&machine, Path::new(GEN), &spec, "/root/bundle");
    there_and_back(&machine, &["--bundle", "/root/bundle-0.1"], &["--bundle", "/root/bundle"]);
    Some((former, machine))
}

#[test]
fn a_host_guarded_by_nftables_is_upgraded_and_goes_back() {
    by_backend("nftables", ["reject", "drop", "notice"]);
}

#[test]
fn a_host_guarded_by_iptables_is_upgraded_and_goes_back() {
    let Some((former, machine)) = by_backend("iptables", ["drop", "reject", "notice"]) else {
        return;
    };
    by_package(&machine, &former);
}

/// The same with the Debian packages and the bundles that are built in: drop at 6379 and 6380, by iptables.
fn by_package(machine: &Machine, former: &FormerVersion) {
    const PORTS: [u16; 2] = [6379, 6380];
    let folder = TempDir::new().unwrap();
    if !release::link(folder.path(), "01") {
        return;
    }
    let made = release::package(folder.path(), folder.path(), "1.0-1");
    let package = made.clone().stdout;
    assert!(made.status.success(), "{}", transcript(&made));
    let package = String::from_utf8(package).unwrap();
    machine.write_file("/root/0.1.deb", fs::read(&former.package).unwrap());
    machine.write_file("/root/1.0.deb", fs::read(package.trim()).unwrap());
    let install = |package: &str| {
        run(machine, &["dpkg", "--install", package]);
        run(machine, &[PACKAGED, "apply"]);
    };
    install("/root/0.1.deb");
    let by_former = look_without_directories(machine);
    guarded_throughout(machine, &PORTS, "an upgrade of the package", || install("/root/1.0.deb"));
    run(machine, &[PACKAGED, "plan"]);
    guarded_throughout(machine, &PORTS, "a downgrade of the package", || install("/root/0.1.deb"));
    assert_same(&look_without_directories(machine), &by_former, "after a downgrade of the package");
}
