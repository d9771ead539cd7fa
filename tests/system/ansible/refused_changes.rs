//! Changes that reach no host, or do not stay on one.

use super::controller::{Controller, assert_same, copy};
use super::fleet_rollout::{AT_ONCE, UP};
use super::{HOSTS, SITE};
use crate::support::machine::Machine;
use crate::support::wait_until;
use redisguard::probe::Outcome;
use std::fs;
use std::net::{SocketAddr, TcpStream};

const PROGRAM: &str = "target/release/redisguard-install";

pub fn an_unreviewed_bundle_reaches_no_host(fleet: &Controller, bare: &[Vec<String>]) {
    let altered = fleet.path("altered");
    copy(&fleet.path("generated"), &altered);
    let rules = altered.join("host/etc/redisguard/rules.v4");
    fs::write(&rules, fs::read_to_string(&rules).unwrap().replace("DROP", "ACCEPT")).unwrap();
    let mut program = fs::read(fleet.path(PROGRAM)).unwrap();
    // e_machine of the ELF header: S/390, on which nobody tests.
    program[18..20].copy_from_slice(&22_u16.to_le_bytes());
    let ours = fleet.path(PROGRAM);
    let foreign = fleet.path("foreign");
    fs::write(&foreign, program).unwrap();
    let wrong = "0".repeat(64);

    fleet.set("one", &[("redisguard_bundle", &altered.display())]);
    fleet.set("two", &[("redisguard_binary", &foreign.display())]);
    fleet.set("three", &[("redisguard_binary_sha256", &format!("'{wrong}'"))]);
    fleet
        .play(SITE, &[UP])
        .failed("one", "host/etc/redisguard/rules.v4 was altered")
        .failed("two", "it is built for s390x, this host is ")
        .failed("three", &format!("wanted is {wrong}"));
    // Where there are several programs, each host takes its own.
    let both = format!("[{}, {}]", foreign.display(), ours.display());
    fleet.set("two", &[("redisguard_binary", &both)]);
    fleet.set("three", &[("redisguard_bundle_sha256", &format!("'{wrong}'"))]);
    fleet
        .play(SITE, &["--check", "--limit=two,three"])
        .changed(&["two"], 1)
        .failed("three", "SHA256SUMS: its SHA-256 is ");
    assert_same(&fleet.look_at_all(), bare, |_| false);
    fs::remove_dir_all(fleet.path("host_vars")).unwrap();
}

pub fn a_host_that_cannot_be_guarded_says_why(fleet: &Controller, bare: &[Vec<String>]) {
    const TOOLS: &str = "for tool in /usr/sbin/iptables /usr/sbin/nft";
    let three = fleet.machine("three");
    three.run(&["bash", "-ec", &format!("{TOOLS}; do mv $tool $tool.away; done")]).ok();
    fleet
        .play(SITE, &["--check", "--limit=three"])
        .failed("three", "could not guard this host: it has neither iptables nor nft");
    three.run(&["bash", "-ec", &format!("{TOOLS}; do mv $tool.away $tool; done")]).ok();
    assert_same(&fleet.look_at_all(), bare, |line| line.starts_with("/usr/sbin"));
}

/// A canary that is refused, for a session that is open; it is given back.
pub fn a_bad_canary_leaves_the_others_alone(fleet: &Controller, bare: &[Vec<String>]) -> TcpStream {
    const REDIS: &str = "systemd-run --quiet --unit=old-redis redis-server --port 6380 \
        --bind 0.0.0.0 --protected-mode no --save ''";
    let one = fleet.machine("one");
    one.run(&["bash", "-ec", REDIS]).ok();
    let served = [Outcome::Served("+PONG".to_owned()), Outcome::Refused];
    wait_until("Redis answers on 6380", || one.reaches(6380) == served);
    let address = SocketAddr::new(one.addresses()[0], 6380);
    let session = one.enter_outside(|| TcpStream::connect(address).unwrap());
    fleet
        .play(SITE, &[UP])
        .failed("one", "it would cut sessions that are open right now")
        .left_alone(&HOSTS[1..]);
    assert_same(&fleet.look_at_all(), bare, |line| line.starts_with("/usr/sbin"));
    session
}

/// One host ends all sessions of the user in the midst of the change, another lets nobody in any more.
pub fn a_host_that_is_unreachable_after_a_change_rolls_back(
    fleet: &Controller,
    bare: &[Vec<String>],
) {
    const DROP_IN: &str = "/run/systemd/system/redis-port-notice.service.d/shut.conf";
    let [two, three] = ["two", "three"].map(|name| fleet.machine(name));
    for (machine, command) in
        [(two, "loginctl terminate-user deploy"), (three, "systemctl stop ssh.service")]
    {
        let drop_in = format!("[Service]\nExecStartPost=+/usr/bin/{command}\n");
        machine.write_file(DROP_IN, drop_in);
    }
    fleet
        .play(SITE, &["--limit=two,three", AT_ONCE, "--extra-vars=redisguard_confirm=5s"])
        .failed("two", "the host was lost while it was changed (")
        .says("); it goes back by itself within 5s")
        .failed("three", "could not log in anew (")
        .says("); the host goes back by itself at ");
    for machine in [two, three] {
        machine.run(&["rm", DROP_IN]).ok();
        let state = ["test", "-e", "/var/lib/redisguard"];
        wait_until("it went back", || machine.run(&state).code != 0);
        wait_until("what went back ends", || at_rest(machine));
    }
    three.run(&["systemctl", "start", "ssh.service"]).ok();
    // A run that is killed leaves the files that were copied for it.
    two.run(&["rm", "-r", "/home/deploy/.ansible"]).ok();
    assert_same(&fleet.look_at_all(), bare, |line| line.starts_with("/usr/sbin"));
}

fn at_rest(machine: &Machine) -> bool {
    let unit = "redis-ports-unconfirmed.service";
    let state = machine.run(&["systemctl", "show", "--value", "-p", "ActiveState", unit]).stdout;
    state.trim() == "inactive"
}
