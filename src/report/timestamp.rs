//! Parses the timestamps of logs: RFC 3339, journalctl's variants of it, seconds since 1970, and syslog's
//! traditional timestamp (RFC 3164, section 4.1.2), which has neither a year nor a zone.

use super::record::UnixMillis;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

const DAY: i64 = 86_400_000;

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

/// Two decimal digits.
fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let digits = bytes.get(at..at + 2)?;
    digits
        .iter()
        .all(u8::is_ascii_digit)
        .then(|| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// Milliseconds since midnight of `HH:MM:SS` at the beginning of `bytes`. A leap second (`:60`) is taken
/// for the second after it.
fn time_of_day(bytes: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (two(bytes, 0)?, two(bytes, 3)?, two(bytes, 6)?);
    let in_bounds = hour < 24 && minute < 60 && second <= 60;
    let colons = bytes[2] == b':' && bytes[5] == b':';
    (in_bounds && colons).then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

/// Parses the timestamps of one log. Caches the last date, and of traditional timestamps the last hour:
/// the next line nearly always has the same, and then needs no conversion through the calendar.
#[derive(Clone, Debug)]
pub struct TimestampParser {
    zone: TimeZone,
    /// When the log was last written: timestamps without a year are not later.
    modified: UnixMillis,
    /// The last RFC 3339 date as text, and its midnight.
    cached_date: ([u8; 10], UnixMillis),
    /// The last date and hour of a traditional timestamp as text, and its beginning.
    cached_hour: ([u8; 9], UnixMillis),
}

impl TimestampParser {
    /// For a log that was last written at `modified`. Timestamps without a zone are in `zone`.
    pub fn new(zone: TimeZone, modified: UnixMillis) -> Self {
        Self { zone, modified, cached_date: ([0; 10], 0), cached_hour: ([0; 9], 0) }
    }

    /// Splits a timestamp of any known form from the rest of a line.
    pub(super) fn split_from<'a>(&mut self, line: &'a [u8]) -> Option<(UnixMillis, &'a [u8])> {
        match line {
            [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => self.rfc3339(line),
            [b'0'..=b'9', ..] => unix(line),
            _ => self.rfc3164(line),
        }
    }

    /// `2026-11-22T22:56:34.743Z`, with any fraction and offset (`+01:00`, `+0100`).
    pub(super) fn rfc3339<'a>(&mut self, line: &'a [u8]) -> Option<(UnixMillis, &'a [u8])> {
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

    /// `Nov  7 05:45:00`, in the latest year in which that is not later than the log's last line.
    fn rfc3164<'a>(&mut self, line: &'a [u8]) -> Option<(UnixMillis, &'a [u8])> {
        let stamp = line.get(..15)?;
        let time = time_of_day(&stamp[7..])?;
        let in_hour = time % 3_600_000;
        let hour: [u8; 9] = stamp.first_chunk().copied()?;
        if self.cached_hour.0 != hour {
            let date = BrokenDownTime::parse("%b %e", &stamp[..6]).ok()?;
            let (month, day) = (date.month()?, date.day().filter(|_| stamp[6] == b' ')?);
            let clock_hour = i8::try_from(time / 3_600_000).ok()?;
            self.cached_hour = (hour, self.in_latest_year(month, day, clock_hour)?);
        }
        Some((self.cached_hour.1 + in_hour, &line[15..]))
    }

    fn in_latest_year(&self, month: i8, day: i8, hour: i8) -> Option<UnixMillis> {
        let modified = jiff::Timestamp::from_millisecond(self.modified).ok()?;
        let year = modified.to_zoned(self.zone.clone()).year();
        // A clock may have been ahead when the last line was written, hence next year and a day of grace.
        // 29 February may be up to four years back.
        (0..=4).map(|back| year + 1 - back).find_map(|year| {
            let civil = DateTime::new(year, month, day, hour, 0, 0, 0).ok()?;
            let at = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?.as_millisecond();
            (at <= self.modified + DAY).then_some(at)
        })
    }
}

/// Splits the digits of a fraction of a second from what follows them, as milliseconds, rounded down.
fn milliseconds(text: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, rest) = digits(text)?;
    let digit = |index: usize| digits.get(index).map_or(0, |digit| i64::from(digit - b'0'));
    Some((digit(0) * 100 + digit(1) * 10 + digit(2), rest))
}

/// Splits one or more decimal digits from what follows them.
fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| text.split_at(count))
}

/// `1795757700.123456`, as `journalctl -o short-unix` writes it.
fn unix(line: &[u8]) -> Option<(UnixMillis, &[u8])> {
    let (seconds, rest) = digits(line)?;
    let seconds: i64 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    let (milliseconds, rest) = milliseconds(rest.strip_prefix(b".")?)?;
    Some((seconds.checked_mul(1000)?.checked_add(milliseconds)?, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(zone: TimeZone, modified: &str, line: &str) -> Option<String> {
        let modified: jiff::Timestamp = modified.parse().unwrap();
        let mut timestamps = TimestampParser::new(zone, modified.as_millisecond());
        // The second time it comes from the cache.
        let first = timestamps.split_from(line.as_bytes());
        assert_eq!(first, timestamps.split_from(line.as_bytes()), "{line}");
        let (at, rest) = first?;
        assert_eq!(rest, b" x", "{line}");
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
            ("Nov 27 05:45:00 x", "2026-11-27T05:45:00Z"),
            ("Nov  7 05:45:00 x", "2026-11-07T05:45:00Z"),
            // Later than the file's last line: last year's.
            ("Dec 31 23:59:59 x", "2025-12-31T23:59:59Z"),
            ("Nov 28 05:00:00 x", "2026-11-28T05:00:00Z"),
            ("Nov 29 05:45:00 x", "2025-11-29T05:45:00Z"),
            ("Feb 29 01:02:03 x", "2024-02-29T01:02:03Z"),
        ] {
            assert_eq!(parsed(TimeZone::UTC, MODIFIED, line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_timestamp_without_a_zone_is_in_the_host_s_zone() {
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let at = parsed(east.clone(), MODIFIED, "Nov 27 05:45:00 x");
        assert_eq!(at.as_deref(), Some("2026-11-27T03:45:00Z"));
        // It is already the new year there, but not in UTC.
        let at = parsed(east, "2026-12-31T22:30:00Z", "Jan  1 00:30:00 x");
        assert_eq!(at.as_deref(), Some("2026-12-31T22:30:00Z"));
    }

    #[test]
    fn a_malformed_timestamp_is_rejected() {
        for line in [
            "",
            "2026",
            "2026-13-01T00:00:00Z x",
            "2026-02-30T00:00:00Z x",
            "2026-11-22 22:56:34Z x",
            "2026-11-22T24:00:00Z x",
            "2026-11-22T22:56:34 x",
            "2026-11-22T22:56:34.Z x",
            "2026-11-22T22:56:34+99:99 x",
            "Foo 27 05:45:00 x",
            "Nov 31 05:45:00 x",
            "Nov 27 5:45:00 x",
            "17957625 x",
            "99999999999999999999.1 x",
            "Nov /7 05:45:00 x",
            "2026-11-2\u{e9}T22:56:34Z",
        ] {
            assert_eq!(parsed(TimeZone::UTC, MODIFIED, line), None, "{line}");
        }
    }
}
