//! An image keeps its guard when its first boot, or an operator, applies the presets of its distribution.

use super::*;
use support::machine::What;

const NOTHING: &str = "/etc/systemd/system-preset/99-default-disable.preset";

/// Every link that enables a unit of redisguard's.
fn enabled(machine: &Machine) -> Vec<(String, What)> {
    let links = machine.changed_files().into_iter().filter(|(path, changed)| {
        path.contains(".wants/redis-port") && matches!(changed.what, What::Link(_))
    });
    links.map(|(path, changed)| (path, changed.what)).collect()
}

#[test]
fn presets_that_disable_everything_leave_an_image_guarded_at_its_first_boot() {
    let Some(mut machine) = Machine::switched_off("preset") else { return };
    let root = "/run/machine/root";
    machine.beside(&[INSTALL, "--root", root, "apply"]).ok();
    let links = enabled(&machine);
    assert!(links.len() > 15, "{links:?}");
    machine.write_file(NOTHING, "disable *\n");
    machine.write_file("/etc/machine-id", "uninitialized\n");
    let preset = ["systemctl", &format!("--root={root}"), "preset-all"];
    machine.beside(&preset).ok();
    assert_eq!(enabled(&machine), links);

    machine.switch_on();
    machine.install(Path::new(INSTALL), PROGRAM);
    assert_clean(&machine);
    machine.run(&["systemctl", "preset-all"]).ok();
    assert_eq!(enabled(&machine), links);
    assert_clean(&machine);

    machine.run(&[PROGRAM, "remove"]).ok();
    machine.run(&["test", "!", "-e", "/etc/systemd/system-preset/00-redisguard.preset"]).ok();
    assert_eq!(enabled(&machine), []);
}
