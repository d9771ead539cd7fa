//! The named checks and their severities.

macro_rules! checks {
    ($($variant:ident $severity:ident $name:literal $rule:literal;)*) => {
        /// A named rule that every TOML must keep.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Check {$(
            #[doc = $rule]
            $variant,
        )*}

        impl Check {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name that messages show.
            pub fn name(self) -> &'static str {
                match self {$(Self::$variant => $name),*}
            }

            /// The rule, in one sentence.
            pub fn rule(self) -> &'static str {
                match self {$(Self::$variant => $rule),*}
            }

            /// The severity of a breach, unless a lint level changes it.
            pub fn severity(self) -> Severity {
                match self {$(Self::$variant => Severity::$severity),*}
            }

            /// Finds a check by its name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|check| check.name() == name)
            }
        }
    };
}

checks! {
    Syntax Error "syntax" "The file is TOML in UTF-8, of at most 4 MiB.";
    UnknownKey Error "unknown-key" "Every key and table is one that redisguard knows.";
    MissingKey Error "missing-key" "`[contact]`, `[cluster]`, one `[[reserved]]` and `[notice.tls]`, if it is there, have what they need.";
    WrongType Error "wrong-type" "Every value has the type that its key takes.";
    Choice Error "choice" "A value with fixed choices is one of them.";
    Number Error "number" "A number is within the bounds of its key.";
    Port Error "port" "Ports are 1-65535, ranges run upwards.";
    Text Error "text" "Titles, labels and names are one printable line that can break out of no format.";
    Contact Error "contact" "The contact's address and the cluster's host are plain names.";
    Network Error "network" "Networks are canonical CIDR, IPv4 or IPv6, and do not hold everyone.";
    NetworkTwice Error "network-twice" "No network stands in one list twice.";
    Path Error "path" "The log is an absolute path under /var/log, certificate, key and the file for metrics are absolute paths; documents are relative Markdown files; the runbook is an http or https address.";
    PathTwice Error "path-twice" "No document has two roles.";
    ReservedTwice Error "reserved-twice" "No port is reserved twice.";
    ReservedCluster Error "reserved-cluster" "No reserved port is a port of the cluster or of its bus.";
    Ssh Error "ssh" "Port 22 is reserved only with `allow-ssh = true` beside it.";
    NoticePort Error "notice-port" "The notice port is nobody else's: not reserved, not the cluster's, no bus port, not 22 or 26379.";
    MetricsPort Error "metrics-port" "The port for metrics is nobody else's: not reserved, not the cluster's, no bus port, not the notice port.";
    PrivilegedListen Error "privileged-listen" "The unprivileged listener is not asked to listen below port 1024.";
    NoticeLength Error "notice-length" "The sentence that users see has at most 512 bytes.";
    Expect Error "expect" "`[host] expect` names the rules, and no part twice.";
    ListenerExpected Warning "listener-expected" "Where outsiders are redirected to the listener, `[host] expect` names it.";
    DropHidesNotice Warning "drop-hides-notice" "Outsiders of a reserved port are told where to go.";
    NobodyTold Warning "nobody-told" "Somebody is told where to go at every reserved port.";
}

/// Whether a problem keeps the generator from writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is written. Messages for people call it a fault.
    Error,
    /// Printed only.
    Warning,
}

impl Severity {
    /// The name in JSON and annotations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}
