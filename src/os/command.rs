//! Runs other programs: finds them, gives them their input, takes their output, ends them at a limit.
//!
//! Guarantees: a program that does not end in time is killed with everything that it has started, so
//! that it cannot keep a host's lock.
//!
//! Never: decides anything by what a program prints.

use crate::error::{Error, ErrorKind};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take unless it is given another limit: as long as a busy host needs to load
/// a large ruleset, and less than the units that call it may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// A program that is to be run to its end.
pub(crate) struct Program<'a> {
    command: Command,
    input: &'a [u8],
    limit: Duration,
}

/// What a program that has ended printed, and how it ended.
pub(crate) struct Output {
    /// Its exit status; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: String,
}

impl Output {
    /// Whether it ended with status 0.
    pub(crate) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Its standard output as text.
    pub(crate) fn text(self) -> String {
        text(self.stdout)
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

impl<'a> Program<'a> {
    /// A program by its path, or by its name where it is on the PATH.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        // What is printed must not depend on who runs it.
        command.env("LC_ALL", "C");
        Self { command, input: &[], limit: LIMIT }
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets what it reads from its standard input; nothing otherwise.
    pub(crate) fn input(mut self, input: &'a [u8]) -> Self {
        self.input = input;
        self
    }

    /// Sets how long it may take.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, whatever status that has. `action` is what it is run for: a verb and its
    /// object.
    ///
    /// # Errors
    /// [`ErrorKind::NotInstalled`], [`ErrorKind::Timeout`], or what kept it from being run.
    pub(crate) fn run(mut self, action: &str) -> Result<Output, Error> {
        let program = self.command.get_program().to_string_lossy().into_owned();
        // A group of its own: a program may be a script, and what that waits for holds the pipes.
        let spawned = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(format!("run {program}"), "it is not installed")
                .of_kind(ErrorKind::NotInstalled),
            _ => Error::io(format!("run {program}"), &error),
        })?;
        let end = Instant::now() + self.limit;
        let ended = exchange(&mut child, self.input, end).and_then(|output| match output {
            Some(output) => Ok(reap(&mut child, end)?.zip(Some(output))),
            None => Ok(None),
        });
        match ended {
            Ok(Some((status, [stdout, stderr]))) => {
                Ok(Output { code: status.code(), stdout, stderr: text(stderr) })
            }
            Ok(None) => {
                kill_group(&mut child);
                let cause = format!("{program} did not end within {} s", self.limit.as_secs());
                let error = Error::new(action, cause).of_kind(ErrorKind::Timeout);
                Err(error.help("find out what it waits for; run it by hand"))
            }
            Err(error) => {
                kill_group(&mut child);
                Err(Error::io(action, &error))
            }
        }
    }
}

/// Writes a program's input and reads its outputs, each when it is ready, until both outputs end; `None`
/// where the time ends first.
fn exchange(child: &mut Child, mut input: &[u8], end: Instant) -> io::Result<Option<[Vec<u8>; 2]>> {
    const INPUT: usize = 0;
    let stdin = child.stdin.take().filter(|_| !input.is_empty()).map(OwnedFd::from);
    if let Some(stdin) = &stdin {
        // A blocking write would wait until all of it has room, and nothing would be read meanwhile: the
        // program would wait for room in its own output, and neither would go on.
        fcntl(stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let pipes = [stdin, stdout.map(OwnedFd::from), stderr.map(OwnedFd::from)];
    let mut pipes = pipes.map(|pipe| pipe.map(File::from));
    let (mut output, mut buffer) = ([const { Vec::new() }; 2], [0; 16 << 10]);
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
            return Ok(open.is_empty().then_some(output));
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
            let is_done = match moved {
                Ok(length) if pipe == INPUT => {
                    input = &input[length..];
                    input.is_empty()
                }
                Ok(length) => {
                    output[pipe - 1].extend_from_slice(&buffer[..length]);
                    length == 0
                }
                // A program that refuses its input closes the pipe. That is no error here: what it prints
                // says why.
                Err(error) => {
                    !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
                }
            };
            if is_done {
                pipes[pipe] = None;
            }
        }
    }
}

/// The status of a program whose outputs have ended; `None` where it runs on beyond its time.
fn reap(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    // Mostly it has ended already, or will within microseconds; one that stays is asked rarely.
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

/// Kills a program and everything that it has started.
fn kill_group(child: &mut Child) {
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let _ = child.wait();
}

/// A process that is killed when this is dropped.
pub(crate) struct KilledOnDrop(pub(crate) Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program is on the PATH; `None` where it is not.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether a program is on the PATH.
pub(crate) fn is_installed(program: &str) -> bool {
    find(program).is_some()
}

/// What a program printed, in one line.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join(" | ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(200);

    fn timed_out(script: &str) -> String {
        let error = Program::new("sh").args(["-c", script]).limit(SOON).run("wait").err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        error.to_string()
    }

    #[test]
    fn a_program_that_hangs_is_ended_and_named() {
        let error = Program::new("sleep").args(["600"]).limit(SOON).run("wait").err().unwrap();
        let text = error.to_string();
        assert!(text.contains("could not wait: sleep did not end within 0 s"), "{text}");
    }

    #[test]
    fn a_script_that_hangs_is_ended_with_what_it_has_started() {
        let started = Instant::now();
        assert!(timed_out("sleep 60; true").contains("sh did not end within 0 s"));
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }

    #[test]
    fn a_program_that_hangs_with_its_outputs_closed_is_ended() {
        assert!(timed_out("exec >&- 2>&-; sleep 60").contains("sh did not end within 0 s"));
    }

    #[test]
    fn what_a_program_leaves_running_with_its_outputs_is_ended() {
        assert!(timed_out("sleep 60 & echo half").contains("sh did not end within 0 s"));
    }

    #[test]
    fn what_is_larger_than_a_pipe_holds_goes_both_ways_and_may_be_refused() {
        let text: Vec<u8> = (0..1 << 20).map(|at| b'a' + (at / 7 % 26) as u8).collect();
        let both = Program::new("sh").args(["-c", "tee /dev/stderr"]).input(&text);
        let both = both.run("copy").unwrap();
        assert!(both.is_success() && both.stderr.as_bytes() == text && both.stdout == text);
        let file = tempfile::NamedTempFile::new().unwrap();
        let deaf = Program::new("sh").args(["-c", "exec > \"$0\" 2>&1; sleep 0.1; cat"]);
        assert!(deaf.args([file.path()]).input(&text).run("copy").unwrap().is_success());
        assert!(std::fs::read(file.path()).unwrap() == text);
        let refused = Program::new("false").args(["-"]).input(&text).run("try").unwrap();
        assert!(!refused.is_success() && refused.stdout.is_empty());
    }

    #[test]
    fn what_a_program_reads_and_prints_is_passed_on() {
        let copied = Program::new("cat").args(["-"]).input(b"text").run("copy").unwrap();
        assert!(copied.is_success() && copied.stderr.is_empty());
        assert_eq!(copied.text(), "text");
    }

    #[test]
    fn a_missing_program_has_an_error_kind_of_its_own() {
        let error = Program::new("no-such-program").run("try").err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotInstalled);
        assert_eq!(error.to_string(), "could not run no-such-program: it is not installed");
        assert!(is_installed("sh") && !is_installed("no-such-program"));
    }
}
