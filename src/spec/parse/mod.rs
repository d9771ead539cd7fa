//! Owns reading: from the text of a TOML to values with their places, gathering every fault on the
//! way instead of ending at the first. Judges single values, never how two of them fit together.

mod suggest;
pub(crate) mod values;

use super::diagnostics::{Check, Problem};
use super::{Line, reference};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the bytes of the TOML that it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<T> Placed<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), span: self.span }
    }
}

/// Parses the text; every fault of syntax goes to `problems`.
pub(super) fn document<'a>(text: &'a str, problems: &mut Vec<Problem>) -> DeTable<'a> {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim().to_owned();
        let problem = Problem::new(Check::Syntax, span.clone(), message);
        problems.push(match cure_of_syntax(error.message(), text.get(span).unwrap_or_default()) {
            Some(cure) => problem.help(cure),
            None => problem,
        });
    }
    root.into_inner()
}

/// What would be right where the parser only says what is wrong with `found`.
fn cure_of_syntax(message: &str, found: &str) -> Option<String> {
    let repeated = reference::TABLES.iter().any(|table| {
        matches!(table.given, reference::Given::Repeated) && table.name == found.trim()
    });
    match message.trim() {
        "duplicate key" if repeated => Some(format!("write each with two brackets: [[{found}]]")),
        "duplicate key" => Some("it is given above already: keep one".to_owned()),
        "string values must be quoted, expected literal string" => {
            Some("put it between plain quotes: \"…\"".to_owned())
        }
        _ => None,
    }
}

/// One table of the TOML being read.
pub(super) struct Table<'a> {
    pub name: &'static str,
    entries: Option<&'a DeTable<'a>>,
    /// Where the table stands; the start of the file if it is absent.
    pub span: Range<usize>,
    /// Whether something else stands in the table's place, which has been said.
    pub misshapen: bool,
}

/// What a value is called in a message.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

fn wrong_type(key: &str, found: &Spanned<DeValue<'_>>, wanted: &str) -> Problem {
    let message = format!("`{key}` is {}, not {wanted}", kind(found.get_ref()));
    Problem::new(Check::WrongType, found.span(), message)
}

/// Refuses tables that are not known.
pub(super) fn unknown_tables(root: &DeTable<'_>, problems: &mut Vec<Problem>) {
    unknown(root, "", suggest::outermost(), problems);
}

fn unknown(
    entries: &DeTable<'_>,
    place: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    problems: &mut Vec<Problem>,
) {
    let strangers =
        entries.iter().filter(|(key, _)| !known.clone().any(|name| name == key.get_ref()));
    for (key, value) in strangers {
        let name: String = key.get_ref().chars().take(60).collect();
        let tables = matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
        let what = if place.is_empty() && tables { "table" } else { "key" };
        let message = format!("unknown {what} `{}`{place}", name.escape_debug());
        let homes = suggest::homes(&name);
        let cure = match suggest::nearest(&name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if !homes.is_empty() => format!("it belongs in {}", homes.join(" or ")),
            None => format!("known here: {}", known.clone().collect::<Vec<_>>().join(", ")),
        };
        problems.push(Problem::new(Check::UnknownKey, key.span(), message).help(cure));
    }
}

/// The one table `[name]`; an empty one where it is absent.
pub(super) fn table<'a>(
    root: &'a DeTable<'a>,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Table<'a> {
    taken(root.get(name), name, problems)
}

fn taken<'a>(
    found: Option<&'a Spanned<DeValue<'a>>>,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Table<'a> {
    let Some(found) = found else {
        return Table { name, entries: None, span: 0..0, misshapen: false };
    };
    match found.get_ref() {
        DeValue::Table(entries) => {
            unknown(entries, &format!(" in [{name}]"), suggest::of(name), problems);
            Table { name, entries: Some(entries), span: found.span(), misshapen: false }
        }
        _ => {
            let cure = format!("write it as a table: [{name}]");
            let key = name.rsplit('.').next().unwrap_or(name);
            problems.push(wrong_type(key, found, "a table").help(cure));
            Table { name, entries: None, span: found.span(), misshapen: true }
        }
    }
}

/// All tables `[[name]]`, in order.
pub(super) fn tables<'a>(
    root: &'a DeTable<'a>,
    name: &'static str,
    problems: &mut Vec<Problem>,
) -> Vec<Table<'a>> {
    let Some(found) = root.get(name) else { return Vec::new() };
    let DeValue::Array(array) = found.get_ref() else {
        let cure = format!("write it with two brackets: [[{name}]]");
        problems.push(wrong_type(name, found, "an array of tables").help(cure));
        return Vec::new();
    };
    let mut tables = Vec::new();
    for element in array.iter() {
        match element.get_ref() {
            DeValue::Table(entries) => {
                unknown(entries, &format!(" in [[{name}]]"), suggest::of(name), problems);
                let span = element.span();
                tables.push(Table { name, entries: Some(entries), span, misshapen: false });
            }
            _ => {
                let cure = format!("write each as a table of its own: [[{name}]]");
                problems.push(wrong_type(name, element, "a table").help(cure));
            }
        }
    }
    tables
}

impl<'a> Table<'a> {
    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(suggest::of(self.name).any(|known| known == key), "{key} is not listed");
        self.entries.and_then(|entries| entries.get(key))
    }

    /// Whether the key stands in the table, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The table `[name]` inside of this one, under `key`; `None` where it is absent.
    pub fn table(
        &self,
        key: &str,
        name: &'static str,
        problems: &mut Vec<Problem>,
    ) -> Option<Table<'a>> {
        Some(taken(Some(self.get(key)?), name, problems))
    }

    /// A value that `take` understands; `take` says the wanted type, or what is wrong.
    fn value<T>(
        &self,
        key: &str,
        problems: &mut Vec<Problem>,
        take: impl FnOnce(&'a Spanned<DeValue<'a>>) -> Result<T, Problem>,
    ) -> Option<Placed<T>> {
        let found = self.get(key)?;
        match take(found) {
            Ok(value) => Some(Placed { value, span: found.span() }),
            Err(problem) => {
                problems.push(self.cured(key, problem));
                None
            }
        }
    }

    /// What would be right, for a problem that does not say it itself.
    fn cured(&self, key: &str, problem: Problem) -> Problem {
        match reference::key(self.name, key) {
            Some(known) if problem.cure.is_none() => {
                problem.help(format!("write it like this: {key} = {}", known.example))
            }
            _ => problem,
        }
    }

    /// A string that `parse` takes.
    pub fn text<T>(
        &self,
        key: &str,
        check: Check,
        problems: &mut Vec<Problem>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        self.value(key, problems, |found| parse_text(key, check, found, &parse))
    }

    /// One printable line, no longer than its key allows.
    pub fn line(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Placed<Line>> {
        let most = reference::longest(self.name, key);
        self.text(key, Check::Text, problems, |text| Line::parse(text, most))
    }

    /// An array of strings, each of which `parse` takes.
    pub fn texts<T>(
        &self,
        key: &str,
        check: Check,
        problems: &mut Vec<Problem>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<Placed<T>>> {
        let found = self.get(key)?;
        let DeValue::Array(array) = found.get_ref() else {
            let problem = wrong_type(key, found, "an array of strings");
            problems.push(self.cured(key, problem));
            return None;
        };
        let mut taken = Vec::new();
        for element in array.iter() {
            match parse_text(key, check, element, &parse) {
                Ok(value) => taken.push(Placed { value, span: element.span() }),
                Err(problem) => problems.push(self.cured(key, problem)),
            }
        }
        Some(taken)
    }

    /// One of the named choices.
    pub fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&'static str, T)],
        problems: &mut Vec<Problem>,
    ) -> Option<Placed<T>> {
        let names = || choices.iter().map(|(name, _)| *name);
        self.value(key, problems, |found| {
            let DeValue::String(text) = found.get_ref() else {
                return Err(wrong_type(key, found, "a string"));
            };
            let chosen = choices.iter().find(|(name, _)| name == text);
            chosen.map(|(_, value)| *value).ok_or_else(|| {
                let text = text.chars().take(60).collect::<String>();
                let message = format!("`{key}` cannot be \"{}\"", text.escape_debug());
                let cure = match suggest::nearest(&text, names()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("it is one of {}", names().collect::<Vec<_>>().join(", ")),
                };
                Problem::new(Check::Choice, found.span(), message).help(cure)
            })
        })
    }

    /// An integer within the bounds of its key; its default where there is none.
    pub fn number(&self, key: &str, problems: &mut Vec<Problem>) -> u64 {
        let bounds = reference::bounds(self.name, key);
        let given = self.value(key, problems, |found| {
            let number = integer(key, found)?;
            u64::try_from(number).ok().filter(|number| bounds.contains(number)).ok_or_else(|| {
                let message = format!("`{key}` cannot be {number}");
                let cure = format!("it is a number from {} to {}", bounds.start(), bounds.end());
                Problem::new(Check::Number, found.span(), message).help(cure)
            })
        });
        given.map_or_else(|| reference::number(self.name, key), |number| number.value)
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Placed<bool>> {
        self.value(key, problems, |found| {
            found.get_ref().as_bool().ok_or_else(|| wrong_type(key, found, "true or false"))
        })
    }

    /// A date without a time.
    pub fn date(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Placed<String>> {
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
        gather: impl FnOnce(Vec<super::PortRange>) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        self.value(key, problems, |found| {
            let ranges = match found.get_ref() {
                DeValue::Array(array) => array
                    .iter()
                    .map(|element| ranges(key, element))
                    .collect::<Result<Vec<_>, _>>()?,
                _ => vec![ranges(key, found)?],
            };
            gather(ranges.concat()).map_err(|why| Problem::new(Check::Port, found.span(), why))
        })
    }
}

fn parse_text<T>(
    key: &str,
    check: Check,
    found: &Spanned<DeValue<'_>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Problem> {
    let DeValue::String(text) = found.get_ref() else {
        return Err(wrong_type(key, found, "a string"));
    };
    let refused = |why| Problem::new(check, found.span(), format!("`{key}` cannot be this: {why}"));
    parse(text).map_err(refused)
}

fn integer(key: &str, found: &Spanned<DeValue<'_>>) -> Result<i128, Problem> {
    let DeValue::Integer(integer) = found.get_ref() else {
        return Err(wrong_type(key, found, "an integer"));
    };
    let shown = integer.to_string();
    i128::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
        Problem::new(Check::Number, found.span(), format!("`{key}` cannot be {shown}"))
    })
}

fn ranges(key: &str, found: &Spanned<DeValue<'_>>) -> Result<Vec<super::PortRange>, Problem> {
    let refused = |why: String| Problem::new(Check::Port, found.span(), why);
    match found.get_ref() {
        DeValue::Integer(_) => {
            let port = integer(key, found)?;
            Ok(vec![super::PortRange::new(port, port).map_err(refused)?])
        }
        DeValue::String(text) => text
            .split(',')
            .map(|part| part.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(refused),
        _ => Err(wrong_type(key, found, "a port, a range such as \"7000-7002\" or a list")),
    }
}
