//! Opens a log: a file, standard input or journalctl, decompressed where it is compressed.
//!
//! Guarantees: compression is recognised by a file's first bytes, not by its name.

use crate::report::{LineFormat, UnixMillis};
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// How many bytes are read from a file at once.
const BUFFER: usize = 128 * 1024;
/// gzip's magic number (RFC 1952, section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Other magic numbers, and the program that decompresses such a file.
const DECOMPRESSORS: [(&[u8], &str); 3] =
    [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2")];

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
    /// Where its bytes come from.
    pub input: Input,
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
            return Ok(Box::new(ProgramOutput::start(command, "journalctl")?));
        }
        Input::File(file) => metered(Box::new(file)),
        Input::Path(path) => metered(Box::new(File::open(path)?)),
    };
    let begin = raw.fill_buf()?;
    if begin.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(raw)));
    }
    match DECOMPRESSORS.into_iter().find(|(magic, _)| begin.starts_with(magic)) {
        None => Ok(Box::new(raw)),
        Some((_, name)) => {
            let mut command = Command::new(name);
            command.arg("-dc").stdin(Stdio::piped());
            let mut output = ProgramOutput::start(command, name)?;
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
}

impl ProgramOutput {
    fn start(mut command: Command, name: &'static str) -> io::Result<ProgramOutput> {
        let child = command.env("LC_ALL", "C").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(format!("{name} is not installed")),
            _ => error,
        })?;
        let output = child.stdout.take();
        Ok(ProgramOutput { name, child, output })
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
                return Err(io::Error::other(format!("{} ended with {status}", self.name)));
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
