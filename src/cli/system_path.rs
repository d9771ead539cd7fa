//! The PATH of the programs that redisguard runs.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Where Debian keeps administrators' programs. They are not on an ordinary user's PATH, nor on that of `su`
/// or cron.
const SYSTEM_PATH: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Starts this program again with these directories on its PATH. Returns where they are on it already, and
/// where that fails.
pub fn with_system_path() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing =
        SYSTEM_PATH.map(PathBuf::from).into_iter().filter(|one| !directories.contains(one));
    let missing: Vec<PathBuf> = missing.collect();
    // A PATH without /usr/bin was made on purpose, and is kept.
    if missing.is_empty() || !directories.contains(&PathBuf::from("/usr/bin")) {
        return;
    }
    directories.extend(missing);
    if let (Ok(path), Ok(program)) = (std::env::join_paths(directories), std::env::current_exe()) {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
        // execve(2) returns only where it fails; then the PATH stays as it is.
        let _ = Command::new(program).arg0(name).args(arguments).env("PATH", path).exec();
    }
}
