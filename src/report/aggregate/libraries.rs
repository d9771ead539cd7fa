//! The client libraries of an aggregate, in bounded memory: clients may name themselves anything.

use crate::report::record::{Attempt, Library};
use crate::report::totals::Totals;
use std::collections::HashMap;

/// How many libraries, each with a version, are counted separately.
pub const MAX_LIBRARIES: usize = 4096;
/// How many of them one source at one port may use: a client with a new name for every connection must not
/// fill the table.
const MAX_LIBRARIES_PER_ROW: usize = 4;

/// A library in one version.
#[derive(Clone, Debug)]
pub struct LibraryRow {
    /// Its name.
    pub name: String,
    /// Its version; empty where the client gave none.
    pub version: String,
    /// Its attempts.
    pub totals: Totals,
}

/// Index of a row of [`Libraries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LibraryId(u16);

/// Every library that is counted separately.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    rows: Vec<LibraryRow>,
    ids: HashMap<(String, String), LibraryId>,
    /// The attempts with libraries beyond [`MAX_LIBRARIES`], or beyond four of one source and port.
    pub overflow: u64,
}

impl Libraries {
    /// The rows with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (LibraryId, &LibraryRow)> {
        (0..).map(LibraryId).zip(&self.rows)
    }

    /// The row of an id of this table.
    pub fn get(&self, LibraryId(index): LibraryId) -> Option<&LibraryRow> {
        self.rows.get(usize::from(index))
    }

    /// Counts an attempt with a library, for the row whose libraries are in `used`.
    pub(super) fn add(
        &mut self,
        attempt: &Attempt<'_>,
        library: &Library<'_>,
        used: &mut LibrariesUsed,
    ) {
        // Nearly always one that the same source has used before: then no key is allocated.
        let ids = used.0.iter().map(|(id, _)| *id);
        let known = ids.into_iter().find(|id| self.get(*id).is_some_and(|row| row.is(library)));
        let id = known.or_else(|| {
            let may_insert = used.0.len() < MAX_LIBRARIES_PER_ROW;
            self.id_of(library.name.to_string(), library.version.to_string(), may_insert)
        });
        match id {
            Some(id) => {
                used.add(id, attempt.attempts);
                self.rows[usize::from(id.0)].totals.add(attempt);
            }
            None => self.overflow = self.overflow.saturating_add(attempt.attempts),
        }
    }

    /// The id of a library, which is inserted if it may be and there is room.
    fn id_of(&mut self, name: String, version: String, may_insert: bool) -> Option<LibraryId> {
        let has_room = self.rows.len() < MAX_LIBRARIES;
        let next = u16::try_from(self.rows.len()).ok().filter(|_| has_room && may_insert);
        let key = (name, version);
        if let Some(id) = self.ids.get(&key) {
            return Some(*id);
        }
        let id = LibraryId(next?);
        let (name, version) = key.clone();
        self.rows.push(LibraryRow { name, version, totals: Totals::default() });
        self.ids.insert(key, id);
        Some(id)
    }

    /// Adds another table; the result maps its ids to those of this one.
    pub(super) fn merge(&mut self, other: Libraries) -> Vec<Option<LibraryId>> {
        self.overflow = self.overflow.saturating_add(other.overflow);
        let ids = other.rows.into_iter().map(|LibraryRow { name, version, totals }| {
            let id = self.id_of(name, version, true);
            match id {
                Some(id) => self.rows[usize::from(id.0)].totals.merge(&totals),
                None => self.overflow = self.overflow.saturating_add(totals.attempts()),
            }
            id
        });
        ids.collect()
    }
}

impl LibraryRow {
    fn is(&self, library: &Library<'_>) -> bool {
        self.name == library.name && self.version == library.version
    }
}

/// The libraries that one source used at one port, with the number of attempts.
#[derive(Clone, Debug, Default)]
pub struct LibrariesUsed(Vec<(LibraryId, u64)>);

impl LibrariesUsed {
    /// Each library with its attempts, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (LibraryId, u64)> {
        self.0.iter().copied()
    }

    fn add(&mut self, id: LibraryId, attempts: u64) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == id) {
            *count = count.saturating_add(attempts);
        } else if self.0.len() < MAX_LIBRARIES_PER_ROW {
            self.0.push((id, attempts));
        }
    }

    /// Adds those of another aggregate, whose ids `ids` maps to this one's.
    pub(super) fn merge(&mut self, other: &LibrariesUsed, ids: &[Option<LibraryId>]) {
        for (LibraryId(index), attempts) in other.iter() {
            if let Some(Some(id)) = ids.get(usize::from(index)) {
                self.add(*id, attempts);
            }
        }
    }
}
