//! Whether a script that the boot runs loads the rules, on a host without systemd.
//!
//! Never: runs anything, or reads more of a script than its beginning.

use crate::host::Host;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Directories of which the boot runs every file, or every file whose name begins like this: OpenRC's
/// runlevels (openrc(8)) and local.d, SysV init's (update-rc.d(8)), those of runit's services and of Void's
/// first stage, and ifupdown's (interfaces(5)).
const DIRECTORIES: [(&str, &str); 19] = [
    ("/etc/runlevels/sysinit", ""),
    ("/etc/runlevels/boot", ""),
    ("/etc/runlevels/default", ""),
    ("/etc/local.d", ""),
    ("/etc/rcS.d", "S"),
    ("/etc/rc2.d", "S"),
    ("/etc/rc3.d", "S"),
    ("/etc/rc4.d", "S"),
    ("/etc/rc5.d", "S"),
    ("/etc/rc.d/rc2.d", "S"),
    ("/etc/rc.d/rc3.d", "S"),
    ("/etc/rc.d/rc4.d", "S"),
    ("/etc/rc.d/rc5.d", "S"),
    ("/etc/runit/core-services", ""),
    ("/etc/network/if-pre-up.d", ""),
    ("/etc/cron.d", ""),
    ("/var/spool/cron/crontabs", ""),
    ("/var/spool/cron", ""),
    ("/etc/crontabs", ""),
];
/// Directories of runit's services: each is a directory with a script `run` (runsvdir(8)).
const SERVICES: [&str; 3] = ["/etc/service", "/service", "/var/service"];
/// Single scripts and tables of the boot, and cron's table (crontab(5)).
const FILES: [&str; 7] = [
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/inittab",
    "/etc/runit/1",
    "/etc/runit/2",
    "/etc/network/interfaces",
    "/etc/crontab",
];
/// The longest beginning of a script that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Whether an enabled script has the command.
pub(super) fn load_rules(host: &Host) -> bool {
    let listed = DIRECTORIES.iter().flat_map(|(directory, begin)| {
        entries(&host.path(directory)).filter(move |path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))
        })
    });
    let services = SERVICES.iter().flat_map(|services| entries(&host.path(services)));
    let services = services.map(|service| service.join("run"));
    let files = FILES.iter().map(|file| host.path(file));
    listed.chain(services).chain(files).any(|path| {
        let is_cron =
            path.components().any(|part| part.as_os_str().to_string_lossy().contains("cron"));
        text(&path).is_some_and(|text| loads_rules(&text, is_cron))
    })
}

/// What is in a directory, links too; nothing where there is none.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The beginning of a regular file: a pipe would never end.
fn text(path: &Path) -> Option<String> {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut bytes = Vec::new();
    File::open(path).ok().filter(|_| is_file)?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a script runs `redisguard-install rules load` outside of comments. OpenRC's have the program and
/// its arguments in variables. Of cron's tables only the lines for the boot count.
fn loads_rules(text: &str, is_cron: bool) -> bool {
    let lines = text.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.starts_with('#'));
    let code: Vec<&str> = lines.filter(|line| !is_cron || line.starts_with("@reboot")).collect();
    let has = |words: &str| code.iter().any(|line| line.contains(words));
    has("redisguard-install") && has("rules load")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_enabled_script_with_the_command_loads_the_rules() {
        const OPENRC: &str = "#!/sbin/openrc-run\ncommand=/usr/local/sbin/redisguard-install\n\
                              command_args=\"rules load\"\n";
        for (path, text, loads) in [
            ("etc/runlevels/boot/redis-ports-block", OPENRC, true),
            ("etc/init.d/redis-ports-block", OPENRC, false),
            ("etc/rc2.d/S01redis", "redisguard-install rules load\n", true),
            ("etc/rc2.d/K01redis", "redisguard-install rules load\n", false),
            ("etc/rc.local", "/usr/local/sbin/redisguard-install rules load\n", true),
            ("etc/rc.local", "# redisguard-install rules load\n", false),
            ("etc/service/x/run", "redisguard-install rules load && exec x\n", true),
            ("etc/cron.d/x", "* * * * * root redisguard-install rules load\n", false),
            ("etc/cron.d/x", "@reboot root redisguard-install rules load\n", true),
        ] {
            let root = tempfile::tempdir().unwrap();
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
            let host = Host::at(root.path()).unwrap();
            assert_eq!(load_rules(&host), loads, "{path}: {text}");
        }
    }
}
