//! Owns running the kernel's own tools: with what they read, to what they say. Decides nothing.

use crate::error::Trouble;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a tool said.
pub(super) struct Said {
    /// Whether it ended with 0.
    pub(super) success: bool,
    /// Its standard output.
    pub(super) stdout: String,
    /// Its standard error.
    pub(super) stderr: String,
}

/// Runs a tool to its end.
///
/// # Errors
/// One that is missing or cannot be run.
pub(super) fn run(command: &mut Command, what: &str, input: &[u8]) -> Result<Said, Trouble> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Trouble::new(format!("run {program}"), "it is not installed"),
            _ => Trouble::new(format!("run {program}"), error),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses early closes the pipe; its own words are better than ours.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(|error| Trouble::new(what, error))?;
    Ok(Said {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Whether a program is found where programs are looked for.
pub(super) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file())
}

/// A tool's words in one line.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(" | ") }
}
