//! Starts the listener and its clients, each with a hard time limit, and ends what it started.

pub mod log_totals;
mod manager;
pub mod many_clients;
pub mod process_usage;
pub mod slow_tunnel;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::manager::Manager;
pub use crate::support::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long one client may run.
const CLIENT_SECONDS: u32 = 20;

/// A port nobody listens on in either family, below the range that outgoing connections use.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 900).unwrap() * 10;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        // One after the other: the second holds both families.
        let is_free = |address: &str| TcpListener::bind((address, port)).is_ok();
        if ["0.0.0.0", "::"].into_iter().all(is_free) {
            return port;
        }
    }
}

/// A running listener; it ends with the test.
pub struct Notice {
    process: Child,
    folder: TempDir,
    pub port: u16,
}

impl Notice {
    /// Listens on a free port, with these lines on top of the settings.
    pub fn start(settings: &str) -> Notice {
        Notice::start_with(settings, |command| command)
    }

    /// The same, with the command changed before it starts.
    pub fn start_with(settings: &str, change: impl Fn(&mut Command) -> &mut Command) -> Notice {
        for _ in 0..20 {
            let folder = TempDir::new().unwrap();
            let port = free_port();
            write_settings(folder.path(), settings, port, "always");
            let mut command = notice_command(folder.path());
            let process = change(&mut command).spawn().unwrap();
            let mut notice = Notice { process, folder, port };
            // Somebody else may have been faster to take the port.
            if notice.wait_until_ready() {
                return notice;
            }
        }
        panic!("no listener started");
    }

    fn wait_until_ready(&mut self) -> bool {
        let ready = format!("listening on [::]:{}", self.port);
        let taken = format!(":{} is in use", self.port);
        wait_until("the listener is ready or says that its port is taken", || {
            assert_eq!(self.process.try_wait().unwrap(), None, "{}", self.diagnostics());
            [&ready, &taken].iter().any(|text| self.diagnostics().contains(*text))
        });
        !self.diagnostics().contains(&taken)
    }

    /// What it wrote to stderr.
    pub fn diagnostics(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its process, or what became of the command that starts it.
    pub fn pid(&self) -> i32 {
        self.process.id().try_into().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Stops it, and gives its status and its whole log.
    pub fn stop(&mut self) -> (ExitStatus, String) {
        (self.end(), self.log())
    }

    /// Stops it, and gives its status.
    pub fn end(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let mut status = None;
        wait_until("the listener stops", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// A connection to it that never waits for ever.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The error line that its clients are to see.
    pub fn line(&self) -> String {
        format!("-{}\r\n", sentence(self.port))
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The sentence of `port`.
pub fn sentence(port: u16) -> String {
    format!("PORTCLOSED {port} (Test) is blocked here. Use redis-cli -c -p 7000.")
}

/// Writes `notice.toml` into `folder`.
pub fn write_settings(folder: &Path, settings: &str, port: u16, listen: &str) {
    let sentence = sentence(port).replace(&port.to_string(), "{port}");
    let text = format!(
        "log = \"{}\"\n{settings}\n[[reserved]]\nfirst = {port}\n\
         last = {port}\nlisten = \"{listen}\"\nsentence = \"{sentence}\"\n",
        folder.join("log").display()
    );
    fs::write(folder.join("notice.toml"), text).unwrap();
}

/// The listener's command line, for the settings in `folder`.
pub fn notice_command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redisguard-install"));
    command.arg("notice").arg("--settings").arg(folder.join("notice.toml"));
    command.env("NO_COLOR", "1").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command.stderr(File::create(folder.join("stderr")).unwrap());
    command
}

/// Has the listener's `command` run by another: its own words follow `outer`.
pub fn around<'a>(command: &'a mut Command, outer: &[&str]) -> &'a mut Command {
    let inner: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let stderr = Path::new(&inner[2]).with_file_name("stderr");
    let mut wrapped = Command::new(outer[0]);
    wrapped.args(&outer[1..]).arg(command.get_program()).args(inner);
    wrapped.env("NO_COLOR", "1").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    wrapped.stderr(File::create(stderr).unwrap());
    *command = wrapped;
    command
}

/// What a client printed, and its status.
pub struct Seen {
    /// On stdout.
    pub stdout: String,
    /// On stdout and stderr.
    pub text: String,
    pub status: ExitStatus,
}

/// Runs a client that must end by itself within twenty seconds.
pub fn run(client: &[&str], input: &[u8]) -> Seen {
    run_within(CLIENT_SECONDS, client, input)
}

/// Runs a client that must end by itself within so many seconds.
pub fn run_within(seconds: u32, client: &[&str], input: &[u8]) -> Seen {
    let seen = run_bounded(seconds, client, input);
    assert_ne!(seen.status.code(), Some(124), "{client:?} did not end: {}", seen.text);
    seen
}

/// Runs a client to its end, or for so many seconds: then its exit status is 124.
pub fn run_bounded(seconds: u32, client: &[&str], input: &[u8]) -> Seen {
    let mut child = start(seconds, client);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A client may end without reading everything.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let text = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Seen { stdout, text, status: output.status }
}

/// Runs a client as somebody who sits before it: waits until a text is printed, after what was
/// waited for before, then types the next words. Its input stays open until all was typed; then the
/// client must end by itself.
pub fn talk(client: &[&str], exchange: &[(&str, &str)]) -> Seen {
    let mut child =
        start(CLIENT_SECONDS, &[&["sh", "-c", "exec \"$@\" 2>&1", "sh"], client].concat());
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let printed = Arc::new(Mutex::new(String::new()));
    let so_far = Arc::clone(&printed);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut bytes) {
            so_far.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    });
    let mut known = 0;
    for (awaited, typed) in exchange {
        wait_until(&format!("{client:?} prints {awaited:?}"), || {
            // Asked first: what it printed last may still be on its way when the client has ended.
            let is_complete = reader.is_finished();
            let text = printed.lock().unwrap();
            let found = text[known..].find(awaited);
            known += found.map_or(0, |place| place + awaited.len());
            assert!(found.is_some() || !is_complete, "{client:?}: {text}");
            found.is_some()
        });
        stdin.write_all(typed.as_bytes()).unwrap();
    }
    drop(stdin);
    let status = child.wait().unwrap();
    reader.join().unwrap();
    let text = printed.lock().unwrap().clone();
    assert_ne!(status.code(), Some(124), "{client:?} did not end: {text}");
    Seen { stdout: text.clone(), text, status }
}

fn start(seconds: u32, client: &[&str]) -> Child {
    Command::new("timeout")
        .args(["-k", "2", &seconds.to_string()])
        .args(client)
        .env("TERM", "dumb")
        .env("no_proxy", "127.0.0.1")
        .env_remove("REDISCLI_AUTH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Everything that comes until the other side ends.
pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(cause) if cause.kind() != ErrorKind::ConnectionReset => panic!("{cause}: {bytes:?}"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// Exactly as many bytes as `expected` has.
pub fn read_like(stream: &mut TcpStream, expected: &str) -> String {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
