//! The two variants of iptables: on nf_tables, and the legacy one with tables of its own. `iptables` is
//! one of them and lists nothing of what the other holds, although packets meet the rules of both.
//!
//! Never: loads a kernel module by looking.

use crate::family::Family;
use crate::firewall::kernel;
use crate::os::command::{Output, Program, find};
use std::fs;

/// A variant of iptables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Its rules are in tables of nf_tables.
    Nft,
    /// Its rules are in the older tables, which nf_tables does not have.
    Legacy,
}

impl Variant {
    /// The variant that `iptables` is on this host; `None` where it is not installed, or does not say.
    pub fn selected() -> Option<Self> {
        const PROGRAM: &str = "iptables";
        if let Some(variant) = Self::of_program(PROGRAM) {
            return Some(variant);
        }
        let printed = Program::new(PROGRAM).args(["--version"]).run("ask iptables").ok()?.text();
        // `iptables v1.8.9 (nf_tables)`. One that prints something else is not guessed: what the other
        // variant is taken to hold of redisguard's rules is removed.
        match (printed.contains("nf_tables"), printed.starts_with("iptables v")) {
            (true, _) => Some(Self::Nft),
            (false, true) => Some(Self::Legacy),
            (false, false) => None,
        }
    }

    /// The variant that a program is, by the name of the file that it is a link to; `None` where it is not
    /// installed, or that file has neither's name.
    pub(super) fn of_program(program: &str) -> Option<Self> {
        // A link to a link to a program of either, on every distribution that has both.
        let file = find(program)?.canonicalize().ok()?;
        let name = file.file_name()?.to_string_lossy();
        let variants = [("legacy", Self::Legacy), ("nft", Self::Nft)];
        variants.into_iter().find(|(word, _)| name.contains(word)).map(|(_, variant)| variant)
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Nft => Self::Legacy,
            Self::Legacy => Self::Nft,
        }
    }

    /// What its programs are called: `iptables-legacy`, with `-restore` or `-save` behind that.
    pub fn program(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Nft, Family::V4) => "iptables-nft",
            (Self::Nft, Family::V6) => "ip6tables-nft",
            (Self::Legacy, Family::V4) => "iptables-legacy",
            (Self::Legacy, Family::V6) => "ip6tables-legacy",
        }
    }

    /// Whether it may hold any rule of a family. Where it cannot, running its programs would load its
    /// kernel modules for nothing.
    pub(in crate::firewall) fn may_hold(self, family: Family) -> bool {
        match self {
            Self::Legacy => {
                // The file is there once the modules are loaded, and empty while there is no table.
                let names = fs::read(format!("/proc/net/{}_tables_names", family.kernel_name()));
                names.is_ok_and(|names| !names.is_empty())
            }
            Self::Nft => kernel::has_module("nf_tables"),
        }
    }

    /// All rules that it holds of a family, as its own iptables-save prints them. None where that is not
    /// installed, or the kernel has no such tables: that must not keep a host from being guarded.
    pub(super) fn saved(self, family: Family) -> String {
        let output = Program::new(format!("{}-save", self.program(family))).run("list the rules");
        let output = output.ok().filter(Output::is_success);
        output.map(Output::text).unwrap_or_default()
    }
}
