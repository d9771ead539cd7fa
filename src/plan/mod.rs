//! The difference between a bundle and a host, and what a removal takes away, as plain data that can be
//! compared, printed and serialised.
//!
//! Never: reads or changes anything.

mod bytes;
mod diff;
mod removal;
mod summary;
mod types;
mod view;

pub use self::bytes::Bytes;
pub use self::diff::{compute, local_ports, masked, masked_unit};
pub use self::removal::{Removable, removal};
pub use self::summary::summary;
pub use self::types::{
    Counter, FileState, Former, InPlace, LOCAL_PORTS, LocalPorts, Observed, Plan, RECEIPT,
    RuleFault, STATE, Scope, Step, UnitStatus, Wanted,
};
pub use self::view::{StepView, attributes};
