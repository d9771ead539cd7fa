//! Tables of the TOML: typed access to their keys, and problems with unknown keys and wrong types.

use super::scalars::{integer, port, ports, string, wrong_type};
use super::suggest;
use super::values::Line;
use crate::spec::choice::Choice;
use crate::spec::diagnostics::{Check, Problem};
use crate::spec::ports::PortRange;
use crate::spec::reference::{self, Key, Kind};
use std::cell::RefCell;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most characters of an unknown word that a message repeats.
const MAX_SHOWN: usize = 60;

/// A table of the TOML, or the empty one in place of a table that is absent or no table.
pub struct Table<'a> {
    name: &'static str,
    entries: Option<&'a DeTable<'a>>,
    /// The table's span; the start of the file if it is absent.
    pub span: Range<usize>,
    /// Whether the TOML has something other than a table there, which is reported already.
    is_wrong_type: bool,
    /// What all tables of the TOML report to.
    problems: &'a RefCell<Vec<Problem>>,
}

/// Reports unknown tables.
pub fn unknown_tables(root: &DeTable<'_>, problems: &RefCell<Vec<Problem>>) {
    unknown_keys(root, "", suggest::top_level_tables(), problems);
}

/// Reports the keys that are not `known`; `location` follows the key in the message.
fn unknown_keys(
    entries: &DeTable<'_>,
    location: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    problems: &RefCell<Vec<Problem>>,
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
        let problem = Problem::new(Check::UnknownKey, key.span(), message);
        problems.borrow_mut().push(problem.help(help));
    }
}

/// The table `[name]`.
pub fn table<'a>(
    root: &'a DeTable<'a>,
    name: &'static str,
    problems: &'a RefCell<Vec<Problem>>,
) -> Table<'a> {
    read_table(root.get(name), name, problems)
}

fn read_table<'a>(
    found: Option<&'a Spanned<DeValue<'a>>>,
    name: &'static str,
    problems: &'a RefCell<Vec<Problem>>,
) -> Table<'a> {
    let absent = Table { name, entries: None, span: 0..0, is_wrong_type: false, problems };
    let Some(found) = found else { return absent };
    let span = found.span();
    if let DeValue::Table(entries) = found.get_ref() {
        unknown_keys(entries, &format!(" in [{name}]"), suggest::keys_of(name), problems);
        return Table { entries: Some(entries), span, ..absent };
    }
    let help = format!("write it as a table: [{name}]");
    let key = name.rsplit('.').next().unwrap_or(name);
    absent.report(wrong_type(key, found, "a table").help(help));
    Table { span, is_wrong_type: true, ..absent }
}

/// All tables `[[name]]`, in order.
pub fn tables<'a>(
    root: &'a DeTable<'a>,
    name: &'static str,
    problems: &'a RefCell<Vec<Problem>>,
) -> Vec<Table<'a>> {
    let Some(found) = root.get(name) else { return Vec::new() };
    let DeValue::Array(array) = found.get_ref() else {
        let help = format!("write it with two brackets: [[{name}]]");
        problems.borrow_mut().push(wrong_type(name, found, "an array of tables").help(help));
        return Vec::new();
    };
    let mut tables = Vec::new();
    for element in array.iter() {
        if let DeValue::Table(entries) = element.get_ref() {
            unknown_keys(entries, &format!(" in [[{name}]]"), suggest::keys_of(name), problems);
            let (entries, span) = (Some(entries), element.span());
            tables.push(Table { name, entries, span, is_wrong_type: false, problems });
        } else {
            let help = format!("write each as a table of its own: [[{name}]]");
            problems.borrow_mut().push(wrong_type(name, element, "a table").help(help));
        }
    }
    tables
}

impl<'a> Table<'a> {
    /// Reports a problem.
    pub fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Reports a problem with the value of a key; without help, it shows the key's example.
    fn refuse(&self, key: &str, problem: Problem) {
        self.report(match problem.help {
            Some(_) => problem,
            None => {
                problem.help(format!("write it like this: {key} = {}", self.known(key).example))
            }
        });
    }

    /// What the reference says of a key.
    fn known(&self, key: &str) -> &'static Key {
        let known = reference::key(self.name, key);
        known.unwrap_or_else(|| unreachable!("{}.{key} is not in the reference", self.name))
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.and_then(|entries| entries.get(key))
    }

    /// The span and the length of an array; `None` where the key is absent or its value no array.
    pub fn array(&self, key: &str) -> Option<(Range<usize>, usize)> {
        let found = self.get(key)?;
        let DeValue::Array(array) = found.get_ref() else { return None };
        Some((found.span(), array.len()))
    }

    /// Whether the TOML has the key, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The table `[name]` at `key` of this one; `None` where it is absent.
    pub fn table(&self, key: &str, name: &'static str) -> Option<Table<'a>> {
        Some(read_table(Some(self.get(key)?), name, self.problems))
    }

    /// Reports a required value that is absent. One that is present but wrong is reported already.
    pub fn required<T>(&self, key: &str, help: &str, value: Option<T>) -> Option<T> {
        if !self.has(key) && !self.is_wrong_type {
            self.report(Problem::missing(key, help, self.span.start));
        }
        value
    }

    /// The value at `key`, as `read` understands it.
    fn value<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Spanned<DeValue<'_>>) -> Result<T, Problem>,
    ) -> Option<Spanned<T>> {
        let found = self.get(key)?;
        let value = read(found).map_err(|problem| self.refuse(key, problem)).ok()?;
        Some(Spanned::new(found.span(), value))
    }

    /// The value at `key`. Where it is absent or wrong, the key's default, read as an author's value is:
    /// it is not in the text, so its span is empty.
    fn value_or_default<T>(
        &self,
        key: &str,
        read: impl Fn(&Spanned<DeValue<'_>>) -> Result<T, Problem>,
    ) -> Spanned<T> {
        self.value(key, &read).unwrap_or_else(|| {
            let default = self.known(key).default.toml().unwrap_or_default();
            let value = DeValue::parse(&default).ok().and_then(|value| read(&value).ok());
            // The tests read every default.
            let refused = || unreachable!("the default of {}.{key} is refused", self.name);
            Spanned::new(0..0, value.unwrap_or_else(refused))
        })
    }

    /// A string that `parse` accepts.
    pub fn text<T>(
        &self,
        key: &str,
        check: Check,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        self.value(key, |found| string(key, check, found, &parse))
    }

    /// As [`Self::text`], or the key's default.
    pub fn text_or_default<T>(
        &self,
        key: &str,
        check: Check,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Spanned<T> {
        self.value_or_default(key, |found| string(key, check, found, &parse))
    }

    /// One printable line, no longer than the reference allows.
    pub fn line(&self, key: &str) -> Option<Line> {
        self.text(key, Check::Text, |text| self.parse_line(key, text)).map(Spanned::into_inner)
    }

    /// As [`Self::line`], or the key's default.
    pub fn line_or_default(&self, key: &str) -> Line {
        self.text_or_default(key, Check::Text, |text| self.parse_line(key, text)).into_inner()
    }

    fn parse_line(&self, key: &str, text: &str) -> Result<Line, String> {
        let Kind::Line(max_length) = self.known(key).kind else {
            unreachable!("{}.{key} is no line", self.name)
        };
        Line::parse(text, max_length)
    }

    /// An array of strings, each of which `parse` accepts; empty where it is absent.
    pub fn texts<T>(
        &self,
        key: &str,
        check: Check,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<Spanned<T>> {
        let Some(found) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = found.get_ref() else {
            self.refuse(key, wrong_type(key, found, "an array of strings"));
            return Vec::new();
        };
        let mut values = Vec::new();
        for element in array.iter() {
            match string(key, check, element, &parse) {
                Ok(value) => values.push(Spanned::new(element.span(), value)),
                Err(problem) => self.refuse(key, problem),
            }
        }
        values
    }

    /// One of the choices, or the key's default.
    pub fn choice<T: Choice>(&self) -> Spanned<T> {
        let key = T::KEY;
        let names = || T::CHOICES.iter().map(|(name, _)| *name);
        self.value_or_default(key, |found| {
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

    /// An integer within the key's bounds, or the key's default.
    pub fn number(&self, key: &str) -> u64 {
        let kind = self.known(key).kind;
        let within_bounds = |number: &u64| match kind {
            Kind::Number(least, most) => (least..=most).contains(number),
            _ => unreachable!("{}.{key} is no number", self.name),
        };
        let number = self.value_or_default(key, |found| {
            let number = integer(key, found)?;
            u64::try_from(number).ok().filter(within_bounds).ok_or_else(|| {
                let message = format!("`{key}` cannot be {number}");
                Problem::new(Check::Number, found.span(), message).help(format!("it is {kind}"))
            })
        });
        number.into_inner()
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Option<Spanned<bool>> {
        self.value(key, |found| {
            found.get_ref().as_bool().ok_or_else(|| wrong_type(key, found, "true or false"))
        })
    }

    /// A date without a time.
    pub fn date(&self, key: &str) -> Option<String> {
        let date = self.value(key, |found| match found.get_ref() {
            DeValue::Datetime(date) if date.time.is_none() => Ok(date.to_string()),
            _ => Err(wrong_type(key, found, "a date").help("write it as 2025-05-09, no quotes")),
        });
        date.map(Spanned::into_inner)
    }

    /// Ports as an integer, a string such as `7000-7002`, or an array of both.
    pub fn ports<T>(
        &self,
        key: &str,
        convert: impl FnOnce(Vec<PortRange>) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        self.value(key, |found| ports(key, found, convert))
    }

    /// One port; `one_port` is the message about a range or several.
    pub fn port(&self, key: &str, one_port: &str) -> Option<Spanned<u16>> {
        self.value(key, |found| port(key, found, one_port))
    }

    /// As [`Self::port`], or the key's default.
    pub fn port_or_default(&self, key: &str, one_port: &str) -> Spanned<u16> {
        self.value_or_default(key, |found| port(key, found, one_port))
    }
}
