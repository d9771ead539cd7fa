//! Printing to standard output and standard error, and the exit status that follows from it.
//!
//! Guarantees: output that cannot be written never ends the program half-way through a change.

use crate::error::Error;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

/// The exit status of a command, as of diff(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Same, or done.
    Same = 0,
    /// Something differs.
    Differs = 1,
    /// An error, a refusal or wrong usage.
    Error = 2,
}

impl From<Status> for std::process::ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Whether a stream may be coloured: a terminal, and NO_COLOR is unset (<https://no-color.org>).
pub(super) fn coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints a line to standard output. [`exit_status`] reports lines that could not be written.
macro_rules! out {
    ($($argument:tt)*) => { $crate::cli::output::print_line(&format!($($argument)*)) };
}
pub(super) use out;

/// Prints a line to standard error.
macro_rules! err {
    ($($argument:tt)*) => {
        $crate::cli::output::print_to_stderr(&format!("{}\n", format_args!($($argument)*)))
    };
}
pub(super) use err;

/// The first error of writing to standard output.
static OUTPUT_ERROR: OnceLock<io::Error> = OnceLock::new();

pub(super) fn print_line(line: &str) {
    // After an error nothing more is printed, but the program goes on: it may be changing the host.
    if OUTPUT_ERROR.get().is_none()
        && let Err(error) = writeln!(io::stdout().lock(), "{line}")
    {
        let _ = OUTPUT_ERROR.set(error);
    }
}

/// Prints a text to standard output, with one newline at its end.
#[cfg(feature = "installer")]
pub(super) fn print_text(text: &str) {
    print_line(text.trim_end_matches('\n'));
}

/// Prints a value as JSON to standard output.
pub(super) fn print_json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print_line(&text),
        Err(error) => print_error(&Error::new("write the answer as JSON", error)),
    }
}

/// Whether a line could not be written to standard output.
#[cfg(feature = "installer")]
pub(super) fn output_failed() -> bool {
    OUTPUT_ERROR.get().is_some()
}

/// Prints to standard error as it is. If that fails too, the exit status is all that is left.
pub(super) fn print_to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints an error.
pub(super) fn print_error(error: &impl Display) {
    let label = if coloured(&io::stderr()) { "\x1b[1;31merror\x1b[0m" } else { "error" };
    err!("{label}: {error}");
}

/// The exit status of a command that has printed everything. Where it changed something, the status tells of
/// that change even if the output was lost; otherwise lost output is an error. A reader that closed the pipe
/// (`| head`) needs no message.
pub(super) fn exit_status(status: Status, changes_host: bool) -> Status {
    let Some(error) = OUTPUT_ERROR.get() else { return status };
    if error.kind() != ErrorKind::BrokenPipe {
        let error = Error::new("write to standard output", error);
        if changes_host {
            err!("warning: {error}");
        } else {
            print_error(&error);
        }
    }
    if changes_host { status } else { Status::Error }
}
