//! Reading and replacing files. Knows nothing of hosts.
//!
//! Guarantees: a reader sees the old bytes or the new, never a part; a failed operation leaves nothing
//! behind.
//!
//! Never: follows a symbolic link at the path that it writes to.

mod backup;
mod directories;
mod path_error;
mod read;
mod replace;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "without_modes.rs")]
mod system;
mod unfinished;

pub use self::backup::{back_up, restore};
pub use self::directories::{
    make_directories, missing_directories, remove, remove_directories, remove_tree,
};
pub use self::read::{read, read_tree};
#[cfg(feature = "installer")]
pub use self::replace::link;
pub use self::replace::{
    Staged, create, directory_of, replace, replace_owned, stage, sync_directory,
};
pub use self::system::mode;
#[cfg(feature = "installer")]
pub use self::system::own_ids;
pub use self::unfinished::{is_unfinished, remove_unfinished, unfinished};

#[cfg(all(test, feature = "installer"))]
mod tests;
