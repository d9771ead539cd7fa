//! The PATH of the programs that redisguard runs.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Where Debian keeps administrators' programs. They are not on an ordinary user's PATH, nor on that of `su`
/// or cron.
const SYSTEM_PATH: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// The PATH of a process that was given none (`env -i`, some service managers), as systemd has it.
const DEFAULT_PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Starts this program again with these directories on its PATH. Returns where they are on it already, and
/// where that fails.
pub fn with_system_path() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(directories) = completed(&path) else { return };
    if let (Ok(path), Ok(program)) = (std::env::join_paths(directories), std::env::current_exe()) {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
        // execve(2) returns only where it fails; then the PATH stays as it is.
        let _ = Command::new(program).arg0(name).args(arguments).env("PATH", path).exec();
    }
}

/// The directories of a PATH with the system's; `None` if it stays as it is.
fn completed(path: &OsStr) -> Option<Vec<PathBuf>> {
    let mut directories: Vec<PathBuf> = std::env::split_paths(path).collect();
    if directories.iter().all(|directory| directory.as_os_str().is_empty()) {
        return Some(DEFAULT_PATH.map(PathBuf::from).into());
    }
    let missing =
        SYSTEM_PATH.map(PathBuf::from).into_iter().filter(|one| !directories.contains(one));
    let missing: Vec<PathBuf> = missing.collect();
    // A PATH without /usr/bin was made on purpose, and is kept.
    if missing.is_empty() || !directories.contains(&PathBuf::from("/usr/bin")) {
        return None;
    }
    directories.extend(missing);
    Some(directories)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gets_what_it_lacks_unless_it_was_made_on_purpose() {
        let full = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        for (path, completed_path) in [
            ("", Some(full)),
            (":", Some(full)),
            (full, None),
            ("/opt/tools", None),
            ("/usr/bin:/bin", Some("/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")),
        ] {
            let joined = completed(OsStr::new(path)).map(std::env::join_paths);
            let joined = joined.and_then(Result::ok);
            assert_eq!(joined.as_deref(), completed_path.map(OsStr::new), "{path:?}");
        }
    }
}
