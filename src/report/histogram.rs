//! Histograms of attempts over time, and the time axis that they share.
//!
//! Guarantees: an axis has at most [`MAX_STEPS`] steps, which widen as the logs reach further back, so that
//! a histogram takes the same memory for an hour and for ten years; no attempt is lost by widening.

use super::record::UnixMillis;

/// The most steps of an axis: enough for a chart of the page, and at most a KiB for each source.
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

/// The number of attempts in each step of an axis. Counts saturate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// The step of the first of `counts`.
    first: i64,
    /// A count for each step from the first with attempts to the last. Most sources attempt once, and take
    /// no more than one.
    counts: Vec<u32>,
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

    /// The step of `at`, if the axis covers it.
    pub(super) fn covered_step(self, at: UnixMillis) -> Option<i64> {
        let step = self.step(at);
        let (first, last) = self.bounds?;
        (first..=last).contains(&step).then_some(step)
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

    /// Every step, in order.
    fn numbers(self) -> impl Iterator<Item = i64> {
        self.bounds.into_iter().flat_map(|(first, last)| first..=last)
    }

    /// The beginning of each step, in order.
    pub fn steps(self) -> impl Iterator<Item = UnixMillis> {
        self.numbers().map(move |step| step * self.width() + MONDAY)
    }
}

impl Histogram {
    /// Adds to the count of a step.
    pub(super) fn add(&mut self, step: i64, more: u64) {
        if more == 0 {
            return;
        }
        if self.counts.is_empty() {
            self.first = step;
        }
        // An axis is narrow, so that both ends are near.
        let before = usize::try_from(self.first - step).unwrap_or_default();
        self.counts.splice(..0, std::iter::repeat_n(0, before));
        self.first = self.first.min(step);
        let index = usize::try_from(step - self.first).unwrap_or_default();
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.counts[index] = self.counts[index].saturating_add(more);
    }

    /// The steps with a count above 0.
    fn occupied(&self) -> impl Iterator<Item = (i64, u32)> {
        (self.first..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// Moves the counts from the steps of one axis to those of another, which covers it.
    pub(super) fn rescale(&mut self, from: TimeAxis, to: TimeAxis) {
        if from.level == to.level {
            return;
        }
        let factor = to.width() / from.width();
        let narrow = std::mem::take(self);
        narrow.occupied().for_each(|(step, count)| self.add(step.div_euclid(factor), count.into()));
    }

    /// Adds the counts of another histogram on the same axis.
    pub(super) fn merge(&mut self, other: &Histogram) {
        other.occupied().for_each(|(step, count)| self.add(step, count.into()));
    }

    /// Adds 1 to each step in which the other histogram has a count.
    pub(super) fn add_presence(&mut self, other: &Histogram) {
        other.occupied().for_each(|(step, _)| self.add(step, 1));
    }

    /// The count of each step, in order.
    pub fn counts(&self, axis: TimeAxis) -> impl Iterator<Item = u32> {
        axis.numbers().map(|step| {
            let index = usize::try_from(step - self.first).ok();
            index.and_then(|index| self.counts.get(index)).copied().unwrap_or_default()
        })
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
            histogram.add(axis.covered_step(*at).unwrap(), 1);
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
