//! Redis in a network of a test's own: servers, questions and sessions that stay open.

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
    let said = super::told(&output);
    if output.status.code() == Some(124) {
        "silence".to_owned()
    } else if said.contains("refused") || said.contains("reset by peer") {
        "refused".to_owned()
    } else {
        said.lines().next().unwrap_or_default().to_owned()
    }
}

/// A client that stays connected.
pub struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// One that is asked once.
    pub fn open(from: &Host, address: &str, port: &str) -> Self {
        let mut command = from.command("sh");
        command.args(["-c", "exec timeout 20 redis-cli -h \"$0\" -p \"$1\" 2>&1", address, port]);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut session = Self { process, input, output: BufReader::new(output) };
        assert_eq!(session.ask(), "PONG");
        session
    }

    /// What a PING shows now. redis-cli connects again once by itself where the session was cut.
    pub fn ask(&mut self) -> String {
        let mut line = String::new();
        let _ = self.input.write_all(b"client id\nping\n").and_then(|()| self.input.flush());
        let _ = self.output.read_line(&mut line);
        line.clear();
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
