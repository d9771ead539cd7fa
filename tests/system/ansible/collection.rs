//! The Ansible collection passes its linter, and its README lists the role's variables.

use super::controller::{Controller, Engine, TREE, copy, prepare, said};
use crate::support::root;
use std::fs;
use std::process::Command;

pub fn it_installs_and_works(fleet: &Controller) {
    fleet.run("ansible-galaxy", &["collection", "build", "ansible", "--output-path", "packed"]);
    let packed = "packed/commsops-redisguard-0.1.0.tar.gz";
    let install = ["collection", "install", "--offline", "-p", "elsewhere/collections", packed];
    fleet.run("ansible-galaxy", &install);
    let play = "- hosts: redis_hosts\n  gather_facts: false\n  roles:\n    \
                - role: commsops.redisguard.redisguard\n      redisguard_bundle: ../generated\n      \
                redisguard_binary: ../target/release/redisguard-install\n  tasks:\n    \
                - commsops.redisguard.redisguard:\n        look: true\n        bundle: ../generated\n        \
                binary: ../target/release/redisguard-install\n      become: true\n";
    fs::write(fleet.path("elsewhere/play.yml"), play).unwrap();
    // Nothing of the repository's own is found there.
    fs::rename(fleet.path("ansible.cfg"), fleet.path("elsewhere/unread.cfg")).unwrap();
    fleet.play("elsewhere/play.yml", &["--check", "--limit=one"]).changed(&["one"], 1);
}

#[test]
fn the_collection_satisfies_its_linter() {
    let Some(programs) = Engine::Newest.programs() else { return };
    let home = tempfile::tempdir().unwrap();
    for name in TREE.iter().chain(&[".ansible-lint"]) {
        copy(&root().join(name), home.path());
    }
    let mut lint = Command::new(programs.join("ansible-lint"));
    prepare(&mut lint, &programs, home.path());
    said(lint.args(["--strict", "--nocolor", "ansible"])).ok();
    let mut documentation = Command::new(programs.join("ansible-doc"));
    prepare(&mut documentation, &programs, home.path());
    let text = said(documentation.args(["--type", "module", "redisguard"])).ok();
    assert!(text.contains("choices: [present, absent, probed]"), "{text}");
}

#[test]
fn the_table_of_variables_is_that_of_the_role() {
    let Some(programs) = Engine::Newest.programs() else { return };
    let mut command = Command::new(programs.join("python3"));
    command
        .current_dir(root())
        .args(["tests/system/ansible/variables.py", "ansible/roles/redisguard"]);
    let table = said(&mut command).ok();
    let readme = fs::read_to_string(root().join("ansible/README.md")).unwrap();
    assert!(readme.contains(&format!("\n\n{table}\n")), "ansible/README.md lacks:\n{table}");
}
