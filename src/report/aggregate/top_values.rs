//! The most frequent of many values, in bounded memory.

/// At most `MAX` values with the number of attempts of each. When there is no room for another one, the value
/// with the fewest attempts gives way, and the oldest of several: a client that has a new name for each
/// connection does not displace the name that others of the same source use all the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopValues<T, const MAX: usize> {
    /// In the order in which they came.
    values: Vec<(T, u64)>,
    /// The attempts with values that are not kept.
    pub unlisted: u64,
}

impl<T, const MAX: usize> Default for TopValues<T, MAX> {
    fn default() -> Self {
        Self { values: Vec::new(), unlisted: 0 }
    }
}

impl<T: Ord, const MAX: usize> TopValues<T, MAX> {
    /// Counts attempts with a value.
    pub(super) fn add<V>(&mut self, value: V, attempts: u64)
    where
        T: PartialEq<V> + From<V>,
    {
        if let Some((_, count)) = self.values.iter_mut().find(|(known, _)| *known == value) {
            *count = count.saturating_add(attempts);
            return;
        }
        if self.values.len() >= MAX {
            let counts = self.values.iter().map(|(_, count)| *count).enumerate();
            let rarest = counts.min_by_key(|(_, count)| *count);
            let Some((place, _)) = rarest.filter(|(_, count)| *count <= attempts) else {
                self.unlisted = self.unlisted.saturating_add(attempts);
                return;
            };
            let (_, count) = self.values.remove(place);
            self.unlisted = self.unlisted.saturating_add(count);
        }
        // Most sources have one value, and there may be 32768 of them.
        self.values.reserve_exact(usize::from(self.values.is_empty()));
        self.values.push((T::from(value), attempts));
    }

    /// Adds the values of another list.
    pub(super) fn merge(&mut self, other: Self) {
        self.unlisted = self.unlisted.saturating_add(other.unlisted);
        other.values.into_iter().for_each(|(value, attempts)| self.add(value, attempts));
    }

    /// The values, those with the most attempts first, with the number of attempts: one that gave way and came
    /// back is counted from then on.
    pub fn sorted(&self) -> Vec<(&T, u64)> {
        let mut values: Vec<(&T, u64)> =
            self.values.iter().map(|(value, attempts)| (value, *attempts)).collect();
        values.sort_by(|(one, fewer), (other, more)| more.cmp(fewer).then(one.cmp(other)));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Names = TopValues<String, 4>;

    fn sum(names: &Names) -> u64 {
        names.sorted().iter().map(|(_, attempts)| attempts).sum::<u64>() + names.unlisted
    }

    #[test]
    fn a_steady_value_stays_among_many_that_come_once() {
        let mut names = Names::default();
        for turn in 0..30_000 {
            names.add(format!("liar-{turn}").as_str(), 1);
            if turn >= 100 && turn % 3 == 0 {
                names.add("steady", 1);
            }
        }
        assert_eq!((names.sorted()[0], names.sorted().len()), ((&"steady".to_owned(), 9_966), 4));
        assert_eq!(sum(&names), 39_966);
    }

    #[test]
    fn merged_lists_have_the_most_frequent_values_of_both() {
        let list = |values: &[(&str, u64)]| {
            let mut names = Names::default();
            values.iter().for_each(|(name, attempts)| names.add(*name, *attempts));
            names
        };
        let mut both = list(&[("a", 9), ("b", 8), ("c", 1), ("d", 2)]);
        both.merge(list(&[("e", 7), ("a", 1), ("f", 1), ("g", 3)]));
        let names: Vec<(&str, u64)> =
            both.sorted().iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(names, [("a", 10), ("b", 8), ("e", 7), ("g", 3)]);
        assert_eq!(sum(&both), 32);
        both.add("h", u64::MAX);
        both.add("h", u64::MAX);
        assert_eq!(both.sorted()[0], (&"h".to_owned(), u64::MAX));
    }
}
