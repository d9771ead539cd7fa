//! A change of the host, all of it or nothing: apply and remove, the receipt written ahead, the rollback
//! of a step that fails, and the commit that waits for its confirmation.

pub mod apply;
pub mod confirm;
mod disk_reserve;
mod intent;
pub mod remove;
mod rollback;
mod rollback_journal;
