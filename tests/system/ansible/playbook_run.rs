//! The output of a playbook's run.

use crate::support::machine::Output;
use std::fmt;

pub struct Played(pub Output);

impl Played {
    /// A number of a host's recap.
    pub fn count(&self, host: &str, what: &str) -> u32 {
        let recap = self.0.stdout.lines().find(|line| line.starts_with(&format!("{host} ")));
        let recap = recap.unwrap_or_else(|| panic!("{host} is not in the recap:\n{self}"));
        let number =
            recap.split_whitespace().find_map(|word| word.strip_prefix(&format!("{what}=")));
        number.unwrap().parse().unwrap()
    }

    /// A run in which these hosts succeeded, each with so many changes.
    #[track_caller]
    pub fn changed(self, hosts: &[&str], changes: u32) -> Self {
        for host in hosts {
            let counts = ["changed", "failed", "unreachable"].map(|what| self.count(host, what));
            let what = format!("changed, failed, unreachable of {host}:\n{self}");
            assert_eq!(counts, [changes, 0, 0], "{what}");
        }
        self
    }

    /// A run in which this host failed, with these words.
    #[track_caller]
    pub fn failed(self, host: &str, words: &str) -> Self {
        assert_eq!(self.count(host, "failed"), 1, "{host} did not fail:\n{self}");
        // Itself, or another for it: "[one]: FAILED!", "[one -> other] (item=…)".
        let said = [format!("[{host}]: FAILED! "), format!("failed: [{host} -> ")];
        let of_host =
            |line: &str| said.iter().any(|said| line.contains(said)) && line.contains(words);
        assert!(self.0.stdout.lines().any(of_host), "{words:?} of {host} is not in:\n{self}");
        self
    }

    /// A run that came to these hosts to look, and changed nothing.
    #[track_caller]
    pub fn left_alone(self, hosts: &[&str]) -> Self {
        for host in hosts {
            let counts = ["ok", "changed", "failed"].map(|what| self.count(host, what));
            assert_eq!(counts, [2, 0, 0], "ok, changed, failed of {host}:\n{self}");
        }
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.to_string().contains(words), "{words:?} is not in:\n{self}");
        self
    }
}

impl fmt::Display for Played {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n{}", self.0.stdout, self.0.stderr)
    }
}
