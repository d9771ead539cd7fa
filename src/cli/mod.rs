//! Owns the two programs' conduct: from parsed arguments to effects, text and exit status. The only
//! module that prints.

#[cfg(feature = "generator")]
pub mod generator;
#[cfg(feature = "installer")]
pub mod installer;
#[cfg(all(feature = "generator", feature = "installer"))]
pub mod reference;
#[cfg(feature = "installer")]
mod system_path;
mod unified_diff;
mod wrap;

#[cfg(feature = "installer")]
pub use self::system_path::with_system_path;

use crate::error::Error;
use std::io::{self, ErrorKind, IsTerminal, Write};
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
#[cfg(feature = "installer")]
fn out_text(text: &str) {
    print_line(text.trim_end_matches('\n'));
}

/// Whether something that was said on standard output was not heard.
#[cfg(feature = "installer")]
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
