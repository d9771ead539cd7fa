//! Starts of units that other jobs of systemd may delay.
//!
//! Guarantees: a caller that systemd itself waits for, such as a unit of the boot, does not wait for a unit that
//! systemd starts only after that caller.

use super::command::{Output, Program};
use super::systemd::{self, SYSTEMCTL_LIMIT};
use crate::error::{Error, ErrorKind};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long a start may wait for other jobs. A start that can run at all mostly runs at once, and a boot that
/// waits for its caller waits for this long.
const QUEUE_LIMIT: Duration = Duration::from_secs(5);

/// A unit that systemd starts later, as `apply --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// The unit.
    pub unit: String,
    /// The units whose jobs systemd runs first; empty where systemctl does not tell.
    pub after: Vec<String>,
}

impl std::fmt::Display for Queued {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let after = match self.after.as_slice() {
            [] => "other jobs".to_owned(),
            units => units.join(", "),
        };
        write!(formatter, "{} is queued: systemd starts it after {after}", self.unit)
    }
}

/// Starts or restarts a unit, by the verb of systemctl, and waits until it runs. `Some`: its start waits for
/// other jobs and stays queued.
///
/// # Errors
/// systemctl is missing; the unit fails, or does not start in time.
pub(crate) fn start(verb: &str, unit: &str) -> Result<Option<Queued>, Error> {
    let end = Instant::now() + SYSTEMCTL_LIMIT;
    let (mut verb, mut limit) = (verb, QUEUE_LIMIT);
    loop {
        match systemd::systemctl_within(&[verb, unit], limit) {
            Err(error) if error.kind() == ErrorKind::Timeout && Instant::now() < end => {}
            ended => return ended.map(|_| None),
        }
        match job(unit) {
            Some(Job::Waits(queued)) => return Ok(Some(queued)),
            // The next call joins it: another restart would begin again.
            Some(Job::Runs) => verb = "start",
            // It has ended, or systemctl was too slow to ask for it.
            None => {}
        }
        limit *= 2;
    }
}

/// The job of a unit.
#[derive(Debug, PartialEq, Eq)]
enum Job {
    Runs,
    Waits(Queued),
}

fn job(unit: &str) -> Option<Job> {
    // `--after` and `--before` have changed their meaning once: the words of each line tell which it is.
    let flags = ["--no-legend", "--no-pager", "--full", "--after", "--before"];
    let listed = Program::new("systemctl").args(["list-jobs"]).args(flags).args([unit]);
    let listed = listed.run("list jobs").ok().filter(Output::is_success)?;
    read(unit, &listed.text())
}

/// The job of a unit in what `systemctl list-jobs` printed.
fn read(unit: &str, listed: &str) -> Option<Job> {
    let mut lines = listed.lines();
    // "78 redis-port-notice.service start waiting"
    let state = lines.find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.contains(&unit).then(|| words.last().copied().unwrap_or_default())
    })?;
    if state != "waiting" {
        return Some(Job::Runs);
    }
    // "└─ waiting for job 73 (redis-server.service/start)"
    let after = lines.filter_map(|line| {
        let (_, job) = line.split_once("waiting for job")?;
        let (unit, _) = job.split_once('(')?.1.split_once('/')?;
        Some(unit.to_owned())
    });
    Some(Job::Waits(Queued { unit: unit.to_owned(), after: after.collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_is_told_with_what_it_waits_for() {
        let listed = "78 redis-port-notice.service start waiting\n\
                      └─  waiting for job 3 (basic.target/start) -     -\n\
                      └─  waiting for job 80 (redis-server.service/start) - -\n\
                      └─  blocking job 73 (redis-ports-revert.service/start) -     -\n";
        let Some(Job::Waits(queued)) = read("redis-port-notice.service", listed) else { panic!() };
        let said = "redis-port-notice.service is queued: systemd starts it after basic.target, \
                    redis-server.service";
        assert_eq!(queued.to_string(), said);
        let bare = Queued { unit: "a.service".to_owned(), after: Vec::new() };
        assert_eq!(read("a.service", "7 a.service restart waiting\n"), Some(Job::Waits(bare)));
    }

    #[test]
    fn a_job_that_runs_and_a_job_of_another_unit_are_not_queued() {
        assert_eq!(read("a.service", "78 a.service start running\n"), Some(Job::Runs));
        for listed in ["", "78 b.service start waiting\n"] {
            assert_eq!(read("a.service", listed), None, "{listed}");
        }
    }
}
