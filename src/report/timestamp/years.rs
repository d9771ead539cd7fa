//! Finds the years of timestamps that have none, by the order of a log's lines: a date before that of the line
//! above begins a new year, and the last line is not later than the log's last change.
//!
//! Guarantees: a date that the order does not tell is called ambiguous, never guessed.

use super::forms::{Clock, Yearless};
use super::numbers::DAY;
use crate::report::record::UnixMillis;
use jiff::civil::Date;

/// How many days a date must go back to begin a new year. A smaller step may be a clock that was set back, or a
/// log in which nearly a year has no line.
const NEW_YEAR: i32 = 180;
/// How many days a date may go back without any meaning: lines of several programs are not in order.
const DISORDER: i32 = 1;
/// How many days a line goes forward that was written late: one of 31 December after the first of 1 January.
const LATE_LINE: i32 = 360;
/// The most borders between years that are kept. A real log has as many as years.
const MAX_BORDERS: usize = 64;

/// The dates of one log's lines, in their order.
#[derive(Clone, Debug, Default)]
pub struct Years {
    /// The text of the latest date, so that the next line with the same needs no more.
    text: [u8; 6],
    last: Option<Yearless>,
    /// The last line's clock was not set: a boot without a battery-backed clock begins at 1 January, 00:00.
    is_unset: bool,
    /// What each step back in the order of lines means: true for a new year, false for one that is ambiguous.
    borders: Vec<bool>,
}

/// The place of a line in the order of years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment(Option<usize>);

/// The time of a line whose timestamp has no year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    At(UnixMillis),
    /// The order of lines does not tell the year.
    Ambiguous,
}

impl Years {
    /// Whether a line begins with the same date as the one before.
    pub fn is_same(&self, line: &[u8; 6]) -> bool {
        self.text == *line
    }

    /// Notes the date of a line, and its text.
    pub fn note_text(&mut self, stamp: Yearless, text: [u8; 6]) {
        self.text = text;
        self.note(stamp);
    }

    /// Notes the date of a line.
    pub fn note(&mut self, stamp: Yearless) -> Segment {
        let back = self.last.map_or(0, |last| day_of_year(last) - day_of_year(stamp));
        if back <= -LATE_LINE && self.borders.last() == Some(&true) {
            return Segment(Some(self.borders.len() - 1));
        }
        let is_first_hour = (stamp.month, stamp.day) == (1, 1) && stamp.time < 3_600_000;
        let is_new_year = self.last.is_some_and(|last| last.month == 12 && last.day >= 30);
        let was_unset = self.is_unset && (stamp.month, stamp.day) == (1, 1);
        self.is_unset = was_unset || (is_first_hour && back > DISORDER && !is_new_year);
        if self.is_unset {
            return Segment(None);
        }
        if back > DISORDER && self.borders.len() < MAX_BORDERS {
            self.borders.push(back >= NEW_YEAR && self.borders.len() + 1 < MAX_BORDERS);
        }
        // A line that is a little too old is no step back for the line after it.
        if back <= 0 || back > DISORDER {
            self.last = Some(stamp);
        }
        Segment(Some(self.borders.len()))
    }

    /// Dates a line once the whole log is read; `None` where the clock was not set, or the day does not exist in
    /// that year.
    pub fn date(&self, stamp: Yearless, at: Segment, clock: &Clock) -> Option<Dated> {
        let segment = at.0?;
        let last = self.last?;
        let after = self.borders.get(segment..).unwrap_or_default();
        if after.contains(&false) {
            return Some(Dated::Ambiguous);
        }
        let year = latest_year(last, clock)? - i16::try_from(after.len()).ok()?;
        clock.in_year(stamp, year).map(Dated::At)
    }
}

/// The day of a leap year, which has every date.
fn day_of_year(stamp: Yearless) -> i32 {
    Date::new(2024, stamp.month, stamp.day).map_or(0, |date| date.day_of_year().into())
}

/// The latest year in which a date is not later than the log's last change.
fn latest_year(stamp: Yearless, clock: &Clock) -> Option<i16> {
    let modified = jiff::Timestamp::from_millisecond(clock.modified).ok()?;
    let year = modified.to_zoned(clock.zone.clone()).year();
    // A clock may have been ahead when the last line was written, hence next year and a day of grace.
    // 29 February may be up to eight years back.
    (0..=9).map(|back| year + 1 - back).find(|year| {
        clock.in_year(stamp, *year).is_some_and(|at| at <= clock.modified.saturating_add(DAY))
    })
}
