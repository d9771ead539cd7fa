//! Owns running other programs: with what they read, to what they say, and not for ever. Decides
//! nothing.

use crate::error;
use crate::error::Error;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a tool of the kernel's may take: one that hangs must not keep a host's lock.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// What a tool said.
pub(crate) struct Said {
    /// Whether it ended with 0.
    pub(crate) success: bool,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// Runs a tool to its end. One that does not come to it is ended with all that it has started: a tool
/// may be a script, and what that waits for holds the pipes.
///
/// # Errors
/// One that is missing, cannot be run or does not end.
pub(crate) fn run(
    command: &mut Command,
    what: &str,
    input: &[u8],
    limit: Duration,
) -> Result<Said, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(format!("run {program}"), "it is not installed")
                .of_kind(error::ErrorKind::NotInstalled),
            _ => Error::new(format!("run {program}"), error),
        })?;
    let end = Instant::now() + limit;
    let ended = talk(&mut child, input, end).and_then(|said| match said {
        Some(said) => Ok(reaped(&mut child, end)?.zip(Some(said))),
        None => Ok(None),
    });
    let (status, [stdout, stderr]) = match ended {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            end_all_of(&mut child);
            let cause = format!("{program} did not end within {} s", limit.as_secs());
            let trouble = Error::new(what, cause);
            return Err(trouble.help("find out what it waits for; run it by hand"));
        }
        Err(error) => {
            end_all_of(&mut child);
            return Err(Error::new(what, error));
        }
    };
    let text = |said: Vec<u8>| String::from_utf8_lossy(&said).into_owned();
    Ok(Said { success: status.success(), stdout: text(stdout), stderr: text(stderr) })
}

/// Gives a tool what it shall read, and takes what it says, as either is ready: until all is said, or
/// `None` if the time is over before.
fn talk(child: &mut Child, mut input: &[u8], end: Instant) -> io::Result<Option<[Vec<u8>; 2]>> {
    const INPUT: usize = 0;
    let stdin = child.stdin.take().filter(|_| !input.is_empty()).map(OwnedFd::from);
    if let Some(stdin) = &stdin {
        // Else a write waits until all of it has room, and nobody reads meanwhile.
        fcntl(stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let pipes = [stdin, stdout.map(OwnedFd::from), stderr.map(OwnedFd::from)];
    let mut pipes = pipes.map(|pipe| pipe.map(File::from));
    let (mut said, mut buffer) = ([const { Vec::new() }; 2], [0; 16 << 10]);
    loop {
        let open = pipes.iter().enumerate().filter_map(|(pipe, file)| Some((pipe, file.as_ref()?)));
        let (open, mut polled): (Vec<_>, Vec<_>) = open
            .map(|(pipe, file)| {
                let event = if pipe == INPUT { PollFlags::POLLOUT } else { PollFlags::POLLIN };
                (pipe, PollFd::new(file.as_fd(), event))
            })
            .unzip();
        let left = end.saturating_duration_since(Instant::now());
        if open.is_empty() || left.is_zero() {
            return Ok(open.is_empty().then_some(said));
        }
        match poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let ready = polled.iter().map(|fd| fd.any().unwrap_or_default());
        let ready: Vec<usize> =
            open.into_iter().zip(ready).filter(|(_, ready)| *ready).map(|(pipe, _)| pipe).collect();
        for pipe in ready {
            let Some(file) = &mut pipes[pipe] else { continue };
            let moved = if pipe == INPUT { file.write(input) } else { file.read(&mut buffer) };
            let is_through = match moved {
                Ok(length) if pipe == INPUT => {
                    input = &input[length..];
                    input.is_empty()
                }
                Ok(length) => {
                    said[pipe - 1].extend_from_slice(&buffer[..length]);
                    length == 0
                }
                // A program that refuses early closes the pipe; its own words are better than ours.
                Err(error) => {
                    !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
                }
            };
            if is_through {
                pipes[pipe] = None;
            }
        }
    }
}

/// How a tool ended that has said everything; `None` if it stays beyond its time.
fn reaped(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(20);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = Duration::from_millis(10).min(pause * 2);
    }
}

/// Ends a tool with all that it has started.
fn end_all_of(child: &mut Child) {
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let _ = child.wait();
}

/// Whether a program is found where programs are looked for.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file())
}

/// A tool's words in one line.
pub(crate) fn one_line(text: &str) -> String {
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
    fn a_tool_that_hangs_with_its_outputs_closed_is_ended() {
        let mut script = Command::new("sh");
        let script = script.args(["-c", "exec >&- 2>&-; sleep 60"]);
        let said = run(script, "wait", b"", Duration::from_millis(200));
        assert!(said.err().unwrap().to_string().contains("sh did not end within 0 s"));
    }

    #[test]
    fn what_a_tool_leaves_running_with_its_outputs_is_ended() {
        let mut script = Command::new("sh");
        let script = script.args(["-c", "sleep 60 & echo half"]);
        let said = run(script, "wait", b"", Duration::from_millis(200));
        assert!(said.err().unwrap().to_string().contains("sh did not end within 0 s"));
    }

    #[test]
    fn what_is_larger_than_a_pipe_holds_goes_both_ways_and_may_be_refused() {
        let text: Vec<u8> = (0..1 << 20).map(|at| b'a' + (at / 7 % 26) as u8).collect();
        let mut both = Command::new("sh");
        let said = run(both.args(["-c", "tee /dev/stderr"]), "copy", &text, LIMIT).unwrap();
        assert!(said.success);
        assert!(said.stdout.as_bytes() == text && said.stderr.as_bytes() == text);
        let mut deaf = Command::new("sh");
        let file = tempfile::NamedTempFile::new().unwrap();
        let deaf = deaf.args(["-c", "exec > \"$0\" 2>&1; sleep 0.1; cat"]).arg(file.path());
        assert!(run(deaf, "copy", &text, LIMIT).unwrap().success);
        assert!(std::fs::read(file.path()).unwrap() == text);
        let refused = run(Command::new("false").arg("-"), "try", &text, LIMIT).unwrap();
        assert!(!refused.success && refused.stdout.is_empty());
    }

    #[test]
    fn what_a_tool_reads_and_says_is_passed_on() {
        let said = run(Command::new("cat").arg("-"), "copy", b"text", LIMIT).unwrap();
        assert!(said.success && said.stdout == "text" && said.stderr.is_empty());
        let missing = run(&mut Command::new("no-such-program"), "try", b"", LIMIT).err().unwrap();
        assert!(missing.to_string().contains("it is not installed"), "{missing}");
    }
}
