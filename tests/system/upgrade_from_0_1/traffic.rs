//! An outsider that connects to reserved ports as fast as it can, and what of it gets past the guard.

use crate::support::machine::{ADDRESSES, Machine};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

/// Counts the packets that ask for a connection and that no rule has stopped: to a reserved port of the host,
/// which must not have been translated to another one, and to the container.
const WATCH: &str = r#"table inet watch {
    counter host { }
    counter container { }
    chain input {
        type filter hook input priority 300; policy accept;
        iifname "eth0" tcp dport { PORTS } tcp flags & (fin | syn | rst | ack) == syn counter name host
    }
    chain postrouting {
        type filter hook postrouting priority 300; policy accept;
        iifname "eth0" oifname "docker0" tcp flags & (fin | syn | rst | ack) == syn counter name container
    }
}
"#;

/// Opens connections all the time until its input ends, and prints how many packets left for each port: no socket
/// is kept, so that none is sent twice. It leaves half of a core to what it watches. The last port gets fewer, for
/// the kernel remembers those who are told. A line of input is answered when each port had 50 more.
const FLOOD: &str = r#"
import errno, select, socket, sys, time
kinds = {"IPv4": (socket.AF_INET, sys.argv[1]), "IPv6": (socket.AF_INET6, sys.argv[2])}
ports = list(map(int, sys.argv[3:]))
sent = {}
def connect(name, port):
    family, address = kinds[name]
    client = socket.socket(family)
    client.setblocking(False)
    if client.connect_ex((address, port)) == errno.EINPROGRESS:
        sent[name, port] = sent.get((name, port), 0) + 1
    client.close()
while True:
    asked = select.select([sys.stdin], [], [], 0)[0]
    if asked and not sys.stdin.readline():
        break
    for _ in range(50 if asked else 1):
        begun = time.monotonic()
        for _ in range(10):
            for name in kinds:
                for port in ports[:-1]:
                    connect(name, port)
        for name in kinds:
            connect(name, ports[-1])
        time.sleep(time.monotonic() - begun)
    if asked:
        print(flush=True)
for (name, port), count in sorted(sent.items()):
    print(name, port, count)
"#;

/// Packets by family and port.
pub type Counts = BTreeMap<(String, u64), u64>;

/// The outsider.
struct Flood(Child);

impl Flood {
    fn start(machine: &Machine, ports: &[String]) -> Self {
        let mut command = machine.outside_command("python3");
        command.args(["-c", FLOOD]).args(ADDRESSES.map(|address| address.to_string()));
        command.args(ports).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut flood = Self(command.spawn().unwrap());
        flood.wait_for_packets();
        flood
    }

    /// Waits until it has sent more packets to each port: on a busy machine that may take seconds.
    fn wait_for_packets(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.0.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }

    fn end(mut self) -> Counts {
        self.wait_for_packets();
        let said = self.0.wait_with_output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let line = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            ((words[0].to_owned(), words[1].parse().unwrap()), words[2].parse().unwrap())
        };
        text.lines().map(line).collect()
    }
}

/// What was seen while something was done.
#[derive(Debug)]
pub struct Seen {
    /// The packets that left for each port.
    pub sent: Counts,
    /// How many of them came to a server on the host.
    pub to_host: u64,
    /// How many of them came to the container.
    pub to_container: u64,
}

/// Does something while the outsider connects to these ports all the time.
pub fn under_traffic(machine: &Machine, ports: &[u16], something: impl FnOnce()) -> Seen {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    machine.write_file("/root/watch.nft", WATCH.replace("PORTS", &ports.join(", ")));
    machine.run(&["nft", "--file", "/root/watch.nft"]).ok();
    let flood = Flood::start(machine, &ports);
    something();
    let sent = flood.end();
    wait_until_arrived(machine);
    let [to_host, to_container] = ["host", "container"].map(|counter| {
        let listed = machine.run(&["nft", "list", "counter", "inet", "watch", counter]).ok();
        let mut words = listed.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).unwrap().parse().unwrap()
    });
    machine.run(&["nft", "delete", "table", "inet", "watch"]).ok();
    Seen { sent, to_host, to_container }
}

/// Waits until no packet comes in any more.
fn wait_until_arrived(machine: &Machine) {
    let received = || machine.read_file("/sys/class/net/eth0/statistics/rx_packets");
    let mut before = received();
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = received();
        if now == before {
            return;
        }
        before = now;
    }
}

/// What a program's `status --json` says was stopped or told.
pub fn counted(status: &Value) -> Counts {
    let count = |count: &Value| {
        let family = count["family"].as_str().unwrap().to_owned();
        ((family, count["port"].as_u64().unwrap()), count["packets"].as_u64().unwrap())
    };
    status["ports"].as_array().unwrap().iter().map(count).collect()
}
