//! A host can be guarded over SSH.

use super::*;

#[test]
fn a_host_can_be_guarded_over_ssh() {
    let Some(mut machine) = host("ssh") else { return };
    let ssh = machine.start_sshd();
    let over_ssh = |command: &str| {
        let (key, login) = (ssh.key.display().to_string(), format!("root@{}", ssh.address));
        let options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
        let known = ["-o", "UserKnownHostsFile=/dev/null", "-i", &key, &login, command];
        machine.outside(&[&["ssh"][..], &options, &known].concat())
    };
    let applied = over_ssh(&format!("{PROGRAM} apply"));
    assert!(applied.clone().ok().starts_with("applied bundle"), "{applied:?}");
    // The guard leaves the way that it came by.
    assert!(over_ssh("redisguard-install status").ok().starts_with("OK: "));
    assert_clean(&machine);
}
