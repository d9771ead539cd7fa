//! In a chroot, an image build or another network namespace, no verb looks at or changes the system outside.

use super::*;

const TREE: &str = "/srv/tree";

/// Makes a tree of the machine's own programs, with the program in it and `/proc` mounted.
fn make_tree(machine: &Machine) {
    let script = format!(
        "mkdir -p {TREE}/usr {TREE}/proc {TREE}/run {TREE}/tmp {TREE}/var/lib {TREE}/dev {TREE}/root
         cp -a /etc {TREE}/etc
         cp -a /bin /sbin /lib {TREE}/
         cp -a /lib64 {TREE}/ 2>/dev/null || true
         mount --bind /usr {TREE}/usr
         mount --make-private {TREE}/usr
         mount -t tmpfs tmpfs {TREE}/usr/local
         mount -t proc proc {TREE}/proc
         cp {PROGRAM} {TREE}/root/"
    );
    machine.run(&["sh", "-ec", &script]).ok();
}

/// The kernel's rules and its list of reserved local ports.
fn kernel(machine: &Machine) -> (String, String) {
    let list = machine.run(&["cat", "/proc/sys/net/ipv4/ip_local_reserved_ports"]).ok();
    (machine.iptables_save(), list)
}

/// Runs a shell command that must be refused, with this in its message; nothing outside changes.
#[track_caller]
fn refused(machine: &Machine, command: &str, cause: &str) {
    let before = (kernel(machine), machine.changed_contents());
    let said = machine.run(&["sh", "-c", command]);
    assert_eq!(said.code, 2, "{command}: {said:?}");
    assert!(said.stderr.contains(cause), "{command}: {said:?}");
    assert_eq!((kernel(machine), machine.changed_contents()), before, "{command}");
}

#[test]
fn a_chroot_changes_nothing_outside_and_names_root() {
    let Some(machine) = host("chroot") else { return };
    serve(&machine, 6380);
    make_tree(&machine);
    let chroot = format!("chroot {TREE} {PROGRAM}");
    for verb in ["plan", "apply", "status", "remove", "metrics"] {
        refused(&machine, &format!("{chroot} {verb}"), &format!("--root / {verb}`"));
    }
    for verb in ["rules load", "rules unload", "rules save", "confirm", "revert"] {
        refused(&machine, &format!("{chroot} {verb}"), "once it has booted");
    }
    // systemctl of the tree reaches the systemd outside, and an image build has processes of its own.
    machine.run(&["mount", "--rbind", "/run", &format!("{TREE}/run")]).ok();
    refused(&machine, &format!("{chroot} apply"), "this is a chroot");
    machine.run(&["umount", "--lazy", &format!("{TREE}/run")]).ok();
    let apart = format!("unshare --pid --fork --mount-proc={TREE}/proc {chroot} apply");
    refused(&machine, &apart, "such as the host of this container");
    let no_right = format!(
        "unshare --pid --net --fork --mount-proc={TREE}/proc setpriv \
        --bounding-set=-net_admin --inh-caps=-net_admin {chroot} apply"
    );
    refused(&machine, &no_right, "no CAP_NET_ADMIN");
    machine.run(&["umount", &format!("{TREE}/proc")]).ok();
    refused(&machine, &format!("{chroot} apply"), "/proc is not mounted");
    machine.run(&["mount", "-t", "proc", "proc", &format!("{TREE}/proc")]).ok();
    assert_open(&machine, 6380);

    // The fix, inside and outside.
    let before = kernel(&machine);
    let inside = format!("{chroot} --root / apply && {chroot} --root / status");
    machine.run(&["sh", "-c", &inside]).ok();
    let enabled = format!("{TREE}/etc/systemd/system/sysinit.target.wants/{BLOCK}");
    machine.run(&["test", "-L", &enabled]).ok();
    machine.run(&["sh", "-c", &format!("{chroot} --root / remove")]).ok();
    machine.run(&["test", "!", "-L", &enabled]).ok();
    redisguard(&machine, &["--root", TREE, "apply"]).ok();
    machine.run(&["test", "-L", &enabled]).ok();
    assert_eq!(kernel(&machine), before);
    assert_open(&machine, 6380);
    assert_eq!(unit(&machine, BLOCK, "LoadState"), "not-found");
}

#[test]
fn the_environment_counts_as_for_systemctl_and_another_network_is_refused() {
    let Some(machine) = host("elsewhere") else { return };
    refused(&machine, &format!("SYSTEMD_OFFLINE=1 {PROGRAM} apply"), "--root / apply`");
    refused(&machine, &format!("unshare --net {PROGRAM} apply"), "another network namespace");
    refused(&machine, &format!("unshare --net {PROGRAM} status"), "ip netns exec");
    // What changes nothing here runs anywhere.
    machine.run(&[PROGRAM, "rehearse"]).ok();
    let probe = machine.run(&["unshare", "--net", PROGRAM, "probe", "192.0.2.1"]);
    assert!(!probe.stderr.contains("network namespace"), "{probe:?}");
    // The same files, and the same network: a login with mounts of its own.
    machine.run(&["unshare", "--mount", PROGRAM, "apply"]).ok();
    assert_clean(&machine);
    refused(&machine, &format!("unshare --net {PROGRAM} remove"), "another network namespace");
    make_tree(&machine);
    let chroot = format!("chroot {TREE} {PROGRAM}");
    refused(&machine, &format!("{chroot} remove"), "--root / remove`");
    // As systemctl has it, that is the operator's own claim: the units of the tree are not found outside.
    let claimed = machine.run(&[
        "sh",
        "-c",
        &format!("SYSTEMD_IGNORE_CHROOT=1 {chroot} --bundle built-in plan"),
    ]);
    assert_eq!(claimed.code, 1, "{claimed:?}");
    assert_clean(&machine);
}

#[test]
fn a_host_is_not_taken_for_a_guest_that_shares_its_network() {
    let Some(machine) = host("guest") else { return };
    // A guest's systemd, as `systemd-nspawn --boot` without a network of its own has it.
    const GUEST: &str = "mount -t tmpfs tmpfs /run/systemd && exec python3 -c '
import socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(\"/run/systemd/private\")
listener.listen()
time.sleep(600)'";
    let unshare = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", GUEST];
    let command = [&["systemd-run", "--quiet", "--unit=guest", "--"], &unshare[..]].concat();
    machine.run(&command).ok();
    let sockets = ["grep", "-c", " 00010000 .* /run/systemd/private$", "/proc/net/unix"];
    wait_until("the guest listens", || machine.run(&sockets).stdout.trim() == "2");
    redisguard(&machine, &["apply"]).ok();
    assert_clean(&machine);
}
