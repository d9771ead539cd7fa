//! A doubly linked list whose links lie in its members: appending, removing and finding the first
//! take constant time and allocate nothing.
//!
//! Never: know what its members are; they are indices into a slab of the caller's.

/// The index that stands for no member.
const NONE: u32 = u32::MAX;

/// A member's neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Links {
    previous: u32,
    next: u32,
}

impl Default for Links {
    fn default() -> Links {
        Links { previous: NONE, next: NONE }
    }
}

/// Where the members keep their links. A member of several lists has links for each.
pub(super) trait LinkStorage {
    /// The links of `member`.
    fn links(&mut self, member: u32) -> &mut Links;
}

/// The ends of one list. The caller knows which list a member is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> List {
        List { first: NONE, last: NONE }
    }
}

impl List {
    /// The member that was appended first.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Appends `member`, which is in no list of this storage.
    pub(super) fn push_back(&mut self, storage: &mut impl LinkStorage, member: u32) {
        *storage.links(member) = Links { previous: self.last, next: NONE };
        match self.last {
            NONE => self.first = member,
            last => storage.links(last).next = member,
        }
        self.last = member;
    }

    /// Removes `member`, which is in this list.
    pub(super) fn remove(&mut self, storage: &mut impl LinkStorage, member: u32) {
        let Links { previous, next } = std::mem::take(storage.links(member));
        match previous {
            NONE => self.first = next,
            previous => storage.links(previous).next = next,
        }
        match next {
            NONE => self.last = previous,
            next => storage.links(next).previous = previous,
        }
    }

    /// The member after `member`.
    pub(super) fn next(storage: &mut impl LinkStorage, member: u32) -> Option<u32> {
        let next = storage.links(member).next;
        (next != NONE).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    impl LinkStorage for Vec<Links> {
        fn links(&mut self, member: u32) -> &mut Links {
            &mut self[member as usize]
        }
    }

    fn members(list: List, storage: &mut Vec<Links>) -> Vec<u32> {
        std::iter::successors(list.first(), |member| List::next(storage, *member)).collect()
    }

    #[test]
    fn it_keeps_the_order_of_a_plain_queue() {
        let mut storage = vec![Links::default(); 8];
        let (mut list, mut model) = (List::default(), VecDeque::new());
        // A pseudo-random walk, the same on each run: members come and go at every position.
        let mut random = 1_u32;
        for _ in 0..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let member = random >> 29;
            if model.contains(&member) {
                list.remove(&mut storage, member);
                model.retain(|other| *other != member);
            } else {
                list.push_back(&mut storage, member);
                model.push_back(member);
            }
            assert_eq!(members(list, &mut storage), Vec::from(model.clone()));
        }
    }
}
