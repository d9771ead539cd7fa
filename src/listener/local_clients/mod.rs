//! Which service or container of this host a local client is, by the control group of its socket.
//!
//! From the bottom up: `name` and `client`, pure; `search`, which finds a control group in the file system; `names`,
//! which remembers what was found; and `identify`, which asks the kernel.
//!
//! Never: guesses. What is not known for sure has a name that says so.

mod client;
mod identify;
mod name;
mod names;
mod search;

pub use self::client::{LocalClient, LocalClients, LocalIndex};
pub use self::identify::Identifier;
pub use self::name::Name;
