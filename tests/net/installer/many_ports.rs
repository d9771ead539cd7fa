//! `plan` and `status` of very many ports stay readable.

use super::*;

#[test]
fn a_plan_and_a_status_of_very_many_ports_can_be_read() {
    if !able() {
        return;
    }
    let mut toml = String::from(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 700\n",
    );
    for port in (2000..3000).step_by(5) {
        toml +=
            &format!("[[reserved]]\nport = {port}\nexternal = \"reject\"\nlisten = \"never\"\n");
    }
    let host = Host::new();
    host.copy_in(&bundle(&toml).path().join("generated"), "/run/bundle");
    let install = |verb: &[&str]| host.install(&[&["--bundle", "/run/bundle"], verb].concat());
    let plan = install(&["plan", "--diff"]);
    assert_eq!(exit_status(&plan), 1);
    assert_contains(&plan, "lines more: `plan --json` has all of them");
    let longest = transcript(&plan).split("\n--- ").map(|part| part.lines().count()).max().unwrap();
    assert!(longest < 260, "{longest} lines in one piece");
    assert!(transcript(&install(&["plan", "--json"])).contains("redisguard:2995:reject"));

    assert_eq!(exit_status(&install(&["apply"])), 0);
    let seen = install(&["status"]);
    assert_eq!(exit_status(&seen), 0, "{}", transcript(&seen));
    let ports = |text: &str| text.lines().filter(|line| line.starts_with("  port ")).count();
    assert_contains(&seen, "others: nothing");
    assert_eq!(ports(&transcript(&seen)), 0, "{}", transcript(&seen));
    assert_eq!(json(&install(&["status", "--json"]))["ports"].as_array().unwrap().len(), 400);
}
