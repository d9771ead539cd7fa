//! Owns a server's life as a process: its folder, its port, when it is ready, and its end. Must
//! never leave a process behind.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::account;
use crate::stage::Stage;

/// How long a server may take to start, and to stop.
const START_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that runs until it is dropped.
pub struct Server {
    pub name: &'static str,
    pub address: SocketAddr,
    /// The request of its clients.
    pub request: &'static [u8],
    child: Child,
    folder: TempDir,
    /// The client that has its only place, where [`Server::fill`] was called.
    held: Option<TcpStream>,
}

impl Server {
    /// Starts what `command` makes of an empty folder and a free port, and waits until it accepts.
    pub fn start(
        stage: &Stage,
        name: &'static str,
        address: Ipv4Addr,
        request: &'static [u8],
        command: impl Fn(&Path, u16) -> Command,
    ) -> Server {
        let folder = TempDir::new().unwrap();
        let address = SocketAddr::from((address, free_port()));
        let wanted = command(folder.path(), address.port());
        // Whatever ends the bench ends its servers, and a master takes its workers along.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(wanted.get_program()).args(wanted.get_args());
        command
            .env_remove("NOTIFY_SOCKET")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(File::create(folder.path().join("stderr")).unwrap());
        let child = stage.on_server_core(|| command.spawn());
        let child = child.unwrap_or_else(|cause| panic!("could not start {name}: {cause}"));
        let mut server = Server { name, address, request, child, folder, held: None };
        server.wait_until_ready();
        server
    }

    /// Every process of the server.
    pub fn processes(&self) -> Vec<u32> {
        account::family(self.child.id())
    }

    /// Takes the one place of a server that has no more.
    pub fn fill(&mut self) {
        let latest = Instant::now() + START_STOP_TIMEOUT;
        while self.held.is_none() {
            assert!(Instant::now() < latest, "the place of {} is never free", self.name);
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream.set_read_timeout(Some(START_STOP_TIMEOUT)).unwrap();
            // A line, so that an answer comes in any case. The place is ours if it is a pong.
            let mut answer = [0; 5];
            let asked = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut answer));
            if asked.is_ok() && answer == *b"+PONG" {
                self.held = Some(stream);
            }
        }
    }

    fn wait_until_ready(&mut self) {
        let latest = Instant::now() + START_STOP_TIMEOUT;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap().is_some();
            if ended || Instant::now() > latest {
                let said = std::fs::read_to_string(self.folder.path().join("stderr"));
                panic!("{} does not accept: {}", self.name, said.unwrap_or_default());
            }
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // In good order, so that a master takes its workers along.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let latest = Instant::now() + START_STOP_TIMEOUT;
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > latest {
                let _ = self.child.kill();
            }
            sleep(Duration::from_millis(10));
        }
    }
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("0.0.0.0:0").unwrap();
    probe.local_addr().unwrap().port()
}
