//! Owns the two programs' conduct: from parsed arguments to effects, text and exit status. The only
//! module that prints.

pub mod generator;
pub mod installer;
pub mod reference;
mod unified_diff;

use crate::error::Error;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// How a command ended, as diff(1) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Same, or done.
    Same = 0,
    /// Something differs.
    Differs = 1,
    /// A fault, a refusal or wrong usage.
    Trouble = 2,
}

impl From<Status> for std::process::ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Whether a stream may be coloured: a terminal, and NO_COLOR is unset (<https://no-color.org>).
fn coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints a line to standard output. What becomes of one that cannot be written is for [`ended`].
macro_rules! out {
    ($($argument:tt)*) => { $crate::cli::print_line(&format!($($argument)*)) };
}
use out;

/// Prints a line to standard error.
macro_rules! err {
    ($($argument:tt)*) => { $crate::cli::err_text(&format!("{}\n", format_args!($($argument)*))) };
}
use err;

/// What kept standard output from being written.
static LOST: OnceLock<io::Error> = OnceLock::new();

fn print_line(line: &str) {
    // In the middle of a change nothing may end the program: what follows is more than words.
    if LOST.get().is_none()
        && let Err(error) = writeln!(io::stdout().lock(), "{line}")
    {
        let _ = LOST.set(error);
    }
}

/// Prints a text to standard output as it is.
fn out_text(text: &str) {
    print_line(text.trim_end_matches('\n'));
}

/// Whether something that was said on standard output was not heard.
fn is_unheard() -> bool {
    LOST.get().is_some()
}

/// Prints to standard error as it is. Where that is gone too, the exit status is all that is left.
fn err_text(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints what went wrong.
fn report(trouble: &impl std::fmt::Display) {
    let label = if coloured(&io::stderr()) { "\x1b[1;31merror\x1b[0m" } else { "error" };
    err!("{label}: {trouble}");
}

/// The status of a command that has done and said everything. Of one that changes something it tells
/// of the change, whoever heard of it; for all others the answer is what was asked for. A reader that
/// went away (`| head`) is told nothing.
fn ended(status: Status, changes: bool) -> Status {
    let Some(error) = LOST.get() else { return status };
    let trouble = Error::new("write to standard output", error);
    let heard = error.kind() != ErrorKind::BrokenPipe;
    match changes {
        true if heard => err!("warning: {trouble}"),
        false if heard => report(&trouble),
        _ => {}
    }
    if changes { status } else { Status::Trouble }
}

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
