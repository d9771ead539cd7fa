//! The Ansible role upgrades a host that 0.1's role has guarded, and 0.1's role takes it back.

use super::{look_without_directories, status};
use crate::ansible::SITE;
use crate::ansible::controller::{Controller, Engine, repository};
use crate::support::assert_same;
use crate::support::former_version::former_version;

#[test]
fn the_role_upgrades_a_host_and_that_of_0_1_takes_it_back() {
    let Some(former) = former_version() else { return };
    let Some(fleet) = Controller::boot(&["one"]) else { return };
    let root = fleet.path("former");
    repository(&root, &former.tree, &former.install);
    let one = fleet.machine("one");
    let by_former = || fleet.play_from(&root, Engine::Newest, SITE, &["--limit=one"]);
    let by_today = || fleet.play(SITE, &["--limit=one"]);

    by_former().changed(&["one"], 1);
    status(one);
    let before = look_without_directories(one);
    by_today().changed(&["one"], 1);
    fleet.outsiders_meet("silence");
    status(one);
    by_today().left_alone(&["one"]);
    by_former().changed(&["one"], 1);
    fleet.outsiders_meet("silence");
    status(one);
    assert_same(&look_without_directories(one), &before, "after the way back");
}
