//! The listener names local clients by their unit, within its sandbox, and claims to know no others.

use super::*;

/// The listener's log, where it really is.
const LOG: &str = "/var/log/redisguard/redis_port_notice.log";
/// A network namespace of the machine, and the address of its client there.
const ELSEWHERE: &str = "10.9.0.2";

/// The line about the command `name`, which only one client sends.
fn line(machine: &Machine, name: &str) -> String {
    let mut line = None;
    wait_until(&format!("a line about {name}"), || {
        let log = machine.read_file(LOG);
        let found = log.lines().find(|line| line.contains(&format!(" command={name} ")));
        line = found.map(str::to_owned);
        line.is_some()
    });
    line.unwrap()
}

/// Asks the listener with the command `name`, run by the words before it.
fn ask(machine: &Machine, run: &[&str], name: &str) -> String {
    let client = ["redis-cli", "-p", "6379", name];
    let said = machine.run(&[run, &client].concat());
    assert!(said.stdout.contains("PORTCLOSED 6379"), "{name}: {said:?}");
    line(machine, name)
}

/// The fields that say who a local client is.
fn identity(line: &str) -> String {
    let keys = ["unit=", "container=", "cgroup=", "uid="];
    let is_identity = |word: &&str| keys.iter().any(|key| word.starts_with(key));
    line.split(' ').filter(is_identity).collect::<Vec<_>>().join(" ")
}

#[test]
fn local_clients_are_named_by_their_unit() {
    let Some(mut machine) = guarded("named") else { return };
    let run = ["systemd-run", "--quiet", "--pipe", "--wait"];
    let as_unit = |more: &[&str], name| ask(&machine, &[&run, more].concat(), name);
    let billing = as_unit(&["--unit=billing.service"], "GET");
    assert_eq!(identity(&billing), "unit=billing.service uid=0", "{billing}");
    // The listener's user namespace knows root and the listener itself.
    let other = as_unit(&["--unit=orders.service", "--uid=daemon"], "SET");
    assert_eq!(identity(&other), "unit=orders.service", "{other}");
    let below = ["--unit=shell.service", "--property=Delegate=yes", "sh", "-c"];
    // Zero is the process that writes it. systemd would replace variables.
    let script = "cd /sys/fs/cgroup/system.slice/shell.service && mkdir sshd.service && \
                  echo 0 >sshd.service/cgroup.procs && exec redis-cli -p 6379 INCR x";
    machine.run(&[&run[..], &below, &[script]].concat()).ok();
    let inner = line(&machine, "INCR");
    assert_eq!(identity(&inner), "unit=shell.service uid=0", "{inner}");
    let escaped = as_unit(&[r"--unit=a\x2db.service"], "DEL");
    assert_eq!(identity(&escaped), r#"unit="a\\x2db.service" uid=0"#, "{escaped}");
    let scope = ["systemd-run", "--quiet", "--scope", "--unit=batch.scope"];
    let scope = ask(&machine, &scope, "TTL");
    assert_eq!(identity(&scope), "unit=batch.scope uid=0", "{scope}");

    let ssh = machine.start_sshd();
    let (key, login) = (ssh.key.display().to_string(), format!("root@{}", ssh.address));
    let options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-i", &key];
    let command = ["-o", "UserKnownHostsFile=/dev/null", &login, "redis-cli -p 6379 EXISTS x"];
    machine.outside(&[&["ssh"][..], &options, &command].concat()).ok();
    let session = line(&machine, "EXISTS");
    let identity = identity(&session);
    let unit = identity.strip_suffix(" uid=0").unwrap();
    assert!(unit.starts_with("unit=session-") && unit.ends_with(".scope"), "{session}");

    assert!(!machine.read_file(LOG).contains("cgroup=unknown"));
    let said = machine.run(&["journalctl", "--boot", "--output=cat", "--unit", NOTICE]).stdout;
    assert!(!said.contains("local client"), "{said}");
}

#[test]
fn clients_in_other_network_namespaces_are_not_taken_for_local_ones() {
    let Some(machine) = host("elsewhere") else { return };
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    let text = "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n\
                [cluster]\nports = \"7000-7002\"\n\
                [[reserved]]\nport = 6379\nexternal = \"notice\"\n\
                [firewall]\nallow = [\"10.9.0.0/24\"]\n";
    std::fs::write(&spec, text).unwrap();
    bring_bundle(&machine, &spec, "/root/bundle");
    redisguard(&machine, &["--bundle", "/root/bundle", "apply"]).ok();
    let script = format!(
        "ip netns add elsewhere && ip link add near type veth peer name far netns elsewhere &&
         ip address add 10.9.0.1/24 dev near && ip link set near up &&
         ip -n elsewhere address add {ELSEWHERE}/24 dev far && ip -n elsewhere link set far up"
    );
    machine.run(&["sh", "-c", &script]).ok();
    let ask_there = |name: &str| {
        let client = ["redis-cli", "-h", "10.9.0.1", "-p", "6379", name];
        let said = machine.run(&[&["ip", "netns", "exec", "elsewhere"][..], &client].concat());
        assert!(said.stdout.contains("PORTCLOSED 6379"), "{said:?}");
        line(&machine, name)
    };
    let plain = ask_there("GET");
    assert!(plain.contains(&format!(" peer={ELSEWHERE} ")), "{plain}");
    assert_eq!(identity(&plain), "", "{plain}");

    // With the host's own address, as a container has it behind source translation.
    let translate = ["-s", ELSEWHERE, "-j", "SNAT", "--to-source", "10.9.0.1"];
    machine.run(&[&["iptables", "-t", "nat", "-A", "INPUT"][..], &translate].concat()).ok();
    let translated = ask_there("SET");
    assert!(translated.contains(" peer=10.9.0.1 "), "{translated}");
    assert_eq!(identity(&translated), "cgroup=unknown", "{translated}");
    ask_there("DEL");
    let said = machine.run(&["journalctl", "--boot", "--output=cat", "--unit", NOTICE]).stdout;
    assert_eq!(said.matches("is logged as cgroup=unknown: it was gone").count(), 1, "{said}");

    // An outsider that the guard redirects is none of the host's, whatever its address is.
    let [address, _] = machine.addresses();
    let client = ["redis-cli", "-h", &address.to_string(), "-p", "6379", "TTL", "x"];
    assert!(machine.outside(&client).stdout.contains("PORTCLOSED 6379"));
    let outsider = line(&machine, "TTL");
    assert!(outsider.contains(" via=redirected ") && identity(&outsider).is_empty(), "{outsider}");
}
