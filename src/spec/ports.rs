//! Owns TCP port numbers as ranges and sets of ranges. Knows nothing of what a port is used for.

use std::fmt;
use std::str::FromStr;

/// TCP ports `first..=last`, both in 1-65535 and `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The range `first..=last`.
    ///
    /// # Errors
    /// Says what is wrong when a bound is outside 1-65535 or the range runs backwards.
    pub fn new(first: i128, last: i128) -> Result<Self, String> {
        let bound = |number: i128| match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("{number} is not a TCP port; ports are 1-65535")),
        };
        let (first, last) = (bound(first)?, bound(last)?);
        if first > last {
            return Err(format!("the range {first}-{last} runs backwards; write {last}-{first}"));
        }
        Ok(Self { first, last })
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// Everything from the first port of this range to the last one of a later range.
    pub fn through(self, later: Self) -> Self {
        Self { first: self.first, last: later.last.max(self.last) }
    }

    /// Every port, in order.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// Whether `port` is inside.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether any port is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// As iptables writes it: `6379`, `6381:6390`.
    pub fn colon(self) -> String {
        self.to_string().replace('-', ":")
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(formatter)?;
        if self.first == self.last { Ok(()) } else { write!(formatter, "-{}", self.last) }
    }
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            let digits = part.trim();
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = if plain { digits.parse::<i128>().ok() } else { None };
            parsed.ok_or_else(|| {
                let shown: String = text.chars().take(60).collect();
                format!("`{}` is no port and no range such as 7000-7002", shown.escape_debug())
            })
        };
        match text.split_once('-') {
            Some((first, last)) => Self::new(number(first)?, number(last)?),
            None => number(text).and_then(|port| Self::new(port, port)),
        }
    }
}

/// A set of ports: sorted ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet(Vec<PortRange>);

impl PortSet {
    /// The ranges, ascending.
    pub fn ranges(&self) -> &[PortRange] {
        &self.0
    }

    /// Every port, ascending.
    pub fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|range| range.ports())
    }

    /// Whether `port` is inside.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(port))
    }

    /// The lowest port, if there is any.
    pub fn first(&self) -> Option<u16> {
        self.0.first().map(|range| range.first())
    }

    /// The same ports, each moved up by `offset`; those that would pass 65535 are left out.
    pub fn shifted(&self, offset: u16) -> Self {
        self.ports().filter_map(|port| port.checked_add(offset)).map(PortRange::from).collect()
    }

    /// The ranges joined by `separator`: `7000-7002,7005`.
    pub fn joined(&self, separator: &str) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
    }
}

impl From<PortRange> for PortSet {
    fn from(range: PortRange) -> Self {
        Self(vec![range])
    }
}

impl FromIterator<PortRange> for PortSet {
    fn from_iter<I: IntoIterator<Item = PortRange>>(ranges: I) -> Self {
        let mut sorted: Vec<PortRange> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<PortRange> = Vec::new();
        for range in sorted {
            match merged.last_mut() {
                Some(before) if u32::from(range.first) <= u32::from(before.last) + 1 => {
                    before.last = before.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.joined(", "))
    }
}

impl FromStr for PortSet {
    type Err = String;

    /// Reads `7000-7002,7005`; spaces around commas are allowed.
    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|part| part.trim().parse())
            .collect::<Result<Vec<PortRange>, _>>()
            .map(|ranges| ranges.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn touching_and_overlapping_ranges_become_one() {
        let set: PortSet = "7002,7000-7001,7004-7006,7005".parse().unwrap();
        assert_eq!(set.joined(","), "7000-7002,7004-7006");
        assert_eq!(set.ports().count(), 6);
    }

    #[test]
    fn the_ends_of_the_port_space_hold() {
        assert_eq!("1-65535".parse::<PortRange>().unwrap().last(), 65535);
        for bad in ["0", "65536", "-1", "7002-7000", "", "7000-", "+7", "seven", "99999999999999"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn bus_ports_past_the_end_do_not_exist() {
        let set: PortSet = "55535,55536".parse().unwrap();
        assert_eq!(set.shifted(10_000).joined(","), "65535");
    }
}
