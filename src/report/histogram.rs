//! Histograms of attempts over time, and the time axis that they share.
//!
//! Guarantees: an axis has at most [`MAX_STEPS`] steps, which widen as the logs reach further back, so that
//! a histogram takes the same memory for an hour and for ten years; no attempt is lost by widening.

use super::record::UnixMillis;

/// The most steps of an axis: enough for a chart of the page, and half a KiB for each source.
pub const MAX_STEPS: usize = 128;

/// The possible widths of a step, in milliseconds. Each is a multiple of the one before it, so that no step
/// is divided when the axis widens.
const WIDTHS: [UnixMillis; 7] = {
    const MINUTE: UnixMillis = 60_000;
    const DAY: UnixMillis = 1440 * MINUTE;
    [MINUTE, 10 * MINUTE, 60 * MINUTE, DAY, 7 * DAY, 28 * DAY, 336 * DAY]
};

/// The first Monday of 1970. Steps are counted from it, so that weeks begin on Mondays.
const MONDAY: UnixMillis = 4 * 86_400_000;

/// The steps between the earliest attempt and the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeAxis {
    /// Index into [`WIDTHS`].
    level: usize,
    /// The first and the last step, counted from [`MONDAY`]; `None` without any attempt.
    bounds: Option<(i64, i64)>,
}

/// The number of attempts in each step of an axis. Step `n` is in slot `n` modulo [`MAX_STEPS`], so that an
/// axis can grow at either end without moving counts. Counts saturate.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Counts);

/// A histogram's counts. Most sources attempt once: they need no array.
#[derive(Clone, Debug, Default)]
enum Counts {
    #[default]
    None,
    One(Slot, u32),
    Many(Box<[u32; MAX_STEPS]>),
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Histogram) -> bool {
        (0..MAX_STEPS).map(Slot).all(|slot| self.at(slot) == other.at(slot))
    }
}

impl Eq for Histogram {}

/// The slot of a step.
fn slot(step: i64) -> Slot {
    Slot(usize::try_from(step.rem_euclid(MAX_STEPS as i64)).unwrap_or_default())
}

impl TimeAxis {
    /// The length of a step in milliseconds.
    pub fn width(self) -> UnixMillis {
        WIDTHS.get(self.level).copied().unwrap_or(WIDTHS[WIDTHS.len() - 1])
    }

    /// The step of `at`, counted from [`MONDAY`].
    fn step(self, at: UnixMillis) -> i64 {
        (at - MONDAY).div_euclid(self.width())
    }

    /// The slot of `at`, if the axis covers it.
    pub(super) fn slot(self, at: UnixMillis) -> Option<Slot> {
        let step = self.step(at);
        self.bounds.filter(|(first, last)| (*first..=*last).contains(&step))?;
        Some(slot(step))
    }

    /// The axis that covers `at` too.
    pub(super) fn widened_to(mut self, at: UnixMillis) -> TimeAxis {
        loop {
            let step = self.step(at);
            let (first, last) = self.bounds.unwrap_or((step, step));
            let (first, last) = (first.min(step), last.max(step));
            if last - first < MAX_STEPS as i64 || self.level + 1 == WIDTHS.len() {
                self.bounds = Some((first, last));
                return self;
            }
            self = self.coarser();
        }
    }

    /// The axis that covers both.
    pub(super) fn union(self, other: TimeAxis) -> TimeAxis {
        let width = other.width();
        let ends = other.bounds.map_or([None, None], |(first, last)| [Some(first), Some(last)]);
        let mut both = self;
        while both.level < other.level {
            both = both.coarser();
        }
        ends.into_iter().flatten().fold(both, |both, step| both.widened_to(step * width + MONDAY))
    }

    /// The same axis with steps of the next width.
    fn coarser(self) -> TimeAxis {
        let factor = WIDTHS[self.level + 1] / WIDTHS[self.level];
        let bounds =
            self.bounds.map(|(first, last)| (first.div_euclid(factor), last.div_euclid(factor)));
        TimeAxis { level: self.level + 1, bounds }
    }

    /// The beginning of each step, in order.
    pub fn steps(self) -> impl Iterator<Item = UnixMillis> {
        let (first, last) = self.bounds.unwrap_or((0, -1));
        (first..=last).map(move |step| step * self.width() + MONDAY)
    }
}

/// A slot of a histogram: an index below [`MAX_STEPS`]. It is valid until the axis changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

impl Histogram {
    fn at(&self, Slot(slot): Slot) -> u32 {
        match &self.0 {
            Counts::One(one, count) if one.0 == slot => *count,
            Counts::None | Counts::One(..) => 0,
            Counts::Many(counts) => counts.get(slot).copied().unwrap_or_default(),
        }
    }

    fn bump(&mut self, slot: Slot, more: u32) {
        match &mut self.0 {
            Counts::None => self.0 = Counts::One(slot, more),
            Counts::One(one, count) if *one == slot => *count = count.saturating_add(more),
            Counts::One(one, count) => {
                let mut counts = Box::new([0; MAX_STEPS]);
                counts[one.0] = *count;
                counts[slot.0] = more;
                self.0 = Counts::Many(counts);
            }
            Counts::Many(counts) => counts[slot.0] = counts[slot.0].saturating_add(more),
        }
    }

    /// The slots with a count above 0.
    fn occupied(&self) -> impl Iterator<Item = (Slot, u32)> {
        let (begin, end) = match &self.0 {
            Counts::None => (0, 0),
            Counts::One(Slot(one), _) => (*one, *one + 1),
            Counts::Many(_) => (0, MAX_STEPS),
        };
        (begin..end).map(|slot| (Slot(slot), self.at(Slot(slot)))).filter(|(_, count)| *count > 0)
    }

    /// Adds `count` to a step.
    pub(super) fn add(&mut self, slot: Slot, count: u64) {
        self.bump(slot, u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Moves the counts from the steps of one axis to those of another, which covers it.
    pub(super) fn rescale(&mut self, from: TimeAxis, to: TimeAxis) {
        if from.level == to.level || matches!(self.0, Counts::None) {
            return;
        }
        let mut rescaled = Histogram::default();
        for (at, count) in from.steps().zip(self.counts(from)).filter(|(_, count)| *count > 0) {
            rescaled.bump(slot(to.step(at)), count);
        }
        *self = rescaled;
    }

    /// Adds the counts of another histogram on the same axis.
    pub(super) fn merge(&mut self, other: &Histogram) {
        other.occupied().for_each(|(slot, count)| self.bump(slot, count));
    }

    /// Adds 1 to each step in which the other histogram has a count.
    pub(super) fn add_presence(&mut self, other: &Histogram) {
        other.occupied().for_each(|(slot, _)| self.bump(slot, 1));
    }

    /// The count of each step, in order.
    pub fn counts(&self, axis: TimeAxis) -> impl Iterator<Item = u32> {
        let (first, last) = axis.bounds.unwrap_or((0, -1));
        (first..=last).map(|step| self.at(slot(step)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A histogram of one count at each of `times`, built as an aggregate does.
    fn built(times: &[UnixMillis]) -> (TimeAxis, Histogram) {
        let (mut axis, mut histogram) = (TimeAxis::default(), Histogram::default());
        for at in times {
            let wider = axis.widened_to(*at);
            histogram.rescale(axis, wider);
            axis = wider;
            histogram.add(axis.slot(*at).unwrap(), 1);
        }
        (axis, histogram)
    }

    #[test]
    fn steps_widen_with_the_reach_of_the_logs_and_no_count_is_lost() {
        const DAY: UnixMillis = 86_400_000;
        let start = 1_793_000_000_000;
        for (reach, width) in
            [(1, 60_000), (DAY, 3_600_000), (60 * DAY, DAY), (20_000 * DAY, 336 * DAY)]
        {
            let times: Vec<UnixMillis> = (0..=50).map(|step| start - step * reach / 50).collect();
            let (axis, histogram) = built(&times);
            assert_eq!(axis.width(), width, "{reach}");
            assert_eq!(histogram.counts(axis).sum::<u32>(), 51);
            // The order in which attempts come makes no difference.
            let (mut backwards, reversed) = built(&times.iter().rev().copied().collect::<Vec<_>>());
            assert_eq!((axis, &histogram), (backwards, &reversed));
            backwards = backwards.union(axis);
            assert_eq!(backwards, axis);
            let (first, last) = (axis.steps().next().unwrap(), axis.steps().last().unwrap());
            assert!(first <= start - reach && start - reach < first + width);
            assert!(last <= start && start < last + width);
        }
    }

    #[test]
    fn a_week_begins_on_monday() {
        let axis = TimeAxis { level: 4, bounds: None }.widened_to(1_793_000_000_000);
        let first = jiff::Timestamp::from_millisecond(axis.steps().next().unwrap()).unwrap();
        assert_eq!(first.to_string(), "2026-10-26T00:00:00Z");
    }
}
