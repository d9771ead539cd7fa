//! What loading and keeping the rules costs, held against the bare tools, and what the rules cost a
//! packet that has nothing to do with them. `cargo bench --bench rules` runs everything; names of
//! measurements select some, `--markdown` prints what docs/performance.md shows. Without `--bench`,
//! as `cargo test --all-targets` calls it, a small run only shows that it works.
//!
//! Everything happens in namespaces that this process enters first.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "rules/commands.rs"]
mod commands;
#[path = "rules/load.rs"]
mod load;
#[path = "rules/packets.rs"]
mod packets;
#[allow(dead_code)]
#[path = "notice/rounds.rs"]
mod rounds;
#[path = "rules/site.rs"]
mod site;
#[path = "notice/table.rs"]
mod table;

/// What can be measured, in the order in which it is.
const ALL: [(&str, Measure); 5] = [
    ("load", load::first),
    ("beside", load::beside),
    ("again", load::again),
    ("many", load::many),
    ("packets", packets::measure),
];

type Measure = fn(Scale) -> table::Table;

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough for numbers.
    Full,
    /// Enough to see that it works.
    Smoke,
}

impl Scale {
    /// As many as it takes, or hardly any.
    pub fn of<T>(self, full: T, smoke: T) -> T {
        if self == Scale::Full { full } else { smoke }
    }
}

fn main() {
    let (mut chosen, mut scale, mut markdown) = (Vec::new(), Scale::Smoke, false);
    for argument in std::env::args().skip(1) {
        match ALL.iter().find(|(name, _)| *name == argument) {
            Some((_, measure)) => chosen.push(*measure),
            None if argument == "--bench" => scale = Scale::Full,
            None if argument == "--markdown" => markdown = true,
            None => {
                let known = ALL.map(|(name, _)| name).join(", ");
                eprintln!("could not read the argument {argument}: it is no measurement");
                eprintln!("  there are {known}; --markdown prints them for the documentation");
                std::process::exit(2);
            }
        }
    }
    if chosen.is_empty() {
        chosen = ALL.map(|(_, measure)| measure).into();
    }
    if !site::enter() {
        return;
    }
    for measure in chosen {
        let table = measure(scale);
        let text = if markdown { table.markdown() } else { table.text() };
        if scale == Scale::Full {
            println!("{text}");
        }
    }
}
