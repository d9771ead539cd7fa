//! What loads a table in which clients are stopped: the fix must be worded for that.

use super::saved_packet::{Stopper, Table};
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;
use crate::os::command::is_installed;

/// What loads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Firewalld,
    Ufw,
    /// iptables of this variant, in this table. A rule that nft adds there may keep iptables from listing it.
    Iptables(Variant, &'static str),
    /// nft: nftables.service, or a program of its own.
    Nft,
}

/// A base chain that stops redirected clients of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) owner: Owner,
    /// The table as nft names it: `inet filter`.
    pub(super) table: String,
    /// The base chain.
    pub(super) chain: String,
    pub(super) family: Family,
}

/// What loads a table of iptables in which something stops clients.
pub(super) fn of_iptables(
    variant: Variant,
    name: &'static str,
    table: &Table,
    by: &Stopper,
) -> Owner {
    // Chains as firewalld makes them with FirewallBackend=iptables (ipXtables.py), and ufw (ufw-init-functions).
    let leads_into_ufw = ["ufw-before-input", "ufw6-before-input"];
    let is_of_ufw = match by {
        Stopper::Chain(chain) => chain.starts_with("ufw"),
        Stopper::Policy => leads_into_ufw.into_iter().any(|chain| table.leads_into(chain)),
    };
    if name == "filter" && is_of_ufw && is_installed("ufw") {
        Owner::Ufw
    } else if name == "filter" && table.leads_into("INPUT_ZONES") && is_installed("firewall-cmd") {
        Owner::Firewalld
    } else {
        Owner::Iptables(variant, name)
    }
}

/// What loads a table of nf_tables that iptables does not list.
pub(super) fn of_nft(table: &str) -> Owner {
    if table.ends_with(" firewalld") { Owner::Firewalld } else { Owner::Nft }
}
