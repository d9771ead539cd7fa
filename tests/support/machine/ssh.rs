//! SSH access to a machine.

use super::{COMMAND_TIMEOUT, Machine, POLL_INTERVAL};
use redisguard::probe::Outcome;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Instant;

/// Where root of a machine can log in.
#[derive(Clone, Debug)]
pub struct Ssh {
    /// The network from which it can be reached: for `nsenter --net=PATH`.
    pub namespace: PathBuf,
    /// The machine's IPv4 address there; the port is 22.
    pub address: IpAddr,
    /// The private key's file; it goes with the machine.
    pub key: PathBuf,
}

impl Machine {
    /// Starts sshd, lets a new key in as root, and waits until it answers outside.
    pub fn start_sshd(&mut self) -> Ssh {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let key = directory.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "redisguard-test", "-f"])
            .arg(&key)
            .status();
        assert!(made.is_ok_and(|status| status.success()), "ssh-keygen (openssh-client) failed");
        let public = fs::read(key.with_extension("pub")).expect("the public key");
        self.write_file("/root/.ssh/authorized_keys", public);
        self.run(&["chmod", "-R", "go=", "/root/.ssh"]).ok();
        self.run(&["systemctl", "start", "ssh.service"]).ok();
        let started = Instant::now();
        while !matches!(&self.meets(22)[0], Outcome::Served(line) if line.starts_with("SSH-")) {
            assert!(started.elapsed() < COMMAND_TIMEOUT, "sshd does not answer");
            thread::sleep(POLL_INTERVAL);
        }
        self.keys = Some(directory);
        Ssh { namespace: self.outside_namespace(), address: self.addresses()[0], key }
    }
}
