//! Sockets: which ports are bound, which connections are ready, where they were bound for, and the
//! transport (plain or TLS) that carries their bytes.

pub(crate) mod bind;
pub(crate) mod epoll;
pub(crate) mod original_dst;
pub(crate) mod transport;
