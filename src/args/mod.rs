//! Both command lines: the one source of `--help`, the man pages and the completions.
//!
//! Never: does more than parse.

mod exits;
mod generator;
mod installer;
mod lint_levels;

pub use self::exits::{EXIT_STATUSES, ExitStatuses};
pub use self::generator::{GeneratorArgs, GeneratorVerb, PackageFiles};
pub use self::installer::{
    ApplyArgs, Declared, InstallerArgs, KernelLog, MetricsArgs, NoticeArgs, PlanArgs, ProbeArgs,
    RemoveArgs, ReportArgs, RevertArgs, RulesVerb, Since, Verb,
};
pub use self::lint_levels::LintLevels;

use clap::CommandFactory;

/// Both commands, in the order in which they are used.
pub fn commands() -> [clap::Command; 2] {
    [GeneratorArgs::command(), InstallerArgs::command()]
}
