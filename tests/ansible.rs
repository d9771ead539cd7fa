//! The playbooks over real SSH against a booted host, and the collection before its linter.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

#[allow(unused_imports, reason = "other tests need more of it")]
mod support;

use redisguard::probe::Outcome;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::machine::{ADDRESSES, Machine, Output};
use tempfile::TempDir;

const SITE: &str = "ansible/site.yml";
const REMOVE: &str = "ansible/remove.yml";
const TREE: [&str; 3] = ["ansible", "ansible.cfg", "generated"];

/// The directory of Ansible's programs, or `None` after saying why there is none.
fn ansible() -> Option<PathBuf> {
    support::python_tools("ansible")
}

/// Has a command of Ansible's find its programs, and keep what it remembers below a directory.
fn prepare(command: &mut Command, programs: &Path, directory: &Path) {
    let path = std::env::var("PATH").unwrap();
    command
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("ANSIBLE_HOME", directory.join("home"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("NO_COLOR", "1");
}

fn said(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// A repository in which everything is built, to run playbooks from.
fn repository() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for name in TREE {
        copy(&support::root().join(name), root);
    }
    fs::create_dir_all(root.join("target/release")).unwrap();
    let stripped = Command::new("strip")
        .arg(support::INSTALL)
        .arg("-o")
        .arg(root.join("target/release/redisguard-install"))
        .status();
    assert!(stripped.unwrap().success());
    directory
}

/// A controller beside a machine, whose user there is not root.
struct Controller {
    programs: PathBuf,
    machine: Machine,
    directory: TempDir,
}

impl Controller {
    fn of(mut machine: Machine, programs: PathBuf) -> Self {
        const USER: &str = "useradd --create-home --shell /bin/bash --password '*' deploy
            cp -r /root/.ssh /home/deploy/ && chown -R deploy: /home/deploy/.ssh
            echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy";
        let ssh = machine.start_sshd();
        machine.run(&["bash", "-ec", USER]).ok();
        let directory = repository();
        let options = "-F /dev/null -o ControlPath=none -o StrictHostKeyChecking=no \
                       -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=2";
        let inventory = format!(
            "redis_hosts:\n  hosts:\n    down: {{ansible_host: 10.63.79.99}}\n    \
             one: {{ansible_host: {address}}}\n    other: {{ansible_host: {address}}}\n  vars:\n    \
             ansible_user: deploy\n    ansible_ssh_private_key_file: {key}\n    \
             ansible_ssh_common_args: {options}\n",
            address = ssh.address,
            key = ssh.key.display(),
        );
        fs::write(directory.path().join("inventory.yml"), inventory).unwrap();
        Self { programs, machine, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a playbook from the repository's root, in the network outside the machine.
    fn play(&self, playbook: &str, options: &[&str]) -> Played {
        let program = self.programs.join("ansible-playbook");
        let mut command = self.machine.outside_command(program.to_str().unwrap());
        prepare(&mut command, &self.programs, self.directory.path());
        Played(said(command.args(["-i", "inventory.yml", playbook]).args(options)))
    }

    /// The host's files, less what logins and logs write and the directories that Ansible keeps for
    /// the next run, and the kernel's rules: a line for each.
    fn look(&self) -> Vec<String> {
        const OTHERS: [&str; 3] = ["/home/deploy/.ansible", "/home/deploy/.ansible/tmp", "/root"];
        let files =
            self.machine.changed_contents().into_iter().filter(|(path, _)| {
                !OTHERS.contains(&path.as_str()) && !path.starts_with("/var/log/")
            });
        let files = files.map(|(path, changed)| format!("{path} {changed:?}"));
        let rules = self.machine.iptables_save();
        let counter = |word: &&str| !(word.starts_with('[') && word.ends_with(']'));
        let plain = |line: &str| line.split(' ').filter(counter).collect::<Vec<_>>().join(" ");
        files.chain(rules.lines().map(plain)).collect()
    }

    /// Sets a variable of one host.
    fn set(&self, host: &str, variable: &str, value: &dyn std::fmt::Display) {
        fs::create_dir_all(self.path("host_vars")).unwrap();
        fs::write(self.path(&format!("host_vars/{host}.yml")), format!("{variable}: {value}\n"))
            .unwrap();
    }

    /// What a client outside meets at the reserved ports, over both families.
    fn outsiders_meet(&self) -> Vec<&'static str> {
        let outcomes = [6379, 6380].map(|port| self.machine.meets(port));
        outcomes.as_flattened().iter().map(redisguard::probe::Outcome::word).collect()
    }
}

/// What a playbook's run said.
struct Played(Output);

impl Played {
    /// A number of a host's recap.
    fn count(&self, host: &str, what: &str) -> u32 {
        let recap = self.0.stdout.lines().find(|line| line.starts_with(&format!("{host} ")));
        let recap = recap.unwrap_or_else(|| panic!("{host} is not in the recap:\n{self}"));
        let number =
            recap.split_whitespace().find_map(|word| word.strip_prefix(&format!("{what}=")));
        number.unwrap().parse().unwrap()
    }

    /// A run in which this host succeeded, with so many changes.
    #[track_caller]
    fn changed(self, host: &str, changes: u32) -> Self {
        let counts = ["changed", "failed", "unreachable"].map(|what| self.count(host, what));
        assert_eq!(counts, [changes, 0, 0], "changed, failed, unreachable of {host}:\n{self}");
        self
    }

    /// A run in which this host failed, with these words.
    #[track_caller]
    fn failed(self, host: &str, words: &str) -> Self {
        assert_eq!((self.0.code, self.count(host, "failed")), (2, 1), "{self}");
        self.says(words)
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        assert!(self.0.stdout.contains(words), "{words:?} is not in:\n{self}");
        self
    }
}

impl std::fmt::Display for Played {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}\n{}", self.0.stdout, self.0.stderr)
    }
}

/// One host from bare to guarded and back: each part begins where the one before ended.
#[test]
fn a_fleet_is_guarded_mended_and_freed_over_ssh() {
    let Some(programs) = ansible() else { return };
    let Some(machine) = Machine::boot("ansible") else { return };
    let fleet = Controller::of(machine, programs);
    let bare = fleet.look();

    check_mode_shows_all_and_leaves_nothing(&fleet, &bare);
    an_altered_bundle_is_refused_and_stops_the_rest(&fleet, &bare);
    a_program_for_another_architecture_is_refused(&fleet, &bare);
    let session = an_open_session_is_not_cut_without_a_word(&fleet, &bare);
    a_host_is_guarded_and_a_host_that_is_down_fails_alone(&fleet, session);
    drift_is_mended(&fleet);
    what_cannot_be_mended_is_told(&fleet);
    removal_leaves_what_was_there(&fleet, &bare);
    the_collection_installs_and_works(&fleet);
}

/// Compares two looks at the host, less the lines that do not count.
#[track_caller]
fn assert_same(now: &[String], before: &[String], uncounted: impl Fn(&str) -> bool) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line) && !uncounted(line)).cloned().collect()
    };
    let (more, less) = (only(now, before), only(before, now));
    assert!(more.is_empty() && less.is_empty(), "more:\n{more:#?}\nless:\n{less:#?}");
}

fn nothing(_: &str) -> bool {
    false
}

fn check_mode_shows_all_and_leaves_nothing(fleet: &Controller, bare: &[String]) {
    assert_eq!(fleet.outsiders_meet(), ["refused"; 4]);
    fleet
        .play(SITE, &["--check", "--diff", "--limit=one"])
        .changed("one", 1)
        .says("+++ b/etc/redisguard/rules.v4")
        .says("+-A REDISGUARD")
        .says("rules REDISGUARD: load (IPv4: no rules of ours are loaded;")
        .says("unit redis-port-notice.service: start");
    assert_same(&fleet.look(), bare, nothing);
    fleet.play(REMOVE, &["--check", "--limit=one"]).changed("one", 0);
    assert_same(&fleet.look(), bare, nothing);
}

fn an_altered_bundle_is_refused_and_stops_the_rest(fleet: &Controller, bare: &[String]) {
    let altered = fleet.path("altered");
    copy(&fleet.path("generated"), &altered);
    let rules = altered.join("host/etc/redisguard/rules.v4");
    fs::write(&rules, fs::read_to_string(&rules).unwrap().replace("DROP", "ACCEPT")).unwrap();
    fleet.set("one", "redisguard_bundle", &altered.display());
    let played = fleet.play(SITE, &[]).failed("one", "host/etc/redisguard/rules.v4 was altered");
    // Reached and taken along, and no more; it would have been right.
    assert_eq!(played.count("other", "ok"), 2, "{played}");
    assert_eq!(played.count("down", "unreachable"), 1, "{played}");
    assert_same(&fleet.look(), bare, nothing);
}

fn a_program_for_another_architecture_is_refused(fleet: &Controller, bare: &[String]) {
    let mut program = fs::read(fleet.path("target/release/redisguard-install")).unwrap();
    // e_machine of the ELF header: S/390, on which nobody tests.
    program[18..20].copy_from_slice(&22_u16.to_le_bytes());
    let foreign = fleet.path("foreign");
    fs::write(&foreign, program).unwrap();
    fleet.set("one", "redisguard_binary", &foreign.display());
    fleet.play(SITE, &["--limit=one"]).failed("one", "it is built for s390x, this host is ");
    assert_same(&fleet.look(), bare, nothing);
    fs::remove_dir_all(fleet.path("host_vars")).unwrap();
}

fn an_open_session_is_not_cut_without_a_word(fleet: &Controller, bare: &[String]) -> TcpStream {
    const REDIS: &str = "systemd-run --quiet --unit=old-redis redis-server --port 6380 --bind 0.0.0.0 \
        --protected-mode no --save ''";
    fleet.machine.run(&["bash", "-ec", REDIS]).ok();
    let here = [Outcome::Served("+PONG".to_owned()), Outcome::Refused];
    let started = Instant::now();
    while fleet.machine.reaches(6380) != here {
        assert!(started.elapsed() < Duration::from_secs(60), "no Redis on 6380");
        std::thread::sleep(Duration::from_millis(20));
    }
    let address = SocketAddr::new(ADDRESSES[0], 6380);
    let session = fleet.machine.enter_outside(|| TcpStream::connect(address).unwrap());
    let refused = fleet.play(SITE, &["--limit=one"]);
    refused.failed("one", "it would cut sessions that are open right now");
    assert_same(&fleet.look(), bare, nothing);
    session
}

fn a_host_is_guarded_and_a_host_that_is_down_fails_alone(
    fleet: &Controller,
    mut session: TcpStream,
) {
    // Hardened hosts do not let users run what they wrote.
    const NOEXEC: &str = "mount --bind /home /home && mount -o remount,bind,noexec /home
        cp /bin/true /home/deploy/ && ! /home/deploy/true && rm /home/deploy/true";
    fleet.machine.run(&["bash", "-ec", NOEXEC]).ok();
    let cut = ["--limit=one,down", "--extra-vars={\"redisguard_cut_sessions\": true}"];
    let played = fleet.play(SITE, &cut).changed("one", 1);
    assert!(played.to_string().contains("is connected right now"), "{played}");
    let asked = session.write_all(b"PING\r\n").and_then(|()| session.read(&mut [0; 8]));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::ConnectionReset);
    fleet.machine.run(&["systemctl", "stop", "old-redis"]).ok();
    // Ansible's own status for hosts that it could not reach.
    assert_eq!((played.0.code, played.count("down", "unreachable")), (4, 1), "{played}");
    assert_eq!(fleet.outsiders_meet(), ["silence"; 4]);
    let listener = ["redis-cli", "-p", "6379", "ping"];
    assert!(fleet.machine.run(&listener).stdout.contains("PORTCLOSED"));

    let guarded = fleet.look();
    let again = fleet.play(SITE, &["--limit=one", "--diff"]).changed("one", 0);
    assert_eq!(again.0.code, 0, "{again}");
    assert_same(&fleet.look(), &guarded, nothing);
}

fn drift_is_mended(fleet: &Controller) {
    let guarded = fleet.look();
    // The receipt says when it was written; what somebody edited is kept.
    let receipt = |line: &str| {
        line.starts_with("/var/lib/redisguard/receipt.json ")
            || line.starts_with("/var/lib/redisguard/edited")
    };
    let mended = |damage: &str, words: [&str; 2]| {
        fleet.machine.run(&["bash", "-ec", damage]).ok();
        let played = fleet.play(SITE, &["--limit=one", "--diff"]).changed("one", 1);
        words.into_iter().fold(played, Played::says);
        assert_same(&fleet.look(), &guarded, receipt);
    };
    mended(
        "systemctl stop redis-ports-check.timer; ip6tables -D INPUT 1
         echo 'idle = 1' >>/etc/redisguard/notice.toml",
        ["load (IPv6: filter: the jump from INPUT is missing)", "\n-idle = 1\n"],
    );
    mended(
        "cp --remove-destination /bin/true /usr/local/sbin/redisguard-install
         echo >>/var/lib/redisguard/bundle/host/etc/redisguard/rules.v4",
        ["replace by this program", "/var/lib/redisguard/receipt.json: write"],
    );
    // Active for systemd, and mute.
    mended("systemctl kill --signal=STOP redis-port-notice.service", ["restart", "stopped"]);
    fleet.play(SITE, &["--limit=one", "--check"]).changed("one", 0);
}

fn what_cannot_be_mended_is_told(fleet: &Controller) {
    // What an administrator masked stays so until they say otherwise.
    let unit = "/etc/systemd/system/redis-port-notice.service";
    let masked =
        format!("mv {unit} /run/unit && ln -s /dev/null {unit} && systemctl daemon-reload");
    fleet.machine.run(&["bash", "-ec", &masked]).ok();
    let words = "could not start redis-port-notice.service: an administrator has masked it";
    fleet.play(SITE, &["--limit=one"]).failed("one", words);
    let unmasked = format!("mv /run/unit {unit} && systemctl daemon-reload");
    fleet.machine.run(&["bash", "-ec", &unmasked]).ok();
}

fn removal_leaves_what_was_there(fleet: &Controller, bare: &[String]) {
    let guarded = fleet.look();
    fleet
        .play(REMOVE, &["--check", "--diff", "--limit=one"])
        .changed("one", 1)
        .says("rules REDISGUARD: unload");
    assert_same(&fleet.look(), &guarded, nothing);
    // The host's own program is enough.
    fs::rename(fleet.path("target"), fleet.path("target-elsewhere")).unwrap();
    fleet.play(REMOVE, &["--limit=one"]).changed("one", 1);
    fs::rename(fleet.path("target-elsewhere"), fleet.path("target")).unwrap();
    assert_eq!(fleet.outsiders_meet(), ["refused"; 4]);
    // A table that was used stays, without a rule.
    let empty = |line: &str| {
        let rule = line.split_once(": ").map_or("", |(_, rule)| rule);
        ["*", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT", "COMMIT"]
            .iter()
            .any(|start| rule.starts_with(start))
    };
    assert_same(&fleet.look(), bare, empty);
}

fn the_collection_installs_and_works(fleet: &Controller) {
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(fleet.programs.join(program));
        prepare(&mut command, &fleet.programs, fleet.directory.path());
        said(command.args(arguments)).ok()
    };
    run("ansible-galaxy", &["collection", "build", "ansible", "--output-path", "packed"]);
    let packed = "packed/commsops-redisguard-0.1.0.tar.gz";
    run(
        "ansible-galaxy",
        &["collection", "install", "--offline", "-p", "elsewhere/collections", packed],
    );
    let play = "- hosts: redis_hosts\n  gather_facts: false\n  roles:\n    - role: commsops.redisguard.redisguard\n      \
                redisguard_bundle: ../generated\n      redisguard_binary: ../target/release/redisguard-install\n";
    fs::write(fleet.path("elsewhere/play.yml"), play).unwrap();
    // Nothing of the repository's own is found there.
    fs::rename(fleet.path("ansible.cfg"), fleet.path("elsewhere/unread.cfg")).unwrap();
    fleet.play("elsewhere/play.yml", &["--check", "--limit=one"]).changed("one", 1);
}

#[test]
fn the_collection_satisfies_its_linter() {
    let Some(programs) = ansible() else { return };
    let home = tempfile::tempdir().unwrap();
    for name in TREE.iter().chain(&[".ansible-lint"]) {
        copy(&support::root().join(name), home.path());
    }
    let mut lint = Command::new(programs.join("ansible-lint"));
    prepare(&mut lint, &programs, home.path());
    said(lint.args(["--strict", "--nocolor", "ansible"])).ok();
    let mut documentation = Command::new(programs.join("ansible-doc"));
    prepare(&mut documentation, &programs, home.path());
    let text = said(documentation.args(["--type", "module", "redisguard"])).ok();
    assert!(text.contains("choices: [present, absent]"), "{text}");
}

#[test]
fn the_table_of_variables_is_that_of_the_role() {
    let Some(programs) = ansible() else { return };
    let mut command = Command::new(programs.join("python3"));
    command
        .current_dir(support::root())
        .args(["tests/ansible/variables.py", "ansible/roles/redisguard"]);
    let table = said(&mut command).ok();
    let readme = fs::read_to_string(support::root().join("ansible/README.md")).unwrap();
    assert!(readme.contains(&format!("\n\n{table}\n")), "ansible/README.md lacks:\n{table}");
}
