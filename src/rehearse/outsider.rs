//! The outsider: a process in a network namespace of its own. It reads orders on its standard input, and
//! answers each on its standard output. First it says where its network namespace is.

use super::network::{Cable, configure, ip};
use super::stage::STAGE;
use crate::error::Error;
use crate::expectation::Outcome;
use crate::os::command::KilledOnDrop;
use crate::probe::probe;
use nix::sched::{CloneFlags, unshare};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Deserializer;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The link at the outsider's end of the cable.
const LINK: &str = "rg-outside";
/// The link at the host's end.
const HOST_LINK: &str = "rg-host";

/// What the outsider does: one JSON value a line. It answers with another one.
#[derive(Serialize, Deserialize)]
enum Order {
    /// Gives its link an address. The answer is a `Result<(), String>`.
    Configure { address: IpAddr, prefix: u8 },
    /// Connects. The answer is an [`Outcome`].
    Probe { address: SocketAddr, timeout: Duration },
}

/// The outsider's process, as the guarded host controls it.
pub(super) struct Outsider {
    _process: KilledOnDrop,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Outsider {
    /// Starts the outsider and connects it with the host.
    ///
    /// # Errors
    /// It cannot be started or configured.
    pub(super) fn start(cables: &[Cable]) -> Result<Self, Error> {
        let failed = |cause: String| Error::new("start the outsider", cause);
        let process = Command::new("/proc/self/exe")
            .arg("rehearse")
            .env(STAGE, "outside")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = KilledOnDrop(process.map_err(|error| failed(error.to_string()))?);
        let (Some(orders), Some(answers)) = (process.0.stdin.take(), process.0.stdout.take())
        else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut outsider = Self { _process: process, orders, answers: BufReader::new(answers) };
        let network: String = outsider.answer()?;
        ip(&["link", "add", HOST_LINK, "type", "veth", "peer", "name", LINK, "netns", &network])?;
        for cable in cables {
            configure(HOST_LINK, cable.host, cable.prefix)?;
            let order = Order::Configure { address: cable.outside, prefix: cable.prefix };
            outsider.ask::<Result<(), String>>(&order)?.map_err(failed)?;
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
        self.ask(&Order::Probe { address, timeout })
    }

    fn ask<T: DeserializeOwned>(&mut self, order: &Order) -> Result<T, Error> {
        send(&mut self.orders, order).map_err(|error| Error::new("order the outsider", error))?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        let failed = |cause: String| Error::new("hear from the outsider", cause);
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err(failed("it ended".to_owned())),
            Ok(_) => serde_json::from_str(&line).map_err(|error| failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    writeln!(to, "{}", serde_json::to_string(message)?)?;
    to.flush()
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
    let failed = |error| Error::new("answer the host", error);
    send(&mut out, &network_path()?).map_err(failed)?;
    for order in Deserializer::from_reader(io::stdin().lock()).into_iter() {
        match order.map_err(|error| Error::new("read an order", error))? {
            Order::Configure { address, prefix } => {
                let configured = configure(LINK, address, prefix);
                send(&mut out, &configured.map_err(|error| format!("{error:#}")))
            }
            Order::Probe { address, timeout } => send(&mut out, &probe(address, timeout)),
        }
        .map_err(failed)?;
    }
    Ok(())
}
