//! The checked redisguard.toml as types.

use super::choice::{Backend, Existing, External, Listen, LogFormat};
use super::expected::Expected;
use super::parse::values::{
    DocumentPath, Email, Host, Line, LogPath, PemPath, TargetLabel, TextfilePath, WebAddress,
};
use super::ports::{PortRange, PortSet};
use ipnet::IpNet;

/// `[site]`: the heading of the documents.
#[derive(Clone, Debug)]
pub struct Site {
    /// The overview's title.
    pub title: Line,
    /// Who is responsible for the documents; by default the contact's team.
    pub author: Line,
    /// The date of the documents, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// The priority that the documents show.
    pub priority: Option<Line>,
}

/// `[contact]`: who answers questions of users.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The team's name.
    pub team: Line,
    /// The team's e-mail address.
    pub email: Email,
}

/// `[cluster]`: the Redis Cluster that replaces the reserved ports.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The client ports, at least one.
    pub ports: PortSet,
    /// The host, if the TOML names one.
    pub host: Option<Host>,
}

impl Cluster {
    /// The distance of a node's bus port from its client port.
    /// <https://redis.io/docs/latest/operate/oss_and_stack/management/scaling/>
    pub const BUS_OFFSET: u16 = 10_000;

    /// The ports of the cluster bus, on which the nodes talk to each other.
    pub fn bus_ports(&self) -> PortSet {
        self.ports.shifted(Self::BUS_OFFSET)
    }

    /// The first client port, for examples.
    pub fn first_port(&self) -> u16 {
        self.ports.first().unwrap_or_default()
    }
}

/// `[[reserved]]`: ports that are closed to clients from outside.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// One port or a range.
    pub ports: PortRange,
    /// What the port was used for.
    pub label: Line,
    /// What happens to connections from outside.
    pub external: External,
    /// Whether the listener listens on the port.
    pub listen: Listen,
}

/// `[firewall]`: how the rules are made.
#[derive(Clone, Debug)]
pub struct Firewall {
    /// The firewall that holds the rules.
    pub backend: Backend,
    /// Networks that the rules exempt.
    pub allow: Vec<IpNet>,
    /// Destinations that the rules leave alone, because other machines serve them.
    pub service_networks: Vec<IpNet>,
    /// What happens to connections that are open already.
    pub existing: Existing,
    /// Kernel log lines a minute for one source whose packets are dropped or rejected; 0 for none.
    pub log_per_source: u64,
}

/// `[notice]`: the listener.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The port to which connections from outside are redirected.
    pub port: u16,
    /// The log file's path in the documents.
    pub log: LogPath,
    /// The format of the log lines.
    pub log_format: LogFormat,
    /// Log lines a minute for one source; further attempts are summed up in one line.
    pub log_per_source: u64,
    /// The most connections that are open at once.
    pub max_connections: u64,
    /// The most connections of one source address that are open at once.
    pub max_per_source: u64,
    /// Seconds after which an idle connection is closed.
    pub idle: u64,
    /// The certificate for TLS; `None`: TLS clients get an alert.
    pub tls: Option<Tls>,
}

/// `[notice.tls]`: the identity of the listener in TLS. The files are on the guarded host.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, followed by its chain.
    pub cert: PemPath,
    /// Its private key.
    pub key: PemPath,
}

/// `[probe]`: which outsiders are the operators' own probes.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Networks whose attempts are logged and counted apart.
    pub from: Vec<IpNet>,
}

/// `[metrics]`: what Prometheus can read.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The file for node_exporter; `None`: no file is written.
    pub textfile: Option<TextfilePath>,
    /// The port of 127.0.0.1 on which the listener serves its metrics; `None`: it does not.
    pub scrape_port: Option<u16>,
    /// The label of scrape targets that tells environments apart.
    pub environment_label: TargetLabel,
}

/// `[host]`: what the guarded hosts run.
#[derive(Clone, Debug)]
pub struct HostParts {
    /// The parts that every host is expected to run, unless it declares others.
    pub expect: Expected,
}

/// `[docs]`: the paths of the documents.
#[derive(Clone, Debug)]
pub struct Docs {
    /// The overview, a whole file.
    pub overview: DocumentPath,
    /// The list of reservations, a whole file.
    pub reservations: DocumentPath,
    /// Guides in which redisguard fills the marked sections.
    pub guides: Vec<DocumentPath>,
    /// Where operators read the runbook; `None`: alerts name its path in redisguard's repository.
    pub runbook: Option<WebAddress>,
}

/// A checked redisguard.toml.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The heading of the documents.
    pub site: Site,
    /// Who answers questions of users.
    pub contact: Contact,
    /// The Redis Cluster that replaces the reserved ports.
    pub cluster: Cluster,
    /// The closed ports, ascending, at least one.
    pub reserved: Vec<Reserved>,
    /// How the rules are made.
    pub firewall: Firewall,
    /// The listener.
    pub notice: Notice,
    /// Which outsiders probe.
    pub probe: Probe,
    /// Where Prometheus finds metrics.
    pub metrics: Metrics,
    /// What the guarded hosts run.
    pub host: HostParts,
    /// The paths of the documents.
    pub docs: Docs,
}

impl Spec {
    /// All reserved ports.
    pub fn reserved_ports(&self) -> PortSet {
        self.reserved.iter().map(|reserved| reserved.ports).collect()
    }

    /// Whether any connections from outside are redirected to the listener.
    pub fn redirects(&self) -> bool {
        self.reserved.iter().any(|reserved| reserved.external == External::Notice)
    }

    /// Kernel log lines a minute for one source; `None` if that is switched off, or if every connection
    /// is redirected to the listener, which keeps a log of its own.
    pub fn kernel_log_lines(&self) -> Option<u64> {
        let blocks = self.reserved.iter().any(|reserved| reserved.external != External::Notice);
        Some(self.firewall.log_per_source).filter(|lines| blocks && *lines > 0)
    }

    /// The sentence that the listener sends at a reserved port; that of a range has `{port}` in place
    /// of the port.
    pub fn sentence(&self, reserved: &Reserved) -> String {
        let port = match reserved.ports.is_single() {
            true => reserved.ports.to_string(),
            false => "{port}".to_owned(),
        };
        let Self { cluster, contact, docs, .. } = self;
        let of_host = cluster.host.as_ref().map(|host| format!(" of {host}")).unwrap_or_default();
        format!(
            "PORTCLOSED {port} ({}) is blocked here. Use the Redis Cluster on port{} {}{of_host}, \
             e.g. {}. See {}. Contact {} {}.",
            reserved.label,
            if cluster.ports.len() > 1 { "s" } else { "" },
            cluster.ports,
            self.redis_cli(),
            docs.overview,
            contact.team,
            contact.email,
        )
    }

    /// The redis-cli command that connects to the cluster.
    pub fn redis_cli(&self) -> String {
        let host = self.cluster.host.as_ref().map(|host| format!(" -h {host}")).unwrap_or_default();
        format!("redis-cli -c{host} -p {}", self.cluster.first_port())
    }
}
