//! Where connection attempts come from: an address, and on the host itself the program behind it.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The name that the listener gives a client on this host whose program it could not identify.
pub const UNIDENTIFIED: &str = "unknown";

/// A client on the host itself, by what the listener read from its cgroup. Names are printable ASCII,
/// everything else escaped as `\xNN`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LocalClient<'a> {
    /// A systemd unit, such as `billing.service`.
    Unit(Cow<'a, str>),
    /// A container, by the first 12 hexadecimal digits of its id.
    Container(Cow<'a, str>),
    /// Another cgroup: its path, or `#` and its id where the path is not known, or [`UNIDENTIFIED`].
    Cgroup(Cow<'a, str>),
}

impl LocalClient<'_> {
    /// The unit, if it is one.
    pub fn unit(&self) -> Option<&str> {
        if let LocalClient::Unit(name) = self { Some(name) } else { None }
    }

    /// The container's id, if it is one.
    pub fn container(&self) -> Option<&str> {
        if let LocalClient::Container(id) = self { Some(id) } else { None }
    }

    /// The cgroup, if it is neither a unit nor a container.
    pub fn cgroup(&self) -> Option<&str> {
        if let LocalClient::Cgroup(path) = self { Some(path) } else { None }
    }

    fn into_owned(self) -> LocalClient<'static> {
        match self {
            LocalClient::Unit(name) => LocalClient::Unit(name.into_owned().into()),
            LocalClient::Container(id) => LocalClient::Container(id.into_owned().into()),
            LocalClient::Cgroup(path) => LocalClient::Cgroup(path.into_owned().into()),
        }
    }
}

/// Its name for people.
impl fmt::Display for LocalClient<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalClient::Unit(name) => formatter.write_str(name),
            LocalClient::Container(id) => write!(formatter, "container {id}"),
            LocalClient::Cgroup(path) if path == UNIDENTIFIED => {
                formatter.write_str("unidentified program")
            }
            LocalClient::Cgroup(path) => write!(formatter, "cgroup {path}"),
        }
    }
}

/// Where connection attempts come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source<'a> {
    /// One address.
    Address(IpAddr),
    /// One client on this host, with the address that it connected from.
    Local(IpAddr, LocalClient<'a>),
    /// Several addresses of one IPv6 /64, given by its first.
    Network(Ipv6Addr),
    /// Several sources that the listener counted together.
    Others,
}

impl Source<'_> {
    /// The address, where the source has exactly one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Source::Address(address) | Source::Local(address, _) => Some(*address),
            Source::Network(_) | Source::Others => None,
        }
    }

    /// The client, where it is one on this host and the listener says so.
    pub fn local_client(&self) -> Option<&LocalClient<'_>> {
        if let Source::Local(_, client) = self { Some(client) } else { None }
    }

    /// The same with a name of its own.
    pub fn into_owned(self) -> Source<'static> {
        match self {
            Source::Address(address) => Source::Address(address),
            Source::Local(address, client) => Source::Local(address, client.into_owned()),
            Source::Network(first) => Source::Network(first),
            Source::Others => Source::Others,
        }
    }
}

/// The address alone, without the name of a local client.
impl fmt::Display for Source<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Address(address) | Source::Local(address, _) => write!(formatter, "{address}"),
            Source::Network(first) => write!(formatter, "{first}/64"),
            Source::Others => formatter.write_str("others"),
        }
    }
}
