//! A fleet is guarded, changed, rolled back and freed by the playbooks over SSH.

mod collection;
pub(crate) mod controller;
pub(crate) mod fleet_rollout;
mod package_install;
mod playbook_run;
mod refused_changes;

use controller::{Controller, Engine, assert_same};
use fleet_rollout::{AT_ONCE, UP};
use std::fs;

pub(crate) const SITE: &str = "ansible/site.yml";
const REMOVE: &str = "ansible/remove.yml";
const HOSTS: [&str; 3] = ["one", "two", "three"];

/// Three hosts from bare to guarded and back: each part begins where the one before ended.
#[test]
fn a_fleet_is_guarded_fixed_and_freed_over_ssh() {
    let Some(fleet) = Controller::boot(&HOSTS) else { return };
    let bare = fleet.look_at_all();

    check_mode_shows_all_and_leaves_nothing(&fleet, &bare);
    refused_changes::an_unreviewed_bundle_reaches_no_host(&fleet, &bare);
    refused_changes::a_host_that_cannot_be_guarded_says_why(&fleet, &bare);
    let session = refused_changes::a_bad_canary_leaves_the_others_alone(&fleet, &bare);
    refused_changes::a_host_that_is_unreachable_after_a_change_rolls_back(&fleet, &bare);
    fleet_rollout::a_host_that_is_down_fails_alone(&fleet, session);
    fleet_rollout::a_second_run_changes_nothing(&fleet);
    fleet_rollout::drift_is_fixed(&fleet);
    fleet_rollout::a_host_that_declares_its_parts_runs_no_other(&fleet);
    fleet_rollout::a_change_that_waits_is_confirmed(&fleet);
    let new = fleet.render("external = \"reject\"");
    fleet_rollout::a_canary_that_fails_stops_the_new_bundle(&fleet, &new);
    fleet_rollout::a_new_bundle_is_rolled_out(&fleet, &new);
    fleet_rollout::an_unmet_expectation_stops_the_rest(&fleet);
    fleet_rollout::the_former_bundle_comes_back(&fleet);
    removal_leaves_what_was_there(&fleet, &bare);
    collection::it_installs_and_works(&fleet);
}

fn check_mode_shows_all_and_leaves_nothing(fleet: &Controller, bare: &[Vec<String>]) {
    fleet.outsiders_meet("refused");
    for engine in Engine::ALL {
        fleet
            .play_with(engine, SITE, &[UP, "--check", "--diff", AT_ONCE])
            .changed(&HOSTS, 1)
            .says("+++ b/etc/redisguard/rules.v4")
            .says("+-A REDISGUARD")
            .says("rules REDISGUARD: load (IPv4: redisguard's rules are not loaded;")
            .says("unit redis-port-notice.service: start");
        assert_same(&fleet.look_at_all(), bare, |_| false);
    }
    fleet.play(REMOVE, &["--check", "--limit=one"]).changed(&["one"], 0);
    assert_same(&fleet.look_at_all(), bare, |_| false);
}

fn removal_leaves_what_was_there(fleet: &Controller, bare: &[Vec<String>]) {
    let before = fleet.look_at_all();
    fleet
        .play(REMOVE, &["--check", "--diff", "--limit=one"])
        .changed(&["one"], 1)
        .says("rules REDISGUARD: unload");
    assert_same(&fleet.look_at_all(), &before, fleet_rollout::counted);
    // The host's own program is enough.
    fs::rename(fleet.path("target"), fleet.path("target-elsewhere")).unwrap();
    let absent = "--extra-vars=redisguard_state=absent";
    fleet.play(SITE, &[UP, AT_ONCE, absent]).changed(&HOSTS, 1);
    fs::rename(fleet.path("target-elsewhere"), fleet.path("target")).unwrap();
    fleet.outsiders_meet("refused");
    // A table that was used stays, without a rule.
    let empty = |line: &str| {
        let rule = line.split_once(": ").map_or("", |(_, rule)| rule);
        ["*", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", "COMMIT"]
            .iter()
            .any(|start| rule.starts_with(start))
    };
    assert_same(&fleet.look_at_all(), bare, empty);
}
