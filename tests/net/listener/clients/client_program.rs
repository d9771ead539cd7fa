//! A client library: how its program in tests/clients runs, and what its user must see.

use std::process::Command;

use crate::listener::harness::{Notice, Seen, run, sentence};
use crate::support::{need, root, tools};

/// A library, as the table in docs/clients.md has it.
pub struct Library {
    pub name: &'static str,
    pub language: &'static str,
    /// What its users catch or get.
    pub raises: &'static str,
    /// In which manners it is used, and how often the sentence is in what the call raises.
    pub manners: &'static [(&'static str, usize)],
    pub program: Program,
}

/// A program in tests/clients; it takes a port, a manner, and the name of a package if it can use
/// several.
pub enum Program {
    /// A library that Debian has.
    Debian {
        interpreter: &'static str,
        script: &'static str,
        package: &'static str,
        /// A command that fails where Debian's package is missing.
        probe: &'static [&'static str],
    },
    /// With a package from PyPI.
    Python { script: &'static str, package: &'static str },
    /// With a package from npm.
    Node { script: &'static str, package: &'static str },
    /// With hiredis.
    C,
    /// With redis-rs from crates.io.
    Rust,
}

impl Library {
    /// Lets a program use the library in every manner. It must end by itself, and what its own call
    /// raised must be the sentence.
    pub fn shows_the_notice(&self) {
        let Some(program) = self.program.ready() else { return };
        let faults: Vec<String> = self
            .manners
            .iter()
            .filter_map(|(manner, times)| self.fault(&program, manner, *times))
            .collect();
        assert!(faults.is_empty(), "{}: {}", self.name, faults.join("\n"));
    }

    /// What is wrong with what the user sees, if anything is.
    fn fault(&self, program: &[String], manner: &str, times: usize) -> Option<String> {
        let notice = Notice::start("");
        let client = self.program.words(program, notice.port, manner);
        let client: Vec<&str> = client.iter().map(String::as_str).collect();
        let seen = run(&client, b"");
        // Libraries take its first word for a code, which some show apart.
        let sentence = sentence(notice.port);
        let (code, words) = sentence.split_once(' ').unwrap();
        let is_right = seen.status.success()
            && seen.stdout.contains(&format!("{}: ", self.raises))
            && [code, words].iter().all(|part| seen.stdout.matches(part).count() == times);
        let Seen { stdout, text, status } = seen;
        (!is_right).then(|| format!("{manner}: {status}, not {times} in {stdout:?} of {text}"))
    }
}

impl Program {
    /// What stands before the port on the command line, or `None` after saying what is missing.
    pub fn ready(&self) -> Option<Vec<String>> {
        let script = |path: &str| root().join("tests/clients").join(path).display().to_string();
        Some(match *self {
            Program::Debian { interpreter, script: path, probe, .. } => {
                let probed = || Command::new(probe[0]).args(&probe[1..]).output().unwrap().status;
                let there = tools(&[interpreter, probe[0]]);
                if !there || !need(&format!("the library of {path}"), probed().success()) {
                    return None;
                }
                vec![interpreter.to_owned(), script(path)]
            }
            Program::Python { script: path, .. } => {
                vec![format!("{}/bin/python", installed("python")?), script(path)]
            }
            Program::Node { script: path, .. } => {
                let modules = format!("NODE_PATH={}/node_modules", installed("node")?);
                vec!["env".to_owned(), modules, "node".to_owned(), script(path)]
            }
            Program::C => vec![format!("{}/hiredis", installed("c")?)],
            Program::Rust => vec![format!("{}/debug/redis-rs", installed("rust")?)],
        })
    }

    /// The whole command line; `program` is what [`Program::ready`] gave.
    pub fn words(&self, program: &[String], port: u16, manner: &str) -> Vec<String> {
        let uses = [port.to_string(), manner.to_owned(), self.package().to_owned()];
        program.iter().cloned().chain(uses).collect()
    }

    fn package(&self) -> &'static str {
        match self {
            Program::Debian { package, .. }
            | Program::Python { package, .. }
            | Program::Node { package, .. } => package,
            Program::C => "hiredis",
            Program::Rust => "redis",
        }
    }
}

/// The directory that tests/tools/clients installed things in: once, for later runs too.
fn installed(language: &str) -> Option<String> {
    let store = concat!(env!("CARGO_TARGET_TMPDIR"), "/clients");
    let tool = root().join("tests/tools/clients");
    let said = Command::new(tool).args([language, store]).output().unwrap();
    let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
    need(&format!("an installation ({why})"), said.status.success())
        .then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
