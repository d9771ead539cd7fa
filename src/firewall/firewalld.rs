//! Owns knowing when firewalld is through. It counts as started, for systemd and for whoever is
//! ordered behind it, as soon as it has its name on the bus; after that it flushes all that iptables
//! has loaded, and loads its own. It answers nobody until it is done.

use crate::os::command;
use std::process::Command;

/// How long to wait for it, in seconds: less than the units that load rules may take.
const PATIENCE: &str = "20";

/// Waits for a firewalld that may be starting; whether one runs here.
pub fn is_settled() -> bool {
    if !command::is_installed("firewalld") {
        return false;
    }
    let asked = Command::new("busctl")
        // Nobody shall be started by the question.
        .args(["--system", "--auto-start=no", "--timeout", PATIENCE, "call"])
        .args(["org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1"])
        .args(["org.freedesktop.DBus.Peer", "Ping"])
        .output();
    asked.is_ok_and(|answer| answer.status.success())
}
