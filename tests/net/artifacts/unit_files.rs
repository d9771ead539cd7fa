//! systemd accepts every unit, and each unit says why its sandbox goes no further.

use crate::support::corpus::{CORPUS, Case, assert_accepted, for_every_bundle, units};
use crate::support::tools;
use redisguard::bundle::{BINARY, Bundle};
use std::process::Command;

/// Has systemd judge the units of many bundles in one run, where those of each have names of their
/// own: a run for each takes a second.
pub fn systemd_accepts<'a>(bundles: impl Iterator<Item = &'a Bundle>) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]);
    let mut judged = 0;
    for (number, bundle) in bundles.enumerate() {
        let named = |text: &str| text.replace("redis-port", &format!("judged{number}-redis-port"));
        for (name, text) in units(bundle) {
            let path = folder.path().join(named(name));
            // The program is not installed on this machine; /bin/true stands where it will.
            std::fs::write(&path, named(text).replace(BINARY, "/bin/true")).unwrap();
            command.arg(path);
            judged += 1;
        }
    }
    assert!(judged > 0);
    let output = command.output().unwrap();
    assert_accepted("systemd-analyze", &output);
    let said = String::from_utf8_lossy(&output.stderr);
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("judged")).collect();
    assert!(of_ours.is_empty(), "{of_ours:#?}");
}

#[test]
fn systemd_accepts_every_unit() {
    if tools(&["systemd-analyze"]) {
        systemd_accepts(CORPUS.iter().map(|case| &case.bundle));
    }
}

#[test]
fn the_units_are_sandboxed_and_explain_each_gap() {
    if !tools(&["systemd-analyze"]) {
        return;
    }
    for_every_bundle(|Case { name, .. }, folder| {
        for (unit, most) in [
            ("redis-port-notice", 10),
            ("redis-port-yield@", 7),
            ("redis-ports-block", 18),
            ("redis-ports-check", 17),
        ] {
            let path = folder.join(format!("host/etc/systemd/system/{unit}.service"));
            // A bundle that leaves no port to a Redis has nothing that would yield.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let mut command = Command::new("systemd-analyze");
            command.args(["security", "--offline=true", "--no-pager"]);
            let output = command.arg(format!("--threshold={most}")).arg(&path).output().unwrap();
            assert_accepted(&format!("{name}: {unit}"), &output);
            let comments: Vec<&str> =
                text.lines().filter(|line| line.starts_with("#   ")).collect();
            let table = String::from_utf8_lossy(&output.stdout);
            for row in table.lines().filter_map(|line| line.strip_prefix("✗ ")) {
                // User=/DynamicUser=, or RestrictAddressFamilies=~AF_(INET|INET6).
                let point = row.split_whitespace().next().unwrap();
                let (setting, value) = point.split_once('=').unwrap();
                let named = match value.strip_prefix('~').map(|value| value.split_once('(')) {
                    None => vec![format!("{setting}=")],
                    Some(None) => vec![value[1..].to_owned()],
                    Some(Some((front, choices))) => {
                        let choices = choices.trim_end_matches(')').split('|');
                        choices.map(|choice| format!("{front}{choice}")).collect()
                    }
                };
                let explained = |comment: &&str| named.iter().any(|named| comment.contains(named));
                assert!(comments.iter().any(explained), "{name}: {unit} says nothing of {point}");
            }
        }
    });
}
