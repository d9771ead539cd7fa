//! The table of tables and keys: words, defaults and bounds. Data only.

use super::types::{Default, Key, Kind, Occurrence, Table};
use crate::listener_contract;
use crate::spec::choice::{Backend, Choice, Existing, External, Listen, LogFormat};

/// Every table, in the order in which they are best written.
pub const TABLES: &[Table] = &[
    Table {
        name: "site",
        occurrence: Occurrence::Optional,
        about: "What heads the generated documents.",
        keys: &[
            Key {
                name: "title",
                kind: Kind::Line(120),
                default: Default::Text("Redis Default Ports Blocking"),
                about: "The title of the overview.",
                example: "\"Redis Default Ports Blocking\"",
            },
            Key {
                name: "author",
                kind: Kind::Line(120),
                default: Default::Without("the contact's team"),
                about: "Who answers for the documents.",
                example: "\"Jo Doe (Operations)\"",
            },
            Key {
                name: "date",
                kind: Kind::Date,
                default: Default::Without("no date is shown"),
                about: "The date of the documents. It is written here, because what is rendered \
                        reads no clock.",
                example: "2025-05-09",
            },
            Key {
                name: "priority",
                kind: Kind::Line(40),
                default: Default::Without("no priority is shown"),
                about: "How urgent the documents are.",
                example: "\"HIGH\"",
            },
        ],
    },
    Table {
        name: "contact",
        occurrence: Occurrence::Once,
        about: "Whom users may ask. It stands in the notice and in the documents.",
        keys: &[
            Key {
                name: "team",
                kind: Kind::Line(80),
                default: Default::Required,
                about: "The team's name.",
                example: "\"Your team\"",
            },
            Key {
                name: "email",
                kind: Kind::Email,
                default: Default::Required,
                about: "The team's address.",
                example: "\"you@example.org\"",
            },
        ],
    },
    Table {
        name: "cluster",
        occurrence: Occurrence::Once,
        about: "Where users go instead. These ports, and the bus ports 10000 above them, are never \
                touched.",
        keys: &[
            Key {
                name: "ports",
                kind: Kind::Ports,
                default: Default::Required,
                about: "The ports that clients of the cluster connect to.",
                example: "\"7000-7002\"",
            },
            Key {
                name: "host",
                kind: Kind::Host,
                default: Default::Without("no host is named"),
                about: "The cluster's host, named in the notice and in the documents.",
                example: "\"redis.example.org\"",
            },
        ],
    },
    Table {
        name: "reserved",
        occurrence: Occurrence::Repeated,
        about: "A port that users must leave. Services on the host itself are served in every case.",
        keys: &[
            Key {
                name: "port",
                kind: Kind::Range,
                default: Default::Required,
                about: "The port or the range. None is reserved twice, and none that the cluster \
                        uses.",
                example: "6379",
            },
            Key {
                name: "label",
                kind: Kind::Line(80),
                default: Default::Text("Reserved Redis Port"),
                about: "What the port was for, named in the notice and in the documents.",
                example: "\"Default Redis Port\"",
            },
            Key {
                name: "external",
                kind: Kind::Choice(External::CHOICES),
                default: Default::Text("drop"),
                about: "What outsiders meet.",
                example: "\"notice\"",
            },
            Key {
                name: "listen",
                kind: Kind::Choice(Listen::CHOICES),
                default: Default::Text("if-free"),
                about: "Whether the listener stands on the port itself, for clients on the host.",
                example: "\"if-free\"",
            },
            Key {
                name: "allow-ssh",
                kind: Kind::Flag,
                default: Default::Flag(false),
                about: "Whether port 22 may be among the ports. Without it that is refused, because \
                        operators come in there.",
                example: "true",
            },
        ],
    },
    Table {
        name: "firewall",
        occurrence: Occurrence::Optional,
        about: "How the guard is built.",
        keys: &[
            Key {
                name: "backend",
                kind: Kind::Choice(Backend::CHOICES),
                default: Default::Text("iptables"),
                about: "What loads the rules. A host without iptables is guarded by nft in any case.",
                example: "\"nftables\"",
            },
            Key {
                name: "allow",
                kind: Kind::Networks,
                default: Default::Empty,
                about: "Networks that the guard lets past; the host's own rules decide about them.",
                example: "[\"10.20.0.0/16\", \"2001:db8::/32\"]",
            },
            Key {
                name: "existing",
                kind: Kind::Choice(Existing::CHOICES),
                default: Default::Text("cut"),
                about: "What becomes of sessions of outsiders that are open when the guard comes up.",
                example: "\"keep\"",
            },
            Key {
                name: "log-per-source",
                kind: Kind::Number(0, 60),
                default: Default::Number(6),
                about: "Lines a minute in the kernel's log for one source that is dropped or reset; \
                        0 for none.",
                example: "6",
            },
        ],
    },
    Table {
        name: "notice",
        occurrence: Occurrence::Optional,
        about: "The listener, which tells the sentence to whoever still connects.",
        keys: &[
            Key {
                name: "port",
                kind: Kind::Port,
                default: Default::Number(63790),
                about: "Where external = \"notice\" redirects outsiders. Nothing else may use it.",
                example: "63790",
            },
            Key {
                name: "log",
                kind: Kind::Log,
                default: Default::Text(listener_contract::LOG),
                about: "Where the log is found: a link to a file of that name in /var/log/redisguard.",
                example: "\"/var/log/redis_port_notice.log\"",
            },
            Key {
                name: "log-format",
                kind: Kind::Choice(LogFormat::CHOICES),
                default: Default::Text(listener_contract::LOG_FORMAT),
                about: "The form of the log's lines.",
                example: "\"json\"",
            },
            Key {
                name: "log-per-source",
                kind: Kind::Number(1, 1_000_000),
                default: Default::Number(listener_contract::LOG_PER_SOURCE as u64),
                about: "Lines a minute for one source; beyond it one line sums them up.",
                example: "1000",
            },
            Key {
                name: "max-connections",
                kind: Kind::Number(8, 1_000_000),
                default: Default::Number(listener_contract::MAX_CONNECTIONS as u64),
                about: "Connections held at once. A further one takes the place of the one that has \
                        rested longest.",
                example: "1024",
            },
            Key {
                name: "max-per-source",
                kind: Kind::Number(1, 1_000_000),
                default: Default::Number(listener_contract::MAX_PER_SOURCE as u64),
                about: "Connections held at once for one source address.",
                example: "256",
            },
            Key {
                name: "idle",
                kind: Kind::Number(5, listener_contract::MAX_IDLE_SECONDS as u64),
                default: Default::Number(listener_contract::IDLE_SECONDS as u64),
                about: "Seconds after which a silent connection is closed.",
                example: "300",
            },
            Key {
                name: "tls",
                kind: Kind::Table,
                default: Default::Without("TLS clients get an alert"),
                about: "The certificate with which the listener ends TLS.",
                example: "{ cert = \"/etc/ssl/redisguard/fullchain.pem\", key = \"/etc/ssl/redisguard/privkey.pem\" }",
            },
        ],
    },
    Table {
        name: "notice.tls",
        occurrence: Occurrence::Optional,
        about: "With what the listener ends TLS, so that TLS clients read the sentence too.",
        keys: &[
            Key {
                name: "cert",
                kind: Kind::Pem,
                default: Default::Required,
                about: "The PEM file on the guarded host with the certificate, and after it those up \
                        to the authority.",
                example: "\"/etc/ssl/redisguard/fullchain.pem\"",
            },
            Key {
                name: "key",
                kind: Kind::Pem,
                default: Default::Required,
                about: "The PEM file on the guarded host with its private key. Only root needs to \
                        read it.",
                example: "\"/etc/ssl/redisguard/privkey.pem\"",
            },
        ],
    },
    Table {
        name: "metrics",
        occurrence: Occurrence::Optional,
        about: "What Prometheus is told. Its alert rules and a dashboard for Grafana are in every bundle.",
        keys: &[
            Key {
                name: "textfile",
                kind: Kind::Textfile,
                default: Default::Without("none is written"),
                about: "The file with the guard's metrics, in the directory that node_exporter's textfile \
                        collector reads. It is written after every check of the rules.",
                example: "\"/var/lib/prometheus/node-exporter/redisguard.prom\"",
            },
            Key {
                name: "scrape-port",
                kind: Kind::Port,
                default: Default::Without("it is not scraped"),
                about: "The port of 127.0.0.1 on which the listener shows its own metrics at /metrics.",
                example: "9637",
            },
        ],
    },
    Table {
        name: "docs",
        occurrence: Occurrence::Optional,
        about: "Where the documents go, relative to --docs-root.",
        keys: &[
            Key {
                name: "overview",
                kind: Kind::Document,
                default: Default::Text("docs/redis/REDIS_DEFAULT_PORTS_BLOCKING.md"),
                about: "The overview for users, a whole file. The notice names it.",
                example: "\"docs/redis/REDIS_DEFAULT_PORTS_BLOCKING.md\"",
            },
            Key {
                name: "reservations",
                kind: Kind::Document,
                default: Default::Text("docs/redis/REDIS_PORT_RESERVATIONS.md"),
                about: "The list of the ports, a whole file.",
                example: "\"docs/redis/REDIS_PORT_RESERVATIONS.md\"",
            },
            Key {
                name: "guides",
                kind: Kind::Documents,
                default: Default::Empty,
                about: "Guides of yours, in which the sections between <!-- redisguard:begin NAME --> \
                        and <!-- redisguard:end NAME --> are filled.",
                example: "[\"docs/redis/redis_cluster_guide.md\"]",
            },
        ],
    },
];
