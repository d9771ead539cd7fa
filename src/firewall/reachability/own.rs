//! redisguard's own rules at the places where they are or will be, in the form in which they are followed. Those that
//! are loaded are left out: `plan` asks before there are any, and drift is found elsewhere.

use super::condition::{Condition, DNAT_STATE, Field, Wanted};
use super::rule::{Action, Base, Chain, Hook, Lister, Rule, Ruleset, Step};
use crate::family::Family;
use crate::firewall::iptables::variant::Variant;
use crate::spec::PortRange;

/// The hop limit that packets to be redirected get.
const HOPS: u128 = 1;

/// Adds the rules that lead packets to the listener.
///
/// In tables of iptables they come first; in a table of nft's they come 10 before those at the usual priorities.
pub(super) fn add(
    ruleset: &mut Ruleset,
    shared: Option<Variant>,
    redirected: &[PortRange],
    listener: u16,
) {
    let ports = redirected.iter();
    let ports = ports.map(|range| Wanted::Range(range.first().into(), range.last().into()));
    let to_reserved = Condition::new(Field::DestinationPort, ports.collect());
    let first = || Condition::new(Field::TcpFlags, vec![Wanted::Masked { mask: 23, value: 2 }]);
    let to_listener = Condition::number(Field::DestinationPort, listener);
    let translated = Condition::bits(Field::StateOrNat, DNAT_STATE);
    let redirect = Action::Translate { port: Some(listener), is_elsewhere: false };
    // Where, in which table of iptables, and the rule.
    let parts = [
        (
            (Hook::Prerouting, -150, "mangle"),
            rule(vec![to_reserved.clone(), first()], Action::SetHops(HOPS)),
        ),
        ((Hook::Prerouting, -100, "nat"), rule(vec![to_reserved, first()], redirect)),
        ((Hook::Input, 0, "filter"), rule(vec![to_listener, translated], Action::Accept)),
    ];
    for ((hook, priority, table), rule) in parts {
        let is_nat = table == "nat";
        let Some(variant) = shared else {
            let base =
                Base { hook, priority: priority - 10, is_nat, drops: false, devices: Vec::new() };
            let name = format!("{hook:?}{priority}");
            let table = "inet redisguard".to_owned();
            ruleset.chains.push(Chain {
                lister: Lister::Redisguard,
                table,
                name,
                families: &Family::BOTH,
                base: Some(base),
                rules: vec![rule],
                own_jumps: 0,
            });
            continue;
        };
        for family in Family::BOTH {
            let name = if hook == Hook::Input { "INPUT" } else { "PREROUTING" };
            let table = format!("{} {table}", family.kernel_name());
            let index = ruleset.chain(Lister::Iptables(variant), &table, name);
            let chain = &mut ruleset.chains[index];
            let base = Base { hook, priority, is_nat, drops: false, devices: Vec::new() };
            chain.base.get_or_insert(base);
            chain.rules.insert(0, rule.clone());
        }
    }
}

fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
    let conditions = conditions.into_iter().map(Step::If);
    let steps = conditions.chain([Step::Do(action)]).collect();
    Rule { steps, ..Rule::default() }
}
