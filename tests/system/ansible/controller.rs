//! An Ansible controller beside the hosts, whose users are not root.

use super::playbook_run::Played;
use crate::support::machine::{Machine, Output};
use crate::support::{self, python_tools};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a repository's root has that playbooks need.
pub const TREE: [&str; 3] = ["ansible", "ansible.cfg", "generated"];

/// A release line of ansible-core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Newest,
    Second,
    Third,
}

impl Engine {
    pub const ALL: [Self; 3] = [Self::Newest, Self::Second, Self::Third];

    /// The directory of its programs, or `None` after saying why there is none.
    pub fn programs(self) -> Option<PathBuf> {
        python_tools(match self {
            Self::Newest => "ansible",
            Self::Second => "ansible-2.18",
            Self::Third => "ansible-2.17",
        })
    }
}

/// Has a command of Ansible's find its programs, and keep what it remembers below a directory.
pub fn prepare(command: &mut Command, programs: &Path, directory: &Path) {
    let path = std::env::var("PATH").unwrap();
    command
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("ANSIBLE_HOME", directory.join("home"))
        // Other runs have hosts of the same addresses: a connection that is shared is to theirs.
        .env("ANSIBLE_SSH_CONTROL_PATH_DIR", directory.join("cp"))
        .env("ANSIBLE_NOCOLOR", "1")
        .env("NO_COLOR", "1");
}

pub fn said(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// Makes a repository in which everything is built, to run playbooks from.
pub fn repository(root: &Path, tree: &Path, program: &Path) {
    fs::create_dir_all(root.join("target/release")).unwrap();
    for name in TREE {
        copy(&tree.join(name), root);
    }
    let stripped = Command::new("strip")
        .arg(program)
        .arg("-o")
        .arg(root.join("target/release/redisguard-install"))
        .status();
    assert!(stripped.unwrap().success());
}

pub struct Controller {
    programs: [PathBuf; 3],
    names: &'static [&'static str],
    pub machines: Vec<Machine>,
    directory: TempDir,
}

impl Controller {
    /// Hosts of these names, and `down`, which is not there. To become root on the second the user needs
    /// a password.
    pub fn boot(names: &'static [&'static str]) -> Option<Self> {
        const USER: &str = "useradd --create-home --shell /bin/bash deploy
            cp -r /root/.ssh /home/deploy/ && chown -R deploy: /home/deploy/.ssh
            echo 'deploy:open sesame' | chpasswd";
        const OPTIONS: &str = "-F /dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR \
            -o UserKnownHostsFile=/dev/null -o ConnectTimeout=2";
        let [newest, second, third] = Engine::ALL.map(Engine::programs);
        let programs = [newest?, second?, third?];
        let mut machines = Machine::boot_fleet("fleet", names.len() as u8)?;
        let mut inventory = format!(
            "redis_hosts:\n  vars:\n    ansible_user: deploy\n    \
             ansible_ssh_common_args: {OPTIONS}\n  hosts:\n    \
             down: {{ansible_host: 10.63.79.99}}\n"
        );
        for (index, (machine, name)) in machines.iter_mut().zip(names).enumerate() {
            let ssh = machine.start_sshd();
            machine.run(&["bash", "-ec", USER]).ok();
            let (right, password) = match index {
                1 => ("ALL", ", ansible_become_password: open sesame"),
                _ => ("NOPASSWD: ALL", ""),
            };
            machine.write_file("/etc/sudoers.d/deploy", format!("deploy ALL=(ALL) {right}\n"));
            inventory.push_str(&format!(
                "    {name}: {{ansible_host: {}, ansible_ssh_private_key_file: {}{password}}}\n",
                ssh.address,
                ssh.key.display()
            ));
        }
        let directory = tempfile::tempdir().unwrap();
        repository(directory.path(), support::root(), Path::new(support::INSTALL));
        fs::write(directory.path().join("inventory.yml"), inventory).unwrap();
        Some(Self { programs, names, machines, directory })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn machine(&self, name: &str) -> &Machine {
        &self.machines[self.names.iter().position(|host| *host == name).unwrap()]
    }

    /// Runs a playbook from the repository's root, in the network outside the machines.
    pub fn play(&self, playbook: &str, options: &[&str]) -> Played {
        self.play_with(Engine::Newest, playbook, options)
    }

    pub fn play_with(&self, engine: Engine, playbook: &str, options: &[&str]) -> Played {
        self.play_from(self.directory.path(), engine, playbook, options)
    }

    /// The same from the root of another repository.
    pub fn play_from(
        &self,
        root: &Path,
        engine: Engine,
        playbook: &str,
        options: &[&str],
    ) -> Played {
        let programs = &self.programs[engine as usize];
        let program = programs.join("ansible-playbook");
        let mut command = self.machines[0].outside_command(program.to_str().unwrap());
        prepare(&mut command, programs, root);
        command.arg("-i").arg(self.path("inventory.yml"));
        Played(said(command.arg(playbook).args(options)))
    }

    /// Runs a program of Ansible's that goes to no host.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(self.programs[0].join(program));
        prepare(&mut command, &self.programs[0], self.directory.path());
        said(command.args(arguments)).ok()
    }

    /// Sets variables of one host, as YAML; with none it has those of the others.
    pub fn set(&self, host: &str, variables: &[(&str, &dyn Display)]) {
        fs::create_dir_all(self.path("host_vars")).unwrap();
        let lines = variables.iter().map(|(name, value)| format!("{name}: {value}\n"));
        fs::write(self.path(&format!("host_vars/{host}.yml")), lines.collect::<String>()).unwrap();
    }

    /// Renders the shipped bundle anew with another word about outsiders.
    pub fn render(&self, external: &str) -> PathBuf {
        let folder = self.path("next");
        fs::create_dir(&folder).unwrap();
        copy(&support::root().join("docs"), &folder);
        let shipped = fs::read_to_string(support::root().join("redisguard.toml")).unwrap();
        let next = shipped.replace("external = \"drop\"", external);
        fs::write(folder.join("redisguard.toml"), next).unwrap();
        said(Command::new(support::GEN).current_dir(&folder)).ok();
        folder.join("generated")
    }

    /// Each host's files, less what logins and logs write and the directories that Ansible keeps for
    /// the next run, and the kernel's rules: a line for each.
    pub fn look_at_all(&self) -> Vec<Vec<String>> {
        self.machines.iter().map(look).collect()
    }

    /// What clients outside meet at the reserved ports of every host, over both families.
    #[track_caller]
    pub fn outsiders_meet(&self, word: &str) {
        for machine in &self.machines {
            let met = [6379, 6380].map(|port| machine.meets(port));
            let words = met.as_flattened().iter().map(|outcome| outcome.kind().to_string());
            let words: Vec<_> = words.collect();
            assert_eq!(words, [word; 4], "at {}", machine.addresses()[0]);
        }
    }
}

fn look(machine: &Machine) -> Vec<String> {
    const OTHERS: [&str; 4] = [
        "/home/deploy/.ansible",
        "/home/deploy/.ansible/tmp",
        "/root",
        "/home/deploy/.sudo_as_admin_successful",
    ];
    let files = machine.changed_contents().into_iter().filter(|(path, _)| {
        !OTHERS.contains(&path.as_str())
            && !path.starts_with("/var/log/")
            && !path.starts_with("/var/lib/sudo/")
    });
    let files = files.map(|(path, changed)| format!("{path} {changed:?}"));
    let rules = machine.iptables_save();
    let counter = |word: &&str| !(word.starts_with('[') && word.ends_with(']'));
    let plain = |line: &str| line.split(' ').filter(counter).collect::<Vec<_>>().join(" ");
    files.chain(rules.lines().map(plain)).collect()
}

/// Compares two looks at the hosts, less the lines that do not count.
#[track_caller]
pub fn assert_same(now: &[Vec<String>], before: &[Vec<String>], uncounted: impl Fn(&str) -> bool) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line) && !uncounted(line)).cloned().collect()
    };
    for (number, (now, before)) in now.iter().zip(before).enumerate() {
        let (more, less) = (only(now, before), only(before, now));
        let same = more.is_empty() && less.is_empty();
        assert!(same, "host {number}: more:\n{more:#?}\nless:\n{less:#?}");
    }
}
