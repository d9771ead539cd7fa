//! The tables that the TOML has once, each by itself; [docs] has a module of its own.

use crate::spec::diagnostics::{Check, Problem};
use crate::spec::expected::{self, Expected};
use crate::spec::parse::Table;
use crate::spec::parse::values::{
    Email, Host, LogPath, PemPath, TargetLabel, TextfilePath, network, probe_network,
};
use crate::spec::ports::PortSet;
use crate::spec::types::{
    Cluster, Contact, Firewall, HostParts, Metrics, Notice, Probe, Site, Tls,
};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// The default of the author is the contact's team.
pub fn site(table: &Table<'_>, contact: Option<&Contact>) -> Option<Site> {
    let title = table.line_or_default("title");
    let author = table.line("author");
    let date = table.date("date");
    let priority = table.line("priority");
    Some(Site {
        title,
        author: author.or(contact.map(|contact| contact.team.clone()))?,
        date,
        priority,
    })
}

pub fn contact(table: &Table<'_>) -> Option<Contact> {
    let team = table.line("team");
    let team = table.required("team", "[contact] team = \"Your team\"", team);
    let email = table.text("email", Check::Contact, Email::parse);
    let email = table.required("email", "[contact] email = \"you@example.org\"", email);
    Some(Contact { team: team?, email: email?.into_inner() })
}

/// The span is that of the ports.
pub fn cluster(table: &Table<'_>) -> Option<Spanned<Cluster>> {
    let ports = table.ports("ports", |ranges| {
        let set: PortSet = ranges.into_iter().collect();
        if set.is_empty() { Err("`ports` names no port".to_owned()) } else { Ok(set) }
    });
    let ports = table.required("ports", "[cluster] ports = \"7000-7002\"", ports);
    let host = table.text("host", Check::Contact, Host::parse).map(Spanned::into_inner);
    let ports = ports?;
    Some(Spanned::new(ports.span(), Cluster { ports: ports.into_inner(), host }))
}

pub fn firewall(table: &Table<'_>) -> Firewall {
    Firewall {
        backend: table.choice().into_inner(),
        existing: table.choice().into_inner(),
        allow: exempt_networks(table, "allow"),
        service_networks: exempt_networks(table, "service-networks"),
        log_per_source: table.number("log-per-source"),
    }
}

fn exempt_networks(table: &Table<'_>, key: &str) -> Vec<IpNet> {
    let everyone = format!("together the networks in `{key}` exempt nearly everything");
    distinct_networks(table, key, network, &everyone)
}

pub fn probe(table: &Table<'_>) -> Probe {
    let everyone = "together the networks in `from` hold nearly everyone";
    Probe { from: distinct_networks(table, "from", probe_network, everyone) }
}

/// The networks of a key, none of them twice; `everyone` says what is wrong where they hold half of a family.
fn distinct_networks(
    table: &Table<'_>,
    key: &str,
    parse: impl Fn(&str) -> Result<IpNet, String>,
    everyone: &str,
) -> Vec<IpNet> {
    let networks = table.texts(key, Check::Network, parse);
    let mut first_spans = BTreeMap::new();
    for spanned in &networks {
        let (network, span) = (*spanned.get_ref(), spanned.span());
        if let Some(first) = first_spans.insert(network, span.clone()) {
            let message = format!("{network} stands in `{key}` twice");
            let problem = Problem::new(Check::NetworkTwice, span, message);
            table.report(problem.help("remove one").related(first, "here first"));
        }
    }
    let first = networks.first().map(Spanned::span);
    let networks = networks.into_iter().map(Spanned::into_inner).collect();
    if let Some(span) = first.filter(|_| covers_half_of_a_family(&networks)) {
        let problem = Problem::new(Check::Network, span, everyone);
        table.report(problem.help("name the networks that you mean"));
    }
    networks
}

/// Whether the networks together hold half of the addresses of IPv4 or IPv6, or more.
fn covers_half_of_a_family(networks: &Vec<IpNet>) -> bool {
    IpNet::aggregate(networks).iter().any(|net| net.prefix_len() <= 1)
}

/// The second half is the notice port with its span: empty if neither the port nor the table is given.
pub fn notice(table: &Table<'_>) -> (Notice, Spanned<u16>) {
    let mut port = table.port_or_default("port", "the notice port is one port");
    if port.span().is_empty() {
        port = Spanned::new(table.span.clone(), port.into_inner());
    }
    let notice = Notice {
        port: *port.get_ref(),
        log: table.text_or_default("log", Check::Path, LogPath::parse).into_inner(),
        log_format: table.choice().into_inner(),
        log_per_source: table.number("log-per-source"),
        max_connections: table.number("max-connections"),
        max_per_source: table.number("max-per-source"),
        idle: table.number("idle"),
        tls: table.table("tls", "notice.tls").and_then(|table| tls(&table)),
    };
    (notice, port)
}

/// Certificate and key need each other.
fn tls(table: &Table<'_>) -> Option<Tls> {
    let pem = |key: &str, help: &str| {
        let path = table.text(key, Check::Path, PemPath::parse);
        table.required(key, help, path).map(Spanned::into_inner)
    };
    let cert =
        pem("cert", "cert = \"/etc/ssl/redisguard/fullchain.pem\", or take [notice.tls] out");
    let key = pem("key", "key = \"/etc/ssl/redisguard/privkey.pem\", or take [notice.tls] out");
    Some(Tls { cert: cert?, key: key? })
}

/// The second half is the scrape port with its span, to be compared with others.
pub fn metrics(table: &Table<'_>) -> (Metrics, Option<Spanned<u16>>) {
    let textfile = table.text("textfile", Check::Path, TextfilePath::parse);
    let port = table.port("scrape-port", "the port for metrics is one port");
    let scrape_port = port.as_ref().map(|port| *port.get_ref());
    let label = table.text_or_default("environment-label", Check::Text, TargetLabel::parse);
    let environment_label = label.into_inner();
    (Metrics { textfile: textfile.map(Spanned::into_inner), scrape_port, environment_label }, port)
}

/// The second half is the span of the list, where the TOML has one without a fault.
pub fn host(table: &Table<'_>) -> (HostParts, Option<Range<usize>>) {
    let all = HostParts { expect: Expected::default() };
    let parts = table.texts("expect", Check::Choice, expected::part);
    let parts: Vec<_> = parts.into_iter().map(Spanned::into_inner).collect();
    // Where an element is wrong, that is reported already.
    let list = table.array("expect").filter(|(_, length)| *length == parts.len());
    let Some((span, _)) = list else { return (all, None) };
    match Expected::of(&parts) {
        Ok(expect) => (HostParts { expect }, Some(span)),
        Err(why) => {
            let problem =
                Problem::new(Check::Expect, span, format!("`expect` cannot be this: {why}"));
            let help = "name rules and the other parts, each once: expect = [\"rules\", \"boot\"]";
            table.report(problem.help(help));
            (all, None)
        }
    }
}
