//! Connections: the record of one, what a wakeup makes it do, and the table of all of them.

mod drive;
mod intrusive_list;
mod readiness;
mod repetition;
mod state;
mod table;
mod timeout;

pub(super) use self::drive::{Progress, Wakeup};
pub(super) use self::state::{CloseReason, Connection};
pub(super) use self::table::{ConnectionTable, FIRST_KEY, Key};
