//! Owns the time between the last word and the close: input is read and thrown away until the peer
//! has had the chance to read that word. Must never last longer than its bounds.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::bounds::{Buffers, LARGEST, STOP};
use super::room::{Guest, Order};

/// How long the peer may go on sending.
const LONGEST: Duration = Duration::from_secs(30);
/// How long it may rest while it does.
const AT_REST: Duration = Duration::from_secs(5);

/// Discards what `stream` still brings, until the peer hangs up, or `latest`, or it is asked to be
/// quicker than by `order`, the order that it knows.
pub(super) async fn linger(
    stream: &TcpStream,
    guest: &Guest,
    buffers: &RefCell<Buffers>,
    mut order: Order,
    latest: Option<Instant>,
) {
    let mut now = Instant::now();
    let mut latest = latest.unwrap_or(now + LONGEST);
    let mut rested = now;
    let mut discarded = 0;
    while now < latest && discarded <= LARGEST {
        tokio::select! {
            biased;
            more_urgent = guest.order_beyond(order) => {
                order = more_urgent;
                match order {
                    Order::Stop => latest = latest.min(Instant::now() + STOP),
                    Order::Vanish => return,
                    Order::Stay | Order::MakeRoom => {}
                }
            }
            ready = timeout_at(latest.min(rested + AT_REST), stream.readable()) => {
                if !matches!(ready, Ok(Ok(()))) {
                    return;
                }
                match stream.try_read(&mut buffers.borrow_mut().read) {
                    Ok(0) => return,
                    Ok(bytes) => {
                        discarded += bytes as u64;
                        rested = Instant::now();
                    }
                    Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                tokio::task::yield_now().await;
            }
        }
        now = Instant::now();
    }
}
