//! How `apply` and `rules load` bring rules into the kernel.

mod backend_switch;
mod dry_run;
mod kernel_without_log_target;
mod nftables_backend;
mod unlisted_tables;

use super::*;

#[test]
fn rules_are_loaded_while_another_program_flushes_the_tables() {
    let Some(host) = new_host() else { return };
    host.copy_in(&bundle(OTHER).path().join("generated"), "/run/bundle");
    // Four flushes can spoil four tries of a load, which has five.
    let flush = "for _ in 1 2; do iptables -F; sleep 0.03; ip6tables -F; sleep 0.02; done";
    for round in 0..20 {
        host.sh("iptables -F; ip6tables -F");
        let mut flushing = host.command("sh").args(["-c", flush]).spawn().unwrap();
        let loaded = host.install(&["--bundle", "/run/bundle", "rules", "load"]);
        assert_eq!(exit_status(&loaded), 0, "round {round}: {}", transcript(&loaded));
        assert!(flushing.wait().unwrap().success());
    }
}

/// A host for one test, with nft; `None` where none can be made, after saying why.
fn host_with_nft() -> Option<Host> {
    if tools(&["nft"]) { new_host() } else { None }
}
