//! Owns the two programs' conduct: from parsed arguments to effects, text and exit status. The only
//! module that prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where text meets people")]

mod diff;
pub mod generator;
pub mod installer;

use crate::error::Trouble;
use std::io::{self, ErrorKind, IsTerminal, Write};

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

/// Prints a line to standard output. A reader that went away (`| head`) ends the program quietly.
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::print_line(&format!($($argument)*)) };
}
use say;

fn print_line(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
        if error.kind() != ErrorKind::BrokenPipe {
            report(&Trouble::new("write to standard output", error));
        }
        std::process::exit(Status::Trouble as i32);
    }
}

/// Prints what went wrong.
fn report(trouble: &impl std::fmt::Display) {
    let label = if coloured(&io::stderr()) { "\x1b[1;31merror\x1b[0m" } else { "error" };
    // Where standard error is gone too, the exit status is all that is left.
    let _ = writeln!(io::stderr().lock(), "{label}: {trouble}");
}
