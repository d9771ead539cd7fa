//! Owns the shape of both command lines: the one source of `--help`, the man pages and the
//! completions. Does nothing but parse.

mod generator;
mod installer;
mod rulings;

pub use generator::{GeneratorArgs, GeneratorVerb};
pub use installer::{
    ApplyArgs, InstallerArgs, NoticeArgs, RemoveArgs, RevertArgs, RulesVerb, Verb,
};
pub use rulings::Rulings;

use clap::CommandFactory;

/// Ends both commands' help.
const EXIT_STATUS: &str =
    "Exit status: 0 same or done, 1 differs, 2 trouble (a fault, a refusal, wrong usage).";

/// Both commands, in the order in which they are used.
pub fn commands() -> [clap::Command; 2] {
    [GeneratorArgs::command(), InstallerArgs::command()]
}
