//! Whether clients that are redirected to the listener get there, or rules of others stop them: an `accept` of
//! redisguard's ends one base chain only, and the base chains of others come behind it.
//!
//! Follows the rules of others at the input hook as an outsider's first packet meets them. What cannot be known of
//! that packet (its address, its interface) is taken to be what no rule names.

mod fix;
mod nft_packet;
mod owner;
mod packet;
mod saved_packet;

use self::owner::{Owner, Stop};
use self::packet::{IPTABLES_CHAIN, Packet};
use super::iptables::variant::Variant;
use super::nftables::{netlink, nft};
use crate::bundle::GuardConfig;
use crate::family::Family;
use crate::os::command::{Output, Program};
use crate::spec::{Backend, External};
use serde_json::Value;
use std::collections::BTreeMap;

/// The tables of iptables that can stop packets at the input hook.
const IPTABLES_TABLES: [&str; 3] = ["mangle", "filter", "security"];

/// Which chains of others stop redirected clients, in words, and the fix in lines that begin with `fix: `;
/// `None` where none does, or no port is redirected.
pub(super) fn obstacle(guard_config: &GuardConfig, backend: Backend) -> Option<String> {
    let mut reserved = guard_config.reserved.iter();
    let redirected = reserved.find(|reserved| reserved.external == External::Notice)?;
    let packet = Packet {
        listener_port: guard_config.notice,
        reserved_port: redirected.ports.first(),
        shared: (backend == Backend::Iptables).then(|| Variant::selected().unwrap_or(Variant::Nft)),
    };
    let (mut stops, listed) = stops_of_iptables(&packet);
    stops.extend(stops_of_nft(&packet, &listed));
    let listener_port = packet.listener_port;
    (!stops.is_empty())
        .then(|| format!("{}{}", described(&stops), fix::lines(&stops, listener_port)))
}

/// The chains of iptables that stop the packet, and the tables of nf_tables that iptables could list.
fn stops_of_iptables(packet: &Packet) -> (Vec<Stop>, Vec<String>) {
    let (mut stops, mut listed) = (Vec::new(), Vec::new());
    for (variant, family) in [Variant::Nft, Variant::Legacy]
        .into_iter()
        .flat_map(|variant| Family::BOTH.map(|family| (variant, family)))
    {
        let saved = saved(variant, family).unwrap_or_default();
        let tables = saved_packet::tables(&saved);
        for name in IPTABLES_TABLES {
            let Some(table) = tables.get(name) else { continue };
            let table_name = format!("{} {name}", family.kernel_name());
            if !(name == "filter" && packet.shared == Some(variant))
                && let Some(by) = table.stops(packet)
            {
                stops.push(Stop {
                    owner: owner::of_iptables(variant, name, table, &by),
                    table: table_name.clone(),
                    chain: IPTABLES_CHAIN.to_owned(),
                    family,
                });
            }
            if variant == Variant::Nft {
                listed.push(table_name);
            }
        }
    }
    (stops, listed)
}

/// What a variant's iptables-save lists of a family; `None` where it is not installed, or there is nothing.
fn saved(variant: Variant, family: Family) -> Option<String> {
    let exists = |table| netlink::exists(&format!("{} {table}", family.kernel_name()));
    let may_hold = match variant {
        Variant::Nft => IPTABLES_TABLES.into_iter().any(exists),
        Variant::Legacy => variant.may_hold(family),
    };
    let plain = (Variant::selected() == Some(variant)).then(|| family.iptables());
    let mut programs = [Some(variant.program(family)), plain].into_iter().flatten();
    programs.find_map(|program| {
        let save = Program::new(format!("{program}-save"));
        let output = may_hold.then(|| save.run("list the rules"))?.ok();
        output.filter(Output::is_success).map(Output::text)
    })
}

/// The chains of nf_tables that stop the packet, but for the tables that iptables has listed.
fn stops_of_nft(packet: &Packet, listed: &[String]) -> Vec<Stop> {
    let output = nft::run(&["--json", "list", "ruleset"], "list all rules", "").ok();
    let listing = output.and_then(|output| serde_json::from_slice::<Value>(&output.stdout).ok());
    let stopping = nft_packet::stopping_chains(&listing.unwrap_or_default(), packet);
    let others = stopping.into_iter().filter(|(table, ..)| !listed.contains(table));
    others
        .map(|(table, chain, family)| Stop { owner: owner::of_nft(&table), table, chain, family })
        .collect()
}

/// The chains in words, each with the families that it stops.
fn described(stops: &[Stop]) -> String {
    let mut chains = BTreeMap::<String, Vec<&str>>::new();
    for Stop { owner, table, chain, family } in stops {
        let variant = match owner {
            Owner::Iptables(Variant::Legacy, _) => "iptables-legacy, ",
            _ => "",
        };
        let name = format!("{variant}table {table}, chain {chain}");
        chains.entry(name).or_default().push(family.name());
    }
    let names: Vec<String> =
        chains.iter().map(|(name, families)| format!("{name} ({})", families.join(", "))).collect();
    format!(
        "outsiders are stopped before they are told, by {}; the fix lets redirected clients through to the \
         notice, and nothing else",
        names.join("; ")
    )
}
