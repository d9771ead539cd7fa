//! Answers to what cannot be known of a packet: a walk guesses one, and is repeated with the other.

use super::rule::Place;
use std::collections::BTreeMap;

/// The answers of one walk. The same question has the same answer throughout.
#[derive(Default)]
pub(super) struct Guesses {
    /// In the order in which they are asked for.
    planned: Vec<bool>,
    asked: Vec<Place>,
    known: BTreeMap<String, bool>,
    /// Whether outsiders may be those that rules name. Else conditions on them do not hold.
    takes_named_clients: bool,
}

impl Guesses {
    pub(super) fn of_clients(takes_named_clients: bool) -> Self {
        Self { takes_named_clients, ..Self::default() }
    }

    /// What tells one outsider from another.
    pub(super) fn ask_of_client(&mut self, name: String, place: &Place) -> bool {
        self.takes_named_clients && self.ask(name, place)
    }

    pub(super) fn ask(&mut self, name: String, place: &Place) -> bool {
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        if self.planned.len() == self.asked.len() {
            self.planned.push(false);
        }
        let guess = self.planned[self.asked.len()];
        self.asked.push(place.clone());
        self.known.insert(name, guess);
        guess
    }

    /// Where a question was asked, by its number.
    pub(super) fn place(&self, number: usize) -> Place {
        self.asked[number].clone()
    }

    /// Plans the next walk. Returns the number of the first question with another answer; `None` once all were tried.
    pub(super) fn plan_next(&mut self) -> Option<usize> {
        while self.planned.pop()? {}
        self.planned.push(true);
        self.asked.clear();
        self.known.clear();
        Some(self.planned.len() - 1)
    }
}
