//! A guarded fleet: a second run, drift, a new bundle, and the way back.

use super::controller::{Controller, Engine, assert_same};
use super::{HOSTS, SITE};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;

/// The hosts that are there.
pub const UP: &str = "--limit=redis_hosts:!down";
/// All in one batch.
pub const AT_ONCE: &str = "--extra-vars={\"redisguard_serial\": [\"100%\"]}";
/// One host, then all the others.
const TWO_BATCHES: &str = "--extra-vars={\"redisguard_serial\": [1, \"100%\"]}";

/// What was counted, which every check may save.
pub fn counted(line: &str) -> bool {
    line.starts_with("/var/lib/redisguard/counters.json ")
}

/// When it was written, and what somebody edited, which is kept.
fn receipt(line: &str) -> bool {
    counted(line)
        || line.starts_with("/var/lib/redisguard/receipt.json ")
        || line.starts_with("/var/lib/redisguard/edited")
}

pub fn a_host_that_is_down_fails_alone(fleet: &Controller, mut session: TcpStream) {
    // Hardened hosts do not let users run what they wrote.
    const NOEXEC: &str = "mount --bind /home /home && mount -o remount,bind,noexec /home
        cp /bin/true /home/deploy/ && ! /home/deploy/true && rm /home/deploy/true";
    let one = fleet.machine("one");
    one.run(&["bash", "-ec", NOEXEC]).ok();
    let cut = ["--extra-vars={\"redisguard_cut_sessions\": true}"];
    let played = fleet.play_with(Engine::Third, SITE, &cut).changed(&HOSTS, 1);
    let played = played.says("is connected right now");
    let asked = session.write_all(b"PING\r\n").and_then(|()| session.read(&mut [0; 8]));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::ConnectionReset);
    one.run(&["systemctl", "stop", "old-redis"]).ok();
    // Ansible's own status for hosts that it could not reach.
    assert_eq!((played.0.code, played.count("down", "unreachable")), (4, 1), "{played}");
    fleet.outsiders_meet("silence");
    for machine in &fleet.machines {
        let listener = machine.run(&["redis-cli", "-p", "6379", "ping"]);
        assert!(listener.stdout.contains("PORTCLOSED"), "{listener:?}");
        // Confirmed: nothing goes back.
        machine.run(&["test", "!", "-e", "/var/lib/redisguard/unconfirmed"]).ok();
    }
}

pub fn a_second_run_changes_nothing(fleet: &Controller) {
    let guarded = fleet.look_at_all();
    for engine in Engine::ALL {
        let again = fleet.play_with(engine, SITE, &[UP, "--diff"]).left_alone(&HOSTS);
        assert_eq!(again.0.code, 0, "{again}");
        assert_same(&fleet.look_at_all(), &guarded, counted);
    }
}

pub fn drift_is_fixed(fleet: &Controller) {
    let guarded = fleet.look_at_all();
    let damage = [
        "systemctl stop redis-ports-check.timer redis-ports-check.service; ip6tables -D INPUT 1
         echo 'idle = 1' >>/etc/redisguard/notice.toml",
        "cp --remove-destination /bin/true /usr/local/sbin/redisguard-install
         echo >>/var/lib/redisguard/bundle/host/etc/redisguard/rules.v4",
        // Active for systemd, and mute.
        "systemctl kill --signal=STOP redis-port-notice.service",
    ];
    for (machine, damage) in fleet.machines.iter().zip(damage) {
        machine.run(&["bash", "-ec", damage]).ok();
    }
    fleet
        .play(SITE, &[UP, "--diff", AT_ONCE])
        .changed(&HOSTS, 1)
        .says("load (IPv6: filter: the jump from INPUT is missing)")
        .says("\n-idle = 1\n")
        .says("replace with this program")
        .says("/var/lib/redisguard/receipt.json: write")
        .says("restart")
        .says("stopped");
    assert_same(&fleet.look_at_all(), &guarded, receipt);
}

/// A host's variable: the listener is stopped, and the run after the next has nothing to do. Without it all is back.
pub fn a_host_that_declares_its_parts_runs_no_other(fleet: &Controller) {
    const RULES: &str = "--extra-vars={\"redisguard_expect\": [\"rules\", \"timer\"]}";
    let guarded = fleet.look_at_all();
    let two = fleet.machine("two");
    let listener = || two.run(&["systemctl", "is-active", "redis-port-notice.service"]).stdout;
    fleet.play(SITE, &["--limit=two", RULES]).changed(&["two"], 1);
    assert_eq!(listener(), "inactive\n");
    fleet.play(SITE, &["--limit=two", RULES]).left_alone(&["two"]);
    let wrong = "--extra-vars={\"redisguard_expect\": [\"listener\"]}";
    fleet.play(SITE, &["--limit=two", wrong]).failed("two", "does not name rules");
    fleet.play(SITE, &["--limit=two"]).changed(&["two"], 1);
    assert_eq!(listener(), "active\n");
    assert_same(&fleet.look_at_all(), &guarded, receipt);
}

/// A controller that died before it could confirm leaves that to the next run.
pub fn a_change_that_waits_is_confirmed(fleet: &Controller) {
    const WAITING: &str = "systemctl stop redis-ports-check.timer redis-ports-check.service
        redisguard-install --bundle /var/lib/redisguard/bundle apply --confirm 1h
        test -e /var/lib/redisguard/unconfirmed";
    let one = fleet.machine("one");
    one.run(&["bash", "-ec", WAITING]).ok();
    fleet.play(SITE, &["--limit=one"]).changed(&["one"], 1);
    one.run(&["test", "!", "-e", "/var/lib/redisguard/unconfirmed"]).ok();
    fleet.play(SITE, &["--limit=one"]).left_alone(&["one"]);
}

/// What an administrator masked stays so until they say otherwise.
pub fn a_canary_that_fails_stops_the_new_bundle(fleet: &Controller, bundle: &Path) {
    let guarded = fleet.look_at_all();
    let unit = "/etc/systemd/system/redis-port-notice.service";
    let mask = format!("mv {unit} /run/unit && ln -s /dev/null {unit} && systemctl daemon-reload");
    let one = fleet.machine("one");
    one.run(&["bash", "-ec", &mask]).ok();
    let words = "could not start redis-port-notice.service: it is masked by an administrator";
    fleet.play(SITE, &[UP, &bundle_is(bundle)]).failed("one", words).left_alone(&HOSTS[1..]);
    one.run(&["bash", "-ec", &format!("mv /run/unit {unit} && systemctl daemon-reload")]).ok();
    assert_same(&fleet.look_at_all(), &guarded, receipt);
    fleet.outsiders_meet("silence");
}

fn bundle_is(bundle: &Path) -> String {
    format!("--extra-vars=redisguard_bundle={}", bundle.display())
}

pub fn a_new_bundle_is_rolled_out(fleet: &Controller, bundle: &Path) {
    // One of the fleet is the outsider for the others.
    let from = "--extra-vars=redisguard_probe_from=three";
    fleet
        .play(SITE, &[UP, TWO_BATCHES, from, &bundle_is(bundle)])
        .changed(&HOSTS, 1)
        .says("ok: [one -> three(10.63.79.4)]");
    fleet.outsiders_meet("refused");
    let port = fleet.machine("two").run(&["redis-cli", "-p", "6379", "ping"]).stdout;
    assert!(port.contains("PORTCLOSED"), "{port}");
}

/// Somebody's rules lead outsiders past the guard, which it cannot see.
pub fn an_unmet_expectation_stops_the_rest(fleet: &Controller) {
    const PAST: &str = "systemd-run --quiet --unit=other-redis redis-server --port 8080 \
        --bind 0.0.0.0 --protected-mode no --save ''
        nft -f - <<END
        table ip past {
            chain in { type filter hook prerouting priority -400; iifname eth0 tcp dport 6379 tcp dport set 8080; }
            chain out { type filter hook postrouting priority 400; oifname eth0 tcp sport 8080 tcp sport set 6379; }
        }
END";
    let guarded = fleet.look_at_all();
    let one = fleet.machine("one");
    one.run(&["bash", "-ec", PAST]).ok();
    fleet
        .play(SITE, &[UP])
        .failed("one", "port 6379 at 10.63.79.2: promised dropped, met open")
        .left_alone(&HOSTS[1..]);
    assert_same(&fleet.look_at_all()[1..], &guarded[1..], counted);
    one.run(&["bash", "-ec", "nft delete table ip past; systemctl stop other-redis"]).ok();
}

/// The canary has it already; others follow, and the canary is the next of them.
pub fn the_former_bundle_comes_back(fleet: &Controller) {
    let played = fleet.play_with(Engine::Second, SITE, &[UP, AT_ONCE]);
    played.left_alone(&["one"]).changed(&["two", "three"], 1);
    fleet.outsiders_meet("silence");
}
