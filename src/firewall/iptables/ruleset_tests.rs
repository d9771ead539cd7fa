//! Tests of reading rules and of the difference between them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::plan::RuleFault;

const RULES: &str = "# c\n*filter\n:REDISGUARD-IN - [0:0]\n\
    -A REDISGUARD-IN -i lo -m comment --comment \"redisguard:a] -A INPUT b\" -j ACCEPT\n\
    -A REDISGUARD-IN -p tcp -m comment --comment \"redisguard:6379:drop x\" -j DROP\n\
    -I INPUT 1 -p tcp -j REDISGUARD-IN\nCOMMIT\n";
const LISTING: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FOREIGN - [0:0]\n:REDISGUARD-IN - [0:0]\n\
    [5:300] -A INPUT -p tcp -j REDISGUARD-IN\n[0:0] -A INPUT -s 10.0.0.0/8 -j FOREIGN\n\
    [9:9] -A REDISGUARD-IN -i lo -m comment --comment \"redisguard:a] -A INPUT b\" -j ACCEPT\n\
    [7:420] -A REDISGUARD-IN -p tcp -m comment --comment \"redisguard:6379:drop x\" -j DROP\n\
    COMMIT\n";
const OWN: &str = "[5:300] -A INPUT -p tcp -j REDISGUARD-IN";

fn live(listing: &str) -> Ruleset {
    Ruleset::listed(listing).0
}

fn words(faults: Vec<RuleFault>) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn drift(listing: &str) -> String {
    words(Ruleset::parse(RULES).unwrap().drift(&live(listing)))
}

#[test]
fn a_host_with_the_rules_in_place_does_not_drift() {
    assert_eq!(drift(LISTING), "");
    let counters = Ruleset::listed(LISTING).1;
    assert_eq!(
        counters,
        [Counter { table: "filter", ports: 6379.into(), is_probe: false, packets: 7, bytes: 420 }]
    );
}

#[test]
fn every_kind_of_drift_is_named() {
    let accept = format!("[0:0] -A INPUT -p tcp -j ACCEPT\n{OWN}");
    let jump = "[0:0] -A INPUT -j REDISGUARD-IN".to_owned();
    let cases = [
        ("".to_owned(), "redisguard's rules are not loaded"),
        (format!("*filter\n{jump}\nCOMMIT\n"), "chain REDISGUARD-IN is missing"),
        (LISTING.replace(OWN, "[0:0] -A INPUT -j DROP"), "jump from INPUT is missing"),
        (LISTING.replace(OWN, &accept), "at position 2, behind `-p tcp -j ACCEPT`"),
        (LISTING.replace(OWN, &format!("{OWN}\n{OWN}")), "is there 2 times"),
        (
            LISTING.replace("-i lo", "-i eth0"),
            "filter: chain REDISGUARD-IN was edited: the rule \"a] -A INPUT b\" is missing, `-i eth0 -m",
        ),
        (
            LISTING
                .lines()
                .filter(|line| !line.contains("redisguard:6379"))
                .collect::<Vec<_>>()
                .join("\n"),
            "chain REDISGUARD-IN was edited: the rule for port 6379 is missing",
        ),
        (LISTING.replace("-A REDISGUARD-IN", "-A OTHER"), "chain REDISGUARD-IN was flushed"),
        (LISTING.replace(":FOREIGN", ":REDISGUARD-OLD"), "REDISGUARD-OLD is left over"),
        (
            LISTING.replace("-j FOREIGN", "-j REDISGUARD-IN"),
            "another jump into redisguard's chains",
        ),
    ];
    for (listing, wanted) in cases {
        assert!(drift(&listing).contains(wanted), "{} for\n{listing}", drift(&listing));
    }
}

#[test]
fn a_comment_that_reads_like_a_jump_to_us_is_somebodys() {
    for foreign in [
        "-A INPUT -m comment --comment \"before -j REDISGUARD-IN\" -j DROP",
        "-A INPUT -m comment --comment \"counts -j REDISGUARD-IN\"",
        "-A INPUT -m comment --comment REDISGUARD-IN",
    ] {
        let listing = LISTING.replace("-A INPUT -s 10.0.0.0/8 -j FOREIGN", foreign);
        assert_eq!(drift(&listing), "", "{foreign}");
    }
}

#[test]
fn what_is_redirected_is_counted_too() {
    let nat = "*nat\n:REDISGUARD-PRE - [0:0]\n[3:180] -A REDISGUARD-PRE -p tcp -m comment \
               --comment \"redisguard:6379:redirect x\" -j REDIRECT\nCOMMIT\n";
    let counter = |table, packets, bytes| Counter {
        table,
        ports: 6379.into(),
        is_probe: false,
        packets,
        bytes,
    };
    let counters = Ruleset::listed(&format!("{LISTING}{nat}")).1;
    assert_eq!(counters, [counter("filter", 7, 420), counter("nat", 3, 180)]);
}

#[test]
fn the_second_jump_of_a_chain_stands_behind_the_first() {
    let (file, listed) =
        ("-I INPUT 2 -m mark -j REDISGUARD-IN", "-A INPUT -m mark -j REDISGUARD-IN");
    let rules = RULES.replace("COMMIT", &format!("{file}\nCOMMIT"));
    let wanted = Ruleset::parse(&rules).unwrap();
    let good = LISTING.replace(OWN, &format!("{OWN}\n[0:0] {listed}"));
    assert_eq!(wanted.drift(&live(&good)), []);
    let bad = LISTING.replace(OWN, &format!("[0:0] {listed}\n{OWN}"));
    assert_eq!(wanted.drift(&live(&bad)).len(), 1);
    let between = LISTING.replace(OWN, &format!("{OWN}\n[0:0] -A INPUT -j ACCEPT\n[0:0] {listed}"));
    let found = words(wanted.drift(&live(&between)));
    assert!(found.contains("the second jump from INPUT is at position 3"), "{found}");
    let transaction = wanted.transaction(&live(&bad));
    let inserted = transaction.lines().filter(|line| line.starts_with("-I"));
    let first = "-I INPUT 1 -p tcp -j REDISGUARD-IN";
    assert_eq!(inserted.collect::<Vec<_>>(), [&file.replace(" 2 ", " 1 "), first]);
}

#[test]
fn rules_of_another_bundle_are_one_finding() {
    let of = |digest: &str, text: &str| {
        let jump = format!("-p tcp -m comment --comment \"redisguard:{digest}\" -j REDISGUARD-IN");
        text.replace("-p tcp -j REDISGUARD-IN", &jump)
    };
    let wanted = Ruleset::parse(&of("0123456789ab", RULES)).unwrap();
    let drift = |digest: &str| words(wanted.drift(&live(&of(digest, LISTING))));
    assert_eq!(drift("0123456789ab"), "");
    assert_eq!(drift("ba9876543210"), "the rules are of bundle ba9876543210");
    let both = of("ba9876543210", LISTING)
        .replace("[0:0] -A INPUT -s", &format!("{}\n[0:0] -A INPUT -s", of("0123456789ab", OWN)));
    assert!(words(wanted.drift(&live(&both))).contains("another jump into redisguard's chains"));
}

#[test]
fn a_transaction_replaces_every_old_jump_and_drops_left_over_chains() {
    let listing = LISTING.replace(":FOREIGN", ":REDISGUARD-OLD").replace("-i lo", "-i eth0");
    let text = Ruleset::parse(RULES).unwrap().transaction(&live(&listing));
    assert_eq!(
        text,
        "*filter\n:REDISGUARD-IN - [0:0]\n\
         -A REDISGUARD-IN -i lo -m comment --comment \"redisguard:a] -A INPUT b\" -j ACCEPT\n\
         -A REDISGUARD-IN -p tcp -m comment --comment \"redisguard:6379:drop x\" -j DROP\n\
         -D INPUT -p tcp -j REDISGUARD-IN\n-I INPUT 1 -p tcp -j REDISGUARD-IN\n\
         -F REDISGUARD-OLD\n-X REDISGUARD-OLD\nCOMMIT\n"
    );
}

#[test]
fn rules_that_touch_others_are_not_ours() {
    for bad in [
        "*filter\n-A INPUT -j DROP\nCOMMIT\n",
        "*filter\n:REDISGUARD-IN - [0:0]\n-I INPUT 1 -j DROP\nCOMMIT\n",
        "*filter\n-F\nCOMMIT\n",
        "-A X\n",
        "*filter\n",
    ] {
        assert!(Ruleset::parse(bad).is_err(), "{bad} was taken");
    }
}
