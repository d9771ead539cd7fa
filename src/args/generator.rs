//! The command line of `redisguard-gen`.

use super::exits;
use super::lint_levels::{LintLevels, every_check};
use crate::spec::Check;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Renders a redisguard.toml into the reviewed bundle and the documents.
///
/// Without --check it writes what differs and says which files changed. A fault in the TOML or in a
/// guide's markers is reported with its place, and then nothing is written at all.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "redisguard-gen",
    version,
    after_help = exits::of("redisguard-gen"),
    disable_help_subcommand = true
)]
pub struct GeneratorArgs {
    /// The source of truth
    #[arg(long, value_name = "FILE", default_value = "redisguard.toml", global = true)]
    pub config: PathBuf,

    /// Where the bundle is written
    #[arg(long, value_name = "DIR", default_value = "generated")]
    pub out: PathBuf,

    /// What the documents' paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub docs_root: PathBuf,

    /// Write nothing; show what is stale, missing or stray as a diff and exit 1 if anything is
    #[arg(long)]
    pub check: bool,

    /// Write nothing; say as Markdown what the TOML means otherwise than at BASE: a revision of Git or
    /// an older copy
    #[arg(long, value_name = "BASE", conflicts_with = "check")]
    pub summary: Option<String>,

    /// How warnings are treated
    #[command(flatten)]
    pub lint_levels: LintLevels,

    /// Print one JSON object instead of text: the TOML's problems, the files, and what mends them
    #[arg(long, conflicts_with = "summary")]
    pub json: bool,

    /// Write the man pages or the shell completions of both programs to --out DIR, and no bundle
    #[arg(long, value_name = "KIND", requires = "out")]
    #[arg(conflicts_with_all = ["check", "summary", "json"])]
    pub generate: Option<PackageFiles>,

    /// Say what a fault or a warning means, why it matters, and what would be right
    #[arg(long, value_name = "NAME", exclusive = true, hide_possible_values = true)]
    #[arg(value_parser = every_check())]
    pub explain: Option<Check>,

    /// What to do instead
    #[command(subcommand)]
    pub verb: Option<GeneratorVerb>,
}

/// What a package installs beside the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PackageFiles {
    /// Man pages
    Man,
    /// Completions for bash, fish and zsh
    Completions,
}

/// What the generator can do beside generating.
#[derive(Clone, Debug, Subcommand)]
pub enum GeneratorVerb {
    /// Write a commented TOML to start from; never over a file
    #[command(after_help = exits::of("redisguard-gen init"))]
    Init,
    /// Print the TOML's JSON Schema, with which editors complete and check it
    #[command(after_help = exits::of("redisguard-gen schema"))]
    Schema,
}

impl GeneratorArgs {
    /// Whether the command line has options that only generating takes, so no verb may follow.
    pub fn generates(&self) -> bool {
        self.check
            || self.json
            || self.summary.is_some()
            || self.generate.is_some()
            || !self.lint_levels.0.is_empty()
    }
}
