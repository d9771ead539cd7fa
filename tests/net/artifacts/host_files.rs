//! logrotate, systemd-tmpfiles and YAML readers accept the other artifacts.

use crate::support::corpus::{CORPUS, Case, assert_accepted, for_every_bundle, text};
use crate::support::readers::yaml;
use crate::support::{can_make_namespaces, need, python_tools, tools, transcript};
use redisguard::bundle::Bundle;
use redisguard::unit::Unit;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn logrotate_rotates_the_listeners_own_file() {
    if !can_make_namespaces() || !tools(&["logrotate"]) {
        return;
    }
    for_every_bundle(|Case { name, spec, .. }, folder| {
        let file = folder.join("host/etc/logrotate.d/redis-port-notice");
        let output = Command::new("logrotate").arg("--debug").arg(file).output().unwrap();
        assert_accepted(name, &output);
        let said = transcript(&output);
        assert!(!said.contains("error"), "{name}: {said}");
        let real = spec.notice.log.real();
        assert!(
            said.contains(&format!("rotating pattern: {real}  weekly (8 rotations)")),
            "{said}"
        );
        assert_eq!(said.matches("rotating pattern").count(), 1, "{name}: {said}");
    });
}

#[test]
fn tmpfiles_links_the_log_and_does_nothing_else() {
    if !need("root", nix::unistd::Uid::effective().is_root()) || !tools(&["systemd-tmpfiles"]) {
        return;
    }
    for_every_bundle(|Case { name, spec, .. }, folder| {
        let file = folder.join("host/etc/tmpfiles.d/redisguard.conf");
        let tree = tempfile::tempdir().unwrap();
        let mut command = Command::new("systemd-tmpfiles");
        command.args(["--create", "-"]).arg(format!("--root={}", tree.path().display()));
        let output = command.stdin(Stdio::from(fs::File::open(file).unwrap())).output().unwrap();
        assert_accepted(name, &output);
        assert_eq!(transcript(&output), "exit 0\n", "{name}");
        let log = &spec.notice.log;
        let link = tree.path().join(log.as_str().trim_start_matches('/'));
        let led = fs::read_link(&link).ok();
        let wanted = log.is_linked().then(|| log.real().into());
        assert_eq!(led, wanted, "{name}");
        let made = fs::read_dir(link.parent().unwrap()).map_or(0, Iterator::count);
        assert_eq!(made, usize::from(log.is_linked()), "{name}");
    });
}

/// What Ansible is told of a bundle.
fn for_ansible(Case { spec, bundle, .. }: &Case) -> Value {
    let reserved = spec.reserved.iter().map(|reserved| {
        json!({
            "ports": reserved.ports.to_string(),
            "label": reserved.label.as_str(),
            "external": reserved.external.as_str(),
            "listen": reserved.listen.as_str(),
        })
    });
    let cluster = spec.cluster.ports.ranges().iter().map(ToString::to_string);
    json!({
        "redisguard_bundle_digest": bundle.guard_config().unwrap().bundle,
        "redisguard_backend": spec.firewall.backend.as_str(),
        "redisguard_packages": [spec.firewall.backend.as_str()],
        "redisguard_units": Unit::MAIN.map(Unit::name),
        "redisguard_reserved_ports": reserved.collect::<Vec<_>>(),
        "redisguard_cluster_ports": cluster.collect::<Vec<_>>(),
        "redisguard_notice_port": spec.notice.port,
    })
}

/// The YAML of bundles in a folder, one file for each.
pub fn yaml_files<'a>(bundles: impl Iterator<Item = &'a Bundle>, folder: &Path) {
    for (number, bundle) in bundles.enumerate() {
        let path = folder.join(format!("{number:04}.yml"));
        fs::write(path, text(bundle, "ansible/redisguard.yml")).unwrap();
    }
}

#[test]
fn yaml_readers_and_a_linter_accept_the_ansible_variables() {
    let Some(programs) = python_tools("ci") else { return };
    let folder = tempfile::tempdir().unwrap();
    yaml_files(CORPUS.iter().map(|case| &case.bundle), folder.path());
    let read = yaml(&programs, folder.path());
    assert_eq!(read.len(), CORPUS.len());
    for (case, read) in CORPUS.iter().zip(read) {
        assert_eq!(read, for_ansible(case), "{}", case.name);
    }
    // Labels make long lines, and the mark stands before the document begins.
    let rules = "{extends: default, rules: {line-length: disable}}";
    let mut lint = Command::new(programs.join("yamllint"));
    assert_accepted(
        "yamllint",
        &lint.args(["--strict", "-d", rules]).arg(folder.path()).output().unwrap(),
    );
}
