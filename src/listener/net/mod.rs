//! Sockets: the bound ports, readiness, the original destination of a connection, and the transport
//! (plain or TLS) that carries its bytes.

pub mod bind;
pub mod epoll;
pub mod original_dst;
pub mod transport;
