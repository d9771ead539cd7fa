//! Tables of the TOML: typed access to their keys, and problems with unknown keys and wrong types.

use super::scalars::{integer, port_ranges, string, wrong_type};
use super::suggest;
use super::values::Line;
use crate::spec::choice::Choice;
use crate::spec::diagnostics::{Check, Problem};
use crate::spec::ports::PortRange;
use crate::spec::reference;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most characters of an unknown word that a message repeats.
const MAX_SHOWN: usize = 60;

/// A table of the TOML, or the empty one in place of a table that is absent or no table.
pub struct Table<'a> {
    pub name: &'static str,
    entries: Option<&'a DeTable<'a>>,
    /// The table's span; the start of the file if it is absent.
    pub span: Range<usize>,
    /// Whether the TOML has something other than a table there, which is reported already.
    is_wrong_type: bool,
}

/// Reports unknown tables.
pub fn unknown_tables(root: &DeTable<'_>, problems: &mut Vec<Problem>) {
    unknown_keys(root, "", suggest::top_level_tables(), problems);
}

/// Reports the keys that are not `known`; `location` follows the key in the message.
fn unknown_keys(
    entries: &DeTable<'_>,
    location: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    problems: &mut Vec<Problem>,
) {
    let unknown =
        entries.iter().filter(|(key, _)| !known.clone().any(|name| name == key.get_ref()));
    for (key, value) in unknown {
        let name: String = key.get_ref().chars().take(MAX_SHOWN).collect();
        let is_table = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
        let noun = if location.is_empty() && is_table { "table" } else { "key" };
        let message = format!("unknown {noun} `{}`{location}", name.escape_debug());
        let tables = suggest::tables_with_key(&name);
        let help = match suggest::closest(&name, known.clone()) {
            Some(closest) => format!("did you mean `{closest}`?"),
            None if !tables.is_empty() => format!("it belongs in {}", tables.join(" or ")),
            None => format!("known here: {}", known.clone().collect::<Vec<_>>().join(", ")),
        };
        problems.push(Problem::new(Check::UnknownKey, key.span(), message).help(help));
    }
}

/// The table `[name]`.
pub fn table<'a>(
    root: &'a DeTable<'a>,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Table<'a> {
    read_table(root.get(name), name, problems)
}

fn read_table<'a>(
    found: Option<&'a Spanned<DeValue<'a>>>,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Table<'a> {
    let Some(found) = found else {
        return Table { name, entries: None, span: 0..0, is_wrong_type: false };
    };
    match found.get_ref() {
        DeValue::Table(entries) => {
            unknown_keys(entries, &format!(" in [{name}]"), suggest::keys_of(name), problems);
            Table { name, entries: Some(entries), span: found.span(), is_wrong_type: false }
        }
        _ => {
            let help = format!("write it as a table: [{name}]");
            let key = name.rsplit('.').next().unwrap_or(name);
            problems.push(wrong_type(key, found, "a table").help(help));
            Table { name, entries: None, span: found.span(), is_wrong_type: true }
        }
    }
}

/// All tables `[[name]]`, in order.
pub fn tables<'a>(
    root: &'a DeTable<'a>,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Vec<Table<'a>> {
    let Some(found) = root.get(name) else { return Vec::new() };
    let DeValue::Array(array) = found.get_ref() else {
        let help = format!("write it with two brackets: [[{name}]]");
        problems.push(wrong_type(name, found, "an array of tables").help(help));
        return Vec::new();
    };
    let mut tables = Vec::new();
    for element in array.iter() {
        match element.get_ref() {
            DeValue::Table(entries) => {
                unknown_keys(entries, &format!(" in [[{name}]]"), suggest::keys_of(name), problems);
                let span = element.span();
                tables.push(Table { name, entries: Some(entries), span, is_wrong_type: false });
            }
            _ => {
                let help = format!("write each as a table of its own: [[{name}]]");
                problems.push(wrong_type(name, element, "a table").help(help));
            }
        }
    }
    tables
}

impl<'a> Table<'a> {
    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(suggest::keys_of(self.name).any(|known| known == key), "{key} is not listed");
        self.entries.and_then(|entries| entries.get(key))
    }

    /// Whether the TOML has the key, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The table `[name]` at `key` of this one; `None` where it is absent.
    pub fn table(
        &self,
        key: &str,
        name: &'static str,
        problems: &mut Vec<Problem>,
    ) -> Option<Table<'a>> {
        Some(read_table(Some(self.get(key)?), name, problems))
    }

    /// Reports a required value that is absent. One that is present but wrong is reported already.
    pub fn required<T>(
        &self,
        key: &str,
        help: &str,
        value: Option<T>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        if !self.has(key) && !self.is_wrong_type {
            problems.push(Problem::missing(key, help, self.span.start));
        }
        value
    }

    /// The value at `key`, as `read` understands it.
    fn value<T>(
        &self,
        key: &str,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&'a Spanned<DeValue<'a>>) -> Result<T, Problem>,
    ) -> Option<Spanned<T>> {
        let found = self.get(key)?;
        match read(found) {
            Ok(value) => Some(Spanned::new(found.span(), value)),
            Err(problem) => {
                problems.push(self.with_example(key, problem));
                None
            }
        }
    }

    /// Adds the key's example to a problem without help.
    fn with_example(&self, key: &str, problem: Problem) -> Problem {
        match reference::key(self.name, key) {
            Some(known) if problem.help.is_none() => {
                problem.help(format!("write it like this: {key} = {}", known.example))
            }
            _ => problem,
        }
    }

    /// A string that `parse` accepts.
    pub fn text<T>(
        &self,
        key: &str,
        check: Check,
        problems: &mut Vec<Problem>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        self.value(key, problems, |found| string(key, check, found, &parse))
    }

    /// One printable line, no longer than the reference allows.
    pub fn line(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Spanned<Line>> {
        let max_length = reference::max_line_length(self.name, key);
        self.text(key, Check::Text, problems, |text| Line::parse(text, max_length))
    }

    /// An array of strings, each of which `parse` accepts.
    pub fn texts<T>(
        &self,
        key: &str,
        check: Check,
        problems: &mut Vec<Problem>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<Spanned<T>>> {
        let found = self.get(key)?;
        let DeValue::Array(array) = found.get_ref() else {
            let problem = wrong_type(key, found, "an array of strings");
            problems.push(self.with_example(key, problem));
            return None;
        };
        let mut values = Vec::new();
        for element in array.iter() {
            match string(key, check, element, &parse) {
                Ok(value) => values.push(Spanned::new(element.span(), value)),
                Err(problem) => problems.push(self.with_example(key, problem)),
            }
        }
        Some(values)
    }

    /// One of the choices.
    pub fn choice<T: Choice>(&self, problems: &mut Vec<Problem>) -> Option<Spanned<T>> {
        let key = T::KEY;
        let names = || T::CHOICES.iter().map(|(name, _)| *name);
        self.value(key, problems, |found| {
            let DeValue::String(text) = found.get_ref() else {
                return Err(wrong_type(key, found, "a string"));
            };
            T::named(text).ok_or_else(|| {
                let text = text.chars().take(MAX_SHOWN).collect::<String>();
                let message = format!("`{key}` cannot be \"{}\"", text.escape_debug());
                let help = match suggest::closest(&text, names()) {
                    Some(closest) => format!("did you mean \"{closest}\"?"),
                    None => format!("it is one of {}", names().collect::<Vec<_>>().join(", ")),
                };
                Problem::new(Check::Choice, found.span(), message).help(help)
            })
        })
    }

    /// One of the choices, or the key's default.
    pub fn choice_or_default<T: Choice>(&self, problems: &mut Vec<Problem>) -> T {
        let given = self.choice(problems);
        given.map_or_else(|| self.default_choice(), Spanned::into_inner)
    }

    /// An integer within the key's bounds, or the key's default.
    pub fn number(&self, key: &str, problems: &mut Vec<Problem>) -> u64 {
        let bounds = reference::bounds(self.name, key);
        let given = self.value(key, problems, |found| {
            let number = integer(key, found)?;
            u64::try_from(number).ok().filter(|number| bounds.contains(number)).ok_or_else(|| {
                let message = format!("`{key}` cannot be {number}");
                let help = format!("it is a number from {} to {}", bounds.start(), bounds.end());
                Problem::new(Check::Number, found.span(), message).help(help)
            })
        });
        given.map_or_else(|| reference::default_number(self.name, key), Spanned::into_inner)
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Spanned<bool>> {
        self.value(key, problems, |found| {
            found.get_ref().as_bool().ok_or_else(|| wrong_type(key, found, "true or false"))
        })
    }

    /// A date without a time.
    pub fn date(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Spanned<String>> {
        self.value(key, problems, |found| match found.get_ref() {
            DeValue::Datetime(date) if date.time.is_none() => Ok(date.to_string()),
            _ => Err(wrong_type(key, found, "a date").help("write it as 2025-05-09, no quotes")),
        })
    }

    /// Ports as an integer, a string such as `7000-7002`, or an array of both.
    pub fn ports<T>(
        &self,
        key: &str,
        problems: &mut Vec<Problem>,
        convert: impl FnOnce(Vec<PortRange>) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        self.value(key, problems, |found| {
            let ranges = match found.get_ref() {
                DeValue::Array(array) => array
                    .iter()
                    .map(|element| port_ranges(key, element))
                    .collect::<Result<Vec<_>, _>>()?,
                _ => vec![port_ranges(key, found)?],
            };
            convert(ranges.concat()).map_err(|why| Problem::new(Check::Port, found.span(), why))
        })
    }

    /// One port; `one_port` is the message about a range or several.
    pub fn port(
        &self,
        key: &str,
        one_port: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Spanned<u16>> {
        self.ports(key, problems, |ranges| match ranges.as_slice() {
            [range] if range.is_single() => Ok(range.first()),
            _ => Err(one_port.to_owned()),
        })
    }
}
