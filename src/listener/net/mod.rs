//! Sockets: the bound ports, readiness, the original destination of a connection, the transport
//! (plain or TLS) that carries its bytes, and what the peer has acknowledged.

pub mod acknowledged;
pub mod bind;
pub mod epoll;
pub mod original_dst;
pub mod sock_diag;
pub mod transport;
