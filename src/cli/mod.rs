//! The two programs: from parsed arguments to effects, text and exit status. The only module that prints.

pub mod generator;
pub mod installer;
mod output;
pub mod reference;
mod system_path;
mod unified_diff;

pub use self::output::Status;
pub use self::system_path::with_system_path;
