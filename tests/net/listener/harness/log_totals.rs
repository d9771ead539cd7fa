//! Adds up the attempts in a log, and refuses every line that is not whole.

use std::collections::HashMap;

/// The attempts that a log accounts for.
#[derive(Debug, Default)]
pub struct Account {
    /// Attempts with a line of their own, by peer address and port.
    pub lines: HashMap<(String, u64), u64>,
    /// Attempts in summary lines.
    pub folded: u64,
    /// Attempts that could not be written.
    pub dropped: u64,
}

impl Account {
    /// Adds the lines of `log`, logfmt or JSON.
    pub fn add(&mut self, log: &str) {
        assert!(log.is_empty() || log.ends_with('\n'), "torn at the end: {:?}", log.lines().last());
        for line in log.lines() {
            let fields = fields(line);
            let number = |key: &str| fields.get(key).and_then(|value| value.parse::<u64>().ok());
            let attempts = || number("attempts").unwrap_or_else(|| panic!("{line}"));
            match fields.get("outcome").map(String::as_str) {
                Some("folded") => self.folded += attempts(),
                Some("dropped") => self.dropped += attempts(),
                Some(_) => {
                    let port = number("peer-port").unwrap_or_else(|| panic!("{line}"));
                    *self.lines.entry((fields["peer"].clone(), port)).or_default() += 1;
                }
                None => panic!("no whole line: {line:?}"),
            }
        }
    }

    /// What one log says.
    pub fn of(log: &str) -> Account {
        let mut account = Account::default();
        account.add(log);
        account
    }

    /// How many attempts have a line of their own.
    pub fn written(&self) -> u64 {
        self.lines.values().sum()
    }

    /// All attempts that it accounts for.
    pub fn attempts(&self) -> u64 {
        self.written() + self.folded + self.dropped
    }
}

/// The fields of a whole line. No value that the tests log holds a blank.
fn fields(line: &str) -> HashMap<String, String> {
    if line.starts_with('{') {
        let value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap_or_else(|cause| panic!("{cause}: {line:?}"));
        let plain = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        return value.into_iter().map(|(key, value)| (key, plain(value))).collect();
    }
    let pairs: Vec<_> = line.split(' ').filter_map(|field| field.split_once('=')).collect();
    assert_eq!(pairs.first().map(|pair| pair.0), Some("time"), "no whole line: {line:?}");
    assert_eq!(pairs.last().map(|pair| pair.0), Some("outcome"), "no whole line: {line:?}");
    assert_eq!(line.matches("time=").count(), 1, "two lines in one: {line:?}");
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
