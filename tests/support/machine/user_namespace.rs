//! A machine as a small container: with users of its own, and without the right to make mount namespaces.

use super::{Container, Machine, enter, output};
use std::fs;

/// The first user of the machine, as this host numbers it, and how many there are.
pub(super) const USERS: &str = "1048576:65536";
/// Holds the boot until the machine may make no mount namespace, which is set from outside.
const HOLD: &str = "[Unit]
DefaultDependencies=no
Before=local-fs.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'while unshare --mount true; do sleep 0.01; done'
";

impl Machine {
    /// Makes a machine that is off a small container.
    pub fn make_small(&mut self) {
        assert!(self.container.is_none(), "it is on");
        self.write_file("/etc/systemd/system/hold.service", HOLD);
        self.write_file(
            "/etc/systemd/system/sysinit.target.d/hold.conf",
            "[Unit]\nWants=hold.service\n",
        );
        self.is_small = true;
    }

    /// Sets how many mount namespaces a small container may have: its host gives it that right or takes it.
    pub fn limit_namespaces(&self, count: u32) {
        let container = self.container.as_ref().expect("it is off");
        // Written by the container's root, for the limit of its own users, past its read-only /proc/sys.
        let mut command = enter(container.init, &["--user", "--setuid=0", "--setgid=0"]);
        let script = format!("echo {count} >/proc/sys/user/max_mnt_namespaces");
        output(command.args(["sh", "-ec", &script]), &[]).ok();
    }

    /// Brings the cable to the network of a small container.
    pub(super) fn connect(&self, container: &Container) {
        // As numbered in the namespace of the holder, whose `ip` is to find it.
        let status = fs::read_to_string(format!("/proc/{}/status", container.init));
        let status = status.expect("the machine runs");
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let within = numbers.and_then(|numbers| numbers.split_whitespace().rev().nth(1));
        let within = within.expect("its number there");
        self.beside(&["ip", "link", "set", "eth0", "netns", within]).ok();
        let [ipv4, ipv6] = self.addresses();
        let script = format!(
            "ip link set lo up
             ip link set eth0 up
             ip address add {ipv4}/24 dev eth0
             ip address add {ipv6}/64 dev eth0 nodad
             ip neighbour replace 10.63.79.1 lladdr 02:63:79:00:00:01 dev eth0 nud permanent
             ip neighbour replace fd63:79::1 lladdr 02:63:79:00:00:01 dev eth0 nud permanent"
        );
        let mut command = enter(container.init, &["--net"]);
        output(command.args(["sh", "-ec", &script]), &[]).ok();
    }
}
