//! The outsider: a process in a network namespace of its own. It reads one command a line on its standard
//! input, `configure ADDRESS PREFIX` or `probe ADDRESS PORT MILLISECONDS`, and answers each with one line.

use super::network::{Cable, configure, ip};
use super::stage::STAGE;
use crate::error::Error;
use crate::expectation::Outcome;
use crate::probe::probe;
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The link at the outsider's end of the cable.
const LINK: &str = "rg-outside";
/// The link at the host's end.
const HOST_LINK: &str = "rg-host";
/// The answer to `configure`.
const CONFIGURED: &str = "configured";

/// The outsider's process, as the guarded host controls it.
pub(super) struct Outsider {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Outsider {
    /// Starts the outsider and connects it with the host.
    ///
    /// # Errors
    /// It cannot be started or configured.
    pub(super) fn start(cables: &[Cable]) -> Result<Self, Error> {
        let failed = |cause: String| Error::new("start the outsider", cause);
        let mut process = Command::new("/proc/self/exe")
            .arg("rehearse")
            .env(STAGE, "outside")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(commands), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut outsider = Self { process, commands, answers: BufReader::new(answers) };
        let network = outsider.answer()?;
        if !network.starts_with('/') {
            return Err(failed(network));
        }
        ip(&["link", "add", HOST_LINK, "type", "veth", "peer", "name", LINK, "netns", &network])?;
        for cable in cables {
            configure(HOST_LINK, cable.host, cable.prefix)?;
            outsider.send(&format!("configure {} {}", cable.outside, cable.prefix))?;
            let answer = outsider.answer()?;
            if answer != CONFIGURED {
                return Err(failed(answer));
            }
        }
        Ok(outsider)
    }

    /// What the outsider gets from an address.
    ///
    /// # Errors
    /// The outsider has ended.
    pub(super) fn probe(
        &mut self,
        address: SocketAddr,
        timeout: Duration,
    ) -> Result<Outcome, Error> {
        let (ip, port) = (address.ip(), address.port());
        self.send(&format!("probe {ip} {port} {}", timeout.as_millis()))?;
        let answer = self.answer()?;
        Ok(answer.parse().unwrap_or_else(Outcome::Failed))
    }

    fn send(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.commands, "{line}").map_err(|error| Error::new("order the outsider", error))
    }

    fn answer(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        let failed = |cause: String| Error::new("hear from the outsider", cause);
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(failed("it ended".to_owned())),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The path of this process's network namespace. A path, because newer versions of `ip` look a bare process
/// number up in /proc, which belongs to an outer process namespace: there it is another process.
fn network_path() -> Result<String, Error> {
    let own = fs::read_link("/proc/self").map_err(|error| Error::new("read /proc/self", error))?;
    Ok(format!("/proc/{}/ns/net", own.display()))
}

/// Runs the outsider until its standard input ends.
///
/// # Errors
/// It gets no network namespace, or a pipe fails.
pub fn outside() -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| Error::new("make the outsider's network", error.desc()))?;
    ip(&["link", "set", "lo", "up"])?;
    let mut out = io::stdout().lock();
    let mut answer = |line: &str| {
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|error| Error::new("answer the host", error))
    };
    answer(&network_path()?)?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::new("read an order", error))?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["configure", address, prefix] => {
                let (Ok(address), Ok(prefix)) = (address.parse::<IpAddr>(), prefix.parse()) else {
                    continue;
                };
                match configure(LINK, address, prefix) {
                    Ok(()) => answer(CONFIGURED)?,
                    Err(error) => answer(&error.to_string().replace('\n', " "))?,
                }
            }
            ["probe", address, port, timeout] => {
                let parsed = (address.parse(), port.parse(), timeout.parse());
                let (Ok(address), Ok(port), Ok(timeout)) = parsed else { continue };
                let address = SocketAddr::new(address, port);
                answer(&probe(address, Duration::from_millis(timeout)).to_string())?;
            }
            _ => answer("unknown command")?,
        }
    }
    Ok(())
}
