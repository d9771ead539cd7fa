//! A host for one test: network and mount namespaces with a writable copy of this machine's files.
//!
//! The real programs run on a real kernel, and nothing outside changes.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Where the copies lie, inside of the namespace only.
const UPPER: &str = "/mnt/redisguard-test";
/// The directories that can be written.
const COPIED: [&str; 3] = ["etc", "var", "usr/local"];

/// Namespaces that live as long as this value.
pub struct Host {
    holder: Child,
}

impl Host {
    /// A host of its own: no network but loopback, and files that can be changed freely.
    pub fn new() -> Self {
        let host = Self::network_only();
        let mut script = String::from(
            "set -e\nmount --make-rprivate /\nmount -t tmpfs tmpfs /run\n\
             mount -t tmpfs -o size=256m tmpfs /mnt\nmkdir /mnt/redisguard-test\n",
        );
        for folder in COPIED {
            let upper = format!("{UPPER}/{}", folder.replace('/', "-"));
            script.push_str(&format!(
                "mkdir -p {upper}/up {upper}/work\nmount -t overlay overlay \
                 -o lowerdir=/{folder},upperdir={upper}/up,workdir={upper}/work /{folder}\n"
            ));
        }
        // Somebody may have applied redisguard on the machine that runs this test.
        script.push_str(
            "rm -rf /etc/redisguard /var/lib/redisguard /usr/local/sbin/redisguard-install \
             /etc/logrotate.d/redis-port-notice /etc/sysctl.d/60-redisguard.conf \
             /etc/tmpfiles.d/redisguard.conf /etc/systemd/system/redis-port* \
             /etc/systemd/system/*.wants/redis-port* /var/log/redis_port_notice.log\n\
             find /etc /var/lib /usr/local -maxdepth 4 -name '*redisguard*' | (! grep .)\n",
        );
        host.sh(&script);
        host
    }

    /// A network and a mount namespace, with the files of this machine.
    pub fn network_only() -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "--mount", "--fork", "--kill-child", "sh", "-c"])
            .arg(
                // Waiting for duplicate addresses would make the first seconds of a test differ.
                "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
                 ip link set lo up && echo up && exec sleep infinity",
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut host = Self { holder };
        let mut line = String::new();
        let stdout = host.holder.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert_eq!(line, "up\n");
        host
    }

    /// The process that holds the namespaces: unshare's child.
    pub fn pid(&self) -> u32 {
        let unshare = self.holder.id();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        std::fs::read_to_string(children).unwrap().trim().parse().unwrap()
    }

    /// A command that runs inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let pid = self.pid().to_string();
        command.args(["--target", &pid, "--net", "--mount", "--wdns=/", "--", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a program inside.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().unwrap()
    }

    /// Runs the installer inside. `plan` and `apply` declare that the host runs the rules alone, because nothing
    /// starts the other parts here; [`Self::run`] does without that.
    pub fn install(&self, arguments: &[&str]) -> Output {
        let has = |word| arguments.contains(&word);
        let declares = (has("plan") || has("apply")) && !has("--expect");
        let declared = if declares { &["--expect", "rules"][..] } else { &[] };
        self.run(super::INSTALL, &[arguments, declared].concat())
    }

    /// Runs a shell script inside; it must succeed. What it printed.
    pub fn sh(&self, script: &str) -> String {
        let output = self.run("bash", &["-c", script]);
        assert!(output.status.success(), "{script}\n{}", super::transcript(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All rules of both families, without counters and times.
    pub fn rules(&self) -> String {
        self.sh("iptables-save; ip6tables-save")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| format!("{}\n", line.split(" [").next().unwrap_or_default()))
            .collect()
    }

    /// The counters of all rules.
    pub fn counters(&self) -> String {
        self.sh("iptables-save -c | grep '^\\['; ip6tables-save -c | grep '^\\['")
    }

    /// Every file that differs from this machine's, with its mode and content's sum. Directories
    /// that were only touched do not count.
    pub fn changed_files(&self) -> String {
        let find = format!(
            "cd {UPPER} && find */up \\( -type f -o -type l -o -type c \\) -printf '%p %M %T@ %l ' \
             -exec sh -c 'if [ -f \"$1\" ] && [ ! -L \"$1\" ]; then sha256sum < \"$1\"; else echo; fi' _ {{}} \\; \
             | sort"
        );
        self.sh(&find)
    }

    /// A second host and a cable to it: (this side, that side) have addresses .1 and .2 of
    /// 198.51.100.0/24 and fd00:6379::/64.
    pub fn cabled_to(&self, other: &Self, network: u8) {
        let (here, there) = (format!("here{network}"), format!("there{network}"));
        self.sh(&format!(
            "ip link add {here} type veth peer name {there} netns {}\n\
             ip addr add 198.51.{network}.1/24 dev {here}\n\
             ip addr add fd00:6379:{network}::1/64 dev {here} nodad\nip link set {here} up",
            other.pid()
        ));
        other.sh(&format!(
            "ip addr add 198.51.{network}.2/24 dev {there}\n\
             ip addr add fd00:6379:{network}::2/64 dev {there} nodad\nip link set {there} up"
        ));
    }

    /// Whether a file is there, as the host sees it.
    pub fn has(&self, path: &str) -> bool {
        self.run("test", &["-e", path]).status.success()
    }

    /// Starts something inside that is ended, by its id, when the value is dropped.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Started {
        let mut command = self.command(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        Started(command.spawn().unwrap())
    }

    /// Copies a bundle into the host, out of reach of this machine's files.
    pub fn copy_in(&self, from: &Path, to: &str) {
        self.sh(&format!("mkdir -p {to} && cp -r {}/. {to}", from.display()));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // With --kill-child the holder, and with it the namespaces, goes too.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A process of a test's own.
pub struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
