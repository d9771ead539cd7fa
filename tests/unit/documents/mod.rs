//! The documents say what holds for their site, for every combination of policies.

mod links;
mod runbook;

use crate::support::sites::{SITES, rendered, whole, with_two};

#[test]
fn the_documents_say_what_holds_for_the_site() {
    for (name, toml) in SITES {
        // The rules are held to the kernel by other tests.
        let text: String = whole(&rendered(toml))
            .lines()
            .filter(|line| !line.starts_with("-A ") && !line.starts_with("-I "))
            .map(|line| format!("{line}\n"))
            .collect();
        insta::assert_snapshot!(format!("{name}"), text);
    }
}

#[test]
fn every_combination_of_policies_gives_whole_sentences() {
    let (policies, listens) = (["drop", "reject", "notice"], ["always", "if-free", "never"]);
    let each = || {
        policies.iter().flat_map(|external| listens.iter().map(move |listen| (*external, *listen)))
    };
    for (first, second) in each().flat_map(|first| each().map(move |second| (first, second))) {
        for port in ["6379", "\"6370-6379\""] {
            let toml = with_two((port, first), ("8000", second));
            let documents = rendered(&toml);
            let text = whole(&documents);
            let sound = |line: &str| {
                let words = line.trim_end_matches("  ").trim_start();
                !words.contains("  ")
                    && ![" .", " ,", "..,", " ;"].iter().any(|odd| words.contains(odd))
            };
            for line in text.lines() {
                assert!(sound(line), "{toml}\n{line}");
            }
            assert!(!text.contains("\n\n\n"), "{toml}\n{text}");
            let told = [first, second].iter().any(|one| one.0 == "notice" || one.1 != "never");
            let overview = &documents.files[0].1;
            assert_eq!(overview.contains("\nPORTCLOSED "), told, "{toml}");
            assert_eq!(overview.contains("but nobody is told"), !told, "{toml}");
            let redirects = [first, second].iter().any(|one| one.0 == "notice");
            assert_eq!(overview.contains("(error) PORTCLOSED"), redirects, "{toml}");
            assert_eq!(text.contains("redirected outsiders"), redirects, "{toml}");
            for (external, words) in [("drop", "timed out"), ("reject", "Connection refused")] {
                let met = [first, second].iter().any(|one| one.0 == external);
                assert_eq!(overview.contains(words), met, "{toml}");
            }
        }
    }
}
