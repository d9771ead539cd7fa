//! Owns what a connection and its end share: the buffers, and the bounds that both keep.

use std::time::Duration;

use super::outbox::Batch;

/// How many bytes a whole connection may carry, both ways, and how many more its end may bring.
pub(super) const LARGEST: u64 = 1 << 30;
/// How long a connection's last words may take when the listener stops.
pub(super) const STOP: Duration = Duration::from_millis(500);

/// The buffers that all connections share: none of them keeps bytes across an await.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) read: Box<[u8]>,
    pub(super) batch: Batch,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers { read: vec![0; 64 * 1024].into(), batch: Batch::default() }
    }
}
