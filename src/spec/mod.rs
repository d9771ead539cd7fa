//! Owns the truth: the parsed and checked `redisguard.toml`. A [`Spec`] is valid by construction.
//! Reads text only; touches neither files nor the host.

mod diagnostics;
mod metrics;
mod parse;
mod ports;
pub mod reference;
mod tls;
mod validate;

pub use self::diagnostics::explain::{EXPLANATIONS, Explanation};
pub use self::diagnostics::render::Position;
pub use self::diagnostics::{Check, LARGEST_SOURCE, Problem, Problems, Ruling, Severity, Source};
pub use self::metrics::{Metrics, TextfilePath};
pub use self::parse::values::{DocumentPath, Email, Host, Line, LogPath, network};
pub use self::ports::{PortRange, PortSet};
pub use self::tls::{PemPath, Tls};

use ipnet::IpNet;

/// What outsiders of a reserved port meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum External {
    /// Silence.
    Drop,
    /// A reset.
    Reject,
    /// The notice, through a redirect to the notice port.
    Notice,
}

/// Whether the listener stands on the reserved port itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Yes; a busy port is an error.
    Always,
    /// Only where nobody else does.
    IfFree,
    /// No.
    Never,
}

/// What loads the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// iptables and ip6tables.
    Iptables,
    /// nft.
    Nftables,
}

/// What becomes of sessions that are open when the guard comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They are reset.
    Cut,
    /// They live on.
    Keep,
}

/// The form of the listener's log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
}

macro_rules! choices {
    ($($name:ident: $($variant:ident $text:literal),*;)*) => {$(
        impl $name {
            /// The choices as the TOML writes them.
            pub const CHOICES: &'static [(&'static str, Self)] = &[$(($text, Self::$variant)),*];

            /// The choice as the TOML writes it.
            pub fn as_str(self) -> &'static str {
                match self {$(Self::$variant => $text),*}
            }
        }
    )*};
}
choices! {
    External: Drop "drop", Reject "reject", Notice "notice";
    Listen: Always "always", IfFree "if-free", Never "never";
    Backend: Iptables "iptables", Nftables "nftables";
    Existing: Cut "cut", Keep "keep";
    LogFormat: Logfmt "logfmt", Json "json";
}

/// `[site]`: what heads the documents.
#[derive(Clone, Debug)]
pub struct Site {
    /// The overview's title.
    pub title: Line,
    /// Who answers for the documents; the contact's team unless given.
    pub author: Line,
    /// The documents' date, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// How urgent they are.
    pub priority: Option<Line>,
}

/// `[contact]`: whom users may ask.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The team's name.
    pub team: Line,
    /// Its address.
    pub email: Email,
}

/// `[cluster]`: where users go instead.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its client ports, at least one.
    pub ports: PortSet,
    /// Its host, where the TOML names one.
    pub host: Option<Host>,
}

impl Cluster {
    /// The distance of a node's bus port from its client port.
    /// <https://redis.io/docs/latest/operate/oss_and_stack/management/scaling/>
    pub const BUS_OFFSET: u16 = 10_000;

    /// The ports that the nodes talk to each other on.
    pub fn bus_ports(&self) -> PortSet {
        self.ports.shifted(Self::BUS_OFFSET)
    }

    /// The first client port, for examples.
    pub fn first_port(&self) -> u16 {
        self.ports.first().unwrap_or_default()
    }
}

/// `[[reserved]]`: ports that users must leave.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// One port or a range.
    pub ports: PortRange,
    /// What it was for.
    pub label: Line,
    /// What outsiders meet.
    pub external: External,
    /// Whether the listener stands on it.
    pub listen: Listen,
}

/// `[firewall]`: how the guard is built.
#[derive(Clone, Debug)]
pub struct Firewall {
    /// What loads the rules.
    pub backend: Backend,
    /// Networks that the guard lets past.
    pub allow: Vec<IpNet>,
    /// What becomes of open sessions.
    pub existing: Existing,
    /// Lines a minute of the kernel's log for one source that is stopped; 0 for none.
    pub log_per_source: u64,
}

/// `[notice]`: the listener.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Where redirected outsiders reach it.
    pub port: u16,
    /// The log file that users are told of.
    pub log: LogPath,
    /// The form of its lines.
    pub log_format: LogFormat,
    /// Lines a minute for one source before its attempts are summed up.
    pub log_per_source: u64,
    /// Connections held at once.
    pub max_connections: u64,
    /// Connections held at once for one source address.
    pub max_per_source: u64,
    /// Seconds after which a silent connection is closed.
    pub idle: u64,
    /// The certificate with which it ends TLS, where the TOML names one.
    pub tls: Option<Tls>,
}

/// `[docs]`: where the documents go.
#[derive(Clone, Debug)]
pub struct Docs {
    /// The overview, a whole file.
    pub overview: DocumentPath,
    /// The list of reservations, a whole file.
    pub reservations: DocumentPath,
    /// Guides that have sections between markers.
    pub guides: Vec<DocumentPath>,
}

/// The whole truth.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What heads the documents.
    pub site: Site,
    /// Whom users may ask.
    pub contact: Contact,
    /// Where users go instead.
    pub cluster: Cluster,
    /// The ports that users must leave, ascending, at least one.
    pub reserved: Vec<Reserved>,
    /// How the guard is built.
    pub firewall: Firewall,
    /// The listener.
    pub notice: Notice,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// Where the documents go.
    pub docs: Docs,
}

impl Spec {
    /// The longest sentence that the listener sends, in bytes, with its `-` and line end.
    pub const LONGEST_SENTENCE: usize = 512;

    /// Parses and checks. The second half of a success holds the warnings.
    ///
    /// # Errors
    /// Every fault (and warning) at once.
    pub fn parse(source: Source) -> Result<(Self, Problems), Problems> {
        let mut problems = Vec::new();
        let spec = validate::spec(&source.text, &mut problems);
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        let problems = Problems { source, problems };
        match spec {
            Some(spec) if problems.faults() == 0 => Ok((spec, problems)),
            _ => Err(problems),
        }
    }

    /// All reserved ports.
    pub fn reserved_ports(&self) -> PortSet {
        self.reserved.iter().map(|reserved| reserved.ports).collect()
    }

    /// Whether any outsiders are redirected to the listener.
    pub fn redirects(&self) -> bool {
        self.reserved.iter().any(|reserved| reserved.external == External::Notice)
    }

    /// Lines a minute of the kernel's log for one source that is stopped; `None` where that is not
    /// wanted, or the listener meets everybody and logs them itself.
    pub fn lines_logged(&self) -> Option<u64> {
        let stops = self.reserved.iter().any(|reserved| reserved.external != External::Notice);
        Some(self.firewall.log_per_source).filter(|lines| stops && *lines > 0)
    }

    /// What users of a reserved port are told; `{port}` stands for the port in a range's sentence.
    pub fn sentence(&self, reserved: &Reserved) -> String {
        let port = match reserved.ports {
            ports if ports.first() == ports.last() => ports.to_string(),
            _ => "{port}".to_owned(),
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

    /// The command that reaches the cluster.
    pub fn redis_cli(&self) -> String {
        let host = self.cluster.host.as_ref().map(|host| format!(" -h {host}")).unwrap_or_default();
        format!("redis-cli -c{host} -p {}", self.cluster.first_port())
    }
}
