//! Parses the timestamps of one log, the listener's own at the least cost.

use super::forms::{Clock, When, Yearless};
use super::numbers::{DAY, milliseconds, time_of_day, two};
use super::years::{Dated, Segment, Years};
use crate::report::record::UnixMillis;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A timestamp as RFC 3339 text in UTC, rounded down to seconds. Empty where the year has more than four
/// digits.
pub fn to_rfc3339(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_second(at.div_euclid(1000));
    at.map_or_else(|_| String::new(), |at| at.to_string())
}

/// Midnight of a date (`2026-11-22`) in UTC.
fn midnight(date: &[u8]) -> Option<UnixMillis> {
    let date: Date = std::str::from_utf8(date).ok()?.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(date.into()).ok()?.as_millisecond())
}

/// Parses the timestamps of one log. Caches the last date: the next line nearly always has the same, and then
/// needs no conversion through the calendar.
#[derive(Clone, Debug)]
pub struct TimestampParser {
    clock: Clock,
    /// The last RFC 3339 date as text, and its midnight.
    cached_date: ([u8; 10], UnixMillis),
    /// The dates without a year, in the order of lines.
    years: Years,
    /// The timestamp of the first line that is not the listener's, if it has one with a year.
    first: Option<Option<UnixMillis>>,
}

impl TimestampParser {
    /// For a log that was last written at `modified`. Timestamps without a zone are in `zone`.
    pub fn new(zone: TimeZone, modified: UnixMillis) -> Self {
        let clock = Clock { zone, modified };
        Self { clock, cached_date: ([0; 10], 0), years: Years::default(), first: None }
    }

    /// The timestamp of the first line that is not the listener's, if it has one with a year.
    pub fn first(&self) -> Option<UnixMillis> {
        self.first.flatten()
    }

    /// `2026-11-22T22:56:34.743Z`, with any fraction and offset (`+01:00`, `+0100`).
    pub(in crate::report) fn rfc3339<'a>(
        &mut self,
        line: &'a [u8],
    ) -> Option<(UnixMillis, &'a [u8])> {
        let (date, rest) = line.split_first_chunk::<10>()?;
        if self.cached_date.0 != *date {
            self.cached_date = (*date, midnight(date)?);
        }
        let rest = rest.strip_prefix(b"T")?;
        let mut at = self.cached_date.1 + time_of_day(rest)?;
        let mut rest = &rest[8..];
        if let Some(fraction) = rest.strip_prefix(b".") {
            let (milliseconds, after) = milliseconds(fraction)?;
            (at, rest) = (at + milliseconds, after);
        }
        let (sign, rest) = rest.split_first()?;
        // UTC is behind a zone with a positive offset.
        let direction = match sign {
            b'Z' => return Some((at, rest)),
            b'+' => -1,
            b'-' => 1,
            _ => return None,
        };
        let colon = usize::from(rest.get(2) == Some(&b':'));
        let (hours, minutes) = (two(rest, 0)?, two(rest, 2 + colon)?);
        let offset = (hours * 60 + minutes) * 60_000;
        (offset < DAY).then(|| (at + direction * offset, &rest[4 + colon..]))
    }

    /// Splits a timestamp of any known form from the text after it.
    pub(in crate::report) fn split_from<'a>(&mut self, line: &'a [u8]) -> Option<(When, &'a [u8])> {
        if line.first().is_some_and(u8::is_ascii_digit)
            && let Some((at, rest)) = self.rfc3339(line)
        {
            return Some((When::At(at), rest));
        }
        self.clock.split_from(line)
    }

    /// Notes the time of a log's first line.
    pub(in crate::report) fn note_first(&mut self, line: &[u8]) {
        if self.first.is_none() {
            let time = match self.split_from(line) {
                Some((When::At(at), _)) => Some(at),
                _ => None,
            };
            self.first = Some(time);
        }
    }

    /// Notes the date of a line of which nothing else is read.
    pub(in crate::report) fn note_date(&mut self, line: &[u8]) {
        let Some(text) = line.first_chunk::<6>() else { return };
        if !text[0].is_ascii_uppercase() || self.years.is_same(text) {
            return;
        }
        if let Some((When::Yearless(stamp), _)) = self.clock.split_from(line) {
            self.years.note_text(stamp, *text);
        }
    }

    /// Notes the date of a line that is to be dated by [`TimestampParser::date`].
    pub(in crate::report) fn segment(&mut self, stamp: Yearless) -> Segment {
        self.years.note(stamp)
    }

    /// Dates a line once the whole log is read; `None` where the clock was not set, or the day does not exist in
    /// that year.
    pub(in crate::report) fn date(&self, stamp: Yearless, at: Segment) -> Option<Dated> {
        self.years.date(stamp, at, &self.clock)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(zone: TimeZone, line: &str) -> Option<String> {
        let modified: jiff::Timestamp = MODIFIED.parse().unwrap();
        let mut timestamps = TimestampParser::new(zone, modified.as_millisecond());
        // The second time the date comes from the cache.
        let first = timestamps.split_from(line.as_bytes());
        assert_eq!(first, timestamps.split_from(line.as_bytes()), "{line}");
        let (when, rest) = first?;
        assert_eq!(rest, b" x", "{line}");
        let When::At(at) = when else { return Some(format!("{when:?}")) };
        Some(jiff::Timestamp::from_millisecond(at).unwrap().to_string())
    }

    const MODIFIED: &str = "2026-11-27T05:45:00Z";

    #[test]
    fn every_form_of_timestamp_is_parsed() {
        for (line, expected) in [
            ("2026-11-22T22:56:34.743Z x", "2026-11-22T22:56:34.743Z"),
            ("2026-11-22T22:56:34Z x", "2026-11-22T22:56:34Z"),
            ("2026-11-22T23:56:34.743921+01:00 x", "2026-11-22T22:56:34.743Z"),
            ("2026-11-22T17:26:34-0530 x", "2026-11-22T22:56:34Z"),
            ("2024-02-29T00:00:00Z x", "2024-02-29T00:00:00Z"),
            ("1795757700.123456 x", "2026-11-27T05:35:00.123Z"),
            ("1795757700 x", "2026-11-27T05:35:00Z"),
            ("1795757700123 x", "2026-11-27T05:35:00.123Z"),
            ("@400000006b09168e0000ffff x", "2026-11-27T05:35:00Z"),
            ("2026-11-22 22:56:34,743 UTC x", "2026-11-22T22:56:34.743Z"),
            ("2026-11-22T22:56:34 x", "2026-11-22T22:56:34Z"),
            ("2026-11-22_22:56:34.12345 x", "2026-11-22T22:56:34.123Z"),
            ("Sun 2026-11-22 22:56:34 UTC x", "2026-11-22T22:56:34Z"),
            ("Sun 2026-11-22 22:56:34 -03 x", "2026-11-23T01:56:34Z"),
            ("Sun Nov 22 22:56:34 2026 x", "2026-11-22T22:56:34Z"),
            ("Sun Nov 22 22:56:34 UTC 2026 x", "2026-11-22T22:56:34Z"),
            ("2026 Nov 22 22:56:34 x", "2026-11-22T22:56:34Z"),
            ("Nov 22 2026 22:56:34.743 x", "2026-11-22T22:56:34.743Z"),
            ("Nov  7 05:45:00 x", "Yearless(Yearless { month: 11, day: 7, time: 20700000 })"),
            ("Nov 7 05:45:00 x", "Yearless(Yearless { month: 11, day: 7, time: 20700000 })"),
            ("2026-13-01T00:00:00Z x", "Impossible"),
            ("2026-02-30T00:00:00Z x", "Impossible"),
            ("2026-11-22T22:56:34+99:99 x", "Impossible"),
            ("Sun 2026-11-22 22:56:34 XYZ x", "Impossible"),
            ("Nov 31 05:45:00 x", "Impossible"),
            ("Feb 29 2026 05:45:00 x", "Impossible"),
        ] {
            assert_eq!(parsed(TimeZone::UTC, line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_timestamp_without_a_zone_is_in_the_host_s_zone() {
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let at = parsed(east.clone(), "2026-11-27 05:45:00 x");
        assert_eq!(at.as_deref(), Some("2026-11-27T03:45:00Z"));
        // Only the zone knows its summer time, and its names.
        let posix = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (line, expected) in [
            ("2026-07-01 05:45:00 x", "2026-07-01T03:45:00Z"),
            ("Wed 2026-07-01 05:45:00 CEST x", "2026-07-01T03:45:00Z"),
            ("Fri 2026-11-27 05:45:00 CET x", "2026-11-27T04:45:00Z"),
            ("Nov 27 2026 05:45:00 CET x", "2026-11-27T04:45:00Z"),
            // The hour that comes twice is the first one.
            ("2026-10-25 02:30:00 x", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(parsed(posix.clone(), line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_malformed_timestamp_is_rejected() {
        for line in [
            "",
            "2026",
            "2026-11-22T24:00:00Z x",
            "Foo 27 05:45:00 x",
            "Nov 27 5:45:00 x",
            "17957625 x",
            "99999999999999999999.1 x",
            "Nov /7 05:45:00 x",
            "2026-11-2\u{e9}T22:56:34Z",
        ] {
            assert_eq!(parsed(TimeZone::UTC, line), None, "{line}");
        }
    }
}
