//! Owns running other programs: with what they read, to what they say, and not for ever. Decides
//! nothing.

use crate::error::Trouble;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a tool of the kernel's may take: one that hangs must not keep a host's lock.
pub(super) const LIMIT: Duration = Duration::from_secs(45);

/// What a tool said.
pub(super) struct Said {
    /// Whether it ended with 0.
    pub(super) success: bool,
    /// Its standard output.
    pub(super) stdout: String,
    /// Its standard error.
    pub(super) stderr: String,
}

/// Runs a tool to its end. One that does not come to it is ended with all that it has started: a tool
/// may be a script, and what that waits for holds the pipes.
///
/// # Errors
/// One that is missing, cannot be run or does not end.
pub(super) fn run(
    command: &mut Command,
    what: &str,
    input: &[u8],
    limit: Duration,
) -> Result<Said, Trouble> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Trouble::new(format!("run {program}"), "it is not installed"),
            _ => Trouble::new(format!("run {program}"), error),
        })?;
    let group = Pid::from_raw(child.id().cast_signed());
    let (ended, end) = mpsc::channel();
    let watch = thread::spawn(move || {
        let hangs = end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
        hangs && killpg(group, Signal::SIGKILL).is_ok()
    });
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses early closes the pipe; its own words are better than ours.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(|error| Trouble::new(what, error))?;
    let _ = ended.send(());
    if watch.join().unwrap_or_default() {
        let cause = format!("{program} did not end within {} s", limit.as_secs());
        return Err(Trouble::new(what, cause).cure("find out what it waits for; run it by hand"));
    }
    Ok(Said {
        success: ExitStatus::success(&output.status),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_tool_that_hangs_is_ended_and_named() {
        let mut sleep = Command::new("sleep");
        let said = run(sleep.arg("600"), "wait", b"", Duration::from_millis(20));
        let trouble = said.err().unwrap().to_string();
        assert!(trouble.contains("could not wait: sleep did not end within 0 s"), "{trouble}");
    }

    #[test]
    fn a_script_that_hangs_is_ended_with_what_it_has_started() {
        let mut script = Command::new("sh");
        let script = script.args(["-c", "sleep 60; true"]);
        let started = Instant::now();
        let said = run(script, "wait", b"", Duration::from_millis(200));
        let trouble = said.err().unwrap().to_string();
        assert!(trouble.contains("sh did not end within 0 s"), "{trouble}");
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }

    #[test]
    fn what_a_tool_reads_and_says_is_passed_on() {
        let said = run(Command::new("cat").arg("-"), "copy", b"text", LIMIT).unwrap();
        assert!(said.success && said.stdout == "text" && said.stderr.is_empty());
        let missing = run(&mut Command::new("no-such-program"), "try", b"", LIMIT).err().unwrap();
        assert!(missing.to_string().contains("it is not installed"), "{missing}");
    }
}
