//! Redis servers, and clients that stay connected, in the network of a test's host.

use super::namespace::{Host, Started};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A Redis on a port of a host, on all its addresses.
pub fn redis(host: &Host, port: &str) -> Started {
    let options =
        ["--port", port, "--bind", "0.0.0.0", "::", "--protected-mode", "no", "--save", ""];
    let redis = host.start("redis-server", &options);
    let up = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        met(host, "127.0.0.1", port) == "PONG" && met(host, "::1", port) == "PONG"
    });
    assert!(up, "no Redis on {port}");
    redis
}

/// What `redis-cli ping` shows.
pub fn met(from: &Host, address: &str, port: &str) -> String {
    let output = from.run("timeout", &["2", "redis-cli", "-h", address, "-p", port, "ping"]);
    let said = super::transcript(&output);
    if output.status.code() == Some(124) {
        "silence".to_owned()
    } else if said.contains("refused") || said.contains("reset by peer") {
        "refused".to_owned()
    } else {
        said.lines().next().unwrap_or_default().to_owned()
    }
}

/// A client that stays connected and never connects again by itself: for every line that it reads it
/// says what became of a PING.
const CLIENT: &str = r#"
import socket, sys
session = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
session.settimeout(3)
for _ in sys.stdin:
    try:
        session.sendall(b"PING\r\n")
        said = session.recv(600)
        print(said.decode().strip() or "closed", flush=True)
    except socket.timeout:
        print("silence", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"#;

/// What a session shows that was cut.
pub const CUT: &str = "Connection reset by peer";

/// A client that stays connected.
pub struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// One that is asked once.
    pub fn open(from: &Host, address: &str, port: &str) -> Self {
        let mut command = from.command("timeout");
        let mut process = command
            .args(["60", "python3", "-c", CLIENT, address, port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut session = Self { process, input, output: BufReader::new(output) };
        assert_eq!(session.ask(), "+PONG");
        session
    }

    /// What becomes of a PING now.
    pub fn ask(&mut self) -> String {
        let mut line = String::new();
        let _ = self.input.write_all(b"\n").and_then(|()| self.input.flush());
        let _ = self.output.read_line(&mut line);
        line.trim_end().to_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
