//! Owns the contestants: sequences of commands, and the time that they take from start to end.

use super::site::{Bundle, program};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Where a host's own programs are: what root has on Debian.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Commands that run one after the other.
pub struct Contestant {
    pub name: &'static str,
    steps: Vec<Step>,
}

struct Step {
    program: String,
    arguments: Vec<String>,
    input: Option<PathBuf>,
}

impl Contestant {
    pub fn new(name: &'static str) -> Self {
        Self { name, steps: Vec::new() }
    }

    /// One more command, with a file as its standard input.
    pub fn then(mut self, program: &str, arguments: &[&str], input: Option<PathBuf>) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.steps.push(Step { program: program.to_owned(), arguments, input });
        self
    }

    /// `redisguard-install` with a bundle.
    pub fn ours(name: &'static str, bundle: &Bundle, verb: &[&str]) -> Self {
        let path = bundle.path();
        let arguments = [&["--bundle", path.to_str().unwrap()], verb].concat();
        Self::new(name).then(program(), &arguments, None)
    }

    /// The program where it was installed, with a bundle.
    pub fn installed(name: &'static str, bundle: &Bundle, verb: &[&str]) -> Self {
        let path = bundle.path();
        let arguments = [&["--bundle", path.to_str().unwrap()], verb].concat();
        Self::new(name).then("/usr/local/sbin/redisguard-install", &arguments, None)
    }

    /// Seconds from the first start to the last end.
    pub fn run(&self) -> f64 {
        let started = Instant::now();
        for step in &self.steps {
            let input = match &step.input {
                Some(path) => Stdio::from(File::open(path).unwrap()),
                None => Stdio::null(),
            };
            let mut command = Command::new(&step.program);
            command
                .env("PATH", PATH)
                .args(&step.arguments)
                .stdin(input)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let status = command.status().unwrap();
            assert!(status.success(), "{}: {} {:?}", self.name, step.program, step.arguments);
        }
        started.elapsed().as_secs_f64()
    }
}

/// Both families' rules given to the bare tools.
pub fn restore(name: &'static str, bundle: &Bundle, checked: bool) -> Contestant {
    let files =
        ["v4", "v6"].map(|family| bundle.artifact(&format!("/etc/redisguard/rules.{family}")));
    let mut contestant = Contestant::new(name);
    for arguments in [&["--noflush", "--test"][..], &["--noflush"][..]] {
        if arguments.len() > 1 && !checked {
            continue;
        }
        for (program, file) in ["iptables-restore", "ip6tables-restore"].iter().zip(&files) {
            contestant = contestant.then(program, arguments, Some(file.clone()));
        }
    }
    contestant
}

/// Ansible's own module: four rules that drop two ports, in one play on this host. `None` where the
/// tests have not installed Ansible yet.
pub fn ansible(name: &'static str, folder: &Path) -> Option<Contestant> {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ansible");
    let mut places = std::fs::read_dir(store).ok()?.flatten().map(|entry| entry.path());
    let place = places.find(|place| place.join("bin/ansible-playbook").is_file())?.join("bin");
    let program = place.join("ansible-playbook");
    let python = format!("ansible_python_interpreter={}", place.join("python3").display());
    let mut play =
        String::from("- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n");
    for version in ["ipv4", "ipv6"] {
        for port in ["6379", "6380"] {
            play += &format!(
                "    - ansible.builtin.iptables: {{ip_version: {version}, chain: INPUT, protocol: tcp, \
                 in_interface: '!lo', destination_port: '{port}', jump: DROP}}\n"
            );
        }
    }
    let playbook = folder.join("play.yml");
    std::fs::write(&playbook, play).unwrap();
    Some(Contestant::new(name).then(
        program.to_str()?,
        &["-i", "localhost,", "-e", &python, playbook.to_str()?],
        None,
    ))
}

/// What many scripts do: every rule is looked for, and added if it is not there.
pub fn script(name: &'static str, bundle: &Bundle) -> Contestant {
    let mut text = String::new();
    for (tool, family) in [("iptables", "v4"), ("ip6tables", "v6")] {
        let rules = bundle.artifact(&format!("/etc/redisguard/rules.{family}"));
        let mut table = "";
        for line in std::fs::read_to_string(rules).unwrap().leak().lines() {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if let Some(chain) = verb.strip_prefix(':') {
                text += &format!(
                    "{tool} -t {table} -n -L {chain} >/dev/null 2>&1 || {tool} -t {table} -N {chain}\n"
                );
            } else if verb == "-A" || verb == "-I" {
                // To look for a rule its place is left out.
                let (chain, rule) = rest.split_once(' ').unwrap();
                let (_, placeless) = rule.split_once(' ').unwrap();
                let rule = if verb == "-I" { placeless } else { rule };
                let check = format!("{chain} {rule}");
                text += &format!(
                    "{tool} -t {table} -C {check} 2>/dev/null || {tool} -t {table} {verb} {rest}\n"
                );
            }
        }
    }
    Contestant::new(name).then("sh", &["-e", "-c", &text], None)
}
