//! Owns the order in which things stand in line: first-in-first-out queues whose members are known
//! by small numbers, so that joining, leaving and finding the first cost the same however many
//! there are. Must never know what stands in line.

/// Stands for no member.
const NOBODY: u32 = u32::MAX;

/// A member's neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) struct Links {
    before: u32,
    after: u32,
}

impl Default for Links {
    fn default() -> Links {
        Links { before: NOBODY, after: NOBODY }
    }
}

/// Where the members' neighbours are kept.
pub(in crate::listener) trait Neighbours {
    /// Those of `member`.
    fn links(&mut self, member: u32) -> &mut Links;
}

/// One queue. Who is a member of which is for the caller to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) struct Queue {
    first: u32,
    last: u32,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { first: NOBODY, last: NOBODY }
    }
}

impl Queue {
    /// Who has stood in it for longest.
    pub(in crate::listener) fn first(&self) -> Option<u32> {
        (self.first != NOBODY).then_some(self.first)
    }

    /// Appends a newcomer.
    pub(in crate::listener) fn join(&mut self, neighbours: &mut impl Neighbours, member: u32) {
        *neighbours.links(member) = Links { before: self.last, after: NOBODY };
        match self.last {
            NOBODY => self.first = member,
            last => neighbours.links(last).after = member,
        }
        self.last = member;
    }

    /// Takes out a member.
    pub(in crate::listener) fn leave(&mut self, neighbours: &mut impl Neighbours, member: u32) {
        let Links { before, after } = std::mem::take(neighbours.links(member));
        match before {
            NOBODY => self.first = after,
            before => neighbours.links(before).after = after,
        }
        match after {
            NOBODY => self.last = before,
            after => neighbours.links(after).before = before,
        }
    }

    /// The member behind `member`.
    pub(in crate::listener) fn next(neighbours: &mut impl Neighbours, member: u32) -> Option<u32> {
        let after = neighbours.links(member).after;
        (after != NOBODY).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    impl Neighbours for Vec<Links> {
        fn links(&mut self, member: u32) -> &mut Links {
            &mut self[member as usize]
        }
    }

    fn members(queue: Queue, neighbours: &mut Vec<Links>) -> Vec<u32> {
        std::iter::successors(queue.first(), |member| Queue::next(neighbours, *member)).collect()
    }

    #[test]
    fn it_is_what_a_queue_of_copies_would_be() {
        let mut neighbours = vec![Links::default(); 8];
        let (mut queue, mut model) = (Queue::default(), VecDeque::new());
        // A walk through joining and leaving at every place, the same on each run.
        let mut dice = 1_u32;
        for _ in 0..10_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let member = dice >> 29;
            if model.contains(&member) {
                queue.leave(&mut neighbours, member);
                model.retain(|other| *other != member);
            } else {
                queue.join(&mut neighbours, member);
                model.push_back(member);
            }
            assert_eq!(members(queue, &mut neighbours), Vec::from(model.clone()));
        }
    }
}
