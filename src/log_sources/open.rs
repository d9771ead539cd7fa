//! Owns the bytes of a log: a file, standard input or the journal's tool, decompressed where they are
//! compressed. What it is by its first bytes counts, and not its name.

use crate::report::{Moment, Writer};
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

const BUFFER: usize = 128 * 1024;
/// gzip's first bytes (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];
/// What others than gzip begin with, and what decompresses them.
const OTHERS: [(&[u8], &str); 3] =
    [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2")];

/// Where a log comes from.
#[derive(Debug)]
pub enum Input {
    /// A file.
    File(File),
    /// One of very many files.
    Path(PathBuf),
    /// Standard input.
    Standard,
    /// journalctl with these arguments.
    Journal(Vec<String>),
}

/// One log, ready to be read.
#[derive(Debug)]
pub struct Log {
    /// How it is named to people.
    pub name: String,
    /// Whose lines it holds.
    pub writer: Writer,
    /// How many bytes it has, compressed as they may be; 0 where that is not known.
    pub bytes: u64,
    /// When it was last written.
    pub written: Option<Moment>,
    /// Where it comes from.
    pub from: Input,
}

/// Opens the bytes; the bar is told of those that are read.
///
/// # Errors
/// They cannot be read, or the tool that they need is not there.
pub(super) fn bytes(from: Input, bar: &ProgressBar) -> io::Result<Box<dyn Read>> {
    let metered =
        |inner: Box<dyn Read + Send>| BufReader::with_capacity(BUFFER, Metered(inner, bar.clone()));
    let mut raw = match from {
        Input::Standard => metered(Box::new(io::stdin())),
        Input::Journal(arguments) => {
            let mut command = Command::new("journalctl");
            command.args(arguments).stdin(Stdio::null());
            return Ok(Box::new(Tool::start(command, "journalctl")?));
        }
        Input::File(file) => metered(Box::new(file)),
        Input::Path(path) => metered(Box::new(File::open(path)?)),
    };
    let begin = raw.fill_buf()?;
    if begin.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(raw)));
    }
    match OTHERS.into_iter().find(|(magic, _)| begin.starts_with(magic)) {
        None => Ok(Box::new(raw)),
        Some((_, name)) => {
            let mut command = Command::new(name);
            command.arg("-dc").stdin(Stdio::piped());
            let mut tool = Tool::start(command, name)?;
            let mut input = tool.child.stdin.take();
            // Ends with the log, or with the tool, which closes its end.
            std::thread::spawn(move || {
                input.as_mut().map(|input| io::copy(&mut raw, input));
            });
            Ok(Box::new(tool))
        }
    }
}

/// Tells a bar what is read through it.
struct Metered(Box<dyn Read + Send>, ProgressBar);

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.inc(read as u64);
        Ok(read)
    }
}

/// What a tool prints. That it failed is an error at the end of it.
struct Tool {
    name: &'static str,
    child: Child,
    output: Option<ChildStdout>,
}

impl Tool {
    fn start(mut command: Command, name: &'static str) -> io::Result<Tool> {
        let child = command.env("LC_ALL", "C").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(format!("{name} is not installed")),
            _ => error,
        })?;
        let output = child.stdout.take();
        Ok(Tool { name, child, output })
    }
}

impl Read for Tool {
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

impl Drop for Tool {
    fn drop(&mut self) {
        if self.output.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
