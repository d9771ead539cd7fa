//! A client library: how its program in tests/clients runs, and what its user must see.

use std::fs;
use std::io::Write;
use std::process::Command;

use crate::listener::harness::{Notice, Seen, run, run_within, sentence};
use crate::support::{need, root, tools};

/// How long a JVM may take for all uses of a library: 5 s were measured with both cores busy.
pub const JVM_SECONDS: u32 = 120;

/// In which manners a library is used, and how often the sentence is in what the call raises.
pub type Manners = &'static [(&'static str, usize)];

/// A library, as the table in docs/clients.md has it.
pub struct Library {
    pub name: &'static str,
    pub language: &'static str,
    /// What its users catch or get.
    pub raises: &'static str,
    pub manners: Manners,
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
    /// With the packages of a module in tests/clients/java/pom.xml, from Maven Central.
    Java { module: &'static str },
    /// With a module from the Go module proxy, in a version that builds with the Go of Debian 12.
    Go { library: &'static str },
    /// The same in the version of newest.mod; skipped where Go is too old for that.
    NewestGo { library: &'static str },
}

impl Library {
    /// Lets a program use the library in every manner. It must end by itself, and what its own call
    /// raised must be the sentence.
    pub fn shows_the_notice(&self) {
        let Some(program) = self.program.ready() else { return };
        let faults = match self.program {
            Program::Java { .. } => self.faults_of_one_process(&program),
            _ => self.faults_of_many_processes(&program),
        };
        assert!(faults.is_empty(), "{}: {}", self.name, faults.join("\n"));
    }

    fn faults_of_many_processes(&self, program: &[String]) -> Vec<String> {
        let fault = |(manner, times): &(&str, usize)| {
            let notice = Notice::start("");
            let client = self.program.words(program, notice.port, manner);
            let client: Vec<&str> = client.iter().map(String::as_str).collect();
            self.fault(&run(&client, b""), notice.port, manner, *times)
        };
        self.manners.iter().filter_map(fault).collect()
    }

    /// A JVM takes as long to start as ten uses do. It gets them all, each with a port of its own.
    fn faults_of_one_process(&self, program: &[String]) -> Vec<String> {
        let notices: Vec<Notice> = self.manners.iter().map(|_| Notice::start("")).collect();
        let ports: Vec<String> = notices.iter().map(|notice| notice.port.to_string()).collect();
        let mut client: Vec<&str> = program.iter().map(String::as_str).collect();
        for (port, (manner, _)) in ports.iter().zip(self.manners) {
            client.extend([port.as_str(), manner]);
        }
        let all = run_within(JVM_SECONDS, &client, b"");
        let fault = |(notice, (manner, times)): (&Notice, &(&str, usize))| {
            let stdout = output_of_use(&all.stdout, manner);
            let seen = Seen { stdout, text: all.text.clone(), status: all.status };
            self.fault(&seen, notice.port, manner, *times)
        };
        notices.iter().zip(self.manners).filter_map(fault).collect()
    }

    /// What is wrong with what the user sees, if anything is.
    fn fault(&self, seen: &Seen, port: u16, manner: &str, times: usize) -> Option<String> {
        // Libraries take its first word for a code, which some show apart.
        let sentence = sentence(port);
        let (code, words) = sentence.split_once(' ').unwrap();
        let is_right = seen.status.success()
            && seen.stdout.contains(&format!("{}: ", self.raises))
            && [code, words].iter().all(|part| seen.stdout.matches(part).count() == times);
        let Seen { stdout, text, status } = seen;
        (!is_right).then(|| format!("{manner}: {status}, not {times} in {stdout:?} of {text}"))
    }
}

/// What a program that runs several uses printed for one of them; nothing, if it did not come to it.
pub fn output_of_use(stdout: &str, manner: &str) -> String {
    let heading = format!("use {manner}");
    let lines = stdout.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with("use ")).map(|line| format!("{line}\n")).collect()
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
            Program::Java { module } => {
                let folder = installed("java")?;
                let path = format!("{folder}/{module}/classes:{folder}/{module}/lib/*");
                // A short program gains nothing from the second compiler and from many collectors.
                let quick = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"];
                let line = [&quick[..], &[&path, "Main"]].concat();
                line.into_iter().map(str::to_owned).collect()
            }
            Program::Go { .. } => vec![format!("{}/clients", installed("go")?)],
            Program::NewestGo { .. } if !go_is_new() => return None,
            Program::NewestGo { .. } => vec![format!("{}/clients", installed("go-newest")?)],
        })
    }

    /// The whole command line; `program` is what [`Program::ready`] gave.
    pub fn words(&self, program: &[String], port: u16, manner: &str) -> Vec<String> {
        // A Java program takes pairs of a port and a manner.
        let package = Some(self.package()).filter(|_| !matches!(self, Program::Java { .. }));
        let uses = [port.to_string(), manner.to_owned()].into_iter();
        program.iter().cloned().chain(uses).chain(package.map(str::to_owned)).collect()
    }

    fn package(&self) -> &'static str {
        match self {
            Program::Debian { package, .. }
            | Program::Python { package, .. }
            | Program::Node { package, .. } => package,
            Program::C => "hiredis",
            Program::Rust => "redis",
            Program::Java { module } => module,
            Program::Go { library } | Program::NewestGo { library } => library,
        }
    }
}

/// Whether Go is as new as tests/clients/go/newest.mod wants it. Debian's need not be.
fn go_is_new() -> bool {
    let manifest = fs::read_to_string(root().join("tests/clients/go/newest.mod")).unwrap();
    let wanted = manifest.lines().find_map(|line| line.strip_prefix("go ")).unwrap();
    let said = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
    let version = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    let version = version.unwrap_or_default();
    let is_new = numbers(version.trim_start_matches("go")) >= numbers(wanted);
    if !is_new {
        // Past the test harness, which shows only what failing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: Go {wanted} is not here, but {version:?}");
    }
    is_new
}

/// The parts of a version; what is no number ends it.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
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
