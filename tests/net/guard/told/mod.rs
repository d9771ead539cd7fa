//! What `status` says of outsiders that rules of other programs stop equals what an outsider meets.

mod random_rules;
mod situations;

use crate::support::namespace::{Host, Started};
use crate::support::{GEN, INSTALL, can_make_namespaces, tools, transcript, wait_until};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// For each line with a time in seconds, whether each source is told within it: IPv4 and IPv6.
const CLIENT: &str = r#"
import concurrent.futures, socket, subprocess, sys

HOST = ["198.51.1.1", "fd00:6379:1::1"]
SOURCES = [(0, "198.51.1.2"), (0, "198.51.1.7"), (1, "fd00:6379:1::2"), (1, "fd00:6379:1::7")]

def ask(patience, family, source):
    try:
        client = socket.create_connection((HOST[family], 6379), patience, (source, 0))
        client.sendall(b"PING\r\n")
        return client.recv(99).startswith(b"-PORTCLOSED 6379")
    except OSError:
        return False

pool = concurrent.futures.ThreadPoolExecutor(4)
for line in sys.stdin:
    # What was found before must not be known any more.
    subprocess.run(["ip", "neigh", "flush", "dev", "there1"], check=True)
    told = pool.map(lambda source: ask(float(line), *source), SOURCES)
    print(*("told" if one else "stopped" for one in told), flush=True)
"#;

fn able() -> bool {
    let programs = [
        "iptables-nft",
        "iptables-legacy",
        "ip6tables-nft",
        "ip6tables-legacy",
        "nft",
        "nsenter",
        "python3",
    ];
    can_make_namespaces() && tools(&programs)
}

/// A host that redirects port 6379, its listener, and an outsider.
struct Ground {
    host: Host,
    backend: &'static str,
    client: RefCell<(Child, BufReader<ChildStdout>)>,
    _outside: Host,
    _listener: Started,
}

impl Drop for Ground {
    fn drop(&mut self) {
        // It ends where its input does.
        let (client, _) = self.client.get_mut();
        drop(client.stdin.take());
        let _ = client.wait();
    }
}

/// What `status` says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Told,
    NotTold,
    Some,
    Unknown,
}

impl Ground {
    /// One whose rules `backend` loads: `legacy` is iptables of that variant.
    fn new(backend: &'static str) -> Self {
        let (outside, host) = (Host::network_only(), Host::new());
        host.cabled_to(&outside, 1);
        outside.sh("ip addr add 198.51.1.7/24 dev there1
             ip addr add fd00:6379:1::7/64 dev there1 nodad");
        if backend == "legacy" {
            host.sh("for tool in iptables ip6tables; do for end in '' -save -restore; do
                   ln -s /usr/sbin/$tool-legacy$end /usr/local/sbin/$tool$end
                 done; done");
        }
        let folder = TempDir::new().unwrap();
        let by = if backend == "nftables" { backend } else { "iptables" };
        let toml = format!(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
             [[reserved]]\nport = 6379\nexternal = \"notice\"\nlisten = \"never\"\n\
             [firewall]\nbackend = \"{by}\"\n"
        );
        std::fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
        let output = Command::new(GEN).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        host.copy_in(&folder.path().join("generated"), "/run/bundle");
        let output = host.install(&["--bundle", "/run/bundle", "apply", "--cut-sessions"]);
        assert!(output.status.success(), "{}", transcript(&output));
        let notice = ["--bundle", "/run/bundle", "notice", "--log", "/run/log"];
        let listener = host.start(INSTALL, &notice);
        let mut client = outside.command("python3");
        client.args(["-c", CLIENT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = client.spawn().unwrap();
        let output = BufReader::new(client.stdout.take().unwrap());
        let client = RefCell::new((client, output));
        let ground = Self { host, backend, client, _outside: outside, _listener: listener };
        wait_until("outsiders are told", || !ground.met(1.0).contains(&false));
        ground
    }

    /// Removes the rules of others.
    fn clear(&self) {
        self.host.sh("nft flush ruleset
             for family in '' 6; do
               for table in $(cat /proc/net/ip${family}_tables_names); do
                 printf '*%s\n:%s ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n' $table \
                     $([ $table = filter ] && echo INPUT || echo PREROUTING)
               done | ip${family}tables-legacy-restore
             done");
        let output = self.host.install(&["--bundle", "/run/bundle", "rules", "load"]);
        assert!(output.status.success(), "{}", transcript(&output));
    }

    /// Whether an outsider is told within a time, for each family and source: the second one of each is
    /// the one that rules name.
    fn met(&self, patience: f32) -> Vec<bool> {
        let (client, output) = &mut *self.client.borrow_mut();
        writeln!(client.stdin.as_mut().unwrap(), "{patience}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let line = line.trim_end();
        line.split(' ').map(|met| met == "told").collect()
    }

    /// What `status` says of outsiders, in which words, and the command that it prints as the fix.
    fn said(&self) -> (Said, String, Option<String>) {
        let output = self.host.install(&["--json", "status"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", transcript(&output)));
        let findings = status["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["target"] == "outsiders");
        let detail = found.map_or("", |found| found["detail"].as_str().unwrap()).to_owned();
        let said = match detail.as_str() {
            "" => Said::Told,
            text if text.starts_with("outsiders are stopped") => Said::NotTold,
            text if text.starts_with("some outsiders are stopped") => Said::Some,
            text if text.starts_with("could not judge") => Said::Unknown,
            other => panic!("{other}"),
        };
        (said, detail, status["mend"].as_str().map(str::to_owned))
    }

    /// What outsiders meet, where `status` says something else.
    fn lie(&self, said: &Said) -> Option<String> {
        // Who is told gets the answer at once; only silence takes its time.
        let met = self.met(if *said == Said::Told { 20.0 } else { 0.8 });
        let is_so = match said {
            // A source that a rule bans by its name is no outsider like others.
            Said::Told => met[0] && met[2],
            Said::NotTold => !met.contains(&true),
            Said::Some => met.contains(&false),
            Said::Unknown => true,
        };
        (!is_so).then(|| format!("said {said:?}, met {met:?}"))
    }
}
