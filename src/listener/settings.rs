//! Owns the listener's settings file: its shape, its defaults, and the checks that make
//! a [`Settings`] safe to serve from. Must never touch a socket, a log or the clock.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

/// What a Redis error line may be long, sign and line end included.
const LONGEST_LINE: usize = 512;

/// A day. No connection lasts longer than an hour anyway.
const LONGEST_IDLE: u64 = 86_400;

/// The listener's settings, as `notice.toml` says them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Where the log goes unless the command line says otherwise.
    #[serde(default = "default_log")]
    pub log: PathBuf,
    /// How a log line is written.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Log lines per source and minute; what comes beyond is counted in one line.
    #[serde(default = "default_log_per_source")]
    pub log_per_source: u32,
    /// Connections held at once; room for one more is made by letting the most idle go.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// Connections held at once from one IPv4 address or one IPv6 /64.
    #[serde(default = "default_max_per_source")]
    pub max_per_source: usize,
    /// Seconds without a byte after which a connection is closed.
    #[serde(default = "default_idle")]
    pub idle: u64,
    /// The notice port, where outsiders are redirected to; absent when nobody is.
    #[serde(default)]
    pub port: Option<u16>,
    /// The port of 127.0.0.1 on which Prometheus is answered; absent when it is not.
    #[serde(default)]
    pub scrape_port: Option<u16>,
    /// With what TLS is ended; absent where TLS clients get an alert.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// The reserved ports; the first speaks for connections of unknown origin.
    pub reserved: Vec<Reservation>,
}

/// Where a certificate and its key are, in PEM. A service manager's credentials `notice-cert` and
/// `notice-key` take their place where both are there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, and after it those that lead to the authority.
    pub cert: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// Reserved ports `first..=last` that share one fate and one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reservation {
    /// The lowest port.
    pub first: u16,
    /// The highest port, `first` itself for a single one.
    pub last: u16,
    /// Whether the listener takes the ports themselves.
    #[serde(default)]
    pub listen: Listen,
    /// What is said, without sign or line end; `{port}` stands for the port.
    pub sentence: String,
}

/// Whether the listener takes a reserved port itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listen {
    /// It must; a busy port is an error.
    #[default]
    Always,
    /// It does where nobody else holds the port in either family.
    IfFree,
    /// It does not.
    Never,
}

/// How a log line is written.
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
    PathBuf::from("/var/log/redis_port_notice.log")
}

fn default_log_per_source() -> u32 {
    1000
}

fn default_max_connections() -> usize {
    1024
}

fn default_max_per_source() -> usize {
    256
}

fn default_idle() -> u64 {
    300
}

impl Settings {
    /// Reads and checks a settings file.
    ///
    /// # Errors
    /// Says what is wrong with the text: the parser's first complaint, or every failed check
    /// on a line of its own.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text)
            .map_err(|cause| format!("could not read the notice settings: {cause}"))?;
        let faults = settings.faults();
        if faults.is_empty() {
            return Ok(settings);
        }
        let mut message = String::from("could not accept the notice settings:");
        for fault in faults {
            let _ = write!(message, "\n  {fault}");
        }
        Err(message)
    }

    /// The reservation that holds `port`.
    #[must_use]
    pub fn reservation(&self, port: u16) -> Option<&Reservation> {
        self.reserved.iter().find(|reservation| reservation.holds(port))
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.reserved.is_empty() {
            faults.push("no [[reserved]] port is named".to_owned());
        }
        for (key, value) in [
            ("max-connections", self.max_connections as u64),
            ("max-per-source", self.max_per_source as u64),
            ("idle", self.idle),
        ] {
            if value == 0 {
                faults.push(format!("{key} must be at least 1"));
            }
        }
        if self.idle > LONGEST_IDLE {
            faults.push(format!("idle must be at most {LONGEST_IDLE} seconds"));
        }
        match self.port {
            Some(0) => faults.push("port must be between 1 and 65535".to_owned()),
            Some(port) if self.reservation(port).is_some() => {
                faults.push(format!("port {port} is the notice port and reserved as well"));
            }
            _ => {}
        }
        match self.scrape_port {
            Some(0) => faults.push("scrape-port must be between 1 and 65535".to_owned()),
            Some(port) if self.reservation(port).is_some() || self.port == Some(port) => {
                faults.push(format!("port {port} is the one for metrics and another as well"));
            }
            _ => {}
        }
        if let Some(TlsFiles { cert, key }) = &self.tls {
            for (name, path) in [("cert", cert), ("key", key)] {
                if !path.is_absolute() {
                    faults.push(format!("tls.{name} must be an absolute path"));
                }
            }
        }
        for (index, reservation) in self.reserved.iter().enumerate() {
            faults.extend(reservation.fault());
            for earlier in &self.reserved[..index] {
                if earlier.first <= reservation.last && reservation.first <= earlier.last {
                    let (first, last) = (reservation.first, reservation.last);
                    faults.push(format!("ports {first}-{last} are reserved twice"));
                }
            }
        }
        faults
    }
}

impl Reservation {
    /// Whether `port` is one of these.
    #[must_use]
    pub fn holds(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// The sentence for one of these ports.
    #[must_use]
    pub fn sentence_for(&self, port: u16) -> String {
        self.sentence.replace("{port}", &port.to_string())
    }

    fn fault(&self) -> Option<String> {
        let (first, last) = (self.first, self.last);
        if first == 0 || first > last {
            return Some(format!("ports {first}-{last} are not a range within 1-65535"));
        }
        let sentence = self.sentence_for(last);
        let line = sentence.len() + "-\r\n".len();
        let fault = if sentence.trim().is_empty() || sentence.starts_with(char::is_whitespace) {
            "is empty or starts with a blank".to_owned()
        } else if sentence.chars().any(breaks_the_line) {
            "is not one printable line".to_owned()
        } else if line > LONGEST_LINE {
            format!("makes a line of {line} bytes, {LONGEST_LINE} are allowed")
        } else {
            return None;
        };
        Some(format!("the sentence of port {first} {fault}"))
    }
}

/// Control characters, and the two code points that Unicode calls line ends.
fn breaks_the_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
