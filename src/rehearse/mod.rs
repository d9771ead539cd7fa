//! Rehearses a bundle: its rules and its listener run in new network namespaces, and packets are sent at
//! them.
//!
//! Three processes, each of which starts the next:
//!
//! 1. the caller ([`enter`]) makes the namespaces and waits,
//! 2. the guarded host ([`host`]) is the first process in them, so that the kernel kills all others with it
//!    (pid_namespaces(7)),
//! 3. the outsider ([`outside`]) is in a second network namespace, at the other end of a virtual cable.
//!
//! Guarantees: the namespaces vanish with the process. Never: touches the host's own network.

mod cases;
mod guarded_host;
mod namespaces;
mod network;
mod outsider;
mod report;
mod stage;
mod stub_servers;

pub use self::cases::{Case, Vantage, cases};
pub use self::guarded_host::host;
pub use self::namespaces::enter;
pub use self::outsider::outside;
pub use self::report::{Attempt, Report};
pub use self::stage::Stage;
