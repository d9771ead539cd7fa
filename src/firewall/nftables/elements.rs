//! Sets and maps of an nftables table: what they take, and what is in them. Runs nothing.

use super::names::qualified;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How the lines begin that say what a block takes, or where a chain is hooked in.
const FORM: [&str; 4] = ["type ", "flags ", "size ", "timeout "];

/// Whether a line says what its block is, and not what is in it.
pub(super) fn is_form(line: &str) -> bool {
    FORM.iter().any(|word| line.starts_with(word))
}

/// A set or map; of any other block the lines that say what it is.
pub(super) struct Elements<'a> {
    /// Its type, flags, size and timeout, sorted.
    pub(super) form: Vec<&'a str>,
    /// Its elements, as they are printed.
    elements: BTreeSet<&'a str>,
}

impl<'a> Elements<'a> {
    /// Reads a block, as nft prints it or as a bundle has it.
    pub(super) fn of(block: &'a str) -> Self {
        let (mut form, mut elements) = (Vec::new(), BTreeSet::new());
        let mut in_elements = false;
        for line in block.lines() {
            let first = line.strip_prefix("elements = {");
            in_elements |= first.is_some();
            if in_elements {
                let line = first.unwrap_or(line);
                let all = line.strip_suffix('}').unwrap_or(line);
                elements.extend(split(all).map(str::trim).filter(|one| !one.is_empty()));
            } else if is_form(line) {
                form.push(line);
            }
        }
        form.sort_unstable();
        Self { form, elements }
    }

    /// The elements that another one does not have; none of a map, whose elements nft prints in other forms.
    pub(super) fn missing_in(&self, other: &Self) -> Vec<&'a str> {
        let is_map = self.elements.iter().any(|element| element.contains(':'));
        self.elements.difference(&other.elements).copied().filter(|_| !is_map).collect()
    }

    /// Writes the command that removes the elements that are not wanted. Single elements can be deleted
    /// from a set without intervals; intervals may be printed merged, and an element of a map needs its
    /// value, so those are flushed.
    pub(super) fn write_removal(
        &self,
        name: &str,
        wanted: &Self,
        text: &mut String,
    ) -> std::fmt::Result {
        let mut stale = self.elements.difference(&wanted.elements).peekable();
        let is_plain =
            name.starts_with("set ") && !self.form.iter().any(|line| line.contains("interval"));
        if stale.peek().is_none() {
            Ok(())
        } else if is_plain {
            let stale: Vec<&str> = stale.copied().collect();
            let name = qualified(name).replacen("set ", "element ", 1);
            writeln!(text, "delete {name} {{ {} }}", stale.join(", "))
        } else {
            writeln!(text, "flush {}", qualified(name))
        }
    }
}

/// Splits a line at its commas, but for those inside of quotes.
fn split(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    line.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_comment_splits_no_elements() {
        let line = "1 comment \"a, b\" : \"x\", 2 comment \"c\" : \"y\"";
        let parts: Vec<&str> = split(line).collect();
        assert_eq!(parts, ["1 comment \"a, b\" : \"x\"", " 2 comment \"c\" : \"y\""]);
    }
}
