//! The two programs: from parsed arguments to effects, text and exit status. The only module that prints.

#[cfg(feature = "generator")]
pub mod generator;
#[cfg(feature = "installer")]
pub mod installer;
mod output;
#[cfg(feature = "installer")]
mod system_path;
mod unified_diff;

pub use self::output::Status;
#[cfg(feature = "installer")]
pub use self::system_path::with_system_path;
