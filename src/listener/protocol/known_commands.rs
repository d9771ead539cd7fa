//! The command names that the log may contain. A client's first word may be a password that was typed
//! into the wrong window, so that any word outside of `known_commands.txt` is logged as `other`.

use std::num::NonZeroU16;
use std::sync::LazyLock;

/// The names, in capitals and sorted; read once per process.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("known_commands.txt").lines();
    let mut names: Vec<_> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    names.sort_unstable();
    names
});

/// A command name for the log: an index plus one, so that `Option<CommandName>` takes two bytes, because
/// thousands of idle connections hold two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandName(NonZeroU16);

impl CommandName {
    /// Any word that is not a known command.
    pub const OTHER: CommandName = CommandName(NonZeroU16::MAX);

    /// The known command that `word` is, in any case. Allocates nothing.
    pub fn find(word: &[u8]) -> Option<CommandName> {
        let upper = || word.iter().map(u8::to_ascii_uppercase);
        let index = NAMES.binary_search_by(|name| name.bytes().cmp(upper())).ok()?;
        u16::try_from(index + 1).ok().and_then(NonZeroU16::new).map(CommandName)
    }

    /// The name in capitals, or `other`.
    pub fn as_str(self) -> &'static str {
        NAMES.get(usize::from(self.0.get()) - 1).copied().unwrap_or("other")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_is_found_and_nothing_else() {
        assert!(NAMES.is_sorted_by(|one, next| one < next), "a name is listed twice");
        let is_plain = |byte: u8| matches!(byte, b'A'..=b'Z' | b'.' | b'_' | b'-');
        assert!(NAMES.iter().all(|name| name.bytes().all(is_plain)));
        assert_eq!(CommandName::find(b"get").map(CommandName::as_str), Some("GET"));
        assert_eq!(CommandName::find(b"CorrectHorseBatteryStaple"), None);
        let found =
            |name: &&str| CommandName::find(name.as_bytes()).map(CommandName::as_str) == Some(name);
        assert!(NAMES.len() < usize::from(u16::MAX) && NAMES.iter().all(found));
    }

    /// One of each group of commands that a version or a bundled module brought.
    #[test]
    fn commands_of_the_newest_servers_are_known() {
        for name in [
            "msetex",
            "delex",
            "HOTKEYS",
            "XNACK",
            "ARGET",
            "HIMPORT",
            "BLESS",
            "SEXPIRE",
            "ZMOVE",
            "CLUSTERSCAN",
            "COMMANDLOG",
            "VSIM",
            "BF.RESERVE",
            "CF.ADD",
            "CMS.QUERY",
            "TOPK.LIST",
            "TDIGEST.ADD",
            "FT.AGGREGATE",
            "FT._LIST",
            "JSON.MGET",
            "TS.MRANGE",
        ] {
            let known = CommandName::find(name.as_bytes()).map(CommandName::as_str);
            assert_eq!(known, Some(name.to_ascii_uppercase().as_str()));
        }
    }
}
