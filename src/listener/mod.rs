//! The notice listener: a client that still connects to a reserved port gets, as the error of its own
//! command, the notice that says where to go instead.
//!
//! From the bottom up: `settings`, `clock`, `source` and `health`; `protocol`, which is sans-IO, and public for the
//! property tests and the fuzz target; `tls`; `net`; `local_clients`; `log` and `metrics`; and `server`, which has the
//! effects. Each imports only what stands before it here, and of the rest of the package only `error`,
//! `exposition` and `listener_contract`.
//!
//! Never: stores a payload, serves what a client asks for, or lets a hostile or slow client
//! keep others from their notice.

mod clock;
mod health;
mod local_clients;
mod log;
mod metrics;
mod net;
pub mod protocol;
mod server;
mod settings;
mod source;
mod tls;

pub use self::log::LogTarget;
pub use self::net::transport::Transport;
pub use self::server::run::run;
pub use self::settings::{Listen, LogFormat, Reservation, Settings, TlsFiles};
pub use self::tls::{Validity, validity_on_disk};
