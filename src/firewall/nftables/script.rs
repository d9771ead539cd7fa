//! A bundle's rules for nft, and the scripts that are made of them. Runs nothing.

use super::listing::Listing;

/// The lines with which the artifact begins: it works whether the table exists or not.
pub(super) const REPLACE_TABLE: &str = "table inet redisguard\ndelete table inet redisguard\n";

/// A bundle's rules for nft.
pub struct Script {
    /// What nft reads.
    pub text: String,
    /// The digest of the bundle, which the table carries.
    pub bundle: String,
}

impl Script {
    /// Reads the nftables rules of the bundle with this digest.
    ///
    /// # Errors
    /// Names the first line that redisguard's rules never have.
    pub fn parse(text: &str, bundle: &str) -> Result<Self, String> {
        let is_foreign = |line: &str| {
            !line.starts_with(['\t', '#'])
                && !matches!(line, "" | "}" | "table inet redisguard {")
                && !matches!(line, "table inet redisguard" | "delete table inet redisguard")
        };
        match text.lines().zip(1..).find(|(line, _)| is_foreign(line)) {
            Some((line, number)) => {
                Err(format!("line {number} does not belong into our rules: {line}"))
            }
            None => Ok(Self { text: text.to_owned(), bundle: bundle.to_owned() }),
        }
    }

    /// The script that replaces all of the table but its counters and what its sets share with the wanted
    /// ones; `None` where the script is not of that form, or the table found has flags, which only a new one loses.
    pub(super) fn keeping_counters(&self, found: &Listing) -> Option<String> {
        let (_, table) = self.text.split_once(REPLACE_TABLE).filter(|_| !found.has_flags())?;
        Some(found.emptied(&Listing::read(table)?) + table)
    }

    /// The table as the bundle has it; `None` where the script is not of that form.
    pub(super) fn table(&self) -> Option<Listing> {
        Listing::read(self.fresh())
    }

    /// The script for a namespace without such a table. The kernel waits for all processors before it
    /// frees a deleted table, so nothing is deleted that is not there.
    pub(super) fn fresh(&self) -> &str {
        self.text.split_once(REPLACE_TABLE).map_or(self.text.as_str(), |(_, table)| table)
    }

    /// The same without the rules that write to the kernel's log, under a digest that says so; `None`
    /// where there are none.
    pub(super) fn without_log(&self) -> Option<Self> {
        let logs = |line: &&str| {
            ["log prefix ", "goto rg_lines", "limit rate "].iter().any(|word| line.contains(word))
        };
        self.text.lines().any(|line| logs(&line)).then(|| {
            let bundle = format!("{} without its log", self.bundle);
            let rest = self.text.lines().filter(|line| !logs(line));
            let text: String = rest.map(|line| format!("{line}\n")).collect();
            Self { text: text.replace(&self.bundle, &bundle), bundle }
        })
    }
}
