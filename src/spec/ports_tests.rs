//! [`PortSet`] against the naive set of single ports.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn touching_and_overlapping_ranges_become_one() {
    let set: PortSet = "7002,7000-7001,7004-7006,7005".parse().unwrap();
    assert_eq!(set.joined(","), "7000-7002,7004-7006");
    assert_eq!(set.len(), 6);
}

#[test]
fn the_ends_of_the_port_space_hold() {
    assert_eq!("1-65535".parse::<PortRange>().unwrap().last(), 65535);
    for bad in ["0", "65536", "-1", "7002-7000", "", "7000-", "+7", "seven", "99999999999999"] {
        assert!(bad.parse::<PortRange>().is_err(), "{bad} was taken");
    }
    let all: PortSet = "1-65535".parse().unwrap();
    assert_eq!(PortSet::default().complement(), all);
    assert!(all.complement().is_empty());
}

#[test]
fn bus_ports_past_the_end_do_not_exist() {
    let set: PortSet = "55535,55536".parse().unwrap();
    assert_eq!(set.shifted(10_000).joined(","), "65535");
}

type Naive = BTreeSet<u16>;

/// Ports close to each other at both ends of the port space, where ranges meet and arithmetic ends.
fn range() -> impl Strategy<Value = PortRange> {
    let first = prop_oneof![1..=40_u16, 65_500..=65_535_u16];
    (first, 0..6_u16)
        .prop_map(|(first, more)| PortRange { first, last: first.saturating_add(more) })
}

fn set() -> impl Strategy<Value = PortSet> {
    prop::collection::vec(range(), 0..8).prop_map(|ranges| ranges.into_iter().collect())
}

fn naive(set: &PortSet) -> Naive {
    set.ports().collect()
}

proptest! {
    #[test]
    fn a_set_holds_the_ports_of_its_ranges_and_is_normalised(
        ranges in prop::collection::vec(range(), 0..8),
    ) {
        let set: PortSet = ranges.iter().copied().collect();
        let expected: Naive = ranges.into_iter().flat_map(PortRange::ports).collect();
        prop_assert!(set.ports().eq(expected.iter().copied()));
        prop_assert_eq!(set.len(), expected.len());
        prop_assert!(set.ranges().windows(2).all(|pair| pair[0].last + 1 < pair[1].first));
        let one_by_one: PortSet = expected.into_iter().map(PortRange::from).collect();
        prop_assert_eq!(one_by_one, set);
    }

    #[test]
    fn the_algebra_is_that_of_sets(left in set(), right in set()) {
        let (one, two) = (naive(&left), naive(&right));
        prop_assert_eq!(naive(&left.union(&right)), &one | &two);
        prop_assert_eq!(naive(&left.intersection(&right)), &one & &two);
        prop_assert_eq!(naive(&left.difference(&right)), &one - &two);
        prop_assert_eq!(left.is_empty(), one.is_empty());
        // Results are normalised: collecting their ranges again changes nothing.
        for result in [left.union(&right), left.intersection(&right), left.difference(&right)] {
            let again: PortSet = result.ranges().iter().copied().collect();
            prop_assert_eq!(again, result);
        }
    }

    #[test]
    fn questions_about_one_range_agree_with_its_ports(set in set(), other in range()) {
        let ports = naive(&set);
        prop_assert_eq!(set.overlaps(other), other.ports().any(|port| ports.contains(&port)));
        prop_assert_eq!(set.contains(other.first), ports.contains(&other.first));
        prop_assert!(set.intersection(&set.complement()).is_empty());
    }

    #[test]
    fn what_is_written_is_read_again(set in set()) {
        prop_assume!(!set.is_empty());
        prop_assert_eq!(&set.to_string().parse::<PortSet>().unwrap(), &set);
        prop_assert_eq!(&set.joined(",").parse::<PortSet>().unwrap(), &set);
    }
}
