//! What the clients of a source said about themselves, as plain data for a report.

use super::aggregate::TopValues;
use serde::Serialize;
use std::net::IpAddr;

/// A connection name that clients of one source used at one port.
#[derive(Clone, Debug, Serialize)]
pub struct NameUse {
    /// The name as the log has it: printable ASCII, other bytes as `\xNN`.
    pub name: String,
    /// The number of attempts; at least that many where a source has more than 8 names.
    pub attempts: u64,
}

/// A command of one source at one port that the notice answered.
#[derive(Clone, Debug, Serialize)]
pub struct CommandUse {
    /// The command in upper case; `other` for one that Redis does not have.
    pub command: String,
    /// The number of attempts; at least that many where a source has more than 8 commands.
    pub attempts: u64,
}

/// An address that PROXY headers from one source at one port stated.
#[derive(Clone, Debug, Serialize)]
pub struct AddressUse {
    /// The address.
    pub address: IpAddr,
    /// The number of attempts; at least that many where a source states more than 32 addresses.
    pub attempts: u64,
}

/// A user id of one source at one port.
#[derive(Clone, Debug, Serialize)]
pub struct UidUse {
    /// The id.
    pub uid: u32,
    /// The number of attempts; at least that many where a source has more than 8 user ids.
    pub attempts: u64,
}

/// The values of a list, those with the most attempts first.
pub(super) fn listed<T: Ord + Clone, U, const MAX: usize>(
    values: &TopValues<T, MAX>,
    of: impl Fn((T, u64)) -> U,
) -> Vec<U> {
    values.sorted().into_iter().map(|(value, attempts)| of((value.clone(), attempts))).collect()
}
