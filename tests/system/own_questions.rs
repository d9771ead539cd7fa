//! What redisguard asks on its own host is neither logged nor counted, and no other local user can hide like it.

use super::*;

const LOG: &str = "/var/log/redis_port_notice.log";
const SPEC: &str = r#"
[contact]
team  = "Ops"
email = "ops@example.org"

[cluster]
ports = "7000-7002"

[[reserved]]
port     = 6379
external = "notice"
listen   = "always"

[[reserved]]
port     = 6380
external = "drop"
listen   = "always"

[notice]
max-connections = 8

[metrics]
scrape-port = 9637
"#;

/// Connects to 6379 as the user with that id, from that port or any, and asks by that name; prints the answer.
const ASK: &str = "
import os, socket, sys
os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
client = socket.socket()
client.bind(('127.0.0.1', int(sys.argv[2])))
client.connect(('127.0.0.1', 6379))
client.sendall(b'*3\\r\\n$6\\r\\nCLIENT\\r\\n$7\\r\\nSETNAME\\r\\n$10\\r\\nredisguard\\r\\n*1\\r\\n$4\\r\\nPING\\r\\n')
print(client.recv(4096))
";

/// Holds eight connections to 6379 until its input ends, and prints how many of them are open then.
const HOLD: &str = "
import socket, sys
clients = [socket.create_connection((sys.argv[1], 6379)) for _ in range(8)]
for client in clients:
    client.sendall(b'PING\\r\\n')
    assert client.recv(4096).startswith(b'-PORTCLOSED')
print('held', flush=True)
sys.stdin.read()
open = 0
for client in clients:
    client.settimeout(0.2)
    try:
        client.recv(4096)
    except TimeoutError:
        open += 1
print(open)
";

/// All that tells who knocked.
#[derive(Debug, PartialEq)]
struct Traces {
    log: String,
    scraped: String,
    packets: Value,
    latest: Value,
    report: Value,
}

fn traces(machine: &Machine) -> Traces {
    let scrape = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9637/metrics', timeout=10).read().decode())";
    let status = json(machine, 0, &["status"]);
    let report = json(machine, 0, &["report"]);
    Traces {
        log: machine.read_file(LOG),
        scraped: machine.run(&["python3", "-c", scrape]).ok(),
        packets: status["ports"].clone(),
        latest: status["knocks"].clone(),
        report: ["attempts", "sources", "knocks", "ports", "timeline"]
            .map(|key| report[key].clone())
            .into_iter()
            .collect(),
    }
}

fn ask(machine: &Machine, uid: &str, port: &str) {
    let said = machine.run(&["python3", "-c", ASK, uid, port]).ok();
    assert!(said.contains("PORTCLOSED"), "{said}");
}

fn lines(machine: &Machine) -> usize {
    machine.read_file(LOG).lines().count()
}

/// Says what the process of the listener is to do.
fn signal(machine: &Machine, name: &str) {
    machine.run(&["systemctl", "kill", "--kill-whom=main", "--signal", name, NOTICE]).ok();
}

#[test]
fn what_redisguard_asks_leaves_no_trace() {
    let Some(machine) = host("questions") else { return };
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    std::fs::write(&spec, SPEC).unwrap();
    bring_bundle(&machine, &spec, "/root/bundle");
    redisguard(&machine, &["--bundle", "/root/bundle", "apply"]).ok();
    let [address, _] = machine.addresses();
    let client = ["redis-cli", "-h", &address.to_string(), "-p", "6379", "GET", "x"];
    assert!(machine.outside(&client).stdout.contains("PORTCLOSED 6379"));
    machine.meets(6380);
    wait_until("the outsider is logged", || lines(&machine) == 1);
    let before = traces(&machine);
    assert!(before.latest.to_string().contains("\"port\":6379"), "{before:?}");

    for verb in ["status"; 10].into_iter().chain(["plan", "metrics", "rules load"]) {
        let many = format!(
            "cd /root && seq 20 | xargs -P 4 -I{{}} \
             sh -c './redisguard-install --bundle bundle {verb} >/dev/null || echo {verb} failed'"
        );
        assert_eq!(machine.run(&["sh", "-c", &many]).ok(), "");
    }
    redisguard(&machine, &["--bundle", "/root/bundle", "apply"]).ok();
    machine.run(&["systemctl", "start", CHECK]).ok();
    assert_eq!(traces(&machine), before);

    // Given up before the listener accepts them.
    signal(&machine, "SIGSTOP");
    json(&machine, 1, &["status"]);
    signal(&machine, "SIGCONT");
    wait_until("it answers again", || redisguard(&machine, &["status"]).code == 0);
    assert_eq!(traces(&machine), before);

    // A full listener takes them in, and lets nobody go for them.
    let mut held = machine.outside_command("python3");
    held.args(["-c", HOLD, &address.to_string()]);
    held.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut held = held.spawn().unwrap();
    let mut said = std::io::BufReader::new(held.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "held\n");
    for _ in 0..3 {
        json(&machine, 0, &["status"]);
    }
    drop(held.stdin.take());
    std::io::Read::read_to_string(&mut said, &mut line).unwrap();
    held.wait().unwrap();
    assert_eq!(line, "held\n8\n");
    wait_until("they are logged", || lines(&machine) == 9);

    // The name counts from root only, and so does a port that everybody may bind.
    ask(&machine, "0", "0");
    ask(&machine, "1", "0");
    wait_until("the user is logged", || lines(&machine) == 10);
    machine.run(&["sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0"]).ok();
    ask(&machine, "1", "930");
    wait_until("the port is no disguise", || lines(&machine) == 11);
    let said = machine.run(&["journalctl", "--boot", "--output=cat", "--unit", NOTICE]).stdout;
    assert!(!said.contains("cgroup=unknown"), "{said}");
}
