//! Sockets: the bound ports, readiness, the original destination of a connection, and the transport
//! (plain or TLS) that carries its bytes.

pub(crate) mod bind;
pub(crate) mod epoll;
pub(crate) mod original_dst;
pub(crate) mod transport;
