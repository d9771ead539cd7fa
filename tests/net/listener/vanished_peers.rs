//! Peers that vanish without a FIN are closed after a time-out.

use crate::listener::harness::log_totals::Account;
use crate::listener::harness::process_usage::{assert_it_does_not_spin, descriptors};
use crate::listener::harness::{Notice, around, sentence, wait_until};
use crate::support::namespace::Host;
use crate::support::{can_make_namespaces, tools};

#[test]
fn vanished_peers_are_closed_and_delay_no_client() {
    if !tools(&["ip", "nsenter", "redis-cli"]) || !can_make_namespaces() {
        return;
    }
    let (here, there) = (Host::network_only(), Host::network_only());
    here.cabled_to(&there, 1);
    let pid = here.pid().to_string();
    let mut notice = Notice::start_with("idle = 2", |command| {
        around(command, &["nsenter", "--target", &pid, "--net", "--"])
    });
    let (port, before) = (notice.port, descriptors(notice.pid()));
    let mut told = 0;
    let mut expect_notice = || {
        let seen = here.run("redis-cli", &["-p", &port.to_string(), "ping"]);
        let text = String::from_utf8_lossy(&seen.stdout).into_owned();
        assert!(text.contains(&sentence(port)), "{text}");
        told += 1;
    };

    // A third of them says nothing, one says something, one has begun to.
    let script = format!(
        "for i in $(seq 150); do exec {{peer}}<>/dev/tcp/198.51.1.1/{port}; \
         case $((i % 3)) in 0) printf 'PING\\r\\n' >&$peer;; 1) printf PI >&$peer;; esac; \
         done; sleep infinity"
    );
    let peers = there.start("bash", &["-c", &script]);
    wait_until("all are there", || descriptors(notice.pid()) >= before + 150);
    there.sh("ip link set there1 down");
    drop(peers);
    expect_notice();
    assert_it_does_not_spin(notice.pid());
    expect_notice();
    wait_until("all are let go", || descriptors(notice.pid()) == before);
    expect_notice();
    let (status, log) = notice.stop();
    assert!(status.success());
    assert_eq!(Account::of(&log).attempts(), 150 + told);
    assert_eq!(log.matches("peer=198.51.1.2 ").count(), 150);
    assert_eq!(log.matches("outcome=idle").count(), 150, "{log}");
}
