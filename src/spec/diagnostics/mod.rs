//! Diagnostics of a redisguard.toml: named checks, problems with their spans, and how they are shown.

mod check;
mod explanations;
mod problem;
mod render;

pub use self::check::{Check, Severity};
pub use self::explanations::{EXPLANATIONS, Explanation};
pub use self::problem::{LARGEST_SOURCE, LintLevel, Problem, Problems, Source};
pub use self::render::Position;
