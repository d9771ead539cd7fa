//! Opens a log: a file, standard input or journalctl, decompressed where it is compressed.
//!
//! Guarantees: compression is recognised by a file's first bytes, not by its name.

use crate::os::command::one_line;
use crate::report::{LineFormat, UnixMillis};
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// How many bytes are read from a file at once.
const BUFFER: usize = 128 * 1024;
/// How many bytes of a program's messages are shown.
const MAX_MESSAGES: u64 = 512;
/// gzip's magic number (RFC 1952, section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Other magic numbers, the program that decompresses such a file, and its package in Debian.
const DECOMPRESSORS: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "xz", "xz-utils"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd"),
    (b"BZh", "bzip2", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4", "lz4"),
];

/// Where a log comes from.
#[derive(Debug)]
pub enum Input {
    /// An open file.
    File(File),
    /// A file that is opened when it is read.
    Path(PathBuf),
    /// Standard input.
    Standard,
    /// The output of journalctl with these arguments.
    Journal(Vec<String>),
}

/// One log that can be read.
#[derive(Debug)]
pub struct LogSource {
    /// Its path, or a name for people.
    pub name: String,
    /// Which program's lines it holds.
    pub format: LineFormat,
    /// Its size in bytes as stored; 0 where it is unknown.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Option<UnixMillis>,
    /// Which of the kernel's logs it belongs to, where there are several with the same lines.
    pub place: Option<usize>,
    /// Where its bytes come from.
    pub input: Input,
}

impl Input {
    pub(super) fn is_journal(&self) -> bool {
        matches!(self, Input::Journal(_))
    }
}

/// Opens a log's bytes, decompressed; `progress` advances by the stored bytes that are read.
///
/// # Errors
/// The log cannot be read, or the program that it needs is not installed.
pub(super) fn open(input: Input, progress: &ProgressBar) -> io::Result<Box<dyn Read>> {
    let metered = |inner: Box<dyn Read + Send>| {
        BufReader::with_capacity(BUFFER, Metered(inner, progress.clone()))
    };
    let mut raw = match input {
        Input::Standard => metered(Box::new(io::stdin())),
        Input::Journal(arguments) => {
            let mut command = Command::new("journalctl");
            command.args(arguments).stdin(Stdio::null());
            return Ok(Box::new(ProgramOutput::start(command, "journalctl", "systemd")?));
        }
        Input::File(file) => metered(Box::new(file)),
        Input::Path(path) => metered(Box::new(File::open(path)?)),
    };
    let begin = raw.fill_buf()?;
    if begin.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(raw)));
    }
    match DECOMPRESSORS.into_iter().find(|(magic, ..)| begin.starts_with(magic)) {
        None => Ok(Box::new(raw)),
        Some((_, name, package)) => {
            let mut command = Command::new(name);
            command.arg("-dc").stdin(Stdio::piped());
            let mut output = ProgramOutput::start(command, name, package)?;
            let mut input = output.child.stdin.take();
            // A thread, since the program may block on its output while it is given input. It ends with the
            // log, or with the program, which closes its end of the pipe.
            std::thread::spawn(move || {
                input.as_mut().map(|input| io::copy(&mut raw, input));
            });
            Ok(Box::new(output))
        }
    }
}

/// Advances a progress bar by the bytes that are read through it.
struct Metered(Box<dyn Read + Send>, ProgressBar);

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.inc(read as u64);
        Ok(read)
    }
}

/// The standard output of a program. A failure of the program is an error at its end.
struct ProgramOutput {
    name: &'static str,
    child: Child,
    /// `None` once it has ended.
    output: Option<ChildStdout>,
    /// What it says about a failure: a file, since a pipe that nobody reads may fill up.
    messages: File,
}

impl ProgramOutput {
    /// Starts a program, which is in a package of this name.
    fn start(mut command: Command, name: &'static str, package: &str) -> io::Result<ProgramOutput> {
        let messages = tempfile::tempfile()?;
        command.env("LC_ALL", "C").stdout(Stdio::piped()).stderr(messages.try_clone()?);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let cause = format!("{name} is not installed; it is in the package {package}");
                io::Error::other(cause)
            }
            _ => error,
        })?;
        let output = child.stdout.take();
        Ok(ProgramOutput { name, child, output, messages })
    }

    /// Why it failed, in one line.
    fn failure(&mut self, status: ExitStatus) -> io::Error {
        let mut text = Vec::new();
        let read = self
            .messages
            .rewind()
            .and_then(|()| (&mut self.messages).take(MAX_MESSAGES).read_to_end(&mut text));
        let text = read.map(|_| one_line(&String::from_utf8_lossy(&text))).unwrap_or_default();
        let colon = if text.is_empty() { "" } else { ": " };
        io::Error::other(format!("{} ended with {status}{colon}{text}", self.name))
    }
}

impl Read for ProgramOutput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(output) = &mut self.output else { return Ok(0) };
        let read = output.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.output = None;
            let status = self.child.wait()?;
            if !status.success() {
                return Err(self.failure(status));
            }
        }
        Ok(read)
    }
}

impl Drop for ProgramOutput {
    fn drop(&mut self) {
        if self.output.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
