//! Owns the judgement: from placed values to a [`Spec`], with the rules that need more than one
//! value to be seen. Defaults and bounds are those of the reference.

mod own_ports;

use self::own_ports::{notice_port_apart, scrape_port_apart};
use super::diagnostics::{Check, Problem};
use super::metrics;
use super::parse;
use super::parse::{Placed, Table};
use super::tls::tls;
use super::{
    Backend, Cluster, Contact, Docs, DocumentPath, Email, Existing, External, Firewall, Host, Line,
    Listen, LogFormat, LogPath, Notice, PortRange, PortSet, Reserved, Site, Spec, network,
};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::ops::Range;

/// The port of the operator's own way in.
pub(super) const SSH: u16 = 22;

pub(super) type PlacedReserved = (Placed<PortRange>, Reserved);

/// Reads and judges the whole text. `None` only with a fault in `problems`.
pub(super) fn spec(text: &str, problems: &mut Vec<Problem>) -> Option<Spec> {
    let root = parse::document(text, problems);
    if !problems.is_empty() {
        return None;
    }
    parse::unknown_tables(&root, problems);
    let contact = contact(&parse::table(&root, "contact", problems), problems);
    let cluster = cluster(&parse::table(&root, "cluster", problems), problems);
    let site_table = parse::table(&root, "site", problems);
    let site = site(&site_table, problems);
    let firewall = firewall(&parse::table(&root, "firewall", problems), problems);
    let notice_table = parse::table(&root, "notice", problems);
    let (notice, notice_port) = notice(&notice_table, problems);
    let (metrics, scrape_port) =
        metrics::metrics(&parse::table(&root, "metrics", problems), problems);
    let docs = docs(&parse::table(&root, "docs", problems), problems);
    let tables = parse::tables(&root, "reserved", problems);
    let mut reserved: Vec<PlacedReserved> = Vec::new();
    for table in &tables {
        reserved.extend(reserve(table, problems));
    }
    if !root.contains_key("reserved") {
        missing("reserved", "a [[reserved]] table with a port", &(0..0), problems);
    } else if tables.is_empty() && problems.is_empty() {
        let span = root.get("reserved").map_or(0..0, toml::Spanned::span);
        missing("reserved", "at least one [[reserved]] table", &span, problems);
    }
    reserved_apart(&mut reserved, cluster.as_ref(), problems);
    notice_port_apart(&notice_port, &reserved, cluster.as_ref(), problems);
    if let Some(port) = scrape_port {
        scrape_port_apart(&port, &notice_port, &reserved, cluster.as_ref(), problems);
    }
    let (contact, cluster) = (contact?, cluster?.value);
    let site = Site {
        title: site.title.unwrap_or_else(|| site_table.default_line("title")),
        author: site.author.unwrap_or_else(|| contact.team.clone()),
        date: site.date,
        priority: site.priority,
    };
    let places: Vec<Range<usize>> = reserved.iter().map(|(port, _)| port.span.clone()).collect();
    let reserved = reserved.into_iter().map(|(_, reserved)| reserved).collect();
    let spec = Spec { site, contact, cluster, reserved, firewall, notice, metrics, docs };
    sentences_fit(&spec, &places, problems);
    Some(spec)
}

fn missing(key: &str, cure: &str, span: &Range<usize>, problems: &mut Vec<Problem>) {
    let message = format!("`{key}` is missing");
    let span = span.start..span.start;
    problems.push(Problem::new(Check::MissingKey, span, message).help(format!("add {cure}")));
}

/// A value that must be there; says so where it is not (a faulty one has been said already).
pub(super) fn needed<T>(
    table: &Table<'_>,
    key: &str,
    cure: &str,
    value: Option<T>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    if !table.has(key) && !table.misshapen {
        missing(key, cure, &table.span, problems);
    }
    value
}

struct SiteGiven {
    title: Option<Line>,
    author: Option<Line>,
    date: Option<String>,
    priority: Option<Line>,
}

fn site(table: &Table<'_>, problems: &mut Vec<Problem>) -> SiteGiven {
    SiteGiven {
        title: table.line("title", problems).map(|placed| placed.value),
        author: table.line("author", problems).map(|placed| placed.value),
        date: table.date("date", problems).map(|placed| placed.value),
        priority: table.line("priority", problems).map(|placed| placed.value),
    }
}

fn contact(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Contact> {
    let team = table.line("team", problems);
    let team = needed(table, "team", "[contact] team = \"Your team\"", team, problems);
    let email = table.text("email", Check::Contact, problems, Email::parse);
    let email = needed(table, "email", "[contact] email = \"you@example.org\"", email, problems);
    Some(Contact { team: team?.value, email: email?.value })
}

fn cluster(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Placed<Cluster>> {
    let ports = table.ports("ports", problems, |ranges| {
        let set: PortSet = ranges.into_iter().collect();
        if set.is_empty() { Err("`ports` names no port".to_owned()) } else { Ok(set) }
    });
    let ports = needed(table, "ports", "[cluster] ports = \"7000-7002\"", ports, problems);
    let host = table.text("host", Check::Contact, problems, Host::parse);
    ports.map(|ports| ports.map(|ports| Cluster { ports, host: host.map(|host| host.value) }))
}

fn reserve(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<PlacedReserved> {
    let port = table.ports("port", problems, |ranges| match ranges.as_slice() {
        [range] => Ok(*range),
        _ => Err("one [[reserved]] holds one port or one range".to_owned()),
    });
    let port = needed(table, "port", "port = 6379", port, problems);
    let label = table.line("label", problems);
    let external = table.choice("external", External::CHOICES, problems);
    let listen = table.choice("listen", Listen::CHOICES, problems);
    // One of a wrong type has been told; to tell of SSH as well would mislead.
    let allow_ssh = table.flag("allow-ssh", problems).map_or(table.has("allow-ssh"), |it| it.value);
    let place = match (&external, table.has("external")) {
        (Some(external), _) => Some(external.span.clone()),
        (None, false) => port.as_ref().map(|port| port.span.clone()),
        (None, true) => None,
    };
    let port = port?;
    let reserved = Reserved {
        ports: port.value,
        label: label.map_or_else(|| table.default_line("label"), |label| label.value),
        external: external.map_or_else(
            || table.default_choice("external", External::CHOICES),
            |external| external.value,
        ),
        listen: listen
            .as_ref()
            .map_or_else(|| table.default_choice("listen", Listen::CHOICES), |listen| listen.value),
    };
    if port.value.contains(SSH) && !allow_ssh {
        let message = format!("port {SSH} is how operators reach the host");
        let cure = "add allow-ssh = true beside it if outsiders really must lose it";
        problems.push(Problem::new(Check::Ssh, port.span.clone(), message).help(cure));
    }
    if port.value.first() < 1024 && reserved.listen != Listen::Never {
        let span = listen.map_or_else(|| port.span.clone(), |listen| listen.span);
        let message = format!(
            "port {}: the listener runs without rights and cannot listen below 1024",
            port.value
        );
        let problem = Problem::new(Check::PrivilegedListen, span, message);
        problems.push(problem.help("set listen = \"never\""));
    }
    if let Some(place) = place {
        warn_of_silence(&reserved, place, problems);
    }
    Some((port, reserved))
}

fn warn_of_silence(reserved: &Reserved, span: Range<usize>, problems: &mut Vec<Problem>) {
    let ports = reserved.ports;
    if reserved.external == External::Drop {
        let message = format!("port {ports}: outsiders are dropped and will never see the notice");
        let problem = Problem::new(Check::DropHidesNotice, span.clone(), message);
        problems.push(problem.help("external = \"notice\" shows it"));
    }
    if reserved.listen == Listen::Never && reserved.external != External::Notice {
        let message = format!("port {ports}: nobody is told where to go, neither here nor outside");
        let cure = "listen = \"if-free\" tells local users, external = \"notice\" outsiders";
        problems.push(Problem::new(Check::NobodyTold, span, message).help(cure));
    }
}

fn firewall(table: &Table<'_>, problems: &mut Vec<Problem>) -> Firewall {
    let backend = table.choice("backend", Backend::CHOICES, problems);
    let existing = table.choice("existing", Existing::CHOICES, problems);
    let networks = table.texts("allow", Check::Network, problems, network).unwrap_or_default();
    let mut seen = BTreeMap::new();
    for placed in &networks {
        if let Some(before) = seen.insert(placed.value, placed.span.clone()) {
            let message = format!("{} stands in `allow` twice", placed.value);
            let problem = Problem::new(Check::NetworkTwice, placed.span.clone(), message);
            problems.push(problem.help("remove one").with(before, "here first"));
        }
    }
    let all: Vec<IpNet> = networks.iter().map(|placed| placed.value).collect();
    if let Some(first) = networks.first().filter(|_| covers_a_family(&all)) {
        let message = "together the networks in `allow` let nearly everyone past";
        let problem = Problem::new(Check::Network, first.span.clone(), message);
        problems.push(problem.help("name the networks that you mean"));
    }
    Firewall {
        backend: backend.map_or_else(
            || table.default_choice("backend", Backend::CHOICES),
            |backend| backend.value,
        ),
        allow: networks.into_iter().map(|placed| placed.value).collect(),
        existing: existing.map_or_else(
            || table.default_choice("existing", Existing::CHOICES),
            |existing| existing.value,
        ),
        log_per_source: table.number("log-per-source", problems),
    }
}

/// Whether the networks hold half of a family's addresses or more.
fn covers_a_family(networks: &[IpNet]) -> bool {
    IpNet::aggregate(&networks.to_vec()).iter().any(|net| net.prefix_len() <= 1)
}

fn notice(table: &Table<'_>, problems: &mut Vec<Problem>) -> (Notice, Placed<u16>) {
    let port = table.ports("port", problems, |ranges| match ranges.as_slice() {
        [range] if range.is_single() => Ok(range.first()),
        _ => Err("the notice port is one port".to_owned()),
    });
    let default = || Placed { value: table.default_port("port"), span: table.span.clone() };
    let port = port.unwrap_or_else(default);
    let log = table.text("log", Check::Path, problems, LogPath::parse).map(|log| log.value);
    let format = table.choice("log-format", LogFormat::CHOICES, problems);
    let notice = Notice {
        port: port.value,
        log_per_source: table.number("log-per-source", problems),
        max_connections: table.number("max-connections", problems),
        max_per_source: table.number("max-per-source", problems),
        idle: table.number("idle", problems),
        log: log.unwrap_or_else(|| table.default_text("log", LogPath::parse)),
        log_format: format.map_or_else(
            || table.default_choice("log-format", LogFormat::CHOICES),
            |format| format.value,
        ),
        tls: table.table("tls", "notice.tls", problems).and_then(|table| tls(&table, problems)),
    };
    (notice, port)
}

fn docs(table: &Table<'_>, problems: &mut Vec<Problem>) -> Docs {
    let mut seen: Vec<(DocumentPath, Range<usize>)> = Vec::new();
    let mut once = |placed: Placed<DocumentPath>, problems: &mut Vec<Problem>| {
        let Placed { value, span } = placed;
        let below = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let clash = |(other, _): &&(DocumentPath, Range<usize>)| {
            below(value.as_str(), other.as_str()) || below(other.as_str(), value.as_str())
        };
        if let Some((other, before)) = seen.iter().find(clash) {
            let message = match value == *other {
                true => format!("{value} has two roles"),
                false => format!("{value} cannot stand beside {other}"),
            };
            let problem = Problem::new(Check::PathTwice, span.clone(), message);
            // A default has no place in the text.
            problems.push(match before.is_empty() {
                true => problem.help(format!("{other} is a default of [docs]: name another file")),
                false => problem
                    .help("give each document a file of its own")
                    .with(before.clone(), "the other one"),
            });
        }
        seen.push((value.clone(), span));
        value
    };
    let mut document = |key: &str, problems: &mut Vec<Problem>| {
        let given = table.text(key, Check::Path, problems, DocumentPath::parse);
        let default = || table.default_text(key, DocumentPath::parse);
        let placed = given.unwrap_or_else(|| Placed { value: default(), span: 0..0 });
        once(placed, problems)
    };
    let overview = document("overview", problems);
    let reservations = document("reservations", problems);
    let guides = table.texts("guides", Check::Path, problems, DocumentPath::parse);
    let guides = guides.unwrap_or_default();
    let guides = guides.into_iter().map(|guide| once(guide, problems)).collect();
    Docs { overview, reservations, guides }
}

/// No port reserved twice, none that the cluster needs.
fn reserved_apart(
    reserved: &mut [PlacedReserved],
    cluster: Option<&Placed<Cluster>>,
    problems: &mut Vec<Problem>,
) {
    reserved.sort_by_key(|(port, _)| (port.value, port.span.start));
    let mut highest: Option<&Placed<PortRange>> = None;
    for (port, _) in reserved.iter() {
        if let Some(before) = highest.filter(|before| before.value.overlaps(port.value)) {
            let in_order = before.span.start < port.span.start;
            let (early, late) = if in_order { (before, port) } else { (port, before) };
            let message = format!("port {} is reserved twice", late.value);
            let problem = Problem::new(Check::ReservedTwice, late.span.clone(), message);
            let problem = problem.help("remove one of the two");
            problems.push(problem.with(early.span.clone(), "reserved here first"));
        }
        if highest.is_none_or(|before| before.value.last() < port.value.last()) {
            highest = Some(port);
        }
    }
    let Some(cluster) = cluster else { return };
    let bus = cluster.value.bus_ports();
    for (port, _) in reserved {
        for (ports, what) in [(&cluster.value.ports, "a port"), (&bus, "a bus port")] {
            if ports.overlaps(port.value) {
                let message = format!("port {} is {what} of the cluster", port.value);
                let problem = Problem::new(Check::ReservedCluster, port.span.clone(), message);
                let problem = problem.help("users must be able to go there: reserve another port");
                problems.push(problem.with(cluster.span.clone(), "the cluster's ports"));
            }
        }
    }
}

/// What users are told fits the one line that every client shows.
fn sentences_fit(spec: &Spec, places: &[Range<usize>], problems: &mut Vec<Problem>) {
    for (reserved, place) in spec.reserved.iter().zip(places) {
        let longest = spec.sentence(reserved).len() + "-\r\n".len();
        if longest > Spec::LONGEST_SENTENCE {
            let message = format!(
                "the sentence for port {} has {longest} bytes; at most {} fit",
                reserved.ports,
                Spec::LONGEST_SENTENCE
            );
            let problem = Problem::new(Check::NoticeLength, place.clone(), message);
            problems.push(problem.help("shorten the label, the team or the overview's path"));
        }
    }
}
