//! The role installs a Debian package instead of a program.

use super::SITE;
use super::controller::{Controller, assert_same};
use crate::support::release;
use std::fs;
use std::path::Path;
use std::process::Command;

const APPLIED: &str = "/usr/local/sbin/redisguard-install";
const PACKAGED: &str = "/usr/sbin/redisguard-install";

#[test]
fn a_package_is_installed_and_its_program_applies_the_bundle() {
    let Some(fleet) = Controller::boot(&["one"]) else { return };
    let package = fleet.path("redisguard_1.0-1_amd64.deb");
    let programs = package.parent().unwrap();
    if !release::link(programs, "01") {
        return;
    }
    assert!(release::package(programs, programs, "1.0-1").status.success());
    let bare = fleet.look_at_all();
    let binary = |path: &Path| format!("--extra-vars=redisguard_binary={}", path.display());
    let ours = [&binary(&package), "--limit=one"];

    let diff = "package redisguard: install\n--- /dev/null\n+++ b/etc/";
    let checked = fleet.play(SITE, &[&ours[..], &["--check", "--diff"]].concat());
    checked.changed(&["one"], 1).says(diff);
    assert_same(&fleet.look_at_all(), &bare, |_| false);

    fleet.play(SITE, &ours).changed(&["one"], 1);
    let one = fleet.machine("one");
    let status =
        one.run(&["dpkg-query", "--show", "-f=${Version} ${db:Status-Status}", "redisguard"]);
    assert_eq!(status.ok(), "1.0-1 installed");
    one.run(&["cmp", PACKAGED, APPLIED]).ok();
    fleet.outsiders_meet("silence");
    fleet.play(SITE, &ours).left_alone(&["one"]);

    // The guard is as it shall be, and the package is gone. It is the package whose sum is pinned.
    one.run(&["dpkg", "--purge", "redisguard"]).ok();
    let sum = Command::new("sha256sum").arg(&package).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    let pin = format!("--extra-vars=redisguard_binary_sha256={}", sum.split(' ').next().unwrap());
    fleet.play(SITE, &[&ours[..], &[&pin]].concat()).changed(&["one"], 1);
    one.run(&["cmp", PACKAGED, APPLIED]).ok();

    // A package of something else is refused by what it is.
    let hollow = fleet.path("hollow.deb");
    fs::write(&hollow, "!<arch>\n").unwrap();
    let refused = fleet.play(SITE, &[&binary(&hollow), "--limit=one"]);
    refused.failed("one", "it is no Debian package that brings /usr/sbin/redisguard-install");
}
