//! The notice listener: whoever still connects to a reserved port reads, as the error of their own
//! call, where to go instead. It needs nothing but its own settings.
//!
//! From the bottom up: `settings`; `names`, `number`, `command`, `scan`, `answer`, `render` and `outbox`,
//! which make a `dialogue` without any I/O (and `replay` plays one); `tls` and `layer`, which lie below
//! it; `moment`, `queues` and `room`, who is present and what each waits for, and `handshakes`, how much
//! TLS may cost; `listen`, `origin` and `poller`; the `log`; `counts` and `scrape`, what Prometheus is told; and on top `desk`, `connection`, `serve` and
//! `run`.
//!
//! Must never hold a payload, follow a client's wish to be served, or let a hostile or slow client
//! keep others from their sentence.

mod answer;
mod command;
mod connection;
mod counts;
mod desk;
mod dialogue;
mod handshakes;
mod layer;
mod listen;
mod log;
mod moment;
mod names;
mod number;
mod origin;
mod outbox;
mod poller;
mod queues;
mod render;
pub mod replay;
mod room;
mod run;
mod scan;
mod scrape;
mod serve;
mod settings;
mod tls;

pub use listen::{BindError, LeftAlone, Listeners};
pub use log::{Log, LogTarget, Rotation};
pub use run::{NoticeError, run, trouble};
pub use serve::Summary;
pub use settings::{Listen, LogFormat, Reservation, Settings, TlsFiles};
