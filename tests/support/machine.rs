//! A booted Debian host for one test.
//!
//! systemd-nspawn boots systemd on a copy-on-write overlay of the tree that `tests/tools/base-tree`
//! builds, in a network with one neighbour outside. Several hosts may share that neighbour.
//!
//! Everything lives in namespaces whose first process (`tests/tools/hold-machine`) ends with this
//! one, however it ends. Nothing is named on the host but a cgroup, after this process.

mod files;
mod needs;
mod network;
mod ssh;
mod user_namespace;

#[allow(unused_imports)]
pub use self::{
    files::{Changed, What},
    needs::cgroups,
    network::{ADDRESSES, addresses},
    ssh::Ssh,
};

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The size of a machine's disk, as mount(8) takes it.
const DISK: &str = "1G";
/// How long anything may take before it counts as stuck. No test waits for it.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The directory of what a machine is, in its own mount namespace.
const MACHINE_DIRECTORY: &str = "run/machine";
/// What is entered to be in the machine.
const NAMESPACES: [&str; 5] = ["--mount", "--uts", "--ipc", "--net", "--pid"];

/// A host. Dropped, it is switched off the hard way, and gone.
pub struct Machine {
    name: String,
    /// The last part of its addresses.
    number: u8,
    holder: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    /// The holder as the host numbers it.
    holder_pid: u32,
    container: Option<Container>,
    console: File,
    keys: Option<TempDir>,
    /// Whether it is a container with users of its own, which may make no mount namespaces.
    is_small: bool,
}

/// The network outside of a machine.
enum Neighbour<'a> {
    /// One at the other end of a cable.
    Own,
    /// One with a bridge, to which others may be joined.
    ToShare,
    /// That of another machine, by its network namespace.
    Of(&'a Path),
}

/// What runs while the machine is on.
struct Container {
    nspawn: Child,
    /// The machine's systemd as the host numbers it.
    init: u32,
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its exit status; -1 where a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output of a command that must end with this status.
    #[track_caller]
    pub fn ended(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The standard output of a command that must succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        self.ended(0)
    }
}

impl Machine {
    /// A machine that runs, or `None` where none can, after saying why.
    pub fn boot(name: &str) -> Option<Self> {
        let mut machine = Self::switched_off(name)?;
        machine.switch_on();
        Some(machine)
    }

    /// Machines that run, on one link with one neighbour outside: that of the first.
    pub fn boot_fleet(name: &str, count: u8) -> Option<Vec<Self>> {
        let mut first = Self::made(name, network::FIRST, Neighbour::ToShare)?;
        let outside = first.outside_namespace();
        let others = network::FIRST + 1..network::FIRST + count;
        let mut machines: Vec<Self> = others
            .map(|number| Self::made(name, number, Neighbour::Of(&outside)))
            .collect::<Option<_>>()?;
        thread::scope(|scope| {
            machines.iter_mut().for_each(|machine| drop(scope.spawn(|| machine.switch_on())));
            first.switch_on();
        });
        machines.insert(0, first);
        Some(machines)
    }

    /// A machine that has its files but was not switched on yet.
    pub fn switched_off(name: &str) -> Option<Self> {
        Self::made(name, network::FIRST, Neighbour::Own)
    }

    fn made(name: &str, address: u8, neighbour: Neighbour<'_>) -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let base = needs::base_tree()?;
        needs::sweep();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{number}-{name}", needs::PREFIX, std::process::id());
        let console = tempfile::tempfile().expect("a temporary file");
        let mut holder = match neighbour {
            Neighbour::Of(outside) => {
                let mut nsenter = Command::new("nsenter");
                nsenter.arg(format!("--net={}", outside.display())).args(["--", "unshare"]);
                nsenter
            }
            Neighbour::Own | Neighbour::ToShare => Command::new("unshare"),
        };
        let link = match neighbour {
            Neighbour::Own => "cable",
            Neighbour::ToShare => "bridge",
            Neighbour::Of(_) => "guest",
        };
        let mut holder = holder
            .args(["--mount", "--propagation=private", "--pid", "--mount-proc", "--kill-child"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/hold-machine"))
            .args([base.as_os_str(), OsStr::new(&name), OsStr::new(DISK)])
            .args([link, &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(console.try_clone().expect("the console"))
            .spawn()
            .expect("unshare");
        let requests = holder.stdin.take();
        let replies = BufReader::new(holder.stdout.take().expect("a pipe"));
        let mut machine = Self {
            name,
            number: address,
            holder,
            requests,
            replies,
            holder_pid: 0,
            container: None,
            console,
            keys: None,
            is_small: false,
        };
        machine.wait_until_made();
        machine.holder_pid = children(machine.holder.id())[0];
        machine.request("rewire");
        Some(machine)
    }

    /// Boots a machine that is off, and waits until systemd has nothing left to do.
    pub fn switch_on(&mut self) {
        assert!(self.container.is_none(), "it is on");
        let network = match self.is_small {
            false => "--network-namespace-path=/run/netns/guest".to_owned(),
            true => {
                let users = user_namespace::USERS;
                format!("--private-network --private-users={users} --private-users-ownership=chown")
            }
        };
        // In a cgroup of its own, so that this process keeps its place.
        let start = format!(
            "echo $$ >/sys/fs/cgroup/{0}/cgroup.procs && exec systemd-nspawn --quiet --boot \
             --directory=/run/machine/root --machine={0} --register=no --keep-unit \
             --console=pipe {network} \
             --capability=CAP_NET_ADMIN,CAP_NET_RAW --kill-signal=SIGRTMIN+4 \
             --resolv-conf=off --timezone=off --link-journal=no",
            self.name
        );
        let nspawn = enter(self.holder_pid, &["--mount", "--pid"])
            .args(["bash", "-c", &start])
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network")
            .stdin(Stdio::null())
            .stdout(self.console.try_clone().expect("the console"))
            .stderr(self.console.try_clone().expect("the console"))
            .spawn()
            .expect("nsenter");
        self.container = Some(Container { nspawn, init: 0 });
        let started = Instant::now();
        let mut is_connected = false;
        loop {
            let container = self.container.as_mut().expect("it was just set");
            let ended = container.nspawn.try_wait().expect("wait for systemd-nspawn");
            if ended.is_some() || started.elapsed() > COMMAND_TIMEOUT {
                panic!("{} did not boot ({ended:?}):\n{}", self.name, self.console());
            }
            container.init = container_init(container.nspawn.id()).unwrap_or_default();
            let container = self.container.as_ref().expect("it was just set");
            if container.init != 0 {
                if self.is_small && !is_connected {
                    is_connected = true;
                    self.connect(container);
                    self.limit_namespaces(0);
                }
                let state = self.run(&["systemctl", "is-system-running"]).stdout;
                // The link's last step is a timer of the kernel's; IPv6 waits for it.
                let link = self.outside(&["ip", "-o", "link", "show", "wire"]).stdout;
                if matches!(state.trim(), "running" | "degraded") && link.contains("state UP") {
                    return;
                }
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Has systemd shut the machine down.
    pub fn switch_off(&mut self) {
        let mut container = self.container.take().expect("it is off");
        let done = Command::new("kill")
            .args(["-s", "RTMIN+4", &container.init.to_string()])
            .status()
            .expect("kill");
        assert!(done.success(), "could not reach systemd in {}", self.name);
        let started = Instant::now();
        while container.nspawn.try_wait().expect("wait for systemd-nspawn").is_none() {
            assert!(
                started.elapsed() < COMMAND_TIMEOUT,
                "{} stays on:\n{}",
                self.name,
                self.console()
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Shuts it down and boots it again. The kernel's rules do not outlive that.
    pub fn reboot(&mut self) {
        self.switch_off();
        self.request("rewire");
        self.switch_on();
    }

    /// Runs a command in the machine, as root.
    pub fn run(&self, command: &[&str]) -> Output {
        let container = self.container.as_ref().expect("it is off");
        output(bounded(container.init, &self.namespaces()).args(command), &[])
    }

    /// What is entered to be in the machine.
    fn namespaces(&self) -> Vec<&'static str> {
        let users = self.is_small.then_some("--user");
        users.into_iter().chain(NAMESPACES).collect()
    }

    /// Runs a command of this host in the network of the machine, with its files in
    /// /run/machine/root; also while it is off.
    pub fn beside(&self, command: &[&str]) -> Output {
        let mut entered = bounded(self.holder_pid, &["--mount", "--pid"]);
        output(entered.args(["ip", "netns", "exec", "guest"]).args(command), &[])
    }

    fn request(&mut self, word: &str) {
        let requests = self.requests.as_mut().expect("the machine is held");
        writeln!(requests, "{word}").expect("the holder listens");
        self.wait_until_made();
    }

    fn wait_until_made(&mut self) {
        let mut line = String::new();
        self.replies.read_line(&mut line).expect("the holder answers");
        assert_eq!(line, "made\n", "{} was not made:\n{}", self.name, self.console());
    }

    /// What the machine and those that made it printed.
    pub fn console(&self) -> String {
        let mut text = vec![0; 1 << 16];
        let length = self.console.read_at(&mut text, 0).unwrap_or_default();
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    /// Where the machine's directories are, as this process sees them. A link in there leads into
    /// this host's own files: only for what is not followed.
    fn machine_directory(&self) -> PathBuf {
        Path::new("/proc").join(self.holder_pid.to_string()).join("root").join(MACHINE_DIRECTORY)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The holder ends, and with it all that is in its namespaces.
        drop(self.requests.take());
        let _ = self.holder.wait();
        if let Some(mut container) = self.container.take() {
            let _ = container.nspawn.wait();
        }
        needs::remove_cgroup(&self.name);
    }
}

/// A command line that enters namespaces of a process, without this process's environment.
fn enter(process: u32, spaces: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.env_clear().env("LANG", "C.UTF-8").env("HOME", "/root").env("TERM", "dumb");
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.args(["--target", &process.to_string()]).args(spaces).arg("--");
    command
}

/// The same for a command that must end.
fn bounded(process: u32, spaces: &[&str]) -> Command {
    let seconds = COMMAND_TIMEOUT.as_secs().to_string();
    let mut command = enter(process, spaces);
    command.args(["timeout", "--kill-after=5", &seconds]);
    command
}

/// Runs a command to its end, with what it reads from its standard input.
fn output(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("could not run {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // One that does not read ends the writing, not the test.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let said = child.wait_with_output().expect("wait for a command");
    drop(writer.join());
    Output {
        code: said.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&said.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&said.stderr).into_owned(),
    }
}

/// The children of a process that has one thread.
fn children(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    list.unwrap_or_default().split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The container's first process: nsenter has systemd-nspawn as its child, and that has it.
fn container_init(nsenter: u32) -> Option<u32> {
    let first = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        // As numbered here, in the holder's namespace, and in its own.
        let numbers: Vec<&str> = numbers.unwrap_or_default().split_whitespace().collect();
        numbers.len() > 2 && numbers.last() == Some(&"1")
    };
    let nspawn = children(nsenter).into_iter();
    nspawn.flat_map(children).find(first)
}
