//! The packet that is followed through the rules of others.

use crate::firewall::iptables::variant::Variant;

/// How deep chains may lead into each other: the kernel's own limit (`NFT_JUMP_STACK_SIZE`).
pub(super) const JUMP_DEPTH: usize = 16;
/// The chain of iptables at the input hook.
pub(super) const IPTABLES_CHAIN: &str = "INPUT";

/// The first packet of a redirected client.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    /// Where it is led, and what the rules behind see as its destination.
    pub(super) listener_port: u16,
    /// Where it was sent to.
    pub(super) reserved_port: u16,
    /// The variant of iptables that loads redisguard's rules: their jump comes first in that filter table, and
    /// what they accept is through.
    pub(super) shared: Option<Variant>,
}
