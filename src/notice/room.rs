//! Owns the list of present connections: how many there are, from whom, and who has to leave so
//! that a newcomer finds room. Must never turn a newcomer away, and never do I/O.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection is asked to do; each is more urgent than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// Stay as long as it likes.
    Stay,
    /// Say what is owed and go, to make room.
    MakeRoom,
    /// Say what is owed and go, the listener stops.
    Stop,
    /// Go at once.
    Vanish,
}

/// One present connection.
#[derive(Debug)]
pub(super) struct Guest {
    number: u64,
    source: IpAddr,
    order: Cell<Order>,
    ordered: Notify,
    active: Cell<Instant>,
    at_rest: Cell<bool>,
}

impl Guest {
    /// Waits until it is asked to do something more urgent than `known`.
    pub(super) async fn order_beyond(&self, known: Order) -> Order {
        while self.order.get() <= known {
            self.ordered.notified().await;
        }
        self.order.get()
    }

    /// Notes that it was active just now, and whether it has nothing more to be told.
    pub(super) fn note(&self, now: Instant, at_rest: bool) {
        self.active.set(now);
        self.at_rest.set(at_rest);
    }

    fn ask(&self, order: Order) {
        if order > self.order.get() {
            self.order.set(order);
            self.ordered.notify_one();
        }
    }
}

/// All present connections.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    most_per_source: usize,
    next: Cell<u64>,
    staying: RefCell<BTreeMap<u64, Rc<Guest>>>,
    leaving: RefCell<BTreeMap<u64, Rc<Guest>>>,
    per_source: RefCell<HashMap<IpAddr, usize>>,
}

impl Room {
    /// An empty room for `most` connections, `most_per_source` of them from one source.
    pub(super) fn new(most: usize, most_per_source: usize) -> Room {
        Room {
            most,
            most_per_source,
            next: Cell::new(0),
            staying: RefCell::default(),
            leaving: RefCell::default(),
            per_source: RefCell::default(),
        }
    }

    /// Lets a newcomer in, and asks another to leave where there are too many. Those who leave
    /// may still finish their sentence; of these, too, there are never more than `most`.
    pub(super) fn enter(&self, peer: IpAddr, now: Instant) -> Rc<Guest> {
        let source = source_of(peer);
        let from_source = self.per_source.borrow().get(&source).copied().unwrap_or(0);
        if from_source >= self.most_per_source {
            self.send_away(Some(source));
        } else if self.staying.borrow().len() >= self.most {
            self.send_away(None);
        }
        let guest = Rc::new(Guest {
            number: self.next.replace(self.next.get() + 1),
            source,
            order: Cell::new(Order::Stay),
            ordered: Notify::new(),
            active: Cell::new(now),
            at_rest: Cell::new(false),
        });
        self.staying.borrow_mut().insert(guest.number, Rc::clone(&guest));
        *self.per_source.borrow_mut().entry(source).or_default() += 1;
        guest
    }

    /// Notes that a connection is gone.
    pub(super) fn left(&self, guest: &Guest) {
        if self.staying.borrow_mut().remove(&guest.number).is_some() {
            self.forget_source(guest.source);
        }
        self.leaving.borrow_mut().remove(&guest.number);
    }

    /// Notes that a connection only waits for its peer to hang up, and needs no room.
    pub(super) fn lingers(&self, guest: &Guest) {
        let staying = self.staying.borrow_mut().remove(&guest.number);
        if let Some(guest) = staying {
            self.forget_source(guest.source);
            self.see_out(guest);
        }
    }

    /// Frees a descriptor at once: of who is leaving anyway, or else of the most idle.
    pub(super) fn free_a_descriptor(&self) {
        if self.leaving.borrow().is_empty() {
            self.send_away(None);
        }
        if let Some((_, guest)) = self.leaving.borrow().first_key_value() {
            guest.ask(Order::Vanish);
        }
    }

    /// Asks the same of everybody.
    pub(super) fn ask_everybody(&self, order: Order) {
        for guest in self.staying.borrow().values().chain(self.leaving.borrow().values()) {
            guest.ask(order);
        }
    }

    /// Asks the one to leave who has rested longest; who is being talked to comes last.
    fn send_away(&self, source: Option<IpAddr>) {
        let chosen = self
            .staying
            .borrow()
            .values()
            .filter(|guest| source.is_none_or(|source| guest.source == source))
            .min_by_key(|guest| (!guest.at_rest.get(), guest.active.get(), guest.number))
            .map(Rc::clone);
        if let Some(guest) = chosen {
            self.staying.borrow_mut().remove(&guest.number);
            self.forget_source(guest.source);
            guest.ask(Order::MakeRoom);
            self.see_out(guest);
        }
    }

    fn see_out(&self, guest: Rc<Guest>) {
        let mut leaving = self.leaving.borrow_mut();
        leaving.insert(guest.number, guest);
        if leaving.len() > self.most
            && let Some((_, slowest)) = leaving.pop_first()
        {
            slowest.ask(Order::Vanish);
        }
    }

    fn forget_source(&self, source: IpAddr) {
        let mut per_source = self.per_source.borrow_mut();
        if let Some(count) = per_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                per_source.remove(&source);
            }
        }
    }
}

/// Whom an address belongs to: one IPv4 address, or one IPv6 /64, which is what a single
/// subscriber gets (RFC 6177).
pub(super) fn source_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn orders(guests: &[Rc<Guest>]) -> Vec<Order> {
        guests.iter().map(|guest| guest.order.get()).collect()
    }

    #[test]
    fn the_one_who_rested_longest_makes_room() {
        let (room, now) = (Room::new(3, 3), Instant::now());
        let guests: Vec<_> = (0..3).map(|index| room.enter(address(index), now)).collect();
        guests[0].note(now + Duration::from_secs(3), true);
        guests[1].note(now + Duration::from_secs(1), false);
        guests[2].note(now + Duration::from_secs(2), true);
        let newcomer = room.enter(address(9), now);
        assert_eq!(orders(&guests), [Order::Stay, Order::Stay, Order::MakeRoom]);
        assert_eq!(newcomer.order.get(), Order::Stay);
    }

    #[test]
    fn a_source_with_too_many_makes_room_for_itself() {
        let (room, now) = (Room::new(10, 2), Instant::now());
        let other = room.enter(address(1), now);
        let guests: Vec<_> = (0..3).map(|_| room.enter(address(2), now)).collect();
        assert_eq!(orders(&guests), [Order::MakeRoom, Order::Stay, Order::Stay]);
        assert_eq!(other.order.get(), Order::Stay);
        room.left(&guests[1]);
        let last = room.enter(address(2), now);
        assert_eq!(orders(&[Rc::clone(&guests[2]), last]), [Order::Stay, Order::Stay]);
    }

    #[test]
    fn those_who_leave_slowly_are_not_more_than_those_who_stay() {
        let (room, now) = (Room::new(2, 9), Instant::now());
        let guests: Vec<_> = (0..5).map(|_| room.enter(address(1), now)).collect();
        let expected = [Order::Vanish, Order::MakeRoom, Order::MakeRoom, Order::Stay, Order::Stay];
        assert_eq!(orders(&guests), expected);
        guests.iter().for_each(|guest| room.left(guest));
        assert!(room.per_source.borrow().is_empty() && room.leaving.borrow().is_empty());
    }

    #[test]
    fn without_descriptors_somebody_goes_at_once() {
        let (room, now) = (Room::new(9, 9), Instant::now());
        let guests: Vec<_> = (0..2).map(|_| room.enter(address(1), now)).collect();
        room.free_a_descriptor();
        assert_eq!(orders(&guests), [Order::Vanish, Order::Stay]);
    }

    #[test]
    fn one_ipv6_subscriber_is_one_source() {
        let source = |text: &str| text.parse().map(source_of);
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source_of(address(1)), address(1));
    }
}
