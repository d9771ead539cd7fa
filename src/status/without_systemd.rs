//! The parts of the guard that do not run on a host without systemd, where something else must start them.
//!
//! Guarantees: a part that nothing is known of is a finding, which says that it is unknown.
//! Never: changes anything.

use super::boot_scripts;
use super::types::{Finding, FindingKind};
use crate::bundle::GuardConfig;
use crate::expectation::OutcomeKind;
use crate::host::Host;
use crate::host::listener_health::{ANSWER_TIMEOUT, Answer, MAX_PORTS, ask};
use crate::host::rules_service::{self, LastCheck};
use crate::os::sockets;
use crate::spec::{Expected, External, Listen, Part};
use std::time::Duration;

/// The commands that something must run.
const NOTICE: &str = "redisguard-install notice";
const LOAD: &str = "redisguard-install rules load";
/// What a person must set up: no command of redisguard's can.
const RUN_AT_BOOT: &str =
    "have an init script run this before the network comes up: redisguard-install rules load";
const RUN_LISTENER: &str = "have an init script or a supervisor run this all the time: redisguard-install \
                            notice --settings /etc/redisguard/notice.toml";
const RUN_EVERY_MINUTE: &str = "have cron run this every minute: redisguard-install rules load";
/// Age at which a check of the rules is overdue: it should run every minute, and a busy host may be late.
const MAX_CHECK_AGE: Duration = Duration::from_secs(5 * 60);

/// The expected parts that do not run on this host, or of which that is unknown; asks the listener. Nothing
/// where systemd runs them, and for an offline tree.
pub fn not_running(host: &Host, guard_config: &GuardConfig, expected: &Expected) -> Vec<Finding> {
    if !host.is_live() || host.has_systemd() {
        return Vec::new();
    }
    let answers = match expected.has(Part::Listener) {
        true => ask(guard_config, MAX_PORTS, ANSWER_TIMEOUT),
        false => Vec::new(),
    };
    judged(host, guard_config, expected, &answers)
}

/// The same with what the listener has answered.
pub(super) fn judged(
    host: &Host,
    guard_config: &GuardConfig,
    expected: &Expected,
    answers: &[Answer],
) -> Vec<Finding> {
    let listener = || listener_fault(guard_config, answers, sockets::listens_on);
    let check = || check_fault(rules_service::last_check(host));
    let faults = [
        (
            Part::Boot,
            FindingKind::Boot,
            LOAD,
            &(|| boot_fault(host)) as &dyn Fn() -> _,
            RUN_AT_BOOT,
        ),
        (Part::Listener, FindingKind::Listener, NOTICE, &listener, RUN_LISTENER),
        (Part::Timer, FindingKind::Timer, LOAD, &check, RUN_EVERY_MINUTE),
    ];
    let expected = faults.into_iter().filter(|(part, ..)| expected.has(*part));
    expected
        .filter_map(|(_, kind, command, fault, first)| {
            Some(Finding::new(kind, command, fault()?).first(first))
        })
        .collect()
}

/// Why the listener does not run or not answer as it should. Its ports tell: one that it always listens on,
/// else any other.
fn listener_fault(
    guard_config: &GuardConfig,
    answers: &[Answer],
    listens_on: impl Fn(u16) -> bool,
) -> Option<String> {
    let fault = |answer: &Answer, others: usize| {
        let others = if others == 0 { String::new() } else { format!(" (and {others} more)") };
        Some(format!("{answer}{others}"))
    };
    let wrong: Vec<&Answer> = answers.iter().filter(|answer| !answer.expected).collect();
    if let Some(first) = wrong.first() {
        return fault(first, wrong.len() - 1);
    }
    let reserved = &guard_config.reserved;
    if answers.iter().any(|answer| answer.outcome == OutcomeKind::Notice)
        || reserved.iter().any(|reserved| reserved.listen == Listen::Always)
    {
        return None;
    }
    if reserved.iter().any(|reserved| reserved.external == External::Notice) {
        let port = guard_config.notice;
        return (!listens_on(port)).then(|| format!("nothing listens on the notice port {port}"));
    }
    // A port that nothing holds is one that it would hold.
    let refused = |answer: &&Answer| answer.outcome == OutcomeKind::Refused;
    let refused: Vec<&Answer> = answers.iter().filter(refused).collect();
    refused.first().and_then(|first| fault(first, refused.len() - 1))
}

/// Why the rules may not be checked regularly.
fn check_fault(last: LastCheck) -> Option<String> {
    let when = match last {
        LastCheck::Ago(age) if age <= MAX_CHECK_AGE => return None,
        LastCheck::Ago(age) => format!("no check of the rules for {} minutes", age.as_secs() / 60),
        LastCheck::NoneSinceBoot => "no check of the rules since the boot".to_owned(),
    };
    Some(when)
}

/// Why the rules may be missing after the next boot.
fn boot_fault(host: &Host) -> Option<String> {
    (!boot_scripts::load_rules(host)).then(|| {
        "cannot tell what loads the rules at boot: no enabled script of OpenRC, SysV init, runit, \
         ifupdown or cron does"
            .to_owned()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::family::Family;

    fn config(listen: &str, external: &str) -> GuardConfig {
        let text = format!(
            "bundle = \"b\"\nbackend = \"iptables\"\nexisting = \"cut\"\nallow = []\ncluster = \"7000\"\n\
             notice = 63790\nlog = \"\"\nlog-file = \"\"\n[[reserved]]\nports = \"6379\"\nlabel = \"\"\n\
             external = \"{external}\"\nlisten = \"{listen}\"\n"
        );
        GuardConfig::parse(&text).unwrap()
    }

    fn answer(outcome: OutcomeKind, expected: bool) -> Answer {
        Answer { port: 6379, family: Family::V4, outcome, expected }
    }

    #[test]
    fn a_listener_is_judged_by_the_ports_that_it_would_hold() {
        use OutcomeKind::{Notice, Refused, Served};
        for (listen, external, answers, bound, fault) in [
            ("always", "drop", vec![answer(Refused, false)], false, Some("IPv4: refused")),
            ("always", "drop", vec![answer(Served, false); 2], false, Some("served (and 1 more)")),
            ("always", "notice", vec![answer(Notice, true)], false, None),
            ("if-free", "drop", vec![answer(Refused, true)], false, Some("IPv4: refused")),
            // Redis has the only port that the listener could hold.
            ("if-free", "drop", vec![answer(Served, true)], false, None),
            ("if-free", "drop", vec![answer(Notice, true), answer(Refused, true)], false, None),
            ("if-free", "notice", vec![answer(Served, true)], false, Some("notice port 63790")),
            ("never", "notice", vec![], true, None),
            ("never", "notice", vec![], false, Some("notice port 63790")),
            // There is no port for it.
            ("never", "drop", vec![], false, None),
        ] {
            let found = listener_fault(&config(listen, external), &answers, |_| bound);
            let case = format!("{listen} {external} {answers:?}: {found:?}");
            match fault {
                None => assert_eq!(found, None, "{case}"),
                Some(words) => assert!(found.unwrap().contains(words), "{case}"),
            }
        }
    }

    #[test]
    fn a_check_is_overdue_after_five_minutes() {
        let fault = |seconds| check_fault(LastCheck::Ago(Duration::from_secs(seconds)));
        assert_eq!((fault(0), fault(300)), (None, None));
        assert!(fault(430).unwrap() == "no check of the rules for 7 minutes");
        let none = check_fault(LastCheck::NoneSinceBoot).unwrap();
        assert_eq!(none, "no check of the rules since the boot");
    }
}
