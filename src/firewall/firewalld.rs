//! Waits for a firewalld that is starting. systemd counts it as started as soon as it has its name on the
//! bus. After that it flushes everything that iptables has loaded, loads its own rules, and answers no
//! call until it is done.

use crate::os::command::{Output, Program, is_installed};

/// How long to wait for its answer, in seconds: less than the units that load rules may take.
const ANSWER_TIMEOUT: &str = "20";

/// Waits until a firewalld that may be starting is done. Returns whether one runs here.
pub fn is_settled() -> bool {
    if !is_installed("firewalld") {
        return false;
    }
    let busctl = Program::new("busctl")
        // D-Bus would start a firewalld that does not run, just to be asked.
        .args(["--system", "--auto-start=no", "--timeout", ANSWER_TIMEOUT, "call"])
        .args(["org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"])
        .args(["org.freedesktop.DBus.Peer", "Ping"]);
    busctl.run("ask firewalld").as_ref().is_ok_and(Output::is_success)
}
