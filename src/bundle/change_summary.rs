//! What a change of the TOML means, in sentences for its reviewers.

use crate::spec::{Existing, External, Listen, PortRange, PortSet, Reserved, Spec};
use std::collections::BTreeMap;
use std::fmt::Display;

/// One sentence for each difference between `old` and `new`, in Markdown; labels and names are in code
/// spans. Without `old`, the sentences say what `new` does.
pub fn change_summary(old: Option<&Spec>, new: &Spec) -> Vec<String> {
    let mut sentences = ports(old, new);
    let Some(old) = old else {
        sentences.push(format!("users are sent to the cluster on {}", cluster(new)));
        return sentences;
    };
    let mut compare = Comparison { old, new, sentences };
    compare.each("users are sent to the cluster on", cluster);
    compare.each("they may ask", contact);
    compare.networks();
    compare.backend();
    compare.each("when the guard comes, open sessions", existing);
    compare.each("of those who are stopped, the kernel's log names", kernel_log_limit);
    compare.listener();
    compare.each("hosts are expected to run", |spec| code(&spec.host.expect));
    compare.each("the overview is", |spec| code(&spec.docs.overview));
    compare.each("the reservations are", |spec| code(&spec.docs.reservations));
    compare.guides();
    compare.each("the alerts' runbook is", |spec| match &spec.docs.runbook {
        Some(address) => code(address),
        None => code("docs/runbook.md"),
    });
    compare.each("the documents are headed", heading);
    compare.sentences
}

/// The sentences about everything but the ports.
struct Comparison<'a> {
    old: &'a Spec,
    new: &'a Spec,
    sentences: Vec<String>,
}

impl Comparison<'_> {
    /// Says what `subject` is now and was before, if `describe` tells the two apart.
    fn each<D: Display + PartialEq>(&mut self, subject: &str, describe: impl Fn(&Spec) -> D) {
        let (old, new) = (describe(self.old), describe(self.new));
        if old != new {
            self.sentences.push(format!("{subject} {new}, no longer {old}"));
        }
    }

    /// Says what is new in a list and what has left it.
    fn list<T: Display + PartialEq>(
        &mut self,
        items: impl Fn(&Spec) -> &[T],
        added: impl Fn(String) -> String,
        removed: impl Fn(String) -> String,
    ) {
        let (old, new) = (items(self.old), items(self.new));
        self.sentences.extend(only_in(new, old).map(code).map(added));
        self.sentences.extend(only_in(old, new).map(code).map(removed));
    }

    fn networks(&mut self) {
        self.list(
            |spec| &spec.firewall.allow,
            |network| format!("{network} is let past the guard: the host's own rules decide"),
            |network| format!("{network} is no longer let past the guard"),
        );
        self.list(
            |spec| &spec.firewall.service_networks,
            |network| format!("connections to the service addresses {network} are left alone"),
            |network| format!("connections to the service addresses {network} are guarded again"),
        );
        self.list(
            |spec| &spec.probe.from,
            |network| format!("attempts from {network} are counted apart, as probes"),
            |network| format!("attempts from {network} are counted like those of all outsiders"),
        );
    }

    fn backend(&mut self) {
        let backend = self.new.firewall.backend;
        if self.old.firewall.backend != backend {
            self.sentences.push(format!(
                "the rules are loaded by {}: a switch without an unguarded moment",
                code(backend.as_str())
            ));
        }
    }

    fn listener(&mut self) {
        self.each("the notice port is", |spec| spec.notice.port);
        self.each("knocks are logged in", |spec| code(&spec.notice.log));
        self.each("log lines are", |spec| code(spec.notice.log_format.as_str()));
        self.each("log lines a minute for one source:", |spec| spec.notice.log_per_source);
        self.each("connections at once:", |spec| spec.notice.max_connections);
        self.each("connections at once of one source:", |spec| spec.notice.max_per_source);
        self.each("seconds until a silent connection is closed:", |spec| spec.notice.idle);
        self.each("clients that speak TLS", |spec| match &spec.notice.tls {
            Some(tls) => format!("read the sentence, by the certificate {}", code(&tls.cert)),
            None => "are shown an alert".to_owned(),
        });
        self.each("the guard's metrics", |spec| match &spec.metrics.textfile {
            Some(path) => format!("are written to {} after every check", code(path)),
            None => "are not written".to_owned(),
        });
        self.each("the listener's metrics", |spec| match spec.metrics.scrape_port {
            Some(port) => format!("are on port {port} of `127.0.0.1`"),
            None => "are not shown".to_owned(),
        });
        self.each("environments are told apart by the label", |spec| {
            code(&spec.metrics.environment_label)
        });
    }

    fn guides(&mut self) {
        self.list(
            |spec| &spec.docs.guides,
            |guide| format!("the guide {guide} is kept in step from now on"),
            |guide| format!("the guide {guide} is no longer kept in step"),
        );
    }
}

/// The items of the first slice that the second one does not have.
fn only_in<'a, T: PartialEq>(these: &'a [T], others: &'a [T]) -> impl Iterator<Item = &'a T> {
    these.iter().filter(|item| !others.contains(item))
}

/// Compares port by port, so that it does not matter how the TOML groups them.
fn ports(old: Option<&Spec>, new: &Spec) -> Vec<String> {
    let (old, new) = (old.map(by_port).unwrap_or_default(), by_port(new));
    let mut changes: Vec<(PortRange, String)> = Vec::new();
    let all: PortSet = old.keys().chain(new.keys()).copied().map(PortRange::from).collect();
    for port in all.ports() {
        let change = policy_change(old.get(&port).copied(), new.get(&port).copied());
        let Some(text) = change else { continue };
        match changes.last_mut() {
            // Adjacent ports with the same change share a sentence.
            Some((range, sentence)) if range.last() + 1 == port && *sentence == text => {
                *range = range.hull(port.into());
            }
            _ => changes.push((port.into(), text)),
        }
    }
    // The words after the number are written for one port.
    let several = |text: &str| text.replacen("becomes", "become", 1).replacen("is no", "are no", 1);
    let sentence = |(range, text): (PortRange, String)| match range.is_single() {
        true => format!("port **{range}**{text}"),
        false => format!("ports **{range}**{}", several(&text)),
    };
    changes.into_iter().map(sentence).collect()
}

fn by_port(spec: &Spec) -> BTreeMap<u16, &Reserved> {
    let ports = |reserved: &'_ Reserved| reserved.ports.ports();
    spec.reserved.iter().flat_map(|one| ports(one).map(move |port| (port, one))).collect()
}

/// What is new about one port, to follow its number.
fn policy_change(old: Option<&Reserved>, new: Option<&Reserved>) -> Option<String> {
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

fn existing(spec: &Spec) -> String {
    match spec.firewall.existing {
        Existing::Cut => "are cut: `apply` wants `--cut-sessions` where there are any".to_owned(),
        Existing::Keep => "live on".to_owned(),
    }
}

fn kernel_log_limit(spec: &Spec) -> String {
    match spec.firewall.log_per_source {
        0 => "nobody".to_owned(),
        lines => format!("{lines} lines a minute for each source"),
    }
}

fn heading(spec: &Spec) -> String {
    let site = &spec.site;
    let optional = [site.date.clone(), site.priority.as_ref().map(ToString::to_string)];
    let parts = [site.title.to_string(), site.author.to_string()].into_iter();
    code(parts.chain(optional.into_iter().flatten()).collect::<Vec<_>>().join(", "))
}

/// A code span that holds any text: its fence is longer than every run of backticks inside
/// (CommonMark 0.31, section 6.1).
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

    fn sentences(from: &str, to: &str) -> Vec<String> {
        let new = OLD.replace(from, to);
        assert!(from.is_empty() || new != OLD);
        change_summary(Some(&spec(OLD)), &spec(&new))
    }

    #[test]
    fn words_and_groups_that_mean_the_same_mean_nothing() {
        assert!(sentences("", "").is_empty());
        let apart = "port = \"6380-6381\"\nlabel = \"Old\"\n[[reserved]]\nport = 6379\nlabel";
        assert_eq!(sentences("port = \"6379-6381\"\nlabel", apart), Vec::<String>::new());
    }

    #[test]
    fn changes_of_ports_are_summarised_range_by_range() {
        let more = "port = \"6379-6383\"";
        assert_eq!(
            sentences("port = \"6379-6381\"", more),
            ["ports **6382-6383** become reserved (`Old`): outsiders meet silence; the listener \
                 stands there for local users while nobody else does"]
        );
        let fewer = sentences("port = \"6379-6381\"", "port = 6380");
        assert_eq!(fewer.len(), 2);
        assert!(fewer[0].starts_with("port **6379** is no longer reserved (`Old`)"), "{fewer:?}");
        let told = sentences("label = \"Old\"", "label = \"Older\"\nexternal = \"notice\"");
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
            let sentences = sentences(from, to);
            assert!(
                sentences.iter().any(|sentence| sentence.contains(wanted)),
                "{to}: {sentences:?}"
            );
        }
    }

    #[test]
    fn no_text_breaks_out_of_its_code_span() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
    }
}
