//! Nothing that is done to the host or the guard opens a port for a moment.
//!
//! An outsider opens a connection to each port every half millisecond, over both families.

use super::*;
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use support::machine::ADDRESSES;
use support::root;

/// Between two attempts at one port of one family.
const BEAT: Duration = Duration::from_micros(500);
/// How long an answer may take. The network is a cable of this machine's memory.
const ANSWER: Duration = Duration::from_millis(20);

/// What an outsider saw at one address and port.
#[derive(Debug)]
pub(super) struct Seen {
    target: SocketAddr,
    pub attempts: usize,
    /// Attempts that were answered: by a connection, or by the refusal of a port without a guard.
    pub answered: usize,
}

/// Tries one port until told to stop.
fn watch(target: SocketAddr, stop: &AtomicBool) -> Seen {
    let mut seen = Seen { target, attempts: 0, answered: 0 };
    let mut open: VecDeque<(Instant, Socket)> = VecDeque::new();
    loop {
        let last = stop.load(Ordering::Relaxed);
        if !last {
            let socket = Socket::new(Domain::for_address(target), Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // In progress, as it says by failing.
            let _ = socket.connect(&target.into());
            open.push_back((Instant::now(), socket));
            seen.attempts += 1;
        }
        while open.front().is_some_and(|(begun, _)| last || begun.elapsed() > ANSWER) {
            let (begun, socket) = open.pop_front().unwrap();
            thread::sleep(ANSWER.saturating_sub(begun.elapsed()));
            let refused = socket.take_error().unwrap().is_some();
            seen.answered += usize::from(refused || socket.peer_addr().is_ok());
        }
        if last {
            return seen;
        }
        thread::sleep(BEAT);
    }
}

/// What an outsider saw while something was done, for each family and port.
pub(super) fn watched(machine: &Machine, something: impl FnOnce()) -> Vec<Seen> {
    let stop = AtomicBool::new(false);
    let outside = machine.outside_namespace();
    let targets = ADDRESSES.map(|address| [6379, 6380].map(|port| SocketAddr::new(address, port)));
    thread::scope(|scope| {
        let watchers: Vec<_> = targets
            .into_iter()
            .flatten()
            .map(|target| {
                let (stop, outside) = (&stop, File::open(&outside).unwrap());
                scope.spawn(move || {
                    setns(outside, CloneFlags::CLONE_NEWNET).unwrap();
                    watch(target, stop)
                })
            })
            .collect();
        // Also where `something` fails: the watchers must end.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(something));
        stop.store(true, Ordering::Relaxed);
        let seen = watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        seen
    })
}

/// Brings bundles to the machine that differ from the built-in one, each in its own way.
fn bring_bundles(machine: &Machine) -> [&'static str; 3] {
    let shipped = fs::read_to_string(root().join("redisguard.toml")).unwrap();
    let (shipped, _) = shipped.split_once("[docs]").unwrap();
    let folder = TempDir::new().unwrap();
    let spec = folder.path().join("redisguard.toml");
    let changes = [
        ("/root/with-network", shipped.replace("allow    = []", "allow = [\"192.0.2.0/24\"]")),
        ("/root/with-port", {
            let port = "[[reserved]]\nport = 6390\nlabel = \"One more\"\nlisten = \"never\"\n";
            let kept = shipped.replace("existing = \"cut\"", "existing = \"keep\"");
            kept.replace("[firewall]", &format!("{port}\n[firewall]"))
        }),
        ("/root/by-nftables", shipped.replace("backend  = \"iptables\"", "backend = \"nftables\"")),
    ];
    changes.map(|(place, text)| {
        assert_ne!(text, shipped);
        fs::write(&spec, text).unwrap();
        bring_bundle(machine, &spec, place);
        place
    })
}

#[test]
fn nothing_that_is_done_to_the_guard_opens_a_port_for_a_moment() {
    let Some(machine) = guarded("shut") else { return };
    let places = bring_bundles(&machine);
    let systemctl = |arguments: &[&str]| {
        machine.run(&[&["systemctl"], arguments].concat()).ok();
    };
    let seen = watched(&machine, || {
        for verb in ["stop", "start", "restart", "reload"] {
            systemctl(&[verb, BLOCK]);
        }
        systemctl(&["restart", NOTICE, TIMER]);
        systemctl(&["start", CHECK]);
        systemctl(&["daemon-reload"]);
        systemctl(&["daemon-reexec"]);
        for _ in 0..2 {
            for place in places {
                let applied = json(&machine, 0, &["--bundle", place, "apply"]);
                assert_eq!(applied["changed"], true);
            }
            redisguard(&machine, &["--bundle", "built-in", "apply"]).ok();
        }
        for _ in 0..3 {
            for place in places {
                let loaded = json(&machine, 0, &["--bundle", place, "rules", "load"]);
                assert_eq!(loaded["changed"], true);
            }
            redisguard(&machine, &["rules", "load"]).ok();
        }
        machine.run(&["iptables", "-F", "REDISGUARD-MOVED"]).ok();
        systemctl(&["start", CHECK]);
    });
    for seen in &seen {
        assert!(seen.attempts > 1000 && seen.answered == 0, "{seen:?}");
    }
    assert_clean(&machine);

    // One who looks like that sees an opening of either family, however short.
    for (tool, family) in [("iptables", 0), ("ip6tables", 1)] {
        let blink = format!(
            "early() {{ {tool} -t mangle \"$@\"; }}
             rule() {{ $1 -S $2 $3 | cut -d' ' -f3-; }}
             first=$(rule {tool} INPUT 1) second=$(rule {tool} INPUT 2) drops=$(rule early PREROUTING 1)
             for time in 1 2 3 4 5; do
                 early -D PREROUTING 1; {tool} -D INPUT 1; {tool} -D INPUT 1
                 eval \"{tool} -I INPUT 1 $second; {tool} -I INPUT 1 $first; early -I PREROUTING 1 $drops\"
             done"
        );
        let seen = watched(&machine, || {
            machine.run(&["sh", "-ec", &blink]).ok();
        });
        for seen in seen {
            let opened = seen.target.ip() == ADDRESSES[family];
            assert_eq!(seen.answered > 0, opened, "{tool}: {seen:?}");
        }
    }
    let seen = watched(&machine, || {
        redisguard(&machine, &["rules", "unload"]).ok();
        redisguard(&machine, &["rules", "load"]).ok();
    });
    assert!(seen.iter().all(|seen| seen.answered > 0), "{seen:?}");
    assert_clean(&machine);
}
