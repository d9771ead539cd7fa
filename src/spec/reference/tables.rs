//! The table of tables and keys: words, defaults and bounds. Data only.

use super::types::{Default, Key, Kind, Occurrence, Table};
use crate::listener_contract::{
    IDLE_SECONDS, LOG, LOG_FORMAT, LOG_PER_SOURCE, MAX_CONNECTIONS, MAX_IDLE_SECONDS,
    MAX_PER_SOURCE,
};
use crate::spec::choice::{Backend, Choice, Existing, External, Listen, LogFormat, Part};

macro_rules! tables {
    ($(
        $table:literal $occurrence:ident $heads:literal {$(
            $key:literal: $kind:ident $(($($bound:expr),*))?, default $default:ident $(($value:expr))?,
                $about:literal, example $example:literal;
        )*}
    )*) => {
        /// Every table, in the order in which they are best written.
        pub const TABLES: &[Table] = &[$(Table {
            name: $table,
            occurrence: Occurrence::$occurrence,
            about: $heads,
            keys: &[$(Key {
                name: $key,
                kind: Kind::$kind $(($($bound),*))?,
                default: Default::$default $(($value))?,
                about: $about,
                example: $example,
            }),*],
        }),*];
    };
}

tables! {
    "site" Optional "What heads the generated documents." {
        "title": Line(120), default Text("Redis Default Ports Blocking"),
            "The title of the overview.", example "\"Redis Default Ports Blocking\"";
        "author": Line(120), default Without("the contact's team"),
            "Who answers for the documents.", example "\"Jo Doe (Operations)\"";
        "date": Date, default Without("no date is shown"),
            "The date of the documents. It is written here, because what is rendered reads no \
             clock.",
            example "2025-05-09";
        "priority": Line(40), default Without("no priority is shown"),
            "How urgent the documents are.", example "\"HIGH\"";
    }

    "contact" Once "Whom users may ask. It stands in the notice and in the documents." {
        "team": Line(80), default Required,
            "The team's name.", example "\"Your team\"";
        "email": Email, default Required,
            "The team's address.", example "\"you@example.org\"";
    }

    "cluster" Once
        "Where users go instead. These ports, and the bus ports 10000 above them, are never \
         touched." {
        "ports": Ports, default Required,
            "The ports that clients of the cluster connect to.", example "\"7000-7002\"";
        "host": Host, default Without("no host is named"),
            "The cluster's host, named in the notice and in the documents.",
            example "\"redis.example.org\"";
    }

    "reserved" Repeated
        "A port that users must leave. Services on the host itself are served in every case." {
        "port": Range, default Required,
            "The port or the range. None is reserved twice, and none that the cluster uses.",
            example "6379";
        "label": Line(80), default Text("Reserved Redis Port"),
            "What the port was for, named in the notice and in the documents.",
            example "\"Default Redis Port\"";
        "external": Choice(External::CHOICES), default Text("drop"),
            "What outsiders meet.", example "\"notice\"";
        "listen": Choice(Listen::CHOICES), default Text("if-free"),
            "Whether the listener stands on the port itself, for clients on the host.",
            example "\"if-free\"";
        "allow-ssh": Flag, default Flag(false),
            "Whether port 22 may be among the ports. Without it that is refused, because \
             operators come in there.",
            example "true";
    }

    "firewall" Optional "How the guard is built." {
        "backend": Choice(Backend::CHOICES), default Text("iptables"),
            "What loads the rules. A host without iptables is guarded by nft in any case.",
            example "\"nftables\"";
        "allow": Networks, default Empty,
            "Networks that the guard lets past; the host's own rules decide about them.",
            example "[\"10.20.0.0/16\", \"2001:db8::/32\"]";
        "service-networks": Networks, default Empty,
            "Networks of service addresses, which IPVS or kube-proxy on the host forwards to other \
             machines. Connections to them are left alone.",
            example "[\"10.96.0.0/12\", \"fd00:96::/112\"]";
        "existing": Choice(Existing::CHOICES), default Text("cut"),
            "What becomes of sessions of outsiders that are open when the guard comes up.",
            example "\"keep\"";
        "log-per-source": Number(0, 60), default Number(6),
            "Lines a minute in the kernel's log for one source that is dropped or reset; 0 for \
             none.",
            example "6";
    }

    "notice" Optional "The listener, which tells the sentence to clients that still connect." {
        "port": Port, default Number(63790),
            "Where external = \"notice\" redirects outsiders. Nothing else may use it.",
            example "63790";
        "log": Log, default Text(LOG),
            "Where the log is found: a link to a file of that name in /var/log/redisguard.",
            example "\"/var/log/redis_port_notice.log\"";
        "log-format": Choice(LogFormat::CHOICES), default Text(LOG_FORMAT),
            "The form of the log's lines.", example "\"json\"";
        "log-per-source": Number(1, 1_000_000), default Number(LOG_PER_SOURCE as u64),
            "Lines a minute for one source; beyond it one line sums them up.", example "1000";
        "max-connections": Number(8, 1_000_000), default Number(MAX_CONNECTIONS as u64),
            "Connections held at once. A further one takes the place of the one that has rested \
             longest.",
            example "1024";
        "max-per-source": Number(1, 1_000_000), default Number(MAX_PER_SOURCE as u64),
            "Connections held at once for one source address.", example "256";
        "idle": Number(5, MAX_IDLE_SECONDS as u64), default Number(IDLE_SECONDS as u64),
            "Seconds after which a silent connection is closed.", example "300";
        "tls": Table, default Without("TLS clients get an alert"),
            "The certificate with which the listener ends TLS.",
            example "{ cert = \"/etc/ssl/redisguard/fullchain.pem\", key = \"/etc/ssl/redisguard/privkey.pem\" }";
    }

    "notice.tls" Optional
        "With what the listener ends TLS, so that TLS clients read the sentence too." {
        "cert": Pem, default Required,
            "The PEM file on the guarded host with the certificate, and after it those up to the \
             authority.",
            example "\"/etc/ssl/redisguard/fullchain.pem\"";
        "key": Pem, default Required,
            "The PEM file on the guarded host with its private key. Only root needs to read it.",
            example "\"/etc/ssl/redisguard/privkey.pem\"";
    }

    "probe" Optional "Where monitoring probes from. Probes meet what other outsiders meet." {
        "from": Networks, default Empty,
            "Networks whose attempts are logged and counted apart: they are no attempts of users.",
            example "[\"10.0.9.7/32\", \"2001:db8:9::/64\"]";
    }

    "metrics" Optional
        "What Prometheus is told. Its alert rules and a dashboard for Grafana are in every \
         bundle." {
        "textfile": Textfile, default Without("none is written"),
            "The file with the guard's metrics, in the directory that node_exporter's textfile \
             collector reads. It is written after every check of the rules.",
            example "\"/var/lib/prometheus/node-exporter/redisguard.prom\"";
        "scrape-port": Port, default Without("it is not scraped"),
            "The port of 127.0.0.1 on which the listener shows its own metrics at /metrics.",
            example "9637";
        "environment-label": TargetLabel, default Text("env"),
            "The label of scrape targets that tells environments apart, such as staging and \
             production. Hosts with different values, or without it, may have different bundles.",
            example "\"env\"";
    }

    "host" Optional "What the guarded hosts run." {
        "expect": Choices(Part::CHOICES), default Without("all of them are expected"),
            "The parts of the guard that a host must run before its status is OK. Under systemd, \
             apply neither enables nor starts a part that is not listed. \
             `redisguard-install apply --expect` declares other parts for one host.",
            example "[\"rules\", \"boot\"]";
    }

    "docs" Optional "Where the documents go, relative to --docs-root." {
        "overview": Document, default Text("docs/redis/REDIS_DEFAULT_PORTS_BLOCKING.md"),
            "The overview for users, a whole file. The notice names it.",
            example "\"docs/redis/REDIS_DEFAULT_PORTS_BLOCKING.md\"";
        "reservations": Document, default Text("docs/redis/REDIS_PORT_RESERVATIONS.md"),
            "The list of the ports, a whole file.",
            example "\"docs/redis/REDIS_PORT_RESERVATIONS.md\"";
        "guides": Documents, default Empty,
            "Guides of yours, in which the sections between <!-- redisguard:begin NAME --> and \
             <!-- redisguard:end NAME --> are filled.",
            example "[\"docs/redis/redis_cluster_guide.md\"]";
        "runbook": WebAddress, default Without("alerts name the page's path in redisguard's repository"),
            "Where operators read docs/runbook.md. Each alert links to its section there.",
            example "\"https://git.example.org/redisguard/docs/runbook.md\"";
    }
}
