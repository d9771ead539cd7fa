//! Which parts of the guard a host is expected to run.

use super::choice::{Choice, Part};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The parts that a host is expected to run. All of them by default; the rules are always among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected(Vec<Part>);

impl Expected {
    /// Accepts parts with the rules among them, each once, in any order.
    ///
    /// # Errors
    /// Names the part that is missing or there twice.
    pub fn of(parts: &[Part]) -> Result<Self, String> {
        let count = |part: &Part| parts.iter().filter(|one| *one == part).count();
        if let Some(twice) = parts.iter().find(|part| count(part) > 1) {
            return Err(format!("it names {} twice", twice.as_str()));
        }
        if !parts.contains(&Part::Rules) {
            return Err("it does not name rules, without which there is no guard".to_owned());
        }
        let all = Self::default().0.into_iter();
        Ok(Self(all.filter(|part| parts.contains(part)).collect()))
    }

    /// Whether a part is expected.
    pub fn has(&self, part: Part) -> bool {
        self.0.contains(&part)
    }

    /// Whether every part is expected.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The names of the parts.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|part| part.as_str()).collect()
    }
}

impl Default for Expected {
    fn default() -> Self {
        Self(vec![Part::Rules, Part::Boot, Part::Listener, Part::Timer])
    }
}

impl fmt::Display for Expected {
    /// `rules, listener`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.names().join(", "))
    }
}

/// A part by its name.
///
/// # Errors
/// Names all of them.
pub fn part(name: &str) -> Result<Part, String> {
    let names: Vec<&str> = Part::CHOICES.iter().map(|(name, _)| *name).collect();
    Part::named(name).ok_or_else(|| format!("{name:?} is none of {}", names.join(", ")))
}

impl FromStr for Expected {
    type Err = String;

    /// Reads `rules,listener`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Result<Vec<Part>, String> = text.split(',').map(part).collect();
        Self::of(&parts?)
    }
}

impl Serialize for Expected {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.names().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::<String>::deserialize(from)?.join(",").parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_in_any_order_and_the_rules_are_among_them() {
        let read = |text: &str| text.parse::<Expected>().map(|expected| expected.to_string());
        assert_eq!(read("timer,rules").unwrap(), "rules, timer");
        assert!("boot,rules,timer,listener".parse::<Expected>().unwrap().is_all());
        for (text, why) in [
            ("listener", "does not name rules"),
            ("rules,boot,boot", "boot twice"),
            ("rules,logs", "\"logs\" is none of rules, boot, listener, timer"),
            ("", "none of"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        let json = serde_json::to_string(&"rules".parse::<Expected>().unwrap()).unwrap();
        assert_eq!(json, r#"["rules"]"#);
        assert_eq!(serde_json::from_str::<Expected>(&json).unwrap().names(), ["rules"]);
        assert!(serde_json::from_str::<Expected>("[]").is_err());
    }
}
