//! Owns the outsider: a process in a network of its own that probes what it is told to over its
//! standard input, one `ADDRESS PORT MILLISECONDS` a line, and answers with one line each.

use super::{Cable, ip};
use crate::error::Error;
use crate::probe::{Outcome, probe};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The outsider's end of the cable.
const LINK: &str = "rg-outside";
/// The host's end.
const HOST_LINK: &str = "rg-host";

/// The outsider as the host's process sees it.
pub(super) struct Outsider {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Outsider {
    /// Starts it and lays the cable.
    pub(super) fn start(cables: &[Cable]) -> Result<Self, Error> {
        let failed = |cause: String| Error::new("start the outsider", cause);
        let mut process = Command::new("/proc/self/exe")
            .arg("rehearse")
            .env(super::STAGE, "outside")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(orders), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut outsider = Self { process, orders, answers: BufReader::new(answers) };
        let network = outsider.answer()?;
        if !network.starts_with('/') {
            return Err(failed(network));
        }
        ip(&["link", "add", HOST_LINK, "type", "veth", "peer", "name", LINK, "netns", &network])?;
        for cable in cables {
            plug(HOST_LINK, &format!("{}/{}", cable.host, cable.prefix))?;
            outsider.order(&format!("plug {}/{}", cable.outside, cable.prefix))?;
            outsider.expect("plugged")?;
        }
        Ok(outsider)
    }

    /// What it meets.
    pub(super) fn probe(
        &mut self,
        address: SocketAddr,
        patience: Duration,
    ) -> Result<Outcome, Error> {
        let (ip, port) = (address.ip(), address.port());
        self.order(&format!("probe {ip} {port} {}", patience.as_millis()))?;
        let answer = self.answer()?;
        let (word, text) = answer.split_once(' ').unwrap_or((&answer, ""));
        Ok(match word {
            "silence" => Outcome::Silence,
            "mute" => Outcome::Mute,
            "refused" => Outcome::Refused,
            "notice" => Outcome::Notice(text.to_owned()),
            "served" => Outcome::Served(text.to_owned()),
            _ => Outcome::Failed(text.to_owned()),
        })
    }

    fn order(&mut self, line: &str) -> Result<(), Error> {
        writeln!(self.orders, "{line}").map_err(|error| Error::new("order the outsider", error))
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

    fn expect(&mut self, word: &str) -> Result<(), Error> {
        let answer = self.answer()?;
        if answer == word { Ok(()) } else { Err(Error::new("start the outsider", answer)) }
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Gives a link an address and brings it up, without waiting for duplicate address detection.
fn plug(link: &str, address: &str) -> Result<(), Error> {
    if address.contains(':') {
        ip(&["addr", "add", address, "dev", link, "nodad"])?;
    } else {
        ip(&["addr", "add", address, "dev", link])?;
    }
    ip(&["link", "set", link, "up"])
}

/// Where this process's network can be opened. Newer `ip` looks a bare number up in /proc, which is
/// that of an outer process namespace: there it is somebody else's.
fn own_network() -> Result<String, Error> {
    let own = fs::read_link("/proc/self").map_err(|error| Error::new("read /proc/self", error))?;
    Ok(format!("/proc/{}/ns/net", own.display()))
}

/// The outsider's own life: until its standard input ends.
///
/// # Errors
/// A namespace or a pipe that fails.
pub fn outside() -> Result<(), Error> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| Error::new("make the outsider's network", error.desc()))?;
    ip(&["link", "set", "lo", "up"])?;
    let mut out = io::stdout().lock();
    let mut say = |line: &str| {
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|error| Error::new("answer the host", error))
    };
    say(&own_network()?)?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::new("read an order", error))?;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["plug", address] => match plug(LINK, address) {
                Ok(()) => say("plugged")?,
                Err(trouble) => say(&trouble.to_string().replace('\n', " "))?,
            },
            ["probe", address, port, patience] => {
                let parsed = (address.parse(), port.parse(), patience.parse());
                let (Ok(address), Ok(port), Ok(patience)) = parsed else { continue };
                let address = SocketAddr::new(address, port);
                say(&probe(address, Duration::from_millis(patience)).to_string())?;
            }
            _ => say("what?")?,
        }
    }
    Ok(())
}
