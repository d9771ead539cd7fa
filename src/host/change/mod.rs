//! A change of the host, all of it or nothing: apply and remove, the receipt written ahead, the rollback
//! of a step that fails, and the change that is undone unless it is confirmed.

pub mod apply;
mod arm;
pub mod confirm;
mod disk_reserve;
mod intent;
pub mod remove;
pub mod revert;
mod rollback;
mod rollback_journal;
pub mod rules_first;
mod state;
