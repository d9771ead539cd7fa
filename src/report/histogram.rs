//! Owns the axis of time: so many steps of one width, which grows as the logs reach further back, so
//! that a history takes the same room for an hour and for ten years.

use super::record::Moment;

/// The most steps.
pub const STEPS: usize = 128;

/// The widths of a step, in milliseconds; each is a whole number of those before it.
const WIDTHS: [Moment; 7] = {
    const MINUTE: Moment = 60_000;
    const DAY: Moment = 1440 * MINUTE;
    [MINUTE, 10 * MINUTE, 60 * MINUTE, DAY, 7 * DAY, 28 * DAY, 336 * DAY]
};

/// The first Monday of 1970: weeks begin with it.
const MONDAY: Moment = 4 * 86_400_000;

/// The steps between the earliest moment and the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    level: usize,
    /// The first and the last step, counted from [`MONDAY`]; `None` where nothing happened.
    bounds: Option<(i64, i64)>,
}

/// What happened in each step of a span: its step `n` is at `n` modulo [`STEPS`].
#[derive(Clone, Debug, Default)]
pub struct History(Slots);

/// Most sources come once, and take no room for more than that.
#[derive(Clone, Debug, Default)]
enum Slots {
    #[default]
    None,
    One(usize, u32),
    Many(Box<[u32; STEPS]>),
}

impl PartialEq for History {
    fn eq(&self, other: &History) -> bool {
        (0..STEPS).all(|slot| self.at(slot) == other.at(slot))
    }
}

impl Eq for History {}

fn slot(step: i64) -> usize {
    usize::try_from(step.rem_euclid(STEPS as i64)).unwrap_or_default()
}

impl Span {
    /// How long a step is, in milliseconds.
    pub fn width(self) -> Moment {
        WIDTHS.get(self.level).copied().unwrap_or(WIDTHS[WIDTHS.len() - 1])
    }

    fn step(self, at: Moment) -> i64 {
        (at - MONDAY).div_euclid(self.width())
    }

    /// Where `at` is, if the span holds it.
    pub(super) fn place(self, at: Moment) -> Option<Place> {
        let step = self.step(at);
        self.bounds.filter(|(first, last)| (*first..=*last).contains(&step))?;
        Some(Place(slot(step)))
    }

    /// The span that holds `at` too.
    pub(super) fn with(mut self, at: Moment) -> Span {
        loop {
            let step = self.step(at);
            let (first, last) = self.bounds.unwrap_or((step, step));
            let (first, last) = (first.min(step), last.max(step));
            if last - first < STEPS as i64 || self.level + 1 == WIDTHS.len() {
                self.bounds = Some((first, last));
                return self;
            }
            self = self.coarser();
        }
    }

    /// The span that holds both.
    pub(super) fn and(self, other: Span) -> Span {
        let width = other.width();
        let ends = other.bounds.map_or([None, None], |(first, last)| [Some(first), Some(last)]);
        let mut both = self;
        while both.level < other.level {
            both = both.coarser();
        }
        ends.into_iter().flatten().fold(both, |both, step| both.with(step * width + MONDAY))
    }

    fn coarser(self) -> Span {
        let factor = WIDTHS[self.level + 1] / WIDTHS[self.level];
        let bounds =
            self.bounds.map(|(first, last)| (first.div_euclid(factor), last.div_euclid(factor)));
        Span { level: self.level + 1, bounds }
    }

    /// When each step begins, in order.
    pub fn steps(self) -> impl Iterator<Item = Moment> {
        let (first, last) = self.bounds.unwrap_or((0, -1));
        (first..=last).map(move |step| step * self.width() + MONDAY)
    }
}

/// A step of a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

impl History {
    fn at(&self, slot: usize) -> u32 {
        match &self.0 {
            Slots::One(one, count) if *one == slot => *count,
            Slots::None | Slots::One(..) => 0,
            Slots::Many(counts) => counts.get(slot).copied().unwrap_or_default(),
        }
    }

    fn bump(&mut self, slot: usize, more: u32) {
        match &mut self.0 {
            Slots::None => self.0 = Slots::One(slot, more),
            Slots::One(one, count) if *one == slot => *count = count.saturating_add(more),
            Slots::One(one, count) => {
                let mut counts = Box::new([0; STEPS]);
                counts[*one] = *count;
                counts[slot] = more;
                self.0 = Slots::Many(counts);
            }
            Slots::Many(counts) => counts[slot] = counts[slot].saturating_add(more),
        }
    }

    /// The slots in which anything happened.
    fn slots(&self) -> impl Iterator<Item = (usize, u32)> {
        let (begin, end) = match &self.0 {
            Slots::None => (0, 0),
            Slots::One(one, _) => (*one, *one + 1),
            Slots::Many(_) => (0, STEPS),
        };
        (begin..end).map(|slot| (slot, self.at(slot))).filter(|(_, count)| *count > 0)
    }

    /// Adds `count` to a step.
    pub(super) fn add(&mut self, Place(slot): Place, count: u64) {
        self.bump(slot, u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// The same history in the steps of a span that holds that of `from`.
    pub(super) fn refit(&mut self, from: Span, to: Span) {
        if from.level == to.level || matches!(self.0, Slots::None) {
            return;
        }
        let mut fitted = History::default();
        for (at, count) in from.steps().zip(self.counts(from)).filter(|(_, count)| *count > 0) {
            fitted.bump(slot(to.step(at)), count);
        }
        *self = fitted;
    }

    /// Adds what another history of the same span holds.
    pub(super) fn merge(&mut self, other: &History) {
        other.slots().for_each(|(slot, count)| self.bump(slot, count));
    }

    /// Adds one to each step in which the other history holds anything.
    pub(super) fn note_presence(&mut self, other: &History) {
        other.slots().for_each(|(slot, _)| self.bump(slot, 1));
    }

    /// What happened in each step, in order.
    pub fn counts(&self, span: Span) -> impl Iterator<Item = u32> {
        let (first, last) = span.bounds.unwrap_or((0, -1));
        (first..=last).map(|step| self.at(slot(step)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A history of one count at each of `moments`, as a census builds it.
    fn built(moments: &[Moment]) -> (Span, History) {
        let (mut span, mut history) = (Span::default(), History::default());
        for at in moments {
            let wider = span.with(*at);
            history.refit(span, wider);
            span = wider;
            history.add(span.place(*at).unwrap(), 1);
        }
        (span, history)
    }

    #[test]
    fn steps_grow_with_what_they_have_to_hold_and_nothing_is_lost() {
        const DAY: Moment = 86_400_000;
        let start = 1_793_000_000_000;
        for (reach, width) in
            [(1, 60_000), (DAY, 3_600_000), (60 * DAY, DAY), (20_000 * DAY, 336 * DAY)]
        {
            let moments: Vec<Moment> = (0..=50).map(|step| start - step * reach / 50).collect();
            let (span, history) = built(&moments);
            assert_eq!(span.width(), width, "{reach}");
            assert_eq!(history.counts(span).sum::<u32>(), 51);
            // In whatever order they come.
            let (mut backwards, reversed) =
                built(&moments.iter().rev().copied().collect::<Vec<_>>());
            assert_eq!((span, &history), (backwards, &reversed));
            backwards = backwards.and(span);
            assert_eq!(backwards, span);
            let (first, last) = (span.steps().next().unwrap(), span.steps().last().unwrap());
            assert!(first <= start - reach && start - reach < first + width);
            assert!(last <= start && start < last + width);
        }
    }

    #[test]
    fn a_week_begins_on_monday() {
        let span = Span { level: 4, bounds: None }.with(1_793_000_000_000);
        let first = jiff::Timestamp::from_millisecond(span.steps().next().unwrap()).unwrap();
        assert_eq!(first.to_string(), "2026-10-26T00:00:00Z");
    }
}
