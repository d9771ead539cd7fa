//! Owns saying what a change of the TOML means, in words for who reviews it: pure, from two specs.

use crate::spec::{Existing, External, Listen, PortRange, PortSet, Spec};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt::Display;

/// What is promised of one reserved port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Promise {
    label: String,
    external: External,
    listen: Listen,
}

/// One sentence for each thing that `new` means otherwise than `old`; all that it means where there
/// was nothing before. Markdown; labels and names are in code spans.
pub fn meaning(old: Option<&Spec>, new: &Spec) -> Vec<String> {
    let mut said = ports(old, new);
    let Some(old) = old else {
        said.push(format!("users are sent to the cluster on {}", cluster(new)));
        return said;
    };
    change(&mut said, "users are sent to the cluster on", cluster(old), cluster(new));
    change(&mut said, "they may ask", contact(old), contact(new));
    networks(&old.firewall.allow, &new.firewall.allow, &mut said);
    let (before, after) = (&old.firewall, &new.firewall);
    if before.backend != after.backend {
        let backend = code(after.backend.as_str());
        said.push(format!(
            "the rules are loaded by {backend}: a switch without an unguarded moment"
        ));
    }
    change(
        &mut said,
        "when the guard comes, open sessions",
        existing(before.existing),
        existing(after.existing),
    );
    let logged = |lines: u64| match lines {
        0 => "nobody".to_owned(),
        lines => format!("{lines} lines a minute for each source"),
    };
    change(
        &mut said,
        "of those who are stopped, the kernel's log names",
        logged(before.log_per_source),
        logged(after.log_per_source),
    );
    notice(old, new, &mut said);
    change(&mut said, "the overview is", code(&old.docs.overview), code(&new.docs.overview));
    change(
        &mut said,
        "the reservations are",
        code(&old.docs.reservations),
        code(&new.docs.reservations),
    );
    for guide in new.docs.guides.iter().filter(|guide| !old.docs.guides.contains(guide)) {
        said.push(format!("the guide {} is kept in step from now on", code(guide)));
    }
    for guide in old.docs.guides.iter().filter(|guide| !new.docs.guides.contains(guide)) {
        said.push(format!("the guide {} is no longer kept in step", code(guide)));
    }
    let heading = |spec: &Spec| {
        let site = &spec.site;
        let more = [site.date.clone(), site.priority.as_ref().map(ToString::to_string)];
        let parts = [Some(site.title.to_string()), Some(site.author.to_string())].into_iter();
        code(parts.chain(more).flatten().collect::<Vec<_>>().join(", "))
    };
    change(&mut said, "the documents are headed", heading(old), heading(new));
    said
}

fn change(said: &mut Vec<String>, what: &str, old: String, new: String) {
    if old != new {
        said.push(format!("{what} {new}, no longer {old}"));
    }
}

/// Port by port, so that it does not matter how they are grouped in the TOML.
fn ports(old: Option<&Spec>, new: &Spec) -> Vec<String> {
    let (old, new) = (old.map(promises).unwrap_or_default(), promises(new));
    let mut changes: Vec<(PortRange, String)> = Vec::new();
    let all: PortSet = old.keys().chain(new.keys()).copied().map(PortRange::from).collect();
    for port in all.ports() {
        let Some(text) = promise_change(old.get(&port), new.get(&port)) else { continue };
        match changes.last_mut() {
            // The same of the next port is one sentence.
            Some((range, said)) if range.last() + 1 == port && *said == text => {
                *range = range.hull(port.into());
            }
            _ => changes.push((port.into(), text)),
        }
    }
    // The words behind the number are written for one port.
    let several = |text: &str| text.replacen("becomes", "become", 1).replacen("is no", "are no", 1);
    let sentence = |(range, text): (PortRange, String)| match range.first() == range.last() {
        true => format!("port **{range}**{text}"),
        false => format!("ports **{range}**{}", several(&text)),
    };
    changes.into_iter().map(sentence).collect()
}

fn promises(spec: &Spec) -> BTreeMap<u16, Promise> {
    let each = spec.reserved.iter().flat_map(|reserved| {
        let label = reserved.label.to_string();
        let promise = Promise { label, external: reserved.external, listen: reserved.listen };
        reserved.ports.ports().map(move |port| (port, promise.clone()))
    });
    each.collect()
}

fn promise_change(old: Option<&Promise>, new: Option<&Promise>) -> Option<String> {
    match (old, new) {
        (None, None) => None,
        (None, Some(new)) => Some(format!(
            " becomes reserved ({}): outsiders {}; {}",
            code(&new.label),
            outsiders(new.external),
            local(new.listen)
        )),
        (Some(old), None) => Some(format!(
            " is no longer reserved ({}): whoever listens there is reached from outside again",
            code(&old.label)
        )),
        (Some(old), Some(new)) => {
            let mut parts = Vec::new();
            if old.external != new.external {
                let (old, new) = (outsiders(old.external), outsiders(new.external));
                parts.push(format!("outsiders {new}; until now they {old}"));
            }
            if old.listen != new.listen {
                parts.push(format!("{}; until now {}", local(new.listen), local(old.listen)));
            }
            if old.label != new.label {
                parts.push(format!(
                    "it is called {}, no longer {}",
                    code(&new.label),
                    code(&old.label)
                ));
            }
            (!parts.is_empty()).then(|| format!(": {}", parts.join("; ")))
        }
    }
}

fn outsiders(external: External) -> &'static str {
    match external {
        External::Drop => "meet silence",
        External::Reject => "are reset",
        External::Notice => "are told where to go",
    }
}

fn local(listen: Listen) -> &'static str {
    match listen {
        Listen::Always => "the listener stands there for local users",
        Listen::IfFree => "the listener stands there for local users while nobody else does",
        Listen::Never => "the listener does not stand there",
    }
}

fn cluster(spec: &Spec) -> String {
    let host = spec.cluster.host.as_ref().map(|host| format!(" of {}", code(host)));
    format!("{}{}", spec.cluster.ports, host.unwrap_or_default())
}

fn contact(spec: &Spec) -> String {
    code(format!("{} {}", spec.contact.team, spec.contact.email))
}

fn networks(old: &[IpNet], new: &[IpNet], said: &mut Vec<String>) {
    for network in new.iter().filter(|network| !old.contains(network)) {
        said.push(format!("{} is let past the guard: the host's own rules decide", code(network)));
    }
    for network in old.iter().filter(|network| !new.contains(network)) {
        said.push(format!("{} is no longer let past the guard", code(network)));
    }
}

fn existing(existing: Existing) -> String {
    match existing {
        Existing::Cut => "are cut: `apply` wants `--cut-sessions` where there are any".to_owned(),
        Existing::Keep => "live on".to_owned(),
    }
}

fn notice(old: &Spec, new: &Spec, said: &mut Vec<String>) {
    let (before, after) = (&old.notice, &new.notice);
    change(said, "the notice port is", before.port.to_string(), after.port.to_string());
    change(said, "knocks are logged in", code(before.log.as_str()), code(after.log.as_str()));
    change(
        said,
        "log lines are",
        code(before.log_format.as_str()),
        code(after.log_format.as_str()),
    );
    for (what, before, after) in [
        ("log lines a minute for one source:", before.log_per_source, after.log_per_source),
        ("connections at once:", before.max_connections, after.max_connections),
        ("connections at once of one source:", before.max_per_source, after.max_per_source),
        ("seconds until a silent connection is closed:", before.idle, after.idle),
    ] {
        change(said, what, before.to_string(), after.to_string());
    }
    let tls = |spec: &Spec| match &spec.notice.tls {
        Some(tls) => format!("read the sentence, by the certificate {}", code(&tls.cert)),
        None => "are shown an alert".to_owned(),
    };
    change(said, "clients that speak TLS", tls(old), tls(new));
    let textfile = |spec: &Spec| match &spec.metrics.textfile {
        Some(path) => format!("are written to {} after every check", code(path)),
        None => "are not written".to_owned(),
    };
    change(said, "the guard's metrics", textfile(old), textfile(new));
    let scraped = |spec: &Spec| match spec.metrics.scrape_port {
        Some(port) => format!("are on port {port} of `127.0.0.1`"),
        None => "are not shown".to_owned(),
    };
    change(said, "the listener's metrics", scraped(old), scraped(new));
}

/// A code span that holds this text whatever is in it (CommonMark 6.1).
fn code(text: impl Display) -> String {
    let text = text.to_string();
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::spec::Source;

    const OLD: &str = "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
        [firewall]\nallow = [\"10.0.0.0/8\"]\n[[reserved]]\nport = \"6379-6381\"\nlabel = \"Old\"\n";

    fn spec(text: &str) -> Spec {
        let source = Source::from_bytes("test.toml", text.as_bytes().to_vec()).unwrap();
        Spec::parse(source).unwrap_or_else(|problems| panic!("{}", problems.render(false))).0
    }

    fn said(from: &str, to: &str) -> Vec<String> {
        let new = OLD.replace(from, to);
        assert!(from.is_empty() || new != OLD);
        meaning(Some(&spec(OLD)), &spec(&new))
    }

    #[test]
    fn words_and_groups_that_mean_the_same_mean_nothing() {
        assert!(said("", "").is_empty());
        let apart = "port = \"6380-6381\"\nlabel = \"Old\"\n[[reserved]]\nport = 6379\nlabel";
        assert_eq!(said("port = \"6379-6381\"\nlabel", apart), Vec::<String>::new());
    }

    #[test]
    fn what_becomes_of_ports_is_said_range_by_range() {
        let more = "port = \"6379-6383\"";
        assert_eq!(
            said("port = \"6379-6381\"", more),
            ["ports **6382-6383** become reserved (`Old`): outsiders meet silence; the listener \
                 stands there for local users while nobody else does"]
        );
        let fewer = said("port = \"6379-6381\"", "port = 6380");
        assert_eq!(fewer.len(), 2);
        assert!(fewer[0].starts_with("port **6379** is no longer reserved (`Old`)"), "{fewer:?}");
        let told = said("label = \"Old\"", "label = \"Older\"\nexternal = \"notice\"");
        assert_eq!(
            told,
            ["ports **6379-6381**: outsiders are told where to go; until now they meet silence; \
                 it is called `Older`, no longer `Old`"]
        );
    }

    #[test]
    fn every_other_key_has_its_sentence() {
        for (from, to, wanted) in [
            ("ports = 7000", "ports = [7000, 7001]", "users are sent to the cluster on 7000-7001"),
            ("ports = 7000", "ports = 7000\nhost = \"r.example.org\"", "7000 of `r.example.org`"),
            ("\"Ops\"", "\"Others\"", "they may ask `Others ops@example.org`"),
            ("10.0.0.0/8", "10.1.0.0/16", "`10.0.0.0/8` is no longer let past the guard"),
            ("[firewall]", "[firewall]\nbackend = \"nftables\"", "loaded by `nftables`: a switch"),
            ("[firewall]", "[firewall]\nexisting = \"keep\"", "open sessions live on"),
            (
                "[firewall]",
                "[firewall]\nlog-per-source = 0",
                "kernel's log names nobody, no longer 6",
            ),
            ("[firewall]", "[notice]\nport = 45000\n[firewall]", "the notice port is 45000"),
            (
                "[firewall]",
                "[notice]\nlog = \"/var/log/x.log\"\n[firewall]",
                "logged in `/var/log/x.log`",
            ),
            ("[firewall]", "[notice]\nlog-format = \"json\"\n[firewall]", "log lines are `json`"),
            ("[firewall]", "[notice]\nlog-per-source = 7\n[firewall]", "for one source: 7"),
            (
                "[firewall]",
                "[notice]\nmax-connections = 300\n[firewall]",
                "connections at once: 300",
            ),
            ("[firewall]", "[notice]\nmax-per-source = 9\n[firewall]", "of one source: 9"),
            ("[firewall]", "[notice]\nidle = 77\n[firewall]", "connection is closed: 77"),
            (
                "[firewall]",
                "[notice.tls]\ncert = \"/etc/a.pem\"\nkey = \"/etc/b.pem\"\n[firewall]",
                "read the sentence, by the certificate `/etc/a.pem`",
            ),
            (
                "[firewall]",
                "[metrics]\ntextfile = \"/srv/a/b.prom\"\n[firewall]",
                "the guard's metrics are written to `/srv/a/b.prom`",
            ),
            (
                "[firewall]",
                "[metrics]\nscrape-port = 9637\n[firewall]",
                "the listener's metrics are on port 9637",
            ),
            (
                "[firewall]",
                "[docs]\noverview = \"docs/o.md\"\n[firewall]",
                "the overview is `docs/o.md`",
            ),
            ("[firewall]", "[docs]\nreservations = \"docs/r.md\"\n[firewall]", "are `docs/r.md`"),
            (
                "[firewall]",
                "[docs]\nguides = [\"docs/g.md\"]\n[firewall]",
                "`docs/g.md` is kept in step",
            ),
            (
                "[contact]",
                "[site]\ntitle = \"Ports\"\n[contact]",
                "the documents are headed `Ports, Ops`",
            ),
        ] {
            let said = said(from, to);
            assert!(said.iter().any(|sentence| sentence.contains(wanted)), "{to}: {said:?}");
        }
    }

    #[test]
    fn no_text_breaks_out_of_its_code_span() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
    }
}
