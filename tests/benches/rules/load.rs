//! Measures the loading: the first one, the one that finds everything in place, and that of very
//! many ports.

use super::Scale;
use super::commands::{Contestant, ansible, restore, script};
use super::rounds::{median, order, ratio, spread};
use super::site::{Bundle, shell};
use super::table::Table;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A kernel without any rule.
const EMPTY: &str = "nft flush ruleset";
/// Before each turn. The kernel still frees what the turn before has left: rules for up to 20 ms, and the
/// network namespace that ours makes for up to 80 ms. That takes time from whoever comes next, and
/// spares them the kernel's hooks, which the namespace still has set.
const REST: Duration = Duration::from_millis(150);

/// Every contestant's seconds by round; `before` is run before each turn, and not counted.
fn turns(contestants: &[Contestant], rounds: usize, before: impl Fn(usize)) -> Vec<Vec<f64>> {
    let mut seconds = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        for index in order(round, contestants.len()) {
            before(index);
            thread::sleep(REST);
            seconds[index].push(contestants[index].run());
        }
    }
    seconds
}

/// One row for each contestant: its median and what the first one, ours, takes of it.
fn report(title: &str, contestants: &[Contestant], seconds: &[Vec<f64>]) -> Table {
    let mut table = Table::new(title, &["What runs", "ms", "first/it", "from-to"]);
    for (contestant, own) in contestants.iter().zip(seconds) {
        table.row([
            contestant.name.to_owned(),
            format!("{:.1}", median(own.iter().copied()) * 1000.0),
            format!("{:.2}", ratio(&seconds[0], own)),
            spread(&seconds[0], own),
        ]);
    }
    table
}

/// A first load, into a kernel without rules.
pub fn first(scale: Scale) -> Table {
    let (bundle, by_nft) = (Bundle::small("iptables"), Bundle::small("nftables"));
    let nft = by_nft.artifact("/etc/redisguard/redisguard.nft");
    let folder = tempfile::tempdir().unwrap();
    let mut contestants = vec![
        Contestant::ours("ours: rules load", &bundle, &["rules", "load"]),
        restore("two iptables-restore, with --test before", &bundle, true),
        restore("two iptables-restore", &bundle, false),
        Contestant::ours("ours: rules load, nftables", &by_nft, &["rules", "load"]),
        Contestant::new("nft --check, nft --file")
            .then("nft", &["--check", "--file", "-"], Some(nft.clone()))
            .then("nft", &["--file", "-"], Some(nft)),
        script("iptables -C || iptables -A", &bundle),
    ];
    if scale == Scale::Full {
        contestants.extend(ansible("Ansible's iptables module, four rules", folder.path()));
    }
    let seconds = turns(&contestants, scale.of(21, 1), |_| shell(EMPTY));
    report("The first load of two ports", &contestants, &seconds)
}

/// A first load on a host where another network namespace has rules already, as containers have: the
/// kernel's hooks are set.
pub fn beside(scale: Scale) -> Table {
    let bundle = Bundle::small("iptables");
    let _neighbour = Neighbour::with(&bundle);
    let contestants = [
        Contestant::ours("ours: rules load", &bundle, &["rules", "load"]),
        restore("two iptables-restore, with --test before", &bundle, true),
        restore("two iptables-restore", &bundle, false),
    ];
    let seconds = turns(&contestants, scale.of(21, 1), |_| shell(EMPTY));
    report("The same beside another namespace's rules", &contestants, &seconds)
}

/// A network namespace with rules. It ends when its input does.
struct Neighbour(Child);

impl Neighbour {
    fn with(bundle: &Bundle) -> Self {
        const SCRIPT: &str = r#"set -e
            iptables-restore --noflush < "$0"
            ip6tables-restore --noflush < "$1"
            echo
            exec cat"#;
        let rules =
            ["v4", "v6"].map(|family| bundle.artifact(&format!("/etc/redisguard/rules.{family}")));
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SCRIPT]).args(rules);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        Self(child)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// A load that finds everything in place.
pub fn again(scale: Scale) -> Table {
    const CHANGED: &str = "ours: apply, after others have changed rules";
    let bundle = Bundle::small("iptables");
    let applying = Contestant::ours("apply", &bundle, &["apply"]);
    shell(EMPTY);
    applying.run();
    let remembering = Contestant::installed("rules load", &bundle, &["rules", "load"]);
    let folder = tempfile::tempdir().unwrap();
    let mut contestants = vec![
        Contestant::installed("ours: apply", &bundle, &["apply"]),
        Contestant::installed(CHANGED, &bundle, &["apply"]),
        Contestant::installed("ours: rules load", &bundle, &["rules", "load"]),
        Contestant::new("two iptables-save").then("iptables-save", &["-c"], None).then(
            "ip6tables-save",
            &["-c"],
            None,
        ),
        script("iptables -C || iptables -A", &bundle),
    ];
    if scale == Scale::Full {
        contestants.extend(ansible("Ansible's iptables module, four rules", folder.path()));
    }
    let others = contestants.iter().position(|contestant| contestant.name == CHANGED);
    let seconds = turns(&contestants, scale.of(21, 1), |index| {
        // As the timer would.
        remembering.run();
        if Some(index) == others {
            shell("nft add table ip others; nft delete table ip others");
        }
    });
    report("A load that finds everything in place", &contestants, &seconds)
}

/// A first load of very many ports.
pub fn many(scale: Scale) -> Table {
    let ports = scale.of(10_000, 40);
    let bundle = Bundle::scattered("iptables", ports);
    let by_nft = Bundle::scattered("nftables", ports);
    let nft = by_nft.artifact("/etc/redisguard/redisguard.nft");
    let contestants = [
        Contestant::ours("ours: rules load", &bundle, &["rules", "load"]),
        restore("two iptables-restore, with --test before", &bundle, true),
        restore("two iptables-restore", &bundle, false),
        Contestant::ours("ours: rules load, nftables", &by_nft, &["rules", "load"]),
        Contestant::new("nft --check, nft --file")
            .then("nft", &["--check", "--file", "-"], Some(nft.clone()))
            .then("nft", &["--file", "-"], Some(nft.clone())),
        Contestant::new("nft --file").then("nft", &["--file", "-"], Some(nft)),
    ];
    let seconds = turns(&contestants, scale.of(7, 1), |_| shell(EMPTY));
    report(&format!("The first load of {ports} scattered ports"), &contestants, &seconds)
}
