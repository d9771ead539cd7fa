//! Owns running nft: one table for both families, replaced in one transaction.

pub(crate) mod listing;
pub(crate) mod netlink;

use self::listing::{COUNTED, Listing, TABLE};
use super::backend::{Backend, Live};
use super::dry_run_netns::apart;
use crate::error::Error;
use crate::os::command;
use crate::plan::Scope;
use std::process::Command;

const CURE: &str = "install it (Debian: apt-get install nftables), or run as root if it is there";

/// nftables of this host.
pub struct Nftables {
    /// `None` where there is nothing to load.
    wanted: Option<Script>,
}

/// A bundle's rules for nft.
pub struct Script {
    /// What nft reads.
    pub text: String,
    /// The digest of the bundle, which the table carries.
    pub bundle: String,
}

/// How the listing of a table begins whose own comment names the bundle: earlier versions'.
const NAMED_BY_ITSELF: &str = "table inet redisguard {\n\tcomment ";

/// The lines that an artifact begins with.
const WHOLE: &str = "table inet redisguard\ndelete table inet redisguard\n";

impl Script {
    /// The script that replaces all of the table but its counters; `None` where it must be replaced
    /// as a whole.
    fn keeping_counters(&self, found: &Listing) -> Option<String> {
        let (_, table) = self.text.split_once(WHOLE)?;
        Some(found.emptied(table)? + table)
    }

    /// The script for a place where there is no such table: for one that is deleted the kernel waits.
    fn fresh(&self) -> &str {
        self.text.split_once(WHOLE).map_or(self.text.as_str(), |(_, table)| table)
    }

    /// The same without the rules that write to the kernel's log, of a bundle that says so; `None`
    /// where there are none.
    fn without_log(&self) -> Option<Self> {
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

impl Nftables {
    /// nftables with a bundle's rules to load.
    pub fn new(wanted: Option<Script>) -> Self {
        Self { wanted }
    }

    /// Whether this host has the program.
    pub fn is_installed() -> bool {
        command::is_installed("nft")
    }
}

fn nft(arguments: &[&str], what: &str, input: &str) -> Result<command::Said, Error> {
    let mut command = Command::new("nft");
    command.args(arguments);
    command::run(&mut command, what, input.as_bytes(), command::LIMIT)
        .map_err(|trouble| trouble.or_help(CURE))
}

/// Has nft read a script: one transaction.
fn read(arguments: &[&str], what: &str, script: &str) -> Result<(), Error> {
    let said = nft(&[arguments, &["--file", "-"]].concat(), what, script)?;
    if said.success { Ok(()) } else { Err(refused(what, &said.stderr)) }
}

fn refused(what: &str, said: &str) -> Error {
    let cure = if said.contains("not permitted") {
        "run it as root"
    } else {
        "the rules are as they were; the kernel may lack a module that is named above"
    };
    Error::new(what, format!("nft said: {}", command::one_line(said))).help(cure)
}

/// Our table as nft lists it, if there is one.
fn list() -> Result<Option<String>, Error> {
    if netlink::is_absent(TABLE) {
        return Ok(None);
    }
    let what = "list the nftables rules";
    let said = nft(&["list", "table", "inet", "redisguard"], what, "")?;
    if said.success {
        return Ok(Some(said.stdout));
    }
    // nft's words for a table that is not there; who may not look is told something else.
    let none = said.stderr.contains("No such file or directory");
    if none { Ok(None) } else { Err(refused(what, &said.stderr)) }
}

impl Backend for Nftables {
    fn look(&self) -> Result<Live, Error> {
        let mut live = Live { table: list()?, ..Live::default() };
        let found = live.table.as_deref().and_then(Listing::read);
        live.guarded = found.is_some();
        if let Some(script) = &self.wanted {
            let findings = match &found {
                Some((table, _)) => table.drift(&script.bundle),
                None => vec!["no rules of ours are loaded".to_owned()],
            };
            live.drift =
                findings.into_iter().map(|finding| (Scope::Backend("nftables"), finding)).collect();
        }
        live.counters = found.map(|(_, counters)| counters).unwrap_or_default();
        Ok(live)
    }

    fn counts_in(&self) -> &'static [&'static str] {
        &[COUNTED]
    }

    fn stop(&self, _live: &Live) -> Result<(), Error> {
        read(&[], "take the nftables rules away", &format!("flush table {TABLE}\n"))
    }

    fn test(&self, _live: &Live) -> Result<(), Error> {
        const WHAT: &str = "check the nftables rules";
        let Some(script) = &self.wanted else { return Ok(()) };
        apart(|| read(&[], WHAT, script.fresh()))
            .unwrap_or_else(|| read(&["--check"], WHAT, &script.text))
    }

    fn load(&self, live: &Live) -> Result<(), Error> {
        const WHAT: &str = "load the nftables rules";
        let Some(script) = &self.wanted else { return Ok(()) };
        let found = live.table.as_deref().and_then(Listing::read).map(|(found, _)| found);
        let kept = found.and_then(|found| script.keeping_counters(&found));
        // A table that others change meanwhile is replaced as a whole: the guard comes first. nft ends when
        // what it deleted, be it empty, is freed, and no packet is on its way any more by the rules from
        // before: only then may another backend's go.
        if kept.is_none_or(|script| read(&[], WHAT, &script).is_err()) {
            read(&[], WHAT, &script.text)?;
        }
        let what = "find the nftables rules as they were loaded";
        match list()?.as_deref().and_then(Listing::read) {
            Some((table, _)) => read(&[], what, &table.sealed()),
            None => Err(Error::new(what, "the table is not there")
                .help("another program changes them at the same time; run it again")),
        }
    }

    fn put_back(&self, before: &Live, now: &Live) -> Result<(), Error> {
        match &before.table {
            // A listing is a script, too; the table is made first so that it can be deleted.
            Some(table) => {
                // What was counted is remembered elsewhere.
                let lines = table.lines().filter(|line| !line.trim().starts_with("packets "));
                let table: String = lines.map(|line| format!("{line}\n")).collect();
                let found = now.table.as_deref().and_then(Listing::read);
                let emptied = found.and_then(|(found, _)| found.emptied(&table));
                let emptied = emptied.filter(|_| !table.starts_with(NAMED_BY_ITSELF));
                let script = emptied.unwrap_or_else(|| WHOLE.to_owned()) + &table;
                read(&[], "put the nftables rules back", &script)
            }
            None if now.guarded => self.unload(now),
            None => Ok(()),
        }
    }

    fn unload(&self, _live: &Live) -> Result<(), Error> {
        read(&[], "take the nftables rules away", &format!("delete table {TABLE}\n"))
    }

    fn without_log(&self) -> Option<Box<dyn Backend>> {
        let mute = self.wanted.as_ref()?.without_log()?;
        Some(Box::new(Self::new(Some(mute))))
    }
}
