//! What the clients of one source said about themselves, in bounded memory: they may say anything.

use super::top_values::TopValues;
use crate::report::record::ClientDetails;
use std::net::IpAddr;

/// How many names, commands and user ids are counted separately for one source at one port.
pub const MAX_VALUES: usize = 8;
/// How many stated addresses are: a proxy may stand for many clients, and an address takes little memory.
pub const MAX_STATED_PEERS: usize = 32;

/// The details of one source at one port.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The names that clients gave their connections.
    pub client_names: TopValues<String, MAX_VALUES>,
    /// The first commands that the notice answered.
    pub refused: TopValues<String, MAX_VALUES>,
    /// The addresses that PROXY headers stated, unverified.
    pub stated_peers: TopValues<IpAddr, MAX_STATED_PEERS>,
    /// The user ids of clients on this host.
    pub uids: TopValues<u32, MAX_VALUES>,
}

impl Details {
    /// Counts what one line says.
    pub(super) fn add(&mut self, details: &ClientDetails<'_>, attempts: u64) {
        if let Some(name) = &details.name {
            self.client_names.add(name.as_ref(), attempts);
        }
        if let Some(command) = details.refused {
            self.refused.add(command, attempts);
        }
        if let Some(address) = details.stated_peer {
            self.stated_peers.add(address, attempts);
        }
        if let Some(uid) = details.uid {
            self.uids.add(uid, attempts);
        }
    }

    /// Adds the details of the same source in another aggregate.
    pub(super) fn merge(&mut self, other: Details) {
        self.client_names.merge(other.client_names);
        self.refused.merge(other.refused);
        self.stated_peers.merge(other.stated_peers);
        self.uids.merge(other.uids);
    }
}
