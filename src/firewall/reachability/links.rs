//! The network links of this host, and the programs on them that see packets before all rules. Changes nothing.

use crate::os::command::{Output, Program};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What `ip` and `tc` say; nothing where they are not installed.
#[derive(Debug, Default)]
pub(super) struct Links {
    bridges: BTreeSet<String>,
    /// Links that belong to a bridge or a bond: packets come in by that one.
    ports: BTreeSet<String>,
    /// What decides on packets of a link besides rules: an XDP program, filters of tc.
    programs: BTreeMap<String, &'static str>,
}

impl Links {
    pub(super) fn read() -> Self {
        let mut links = Self::default();
        let listed = ask("ip", &["-json", "-details", "link", "show"]);
        for link in listed.as_array().into_iter().flatten() {
            let Some(name) = link["ifname"].as_str() else { continue };
            let kind = &link["linkinfo"]["info_kind"];
            if kind == "bridge" {
                links.bridges.insert(name.to_owned());
            }
            // Packets of a VRF are shown with the link that they came in by.
            let is_of_vrf = link["linkinfo"]["info_slave_kind"] == "vrf";
            if link["master"].is_string() && !is_of_vrf {
                links.ports.insert(name.to_owned());
            }
            if !link["xdp"].is_null() {
                links.programs.insert(name.to_owned(), "an XDP program");
            }
        }
        let queues = ask("tc", &["-json", "qdisc", "show"]);
        for queue in queues.as_array().into_iter().flatten() {
            let Some(name) = queue["dev"].as_str() else { continue };
            if queue["kind"] != "clsact" && queue["kind"] != "ingress" {
                continue;
            }
            let has_filters = ["ingress", "egress"].into_iter().any(|side| {
                let filters = ask("tc", &["-json", "filter", "show", "dev", name, side]);
                filters.as_array().is_some_and(|filters| !filters.is_empty())
            });
            if has_filters {
                links.programs.entry(name.to_owned()).or_insert("filters of tc");
            }
        }
        links
    }

    pub(super) fn is_bridge(&self, name: &str) -> bool {
        self.bridges.contains(name)
    }

    pub(super) fn is_port(&self, name: &str) -> bool {
        self.ports.contains(name)
    }

    /// What decides on the packets of a link besides rules.
    pub(super) fn program_on(&self, name: &str) -> Option<&'static str> {
        self.programs.get(name).copied()
    }
}

fn ask(program: &str, arguments: &[&str]) -> Value {
    let output = Program::new(program).args(arguments).run("ask for the network links").ok();
    let output = output.filter(Output::is_success).map(Output::text).unwrap_or_default();
    serde_json::from_str(&output).unwrap_or_default()
}
