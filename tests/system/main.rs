//! Tests on booted hosts: systemd, iptables, Redis, sshd, and a neighbour outside.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod ansible;
mod apply_while_booting;
mod boot_and_restart;
mod boot_order;
mod busy_port;
mod certificate_handover;
mod commit_confirm;
mod debian_package;
mod drift_repair;
mod expected_parts;
mod failed_apply;
mod firewalls;
mod first_apply;
mod first_boot;
mod foreign_kernel;
mod interrupted_apply;
mod listener_health;
mod local_clients;
mod local_reserved_ports;
mod metrics;
mod offline_tree;
mod own_questions;
mod ports_stay_blocked;
mod printed_fix;
mod removal;
mod rules_first;
mod runbook;
mod small_containers;
mod ssh_access;
mod unit_sandbox;
mod upgrade_from_0_1;

use redisguard::probe::Outcome;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use support::machine::{Machine, Output};
use support::{GEN, INSTALL, assert_same, transcript, wait_until};
use tempfile::TempDir;

/// Where the program is before apply puts it into its place.
const PROGRAM: &str = "/root/redisguard-install";
const BLOCK: &str = "redis-ports-block.service";
const NOTICE: &str = "redis-port-notice.service";
const CHECK: &str = "redis-ports-check.service";
const TIMER: &str = "redis-ports-check.timer";
const YIELD: &str = "redis-port-yield@redis-server.service";

/// What was counted: every check may save it.
const COUNTERS: &str = "/var/lib/redisguard/counters.json";

/// A host that runs and has the program, and nothing applied.
fn host(name: &str) -> Option<Machine> {
    let machine = Machine::boot(name)?;
    machine.install(Path::new(INSTALL), PROGRAM);
    Some(machine)
}

/// A host with the built-in bundle applied.
fn guarded(name: &str) -> Option<Machine> {
    let machine = host(name)?;
    redisguard(&machine, &["apply"]).ok();
    Some(machine)
}

fn redisguard(machine: &Machine, arguments: &[&str]) -> Output {
    machine.run(&[&[PROGRAM], arguments].concat())
}

/// What a verb prints with --json; it must end with this status.
#[track_caller]
fn json(machine: &Machine, code: i32, arguments: &[&str]) -> Value {
    let said = redisguard(machine, &[&["--json"], arguments].concat());
    serde_json::from_str(&said.ended(code)).unwrap()
}

/// Renders a spec, and brings its bundle to a place of the machine.
fn bring_bundle(machine: &Machine, spec: &Path, place: &str) {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(GEN);
    command.arg("--config").arg(spec).arg("--docs-root").arg(folder.path());
    let rendered = command.arg("--out").arg(folder.path().join("bundle")).output().unwrap();
    assert!(rendered.status.success(), "{}", transcript(&rendered));
    let files = redisguard::files::read_tree(&folder.path().join("bundle")).unwrap();
    for (path, bytes) in files {
        machine.write_file(&format!("{place}/{path}"), bytes);
    }
}

/// Properties of a unit, one a line.
fn unit(machine: &Machine, name: &str, properties: &str) -> String {
    machine.run(&["systemctl", "show", "-p", properties, "--value", name]).ok().trim().to_owned()
}

/// How a unit is loaded, active and enabled, when it is at rest: the timer sets the check off now and
/// then.
fn at_rest(machine: &Machine, name: &str) -> String {
    let mut seen = String::new();
    wait_until(&format!("{name} is at rest"), || {
        seen = unit(machine, name, "LoadState,ActiveState,UnitFileState");
        !seen.contains("activating")
    });
    seen
}

/// Every unit of redisguard's, with what changes whenever one is started or stopped.
fn runs(machine: &Machine) -> Vec<String> {
    const PROPERTIES: &str = "LoadState,ActiveState,InvocationID,ActiveEnterTimestampMonotonic";
    [BLOCK, NOTICE, TIMER].map(|name| unit(machine, name, PROPERTIES)).into()
}

/// A server on a port of the machine, on all its addresses, that answers every client.
fn serve(machine: &Machine, port: u16) {
    const SERVER: &str = "
import socket, sys
server = socket.create_server(('', int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b'+HERE\\r\\n')
    client.close()
";
    let port = port.to_string();
    let name = format!("--unit=serve-{port}");
    machine.run(&["systemd-run", "--quiet", &name, "python3", "-c", SERVER, &port]).ok();
    let listens = ["ss", "-Hltn", &format!("sport = :{port}")];
    wait_until("the server listens", || !machine.run(&listens).stdout.is_empty());
}

fn stop_serving(machine: &Machine, port: u16) {
    machine.run(&["systemctl", "stop", &format!("serve-{port}")]).ok();
}

/// What local users of a port are told.
fn ping(machine: &Machine, port: u16) -> String {
    machine.run(&["redis-cli", "-p", &port.to_string(), "ping"]).stdout
}

#[track_caller]
fn assert_shut(machine: &Machine, ports: &[u16]) {
    let met: Vec<_> = thread::scope(|scope| {
        let ports: Vec<_> = ports.iter().map(|port| scope.spawn(|| machine.meets(*port))).collect();
        ports.into_iter().map(|port| port.join().unwrap()).collect()
    });
    for (port, met) in ports.iter().zip(met) {
        assert_eq!(met, [Outcome::Silence, Outcome::Silence], "port {port}");
    }
}

#[track_caller]
fn assert_open(machine: &Machine, port: u16) {
    let served = Outcome::Served("+HERE".to_owned());
    assert_eq!(machine.reaches(port), [served.clone(), served], "port {port}");
}

/// Guarded by the kernel, and the listener answers: whatever else is wrong.
#[track_caller]
fn assert_guards(machine: &Machine) {
    assert_shut(machine, &[6379, 6380]);
    assert!(ping(machine, 6379).starts_with("PORTCLOSED 6379"), "{}", ping(machine, 6379));
}

/// Guarded, and status finds nothing.
#[track_caller]
fn assert_clean(machine: &Machine) {
    assert_guards(machine);
    let status = json(machine, 0, &["status"]);
    assert_eq!(
        (&status["in_sync"], &status["healthy"], &status["findings"]),
        (&true.into(), &true.into(), &Value::Array(Vec::new())),
        "{status:#}"
    );
}
