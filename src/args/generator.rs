//! The command line of `redisguard-gen`.

use clap::Parser;
use std::path::PathBuf;

/// Renders a redisguard.toml into the reviewed bundle and the documents.
///
/// Without --check it writes what differs and says which files changed. A fault in the TOML or in a
/// guide's markers is reported with its place, and then nothing is written at all.
#[derive(Clone, Debug, Parser)]
#[command(name = "redisguard-gen", version, after_help = super::EXIT_STATUS)]
pub struct GeneratorArgs {
    /// The source of truth
    #[arg(long, value_name = "FILE", default_value = "redisguard.toml")]
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

    /// Treat warnings as faults
    #[arg(long)]
    pub deny_warnings: bool,
}
