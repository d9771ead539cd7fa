//! Installing, upgrading and removing the Debian package opens no port.

use super::ports_stay_blocked::watched;
use super::*;
use std::fs;
use std::path::PathBuf;
use support::release;

const PACKAGED: &str = "/usr/sbin/redisguard-install";
const APPLIED: &str = "/usr/local/sbin/redisguard-install";

/// Packages of two versions whose programs differ; `None` where a tool is missing.
fn packages(folder: &Path) -> Option<[PathBuf; 2]> {
    let versions = ["1.0-1", "1.1-1"];
    for (version, mark) in versions.into_iter().zip(["01", "02"]) {
        let programs = folder.join(mark);
        fs::create_dir(&programs).unwrap();
        if !release::link(&programs, mark) {
            return None;
        }
        let made = release::package(&programs, folder, version);
        assert!(made.status.success(), "{}", transcript(&made));
    }
    Some(versions.map(|version| folder.join(format!("redisguard_{version}_amd64.deb"))))
}

/// What apt or dpkg says, which must succeed.
#[track_caller]
fn dpkg(machine: &Machine, command: &[&str]) -> String {
    let said = machine.run(&[&["env", "DEBIAN_FRONTEND=noninteractive"], command].concat());
    assert_eq!(said.code, 0, "{}{}", said.stdout, said.stderr);
    said.stdout
}

/// Every path that is not as it was in the beginning, without what dpkg and apt remember.
fn changed(machine: &Machine) -> Vec<String> {
    let memory = ["/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/root"];
    let paths = machine.changed_contents().into_keys();
    paths.filter(|path| !memory.iter().any(|memory| path.starts_with(memory))).collect()
}

/// The rules, the units, and every file of the guard.
fn guard(machine: &Machine) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut files = machine.changed_files();
    files.retain(|path, _| {
        let is_own =
            ["/etc/", "/usr/local/", "/var/lib/redisguard"].iter().any(|of| path.starts_with(of));
        // The timer's check stores what was counted whenever its minute comes.
        is_own && path != COUNTERS
    });
    (files, runs(machine), machine.iptables_save())
}

#[test]
fn a_package_brings_programs_and_never_opens_a_port() {
    let folder = TempDir::new().unwrap();
    let Some(mut machine) = host("package") else { return };
    let Some([first, second]) = packages(folder.path()) else { return };
    for (from, to) in [(&first, "/root/first.deb"), (&second, "/root/second.deb")] {
        machine.write_file(to, fs::read(from).unwrap());
    }
    let before = changed(&machine);
    let rules = machine.iptables_save();

    let said = dpkg(&machine, &["apt-get", "install", "-y", "/root/first.deb"]);
    assert!(said.contains(&format!("nothing is guarded yet; look: {PACKAGED} plan")), "{said}");
    assert_eq!(machine.iptables_save(), rules);
    assert_eq!(unit(&machine, BLOCK, "LoadState"), "not-found");
    let listed = dpkg(&machine, &["dpkg", "--listfiles", "redisguard"]);
    let brought: Vec<String> =
        changed(&machine).into_iter().filter(|path| !before.contains(path)).collect();
    assert!(brought.iter().any(|path| path == PACKAGED), "{brought:?}");
    for path in &brought {
        assert!(listed.lines().any(|line| line == path), "{path} is not of the package");
    }
    assert_eq!(dpkg(&machine, &["dpkg", "--verify", "redisguard"]), "");

    // The first shell that looks for it finds this one: there is no other yet.
    machine.run(&["redisguard-install", "apply"]).ok();
    assert_clean(&machine);
    machine.run(&["cmp", PACKAGED, APPLIED]).ok();
    let quiet = machine.run(&["redisguard-install", "plan"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));

    let applied = guard(&machine);
    let seen = watched(&machine, || {
        let said = dpkg(&machine, &["apt-get", "install", "-y", "/root/second.deb"]);
        let look = format!("look at what this version changes: {PACKAGED} plan");
        assert!(said.contains(&look), "{said}");
        assert_same(&guard(&machine), &applied, "before the upgrade");
        dpkg(&machine, &["dpkg", "--install", "/root/first.deb"]);
        dpkg(&machine, &["dpkg", "--install", "/root/second.deb"]);
        dpkg(&machine, &["dpkg-reconfigure", "redisguard"]);
        assert_same(&guard(&machine), &applied, "before it was installed again and again");
    });
    for seen in &seen {
        assert!(seen.attempts > 500 && seen.answered == 0, "{seen:?}");
    }

    // Who types the name gets what was applied, and is told so; the package's own knows better.
    for verb in ["plan", "status", "apply"] {
        let said = machine.run(&["redisguard-install", verb]);
        assert!(said.stderr.starts_with("note: the package has another program"), "{said:?}");
        assert_eq!(said.code, 0);
    }
    let planned = machine.run(&[PACKAGED, "plan"]);
    assert_eq!((planned.code, planned.stderr.as_str()), (1, ""), "{planned:?}");
    assert!(planned.stdout.contains(APPLIED), "{}", planned.stdout);
    assert_same(&guard(&machine), &applied, "before somebody looked");
    let seen = watched(&machine, || {
        machine.run(&[PACKAGED, "apply"]).ok();
    });
    assert!(seen.iter().all(|seen| seen.answered == 0), "{seen:?}");
    machine.run(&["cmp", PACKAGED, APPLIED]).ok();
    assert_clean(&machine);
    // The fix it prints names the program of the package.
    machine.run(&["rm", "/etc/redisguard/rules.v4"]).ok();
    let status = machine.run(&[PACKAGED, "status"]).ended(1);
    assert!(status.contains(&format!("fix: {PACKAGED} apply")), "{status}");
    machine.run(&[PACKAGED, "apply"]).ok();

    let applied = guard(&machine);
    let seen = watched(&machine, || {
        for (verb, kept) in
            [("remove", "stays guarded without"), ("purge", "stays guarded; nothing")]
        {
            let said = dpkg(&machine, &["apt-get", verb, "-y", "redisguard"]);
            assert!(said.contains(kept) && said.contains(&format!("{APPLIED} remove")), "{said}");
            assert_same(&guard(&machine), &applied, verb);
        }
    });
    assert!(seen.iter().all(|seen| seen.attempts > 100 && seen.answered == 0), "{seen:?}");
    machine.run(&["test", "!", "-e", PACKAGED]).ok();
    machine.reboot();
    assert_clean(&machine);

    // In the order that is documented.
    dpkg(&machine, &["dpkg", "--install", "/root/second.deb"]);
    machine.run(&["redisguard-install", "remove"]).ok();
    let said = dpkg(&machine, &["apt-get", "purge", "-y", "redisguard"]);
    assert!(!said.contains("guarded") && said.contains("/var/log/redisguard"), "{said}");
    assert_eq!(changed(&machine), before);
    assert_eq!(machine.reaches(6379), [Outcome::Refused, Outcome::Refused]);
}
