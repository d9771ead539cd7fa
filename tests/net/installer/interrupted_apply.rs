//! A killed `apply` leaves old or new rules, and can be finished or removed.

use super::failure_at_every_step::{Scene, difference, filled_tables, without_times};
use super::{able, exit_status, install};
use crate::support::namespace::Host;
use crate::support::{INSTALL, transcript};
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Moments that differ from run to run, and can be had again: REDISGUARD_SEED is what a failure shows.
struct Moments {
    seed: u64,
    state: u64,
}

impl Moments {
    fn new() -> Self {
        let given = std::env::var("REDISGUARD_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = given.unwrap_or(clock | 1);
        Self { seed, state: seed }
    }

    /// A moment of a time that is this long (xorshift64, Marsaglia 2003).
    fn within(&mut self, length: Duration) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        length.mul_f64((self.state >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

const BUILT_IN: &[&str] = &["--bundle", "built-in", "apply"];
const OTHERS: &[&str] = &["--bundle", "/run/other", "apply"];

/// Kills an apply at a moment of its time, and waits for what it had set off.
fn kill(host: &Host, arguments: &[&str], moment: Duration) {
    let mut command = host.command(INSTALL);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let ours = network(&host.pid().to_string());
    let runs = || {
        std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let program = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let tool = ["ip6tables", "iptables", "xtables", "nft"];
            tool.iter().any(|tool| program.starts_with(tool)) && network(&name) == ours
        })
    };
    let started = Instant::now();
    while runs() {
        assert!(started.elapsed() < Duration::from_secs(30), "iptables does not end");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The rules of each family, as far as packets can meet them. What has counted waits under another name
/// until it is read.
fn families(host: &Host) -> [String; 2] {
    ["iptables-save", "ip6tables-save"].map(|save| {
        let plain = host.sh(&format!("{save} | sed -E '/^#/d; s/ \\[[0-9]+:[0-9]+\\]$//'"));
        filled_tables(&plain).split_inclusive("COMMIT\n").map(met).collect()
    })
}

/// The part of a table that some chain of the kernel's leads to, by the names that its chains had.
fn met(table: &str) -> String {
    let mut lines: Vec<&str> = table.lines().collect();
    let leads_to = |line: &str, chain: &str| {
        ["-j", "-g"].iter().any(|verb| line.ends_with(&format!(" {verb} {chain}")))
    };
    loop {
        let unmet = lines.iter().find_map(|line| {
            let chain = line.strip_prefix(":REDISGUARD-").map(|_| &line[1..line.len() - 2])?;
            (!lines.iter().any(|line| leads_to(line, chain))).then_some(chain)
        });
        let Some(unmet) = unmet else { break };
        let of_it = [format!(":{unmet} "), format!("-A {unmet} ")];
        lines.retain(|line| !of_it.iter().any(|start| line.starts_with(start)));
    }
    let named = lines.join("\n");
    let named = (0..10).fold(named, |text, number| {
        text.replace(&format!("REDISGUARD-OLD{number}-"), "REDISGUARD-")
    });
    let mut lines: Vec<&str> = named.lines().collect();
    // By chain, each with its rules in their order.
    lines.sort_by_key(|line| line.split(' ').take(2).collect::<Vec<_>>());
    lines.join("\n") + "\n"
}

/// How long an apply takes, and the rules after it.
fn timed(host: &Host, arguments: &[&str]) -> (Duration, [String; 2]) {
    let started = Instant::now();
    install(host, arguments, 0);
    (started.elapsed(), families(host))
}

#[test]
fn a_killed_apply_leaves_each_family_old_or_new_and_can_be_finished() {
    if !able() {
        return;
    }
    let mut moments = Moments::new();
    let scene = Scene::new(true);
    let host = &scene.host;
    let (_, other) = timed(host, OTHERS);
    let (length, built_in) = timed(host, BUILT_IN);
    let mut changed = 0;
    for round in 0..40 {
        let arguments = if round % 2 == 0 { OTHERS } else { BUILT_IN };
        let moment = moments.within(length);
        kill(host, arguments, moment);
        let what =
            format!("REDISGUARD_SEED={} round {round}, killed after {moment:?}", moments.seed);
        let now = families(host);
        for (number, family) in now.iter().enumerate() {
            let whole = *family == other[number] || *family == built_in[number];
            assert!(whole, "{what}: neither old nor new:\n{family}");
        }
        // What boot and the timer do: both families are one bundle's then.
        if round % 4 > 1 {
            let loaded = host.install(&["rules", "load"]);
            let now = families(host);
            assert!(now == other || now == built_in, "{what}: {}{now:#?}", transcript(&loaded));
        }
        if round % 8 > 5 {
            let (_, now) = timed(host, arguments);
            assert!(
                now == if arguments == OTHERS { other.clone() } else { built_in.clone() },
                "{what}"
            );
            let status = host.install(&["status", "--json"]);
            assert!(
                transcript(&status).contains("\"findings\": []"),
                "{what}: {}",
                transcript(&status)
            );
        }
        changed +=
            usize::from(now == other) + usize::from(host.has("/var/lib/redisguard/bundle.new"));
    }
    assert!(changed > 3, "the moments were all too early or too late");
    timed(host, BUILT_IN);
    assert_eq!(host.sh("find /etc /var/lib /usr/local -name '*.redisguard~'"), "");
}

#[test]
fn a_killed_apply_can_be_removed_and_the_host_is_as_it_was() {
    if !able() {
        return;
    }
    let mut moments = Moments::new();
    let scene = Scene::new(false);
    let host = &scene.host;
    let (bare, before) = (families(host), scene.look());
    let (length, built_in) = timed(host, BUILT_IN);
    scene.go_back();
    for round in 0..24 {
        let moment = moments.within(length);
        kill(host, BUILT_IN, moment);
        let what =
            format!("REDISGUARD_SEED={} round {round}, killed after {moment:?}", moments.seed);
        let now = families(host);
        for (number, family) in now.iter().enumerate() {
            let whole = *family == bare[number] || *family == built_in[number];
            assert!(whole, "{what}: half loaded:\n{family}");
        }
        if round % 3 == 0 {
            // The next one finishes it, and knows all that the first one did.
            timed(host, BUILT_IN);
        }
        scene.go_back();
        let after = without_times(&scene.look());
        let before = without_times(&before);
        assert!(after == before, "{what}\n{}", difference(&before, &after));
    }
}

#[test]
fn concurrent_applies_are_serialized() {
    if !able() {
        return;
    }
    let scene = Scene::new(false);
    let host = &scene.host;
    host.copy_in(&super::bundle(super::OTHER).path().join("generated"), "/run/other");
    let before = without_times(&scene.look());
    for round in 0..3 {
        let verbs: [&[&str]; 8] = [
            BUILT_IN,
            OTHERS,
            &["status"],
            &["remove"],
            BUILT_IN,
            &["plan"],
            OTHERS,
            &["rules", "load"],
        ];
        let outputs: Vec<Output> = thread::scope(|scope| {
            let threads = verbs.map(|arguments| scope.spawn(|| host.install(arguments)));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (arguments, output) in verbs.iter().zip(outputs) {
            // To load rules while nothing is installed, or half of it, is trouble, and said.
            let most = match arguments.last() {
                Some(&"apply" | &"remove") => 0,
                Some(&"load") => 2,
                _ => 1,
            };
            assert!(
                (0..=most).contains(&exit_status(&output)),
                "{round} {arguments:?}: {}",
                transcript(&output)
            );
        }
        let (_, rules) = timed(host, BUILT_IN);
        install(host, &["status"], 0);
        for family in rules {
            assert_eq!(family.matches("-A INPUT -p tcp -m multiport").count(), 1, "{family}");
        }
        scene.go_back();
        let after = without_times(&scene.look());
        assert!(after == before, "{}", difference(&before, &after));
    }
}
