//! Owns what holds where a key is not given: the defaults of the reference, as the types of the spec.

use crate::spec::parse::Table;
use crate::spec::{Line, reference};

// The reference's texts are literals, and the tests read every one of them.
#[allow(clippy::expect_used, reason = "the reference is right, which the tests see to")]
impl Table<'_> {
    /// A text's default.
    pub fn default_text<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        parse(reference::text(self.name, key)).expect("a default is right")
    }

    /// A line's default.
    pub fn default_line(&self, key: &str) -> Line {
        self.default_text(key, |text| Line::parse(text, reference::longest(self.name, key)))
    }

    /// A choice's default.
    pub fn default_choice<T: Copy>(&self, key: &str, choices: &[(&'static str, T)]) -> T {
        let name = reference::text(self.name, key);
        choices.iter().find(|(choice, _)| *choice == name).expect("a default is a choice").1
    }

    /// A port's default.
    pub fn default_port(&self, key: &str) -> u16 {
        let port = reference::number(self.name, key);
        u16::try_from(port).expect("a default is a port")
    }
}
