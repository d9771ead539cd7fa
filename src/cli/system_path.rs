//! The administrators' directories on PATH, for the programs that the installer runs.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Where Debian keeps what only administrators run: not on an ordinary user's PATH, and neither on
/// that of `su` or cron.
const SYSTEM_PATH: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Starts this program again with the administrators' folders on its PATH, if they are not there.
/// Returns where they are, or where that cannot be done.
pub fn with_system_path() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing = SYSTEM_PATH.map(PathBuf::from).into_iter().filter(|one| !folders.contains(one));
    let missing: Vec<PathBuf> = missing.collect();
    // A PATH without the ordinary folders was made on purpose, and holds.
    if missing.is_empty() || !folders.contains(&PathBuf::from("/usr/bin")) {
        return;
    }
    folders.extend(missing);
    if let (Ok(path), Ok(program)) = (std::env::join_paths(folders), std::env::current_exe()) {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
        // Only returns where it fails; then the PATH stays as it is.
        let _ = Command::new(program).arg0(name).args(arguments).env("PATH", path).exec();
    }
}
