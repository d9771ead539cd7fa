//! The listener's settings file, `notice.toml`: its shape, and the checks after which it is safe to serve
//! from.
//!
//! The generator writes every key. Files by hand and of earlier versions may lack some: the defaults are
//! those of the TOML, from `listener_contract`.
//!
//! Never: touches a socket, a log or the clock.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use crate::listener_contract::{self, MAX_IDLE_SECONDS, MAX_NOTICE_BYTES};

/// The listener's settings, as `notice.toml` has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The log's path, unless the command line names another.
    #[serde(default = "default_log")]
    pub log: PathBuf,
    /// The form of a log line.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Log lines per source and minute; one line with a count stands for the attempts beyond.
    #[serde(default = "default_log_per_source")]
    pub log_per_source: u32,
    /// Connections held at once; a further one evicts the one that was idle longest.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// Connections held at once from one IPv4 address or one IPv6 /64.
    #[serde(default = "default_max_per_source")]
    pub max_per_source: usize,
    /// Seconds without a byte after which a connection is closed.
    #[serde(default = "default_idle")]
    pub idle: u64,
    /// The notice port, to which the firewall redirects outsiders; `None` if it redirects nobody.
    pub port: Option<u16>,
    /// The port of 127.0.0.1 with the metrics for Prometheus; `None` if there are none.
    pub scrape_port: Option<u16>,
    /// Networks of outsiders whose connections are probes: logged and counted apart.
    #[serde(default)]
    pub probe_from: Vec<IpNet>,
    /// The certificate for TLS; `None` if TLS clients get an alert.
    pub tls: Option<TlsFiles>,
    /// The reserved ports. The first stands for redirected connections whose original port is unknown.
    pub reserved: Vec<Reservation>,
}

/// The paths of a certificate and its key, in PEM. If the service manager passes both credentials
/// `notice-cert` and `notice-key` (systemd.exec(5)), they are read instead.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, followed by those of its issuers.
    pub cert: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// Reserved ports `first..=last` with the same settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reservation {
    /// The lowest port.
    pub first: u16,
    /// The highest port; the same as `first` for a single port.
    pub last: u16,
    /// Whether the listener binds the ports themselves.
    #[serde(default)]
    pub listen: Listen,
    /// The notice, without sign or line end; `{port}` stands for the port.
    pub sentence: String,
}

/// Whether the listener binds a reserved port itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listen {
    /// It does, and waits for a busy port until that is free.
    #[default]
    Always,
    /// It does unless another program has the port in either family.
    IfFree,
    /// It does not.
    Never,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// `key=value`, quoted where needed.
    #[default]
    Logfmt,
    /// One JSON object a line.
    Json,
}

fn default_log() -> PathBuf {
    PathBuf::from(listener_contract::LOG)
}

fn default_log_per_source() -> u32 {
    listener_contract::LOG_PER_SOURCE
}

fn default_max_connections() -> usize {
    listener_contract::MAX_CONNECTIONS as usize
}

fn default_max_per_source() -> usize {
    listener_contract::MAX_PER_SOURCE as usize
}

fn default_idle() -> u64 {
    listener_contract::IDLE_SECONDS.into()
}

impl Settings {
    /// Reads and checks a settings file.
    ///
    /// # Errors
    /// What is wrong with the text: the parser's first error, or every failed check on a line of its
    /// own.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text)
            .map_err(|cause| format!("could not read the notice settings: {cause}"))?;
        let problems = settings.problems();
        if problems.is_empty() {
            return Ok(settings);
        }
        Err(format!("could not accept the notice settings:\n  {}", problems.join("\n  ")))
    }

    /// Whether an outsider of that address is one that probes.
    pub fn is_probe(&self, peer: IpAddr) -> bool {
        self.probe_from.iter().any(|network| network.contains(&peer))
    }

    /// The reservation that contains `port`.
    pub fn reservation(&self, port: u16) -> Option<&Reservation> {
        self.reserved.iter().find(|reservation| reservation.contains(port))
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.reserved.is_empty() {
            problems.push("no [[reserved]] port is named".to_owned());
        }
        for (key, value) in [
            ("max-connections", self.max_connections as u64),
            ("max-per-source", self.max_per_source as u64),
            ("idle", self.idle),
        ] {
            if value == 0 {
                problems.push(format!("{key} must be at least 1"));
            }
        }
        if self.idle > MAX_IDLE_SECONDS.into() {
            problems.push(format!("idle must be at most {MAX_IDLE_SECONDS} seconds"));
        }
        match self.port {
            Some(0) => problems.push("port must be between 1 and 65535".to_owned()),
            Some(port) if self.reservation(port).is_some() => {
                problems.push(format!("port {port} is the notice port and reserved as well"));
            }
            _ => {}
        }
        match self.scrape_port {
            Some(0) => problems.push("scrape-port must be between 1 and 65535".to_owned()),
            Some(port) if self.reservation(port).is_some() || self.port == Some(port) => {
                problems.push(format!("port {port} is the one for metrics and another as well"));
            }
            _ => {}
        }
        if let Some(TlsFiles { cert, key }) = &self.tls {
            for (name, path) in [("cert", cert), ("key", key)] {
                if !path.is_absolute() {
                    problems.push(format!("tls.{name} must be an absolute path"));
                }
            }
        }
        for (index, reservation) in self.reserved.iter().enumerate() {
            problems.extend(reservation.problem());
            for earlier in &self.reserved[..index] {
                if earlier.first <= reservation.last && reservation.first <= earlier.last {
                    let (first, last) = (reservation.first, reservation.last);
                    problems.push(format!("ports {first}-{last} are reserved twice"));
                }
            }
        }
        problems
    }
}

impl Reservation {
    /// Whether `port` is one of these ports.
    pub fn contains(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// The notice for one of these ports.
    pub fn sentence_for(&self, port: u16) -> String {
        self.sentence.replace("{port}", &port.to_string())
    }

    fn problem(&self) -> Option<String> {
        let (first, last) = (self.first, self.last);
        if first == 0 || first > last {
            return Some(format!("ports {first}-{last} are not a range within 1-65535"));
        }
        let sentence = self.sentence_for(last);
        let line = sentence.len() + "-\r\n".len();
        let problem = if sentence.trim().is_empty() || sentence.starts_with(char::is_whitespace) {
            "is empty or starts with a blank".to_owned()
        } else if sentence.chars().any(is_control_or_line_break) {
            "is not one printable line".to_owned()
        } else if line > MAX_NOTICE_BYTES {
            format!("makes a line of {line} bytes, {MAX_NOTICE_BYTES} are allowed")
        } else {
            return None;
        };
        Some(format!("the sentence of port {first} {problem}"))
    }
}

/// Control characters, and the two separators that Unicode treats as line ends.
fn is_control_or_line_break(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
