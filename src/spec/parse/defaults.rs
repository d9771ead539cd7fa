//! The defaults of the reference as the types of the spec.

use super::table::Table;
use super::values::Line;
use crate::spec::choice::Choice;
use crate::spec::reference;

// The reference's texts are literals, and the tests read every one of them.
#[allow(clippy::expect_used, reason = "the reference is right, which the tests see to")]
impl Table<'_> {
    /// The default of a text.
    pub fn default_text<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        parse(reference::default_text(self.name, key)).expect("a default is right")
    }

    /// The default of a line.
    pub fn default_line(&self, key: &str) -> Line {
        let max_length = reference::max_line_length(self.name, key);
        self.default_text(key, |text| Line::parse(text, max_length))
    }

    /// The default of a choice.
    pub fn default_choice<T: Choice>(&self) -> T {
        T::named(reference::default_text(self.name, T::KEY)).expect("a default is a choice")
    }

    /// The default of a port.
    pub fn default_port(&self, key: &str) -> u16 {
        let port = reference::default_number(self.name, key);
        u16::try_from(port).expect("a default is a port")
    }
}
