//! TCP ports as ranges and as sets of ranges, with set algebra.
//!
//! Guarantees: a range lies in 1-65535 and runs upwards; a set is normalised, so two sets of the same
//! ports are equal. The algebra works on ranges and never lists single ports.

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

    /// Reads `7000-7002,7005`; spaces around commas are allowed.
    ///
    /// # Errors
    /// The first part that is neither a port nor a range.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split(',').map(|part| part.trim().parse()).collect()
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// Whether the range is one port.
    pub fn is_single(self) -> bool {
        self.first == self.last
    }

    /// Every port, ascending.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// Whether `port` is in the range.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether any port is in both ranges.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The ports that are in both ranges.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(Self { first, last })
    }

    /// The smallest range that holds both ranges, and with them what lies between.
    pub fn hull(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// As iptables writes it: `6379`, `6381:6390`.
    pub fn to_iptables(self) -> String {
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

    /// How many ports the set holds.
    pub fn len(&self) -> usize {
        self.0.iter().map(|range| usize::from(range.last - range.first) + 1).sum()
    }

    /// Whether the set holds no port.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest port.
    pub fn first(&self) -> Option<u16> {
        self.0.first().map(|range| range.first())
    }

    /// Whether `port` is in the set.
    pub fn contains(&self, port: u16) -> bool {
        self.overlaps(port.into())
    }

    /// Whether any port of `range` is in the set.
    pub fn overlaps(&self, range: PortRange) -> bool {
        self.at_or_above(range.first).is_some_and(|found| found.first <= range.last)
    }

    /// The ports that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// The ports that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (0, 0);
        let mut shared = Vec::new();
        while let (Some(one), Some(two)) = (self.0.get(left), other.0.get(right)) {
            shared.extend(one.intersection(*two));
            // The one that ends first meets nothing further.
            if one.last < two.last { left += 1 } else { right += 1 }
        }
        Self(shared)
    }

    /// The ports of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.intersection(&other.complement())
    }

    /// Every port of 1-65535 that is not in the set.
    fn complement(&self) -> Self {
        let ends = self.0.iter().map(|range| range.last.checked_add(1));
        let starts = self.0.iter().map(|range| range.first.saturating_sub(1)).chain([u16::MAX]);
        let gaps = std::iter::once(Some(1)).chain(ends).zip(starts);
        let gap = |(first, last): (Option<u16>, u16)| {
            first.filter(|first| *first <= last).map(|first| PortRange { first, last })
        };
        Self(gaps.filter_map(gap).collect())
    }

    /// The first range that ends at `port` or above.
    fn at_or_above(&self, port: u16) -> Option<PortRange> {
        let index = self.0.partition_point(|range| range.last < port);
        self.0.get(index).copied()
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

    fn from_str(text: &str) -> Result<Self, String> {
        PortRange::parse_list(text).map(Self::from_iter)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "ports_tests.rs"]
mod tests;
