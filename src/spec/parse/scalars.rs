//! Single TOML values: strings, integers and ports, each with the problem if it is something else.

use crate::spec::diagnostics::{Check, Problem};
use crate::spec::ports::PortRange;
use toml::Spanned;
use toml::de::DeValue;

/// What messages call the type of a value.
fn type_name(value: &DeValue<'_>) -> &'static str {
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

/// The problem of a value whose type is not the `expected` one.
pub fn wrong_type(key: &str, found: &Spanned<DeValue<'_>>, expected: &str) -> Problem {
    let message = format!("`{key}` is {}, not {expected}", type_name(found.get_ref()));
    Problem::new(Check::WrongType, found.span(), message)
}

/// A string that `parse` accepts; a rejection is a problem of `check`.
pub fn string<T>(
    key: &str,
    check: Check,
    found: &Spanned<DeValue<'_>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Problem> {
    let DeValue::String(text) = found.get_ref() else {
        return Err(wrong_type(key, found, "a string"));
    };
    parse(text)
        .map_err(|why| Problem::new(check, found.span(), format!("`{key}` cannot be this: {why}")))
}

/// An integer of any radix that TOML knows.
pub fn integer(key: &str, found: &Spanned<DeValue<'_>>) -> Result<i128, Problem> {
    let DeValue::Integer(integer) = found.get_ref() else {
        return Err(wrong_type(key, found, "an integer"));
    };
    i128::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
        Problem::new(Check::Number, found.span(), format!("`{key}` cannot be {integer}"))
    })
}

/// Ports as an integer, or as a string with ports and ranges: `7000-7002,7005`.
fn port_ranges(key: &str, found: &Spanned<DeValue<'_>>) -> Result<Vec<PortRange>, Problem> {
    let refused = |why: String| Problem::new(Check::Port, found.span(), why);
    match found.get_ref() {
        DeValue::Integer(_) => {
            let port = integer(key, found)?;
            Ok(vec![PortRange::new(port, port).map_err(refused)?])
        }
        DeValue::String(text) => PortRange::parse_list(text).map_err(refused),
        _ => Err(wrong_type(key, found, "a port, a range such as \"7000-7002\" or a list")),
    }
}

/// Ports as [`port_ranges`] takes them, or an array of such values, converted by `convert`.
pub fn ports<T>(
    key: &str,
    found: &Spanned<DeValue<'_>>,
    convert: impl FnOnce(Vec<PortRange>) -> Result<T, String>,
) -> Result<T, Problem> {
    let ranges = match found.get_ref() {
        DeValue::Array(array) => {
            array.iter().map(|element| port_ranges(key, element)).collect::<Result<Vec<_>, _>>()?
        }
        _ => vec![port_ranges(key, found)?],
    };
    convert(ranges.concat()).map_err(|why| Problem::new(Check::Port, found.span(), why))
}

/// One port; `one_port` is the message about a range or several.
pub fn port(key: &str, found: &Spanned<DeValue<'_>>, one_port: &str) -> Result<u16, Problem> {
    ports(key, found, |ranges| match ranges.as_slice() {
        [range] if range.is_single() => Ok(range.first()),
        _ => Err(one_port.to_owned()),
    })
}
