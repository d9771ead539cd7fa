//! The notice listener: whoever still connects to a reserved port reads, as the error of their own
//! call, where to go instead. It needs nothing but its own settings.
//!
//! From the bottom up: `settings`; `protocol`, without I/O (`simulate` plays a conversation through it);
//! `tls`; `net`; `log` and `metrics`; and on top `server`, which has the effects.
//!
//! Must never hold a payload, follow a client's wish to be served, or let a hostile or slow client
//! keep others from their sentence.

mod clock;
mod log;
pub mod metrics;
pub mod net;
pub mod protocol;
pub mod server;
mod settings;
pub mod simulate;
mod source;
mod tls;

pub use self::log::{Log, LogTarget, Rotation};
pub use self::net::bind::{BindError, LeftAlone, Listeners};
pub use self::server::event_loop::Summary;
pub use self::server::run::{NoticeError, run, trouble};
pub use self::settings::{Listen, LogFormat, Reservation, Settings, TlsFiles};
