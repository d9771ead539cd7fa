//! The clients of this host that have a connection, outside of the connections' own records: most clients
//! are of other hosts, and their records are not to be longer for these.

use std::num::{NonZeroU32, NonZeroU64};
use std::rc::Rc;

use slab::Slab;

use super::name::Name;
use crate::listener::protocol::client_info::ClientInfo;
use crate::listener_contract::OWN_CLIENT_NAME;

/// A client on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalClient {
    /// What it is called.
    pub name: Rc<Name>,
    /// Its user, where that is known.
    pub uid: Option<u32>,
    /// The number of its control group, where that is known.
    pub cgroup: Option<NonZeroU64>,
    /// Whether its address and user show that it is redisguard itself, which asks whether the listener answers.
    pub is_own: bool,
}

impl LocalClient {
    /// Whether it is redisguard itself. Where it may not bind a privileged port it says its name; that counts only
    /// from root, because any other user could use the name to stay unseen.
    pub fn is_redisguard(&self, client: &ClientInfo) -> bool {
        let name = client.stated().name.as_deref();
        self.is_own || self.uid == Some(0) && name == Some(OWN_CLIENT_NAME.as_bytes())
    }
}

/// The place of a client in [`LocalClients`], in 4 bytes even where there may be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalIndex(NonZeroU32);

/// The clients, one for each connection.
#[derive(Debug, Default)]
pub struct LocalClients(Slab<LocalClient>);

impl LocalClients {
    /// Adds the client of a connection.
    pub fn insert(&mut self, client: LocalClient) -> LocalIndex {
        // Never as many as a u32 has values: each has a descriptor.
        LocalIndex(NonZeroU32::MIN.saturating_add(self.0.insert(client) as u32))
    }

    /// The client there.
    pub fn get(&self, index: LocalIndex) -> Option<&LocalClient> {
        self.0.get(index.slot())
    }

    /// Removes the client of a connection that is over.
    pub fn remove(&mut self, index: LocalIndex) -> Option<LocalClient> {
        self.0.try_remove(index.slot())
    }
}

impl LocalIndex {
    fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}
