//! The tables that the TOML has once: [site], [contact], [cluster], [firewall] and [notice].

use crate::spec::diagnostics::{Check, Problem};
use crate::spec::parse::Table;
use crate::spec::parse::values::{Email, Host, Line, LogPath, network};
use crate::spec::ports::PortSet;
use crate::spec::tls::tls;
use crate::spec::types::{Cluster, Contact, Firewall, Notice};
use ipnet::IpNet;
use std::collections::BTreeMap;
use toml::Spanned;

/// `[site]` as the TOML has it: the author's default is another table's value.
pub struct GivenSite {
    pub title: Option<Line>,
    pub author: Option<Line>,
    pub date: Option<String>,
    pub priority: Option<Line>,
}

pub fn site(table: &Table<'_>, problems: &mut Vec<Problem>) -> GivenSite {
    GivenSite {
        title: table.line("title", problems).map(Spanned::into_inner),
        author: table.line("author", problems).map(Spanned::into_inner),
        date: table.date("date", problems).map(Spanned::into_inner),
        priority: table.line("priority", problems).map(Spanned::into_inner),
    }
}

pub fn contact(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Contact> {
    let team = table.line("team", problems);
    let team = table.required("team", "[contact] team = \"Your team\"", team, problems);
    let email = table.text("email", Check::Contact, problems, Email::parse);
    let email = table.required("email", "[contact] email = \"you@example.org\"", email, problems);
    Some(Contact { team: team?.into_inner(), email: email?.into_inner() })
}

/// The span is that of the ports.
pub fn cluster(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Spanned<Cluster>> {
    let ports = table.ports("ports", problems, |ranges| {
        let set: PortSet = ranges.into_iter().collect();
        if set.is_empty() { Err("`ports` names no port".to_owned()) } else { Ok(set) }
    });
    let ports = table.required("ports", "[cluster] ports = \"7000-7002\"", ports, problems);
    let host = table.text("host", Check::Contact, problems, Host::parse).map(Spanned::into_inner);
    let ports = ports?;
    Some(Spanned::new(ports.span(), Cluster { ports: ports.into_inner(), host }))
}

pub fn firewall(table: &Table<'_>, problems: &mut Vec<Problem>) -> Firewall {
    let backend = table.choice_or_default(problems);
    let existing = table.choice_or_default(problems);
    let allow = allowed_networks(table, problems);
    Firewall { backend, allow, existing, log_per_source: table.number("log-per-source", problems) }
}

fn allowed_networks(table: &Table<'_>, problems: &mut Vec<Problem>) -> Vec<IpNet> {
    let networks = table.texts("allow", Check::Network, problems, network).unwrap_or_default();
    let mut first_spans = BTreeMap::new();
    for spanned in &networks {
        let (network, span) = (*spanned.get_ref(), spanned.span());
        if let Some(first) = first_spans.insert(network, span.clone()) {
            let message = format!("{network} stands in `allow` twice");
            let problem = Problem::new(Check::NetworkTwice, span, message);
            problems.push(problem.help("remove one").related(first, "here first"));
        }
    }
    let first = networks.first().map(Spanned::span);
    let allow = networks.into_iter().map(Spanned::into_inner).collect();
    if let Some(span) = first.filter(|_| covers_half_of_a_family(&allow)) {
        let message = "together the networks in `allow` let nearly everyone past";
        let problem = Problem::new(Check::Network, span, message);
        problems.push(problem.help("name the networks that you mean"));
    }
    allow
}

/// Whether the networks together hold half of the addresses of IPv4 or IPv6, or more.
fn covers_half_of_a_family(networks: &Vec<IpNet>) -> bool {
    IpNet::aggregate(networks).iter().any(|net| net.prefix_len() <= 1)
}

/// The second half is the notice port with its span: empty if neither the port nor the table is given.
pub fn notice(table: &Table<'_>, problems: &mut Vec<Problem>) -> (Notice, Spanned<u16>) {
    let port = table.port("port", "the notice port is one port", problems);
    let default = || Spanned::new(table.span.clone(), table.default_port("port"));
    let port = port.unwrap_or_else(default);
    let log = table.text("log", Check::Path, problems, LogPath::parse).map(Spanned::into_inner);
    let notice = Notice {
        port: *port.get_ref(),
        log_format: table.choice_or_default(problems),
        log_per_source: table.number("log-per-source", problems),
        max_connections: table.number("max-connections", problems),
        max_per_source: table.number("max-per-source", problems),
        idle: table.number("idle", problems),
        log: log.unwrap_or_else(|| table.default_text("log", LogPath::parse)),
        tls: table.table("tls", "notice.tls", problems).and_then(|table| tls(&table, problems)),
    };
    (notice, port)
}
