//! Which questions are delayed, and how many.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use std::net::IpAddr;
use std::num::NonZeroU64;

fn address(host: u32) -> Source {
    Source::from(IpAddr::from(host.to_be_bytes()))
}

fn local(cgroup: u64) -> Source {
    Source::new([127, 0, 0, 1].into(), NonZeroU64::new(cgroup))
}

fn command(name: &str) -> Question {
    Question { protocol: Protocol::Resp, command: CommandName::find(name.as_bytes()) }
}

fn at(milliseconds: u64) -> Tick {
    Tick::default().after(Duration::from_millis(milliseconds))
}

/// How many of `times` questions at once are delayed.
fn delayed(brake: &mut Brake, source: Source, question: Question, times: u32, now: Tick) -> usize {
    (0..times).filter(|_| brake.delays(source, question, now)).count()
}

#[test]
fn only_the_same_question_of_the_same_source_is_delayed() {
    let mut brake = Brake::default();
    let now = at(0);
    assert_eq!(delayed(&mut brake, local(7), command("PING"), 100, now), 50);
    for (source, question) in [
        (local(7), command("GET")),
        (local(7), Question { protocol: Protocol::Inline, ..command("PING") }),
        (local(7), Question::TLS),
        (local(8), command("PING")),
        (Source::from(IpAddr::from([127, 0, 0, 1])), command("PING")),
        (address(7), command("PING")),
    ] {
        assert_eq!(delayed(&mut brake, source, question, BURST, now), 0, "{source:?} {question:?}");
    }
    assert_eq!(delayed(&mut brake, local(7), command("PING"), 1, now), 1);
    assert_eq!(brake.delayed, 51);
}

#[test]
fn one_question_is_answered_at_once_for_every_interval() {
    let mut brake = Brake::default();
    let (source, question) = (address(1), command("PING"));
    delayed(&mut brake, source, question, BURST, at(0));
    assert_eq!(delayed(&mut brake, source, question, 5, at(99)), 5);
    assert_eq!(delayed(&mut brake, source, question, 5, at(100)), 4);
    assert_eq!(delayed(&mut brake, source, question, 5, at(350)), 3);
    let later = at(60_000);
    assert_eq!(delayed(&mut brake, source, question, BURST + 1, later), 1, "no more than a burst");
}

#[test]
fn many_sources_are_held_in_bounded_memory_and_delay_nobody() {
    let mut brake = Brake::default();
    let question = command("PING");
    for host in 0..3 * MAX_QUESTIONS as u32 {
        assert!(!brake.delays(address(host), question, at(0)));
        assert!(brake.busy_until.len() <= MAX_QUESTIONS);
    }
    // Room is made once the first ones are forgotten.
    let newcomer = address(u32::MAX);
    delayed(&mut brake, newcomer, question, BURST, at(1000));
    assert_eq!(delayed(&mut brake, newcomer, question, 1, at(1000)), 1);
    assert!(brake.busy_until.len() <= 2);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever others do, a source that asks no faster than the interval is never delayed, and one that
    /// asks as often as it can is answered at once as often as is granted.
    #[test]
    fn nobody_is_delayed_for_anothers_storm(
        steps in proptest::collection::vec((0_u64..300, 0_u64..3, any::<bool>()), 1..200),
    ) {
        let mut brake = Brake::default();
        let (mut now, mut last_quiet, mut granted) = (0, None, 0);
        for (step, source, storms) in steps {
            now += step;
            if storms {
                let question = command("PING");
                granted += 70 - delayed(&mut brake, local(source + 1), question, 70, at(now));
            }
            if last_quiet.is_none_or(|last| now - last >= 100) {
                last_quiet = Some(now);
                prop_assert!(!brake.delays(local(1), command("GET"), at(now)));
                prop_assert!(!brake.delays(local(99), command("PING"), at(now)));
            }
        }
        let all = 3 * (u64::from(BURST) + now / 100);
        prop_assert!(granted as u64 <= all, "{granted} of {all}");
    }
}
