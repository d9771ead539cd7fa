//! Units that `apply` started are stopped again when a later step fails.
//!
//! A script plays systemd: it knows which units run, and which fail.

use super::{assert_contains, exit_status, install, new_host};
use crate::support::namespace::Host;
use crate::support::{INSTALL, assert_same, transcript};

const BLOCK: &str = "redis-ports-block.service";
const NOTICE: &str = "redis-port-notice.service";

/// Has the host run a systemd: one file for each unit that is active, and /run/broken names those that
/// do not start. What it was told is kept.
fn play_systemd(host: &Host) {
    host.sh(&format!(
        r#"mkdir -p /run/systemd/system /run/active /run/broken
        cat > /usr/local/bin/systemctl <<'END'
#!/bin/sh
shift # --no-ask-password
verb=$1
shift
echo "$verb $*" >> /run/told
if [ -e "/run/kill-at-$verb" ]; then kill -9 $PPID; exit 1; fi
case $verb in
show)
    for unit; do
        case $unit in -*) continue ;; esac
        active=inactive
        [ ! -e /run/active/$unit ] || active=active
        printf 'Id=%s\nLoadState=loaded\nActiveState=%s\n\n' $unit $active
    done ;;
start | restart)
    if [ -e /run/broken/$1 ]; then
        rm -f /run/active/$1
        echo "Job for $1 failed." >&2
        exit 1
    fi
    [ $1 != {BLOCK} ] || {INSTALL} rules load >&2 || exit 1
    touch /run/active/$1 ;;
stop) for unit; do rm -f /run/active/$unit; done ;;
esac
END
        chmod 755 /usr/local/bin/systemctl"#
    ));
}

/// Rules, files, what is active, and the kernel's list of ports. What a killed run has left
/// beside its files is swept by the next, however that ends.
fn look(host: &Host) -> (String, String, String) {
    let live = host.sh("ls /run/active; cat /proc/sys/net/ipv4/ip_local_reserved_ports");
    let files = host.changed_files();
    let left = |line: &&str| line.contains("/bundle.new/") || line.contains(".redisguard~ ");
    let files = files.lines().filter(|line| !left(line));
    (host.rules(), files.map(|line| format!("{line}\n")).collect(), live)
}

fn assert_apply_rolls_back(host: &Host) {
    let output = install(host, &["apply", "--expect", "bundle"], 2);
    assert_contains(&output, "everything is as it was before");
}

#[test]
fn a_failed_run_stops_the_units_it_started() {
    let Some(host) = new_host() else { return };
    install(&host, &["apply", "--expect", "bundle"], 0);
    play_systemd(&host);
    host.sh(&format!("touch /run/broken/{NOTICE}"));
    let before = look(&host);
    assert_apply_rolls_back(&host);
    let orders = host.sh("cat /run/told");
    assert!(orders.contains(&format!("start {BLOCK}")), "{orders}");
    assert_eq!(orders.matches("daemon-reload").count(), 1, "no file changed: {orders}");
    assert_same(&look(&host), &before, "before the units were started");
}

#[test]
fn files_of_a_killed_run_do_not_keep_the_next_one_from_rolling_back_rules() {
    let Some(host) = new_host() else { return };
    play_systemd(&host);
    host.sh("touch /run/kill-at-start");
    let killed = host.install(&["apply", "--expect", "bundle"]);
    assert_eq!(exit_status(&killed), -1, "{}", transcript(&killed));
    host.sh(&format!("rm /run/kill-at-start; touch /run/broken/{NOTICE}"));
    let before = look(&host);
    assert!(host.has("/etc/redisguard/rules.v4") && !before.0.contains("REDISGUARD"));
    assert_apply_rolls_back(&host);
    assert_same(&look(&host), &before, "before the second apply");
}
