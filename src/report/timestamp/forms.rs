//! Splits a timestamp of any form that log writers use from the text after it: ISO 8601, RFC 3164 with and
//! without a year, ctime(3), seconds since 1970, TAI64N.
//!
//! Never: guesses. A timestamp without a year stays without one, and a zone that is not known is no zone.

use super::numbers::{DAY, digits, milliseconds, time_of_day, two};
use crate::report::record::UnixMillis;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// When a line was written, as far as its own text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this time.
    At(UnixMillis),
    /// At this time of an unknown year.
    Yearless(Yearless),
    /// Its timestamp names no time: a date that does not exist, a zone that is not known.
    Impossible,
}

/// A time of an unknown year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yearless {
    pub month: i8,
    pub day: i8,
    /// Milliseconds since midnight.
    pub time: i64,
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
/// TAI64N labels count from 2^62, and libtai adds the 10 seconds by which TAI was ahead of UTC in 1970
/// (cr.yp.to/libtai/tai64.html).
const TAI_EPOCH: i64 = (1 << 62) + 10;

/// The offset of a timestamp from UTC, as far as its text names one.
enum Zone {
    /// It names none.
    Host,
    /// Milliseconds that the zone is ahead of UTC.
    Ahead(i64),
    Unknown,
}

/// What a log's timestamps lack.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The zone of those that name none.
    pub zone: TimeZone,
    /// When the log was last written: those without a year are not later.
    pub modified: UnixMillis,
}

impl Clock {
    /// Splits a timestamp of any known form from the text after it.
    pub fn split_from<'a>(&self, line: &'a [u8]) -> Option<(When, &'a [u8])> {
        let (is_weekday, text) = after_weekday(line);
        match text {
            [b'@', label @ ..] => tai64n(label),
            [b'0'..=b'9', ..] if !is_weekday => {
                self.iso(text, false).or_else(|| self.year_first(text)).or_else(|| unix(text))
            }
            [b'0'..=b'9', ..] => self.iso(text, true),
            _ => self.traditional(text),
        }
    }

    /// `2026-11-22 22:56:34.743 UTC`: any fraction, any separator, with or without a zone. journalctl writes
    /// the zone by name (`with_zone`).
    fn iso<'a>(&self, text: &'a [u8], with_zone: bool) -> Option<(When, &'a [u8])> {
        let (date, rest) = text.split_at_checked(10)?;
        let (year, month, day) = (
            i16::try_from(two(date, 0)? * 100 + two(date, 2)?).ok()?,
            two(date, 5)?,
            two(date, 8)?,
        );
        let is_date = matches!((date[4], date[7]), (b'-', b'-') | (b'/', b'/'));
        let rest = rest
            .strip_prefix(b"T")
            .or_else(|| rest.strip_prefix(b" "))
            .or_else(|| rest.strip_prefix(b"_"))?;
        let (time, rest) = clock(rest).filter(|_| is_date)?;
        let (zone, rest) = self.zone_after(rest, with_zone);
        Some((self.dated(year, month, day, time, &zone), rest))
    }

    /// `2026 Nov 22 22:56:34`, as syslog-ng writes it with `ts-format(full)`.
    fn year_first<'a>(&self, text: &'a [u8]) -> Option<(When, &'a [u8])> {
        let (year, rest) = year(text)?;
        let (month, day, rest) = month_and_day(rest.strip_prefix(b" ")?)?;
        let (time, rest) = clock(rest)?;
        let (zone, rest) = self.zone_after(rest, false);
        Some((self.dated(year, month, day, time, &zone), rest))
    }

    /// `Nov 22 22:56:34`, with a year before or after the time, or without one.
    fn traditional<'a>(&self, text: &'a [u8]) -> Option<(When, &'a [u8])> {
        let (month, day, rest) = month_and_day(text)?;
        let before = year(rest).and_then(|(year, rest)| Some((year, rest.strip_prefix(b" ")?)));
        let (time, mut rest) = clock(before.map_or(rest, |(_, rest)| rest))?;
        let mut named = before.map(|(year, _)| year);
        let mut zone = Zone::Host;
        // ctime(3) has the year after the time, date(1) the zone between them.
        for _ in 0..2 {
            if named.is_none()
                && let Some((number, after)) = rest.strip_prefix(b" ").and_then(year)
            {
                (named, rest) = (Some(number), after);
            } else if matches!(zone, Zone::Host) {
                (zone, rest) = self.zone_after(rest, false);
            }
        }
        let when = match named {
            Some(year) => self.dated(year, month, day, time, &zone),
            // 2024 had every day that a year can have.
            None if Date::new(2024, i8::try_from(month).ok()?, i8::try_from(day).ok()?)
                .is_err() =>
            {
                When::Impossible
            }
            None => When::Yearless(Yearless {
                month: i8::try_from(month).ok()?,
                day: i8::try_from(day).ok()?,
                time,
            }),
        };
        Some((when, rest))
    }

    fn dated(&self, year: i16, month: i64, day: i64, time: i64, zone: &Zone) -> When {
        let at = || -> Option<UnixMillis> {
            let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
            let midnight = DateTime::new(year, month, day, 0, 0, 0, 0).ok()?;
            match zone {
                Zone::Host => self.in_zone(midnight, time),
                Zone::Ahead(ahead) => {
                    let at = TimeZone::UTC.to_timestamp(midnight).ok()?;
                    Some(at.as_millisecond() + time - ahead)
                }
                Zone::Unknown => None,
            }
        };
        at().map_or(When::Impossible, When::At)
    }

    /// The time of a clock in the host's zone. A time that a change of the clocks repeats is the first one.
    fn in_zone(&self, midnight: DateTime, time: i64) -> Option<UnixMillis> {
        let civil = midnight.checked_add(jiff::SignedDuration::from_millis(time)).ok()?;
        let at = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        Some(at.as_millisecond())
    }

    /// The time in a year, in the host's zone.
    pub fn in_year(&self, stamp: Yearless, year: i16) -> Option<UnixMillis> {
        self.in_zone(DateTime::new(year, stamp.month, stamp.day, 0, 0, 0, 0).ok()?, stamp.time)
    }

    /// Splits a zone from the text after a time. A word is a zone where one is expected, or where it is UTC
    /// or the host's.
    fn zone_after<'a>(&self, text: &'a [u8], is_expected: bool) -> (Zone, &'a [u8]) {
        let bare = text.strip_prefix(b" ").unwrap_or(text);
        if let Some(zone) = offset(bare) {
            return zone;
        }
        let end = bare.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(bare.len());
        let (word, rest) = bare.split_at(end);
        match word {
            b"UTC" | b"GMT" => (Zone::Ahead(0), rest),
            b"Z" if bare.len() == text.len() => (Zone::Ahead(0), rest),
            [] => (Zone::Host, text),
            _ if bare.len() < text.len() && self.has_abbreviation(word) => (Zone::Host, rest),
            _ if is_expected => (Zone::Unknown, rest),
            _ => (Zone::Host, text),
        }
    }

    /// Whether the host's zone is called so, in summer or in winter.
    fn has_abbreviation(&self, word: &[u8]) -> bool {
        let Ok(now) = jiff::Timestamp::from_millisecond(self.modified) else { return false };
        [0, 182].into_iter().any(|days| {
            let then = now.checked_sub(jiff::SignedDuration::from_hours(24 * days)).unwrap_or(now);
            self.zone.to_offset_info(then).abbreviation().as_bytes() == word
        })
    }
}

/// `Fri ` or `Fri, ` before a date.
fn after_weekday(text: &[u8]) -> (bool, &[u8]) {
    let Some((name, rest)) = text.split_first_chunk::<3>() else { return (false, text) };
    let rest = rest.strip_prefix(b",").unwrap_or(rest);
    match rest.strip_prefix(b" ") {
        Some(rest) if WEEKDAYS.contains(&name) => (true, rest),
        _ => (false, text),
    }
}

/// `Nov 22 `, `Nov  7 ` or `Nov 7 `.
fn month_and_day(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let (name, rest) = text.split_first_chunk::<3>()?;
    let month = MONTHS.iter().position(|month| *month == name)?;
    let rest = rest.strip_prefix(b" ")?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (day, rest) = match rest {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', b' ', rest @ ..] => {
            (i64::from(tens - b'0') * 10 + i64::from(ones - b'0'), rest)
        }
        [ones @ b'0'..=b'9', b' ', rest @ ..] => (i64::from(ones - b'0'), rest),
        _ => return None,
    };
    Some((i64::try_from(month).ok()? + 1, day, rest))
}

/// Four digits that are a year, with no digit after them.
fn year(text: &[u8]) -> Option<(i16, &[u8])> {
    let number = i16::try_from(two(text, 0)? * 100 + two(text, 2)?).ok()?;
    let rest = &text[4..];
    let is_whole =
        rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b":.-/".contains(byte));
    ((1970..=9999).contains(&number) && is_whole).then_some((number, rest))
}

/// `22:56:34` with any fraction, in milliseconds.
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let time = time_of_day(text)?;
    let rest = &text[8..];
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let fraction =
        rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b",")).and_then(milliseconds);
    Some(fraction.map_or((time, rest), |(fraction, rest)| (time + fraction, rest)))
}

/// `+01:00`, `+0100` or `+01`.
fn offset(text: &[u8]) -> Option<(Zone, &[u8])> {
    let (sign, rest) = text.split_first()?;
    let direction = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two(rest, 0)?;
    let colon = usize::from(rest.get(2) == Some(&b':'));
    let (minutes, rest) = match two(rest, 2 + colon) {
        Some(minutes) => (minutes, &rest[4 + colon..]),
        None => (0, &rest[2..]),
    };
    let ahead = (hours * 60 + minutes) * 60_000;
    let zone = if ahead < DAY { Zone::Ahead(direction * ahead) } else { Zone::Unknown };
    Some((zone, rest))
}

/// Seconds since 1970 with a fraction, or whole seconds or milliseconds: `1795757700.123456`.
fn unix(text: &[u8]) -> Option<(When, &[u8])> {
    let (number, rest) = digits(text)?;
    let digits = number.len();
    let number: i64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    let fraction = rest.strip_prefix(b".").and_then(milliseconds);
    let (at, rest) = match (digits, fraction) {
        (9..=10, Some((fraction, rest))) => (number * 1000 + fraction, rest),
        (9..=10, None) => (number * 1000, rest),
        (13, None) => (number, rest),
        _ => return None,
    };
    rest.first().is_none_or(|byte| b" \t:]".contains(byte)).then_some((When::At(at), rest))
}

/// `@4000000069281c2c0a0b0c0d`, as multilog and s6-log write it, without the `@`.
fn tai64n(label: &[u8]) -> Option<(When, &[u8])> {
    let (label, rest) = label.split_at_checked(24)?;
    let label = std::str::from_utf8(label).ok()?;
    let seconds = i64::from_str_radix(&label[..16], 16).ok()?.checked_sub(TAI_EPOCH)?;
    let nanoseconds = i64::from_str_radix(&label[16..], 16).ok()?;
    let at = seconds.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000)?;
    Some((When::At(at), rest))
}

impl Yearless {
    /// `Nov 22 22:56:34`, and nothing after it.
    pub fn parse(text: &[u8]) -> Option<Yearless> {
        let (month, day, rest) = month_and_day(text)?;
        let (time, []) = clock(rest)? else { return None };
        Date::new(2024, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(Yearless { month: i8::try_from(month).ok()?, day: i8::try_from(day).ok()?, time })
    }
}
