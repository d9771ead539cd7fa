//! Each step of `apply` and `remove`, made to fail in turn, leaves the host as it was or blocked.

use super::{OTHER, able, bundle, exit_status, install, json};
use crate::support::namespace::Host;
use crate::support::{INSTALL, transcript};
use std::process::Output;

/// A host before an apply, and the apply.
pub(super) struct Scene {
    pub(super) host: Host,
    guarded: bool,
}

impl Scene {
    /// With foreign rules and files beside redisguard's, and in their place.
    pub(super) fn new(guarded: bool) -> Self {
        let host = Host::new();
        host.sh(
            "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; ip6tables -N THEIRS
             echo theirs > /etc/logrotate.d/redis-port-notice; chmod 600 /etc/logrotate.d/redis-port-notice
             ln -s /etc/hostname /etc/tmpfiles.d/redisguard.conf; echo 'old lines' > /var/log/redis_port_notice.log
             echo 9100 > /proc/sys/net/ipv4/ip_local_reserved_ports",
        );
        if guarded {
            let other = bundle(OTHER);
            host.copy_in(&other.path().join("generated"), "/run/other");
        }
        let scene = Self { host, guarded };
        scene.go_back();
        scene
    }

    /// To where the apply begins.
    pub(super) fn go_back(&self) {
        let output = if self.guarded {
            self.host.install(&["--bundle", "/run/other", "apply"])
        } else {
            self.host.install(&["remove"])
        };
        assert_eq!(exit_status(&output), 0, "{}", transcript(&output));
    }

    /// Rules, files with all their attributes, and the kernel's list of ports.
    pub(super) fn look(&self) -> String {
        self.host.rules()
            + &self.host.sh(
                "find /etc /usr/local /var/log /var/lib/redisguard -type d -printf '%p %m %U:%G\\n' \
                     -o -printf '%p %m %U:%G %l %s %T@\\n' 2>/dev/null | sort
                 cat /proc/sys/net/ipv4/ip_local_reserved_ports",
            )
    }

    /// Applies with something broken; whether it came to the broken thing and failed. One that gets
    /// along without it must have done all.
    fn fails(&self, what: &str, before: &str, repair: &str) -> bool {
        let output = self.host.install(&["--bundle", "built-in", "apply"]);
        self.host.sh(repair);
        if exit_status(&output) == 0 {
            assert_eq!(exit_status(&self.host.install(&["status"])), 0, "{what}");
            return false;
        }
        assert_as_before(what, &output);
        let after = self.look();
        assert!(after == before, "{what}: {}\n{}", transcript(&output), difference(before, &after));
        true
    }
}

/// Without tables in which nothing is: iptables makes those when it is asked for a listing.
pub(super) fn filled_tables(rules: &str) -> String {
    let says_something = |line: &str| {
        !line.starts_with('*') && line != "COMMIT" && !line.ends_with(" ACCEPT")
            || line.starts_with("-A ")
    };
    let tables = rules.split_inclusive("COMMIT\n");
    tables.filter(|table| table.lines().any(says_something)).collect()
}

/// One error, with the step, its cause and the cure.
fn assert_as_before(what: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(exit_status(output), 2, "{what}: {said}");
    assert!(lines.len() == 2 && lines[0].starts_with("error: could not "), "{what}: {said}");
    assert!(
        lines[0].matches("could not").count() == 1 && lines[1].starts_with("  "),
        "{what}: {said}"
    );
}

/// What is put back from a copy was written later.
pub(super) fn without_times(look: &str) -> String {
    let cut = |line: &str| match line.rsplit_once(' ') {
        Some((rest, time)) if line.starts_with('/') && time.contains('.') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    look.lines().map(cut).collect()
}

pub(super) fn difference(before: &str, after: &str) -> String {
    let only = |one: &str, other: &str, sign: &str| -> String {
        let lines = one.lines().filter(|line| !other.lines().any(|there| there == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    only(before, after, "-") + &only(after, before, "+")
}

/// Programs that count their calls, and fail at one of them: before or after they do their work.
fn break_programs(host: &Host) {
    host.sh(r#"for program in iptables ip6tables iptables-save ip6tables-save iptables-restore ip6tables-restore; do
        cat > /usr/local/sbin/$program <<END
#!/bin/sh
# Both families' are run at the same time.
[ -e /run/fail ] || exec $(command -v $program) "\$@"
exec 9> /run/counted
flock 9
read number when < /run/fail
case $program:\$when in *-restore:*|*:before) ;; *) exec 9>&- $(command -v $program) "\$@" ;; esac
echo "\$((number - 1)) \$when" > /run/fail
exec 9>&-
[ \$number = 1 ] || exec $(command -v $program) "\$@"
[ \$when = before ] || $(command -v $program) "\$@"
echo 'broken for once' >&2
exit 4
END
        chmod 755 /usr/local/sbin/$program
    done"#);
}

fn every_call_fails_once(guarded: bool) {
    if !able() {
        return;
    }
    let scene = Scene::new(guarded);
    break_programs(&scene.host);
    for when in ["before", "after"] {
        let (mut failed, mut before) = (0, scene.look());
        for number in 1.. {
            scene.host.sh(&format!("echo {number} {when} > /run/fail"));
            let what = format!("call {number} fails {when} its work");
            if scene.fails(&what, &before, "cp /run/fail /run/left; rm /run/fail") {
                failed += 1;
            } else {
                scene.go_back();
                let left = scene.host.sh("cat /run/left");
                if !left.starts_with('-') && !left.starts_with("0 ") {
                    break;
                }
                before = scene.look();
            }
        }
        assert!(failed > 3, "{failed} calls failed {when} their work");
    }
}

#[test]
fn every_failing_program_rolls_back_a_first_apply() {
    every_call_fails_once(false);
}

#[test]
fn every_failing_program_rolls_back_a_change() {
    every_call_fails_once(true);
}

#[test]
fn every_unwritable_target_rolls_back_everything() {
    if !able() {
        return;
    }
    for guarded in [false, true] {
        let scene = Scene::new(guarded);
        let planned = json(&scene.host.install(&["--bundle", "built-in", "plan", "--json"]));
        let steps = planned["steps"].as_array().unwrap().iter();
        let kinds = ["file", "binary", "link", "receipt"];
        let written = steps.filter(|step| kinds.contains(&step["kind"].as_str().unwrap()));
        let (mut failed, mut before) = (0, scene.look());
        for path in written.map(|step| step["target"].as_str().unwrap()) {
            let parent = path.rsplit_once('/').unwrap().0;
            for target in [path, parent] {
                // The nearest thing that is there, as a mount of its own that cannot be written.
                let mount = format!(
                    "at={target}; until [ -e $at ]; do at=${{at%/*}}; done; echo $at > /run/at
                     [ -L $at ] || {{ mount --bind $at $at && mount -o remount,bind,ro $at; }}"
                );
                scene.host.sh(&mount);
                if scene.fails(target, &before, "umount $(cat /run/at) 2>/dev/null || true") {
                    failed += 1;
                } else {
                    scene.go_back();
                    before = scene.look();
                }
            }
        }
        assert!(failed > 20, "{failed} targets could not be written");
    }
}

#[test]
fn a_disk_that_is_too_small_rolls_back_everything() {
    if !able() {
        return;
    }
    for guarded in [false, true] {
        for (option, used) in [("size", "used"), ("nr_inodes", "iused")] {
            let scene = Scene::new(guarded);
            // The program is in its place: it alone would be thousands of steps.
            scene.host.sh(&format!("cp {} /usr/local/sbin/redisguard-install", INSTALL));
            let unit = if option == "size" { "k" } else { "" };
            let room = |more: u32| {
                format!(
                    "used=$(df --block-size=1K --output={used} /mnt | tail -n 1)
                     mount -o remount,{option}=$((used + {more})){unit} /mnt"
                )
            };
            let roomy = if option == "size" {
                "mount -o remount,size=256m /mnt"
            } else {
                "mount -o remount,nr_inodes=1000000 /mnt"
            };
            let mut failed = 0;
            let before = scene.look();
            // What is written takes one page or a few, of four KiB.
            for number in 1.. {
                let more = if option == "size" { number * 12 } else { number * 3 };
                scene.host.sh(&room(more));
                if !scene.fails(&format!("{more} more of {option}"), &before, roomy) {
                    break;
                }
                failed += 1;
            }
            assert!(failed > 10, "{failed} sizes of {option} were too small");
        }
    }
}

#[test]
fn a_disk_that_fills_up_just_before_the_end_rolls_back_everything() {
    if !able() {
        return;
    }
    for guarded in [false, true] {
        let scene = Scene::new(guarded);
        scene.host.sh(r#"real=$(command -v ip6tables-restore)
            cat > /usr/local/sbin/ip6tables-restore <<END
#!/bin/sh
$real "\$@" || exit
[ "\$(readlink /proc/self/ns/net)" = "\$(readlink /proc/\$PPID/ns/net)" ] || exit 0
[ ! -e /run/fill ] || cat /dev/zero > /mnt/filler 2> /dev/null
exit 0
END
            chmod 755 /usr/local/sbin/ip6tables-restore; touch /run/fill"#);
        let before = scene.look();
        let failed = scene.fails("a disk full of others", &before, "rm /mnt/filler /run/fill");
        assert!(failed, "it came to the end");
    }
}

#[test]
fn every_failing_step_of_a_removal_leaves_the_ports_blocked_and_can_be_repeated() {
    if !able() {
        return;
    }
    let scene = Scene::new(false);
    let host = &scene.host;
    break_programs(host);
    let bare = scene.look();
    let plain = |look: &str| without_times(look);
    let mut failed = 0;
    for number in 1.. {
        install(host, &["apply"], 0);
        let guarded = filled_tables(&host.rules());
        host.sh(&format!("echo {number} before > /run/fail"));
        let output = host.install(&["remove"]);
        let left = host.sh("cat /run/fail; rm /run/fail");
        if exit_status(&output) != 0 {
            failed += 1;
            let what = format!("call {number} fails");
            assert_as_before(&what, &output);
            assert_eq!(filled_tables(&host.rules()), guarded, "{what}: {}", transcript(&output));
            scene.go_back();
        }
        let after = plain(&scene.look());
        assert!(after == plain(&bare), "{number}: {}", difference(&plain(&bare), &after));
        if !left.starts_with('-') && !left.starts_with("0 ") {
            break;
        }
    }
    assert!(failed > 8, "{failed} calls failed");
}
