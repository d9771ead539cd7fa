//! Owns what others than people must know of a bundle: guard.toml for the installer, and
//! redisguard.yml for the Ansible role.

use crate::spec::{Backend, Existing, External, Listen, PortRange, PortSet, Spec};
use crate::unit::Unit;
use askama::Template;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use std::str::FromStr;

/// The artifact that holds the guard config.
pub const PATH: &str = "host/etc/redisguard/guard.toml";

/// What the installer needs to know of the guard; read from the bundle's guard.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuardConfig {
    /// The digest that the rules carry.
    pub bundle: String,
    /// What loads the rules.
    #[serde(deserialize_with = "backend")]
    pub backend: Backend,
    /// What becomes of open sessions.
    #[serde(deserialize_with = "existing")]
    pub existing: Existing,
    /// Networks that the guard lets past.
    pub allow: Vec<IpNet>,
    /// The cluster's client ports.
    #[serde(deserialize_with = "parsed")]
    pub cluster: PortSet,
    /// The port that outsiders are redirected to.
    pub notice: u16,
    /// The log's path as users know it.
    pub log: String,
    /// The log's real path.
    pub log_file: String,
    /// The file that metrics are written to, where there is one.
    #[serde(default)]
    pub textfile: Option<String>,
    /// The reserved ports, ascending.
    pub reserved: Vec<ReservedConfig>,
}

/// One reservation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReservedConfig {
    /// One port or a range.
    #[serde(deserialize_with = "parsed")]
    pub ports: PortRange,
    /// What it was for.
    pub label: String,
    /// What outsiders meet.
    #[serde(deserialize_with = "external")]
    pub external: External,
    /// Whether the listener stands on it.
    #[serde(deserialize_with = "listen")]
    pub listen: Listen,
}

impl GuardConfig {
    /// Reads guard.toml.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("guard.toml: {}", error.message()))
    }

    /// All reserved ports.
    pub fn reserved_ports(&self) -> PortSet {
        self.reserved.iter().map(|reserved| reserved.ports).collect()
    }

    /// Whether any outsiders are redirected to the listener.
    pub fn redirects(&self) -> bool {
        self.reserved.iter().any(|reserved| reserved.external == External::Notice)
    }
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(input: D) -> Result<T, D::Error> {
    String::deserialize(input)?.parse().map_err(de::Error::custom)
}

macro_rules! chosen {
    ($($function:ident $name:ident),*) => {$(
        fn $function<'de, D: Deserializer<'de>>(input: D) -> Result<$name, D::Error> {
            let text = String::deserialize(input)?;
            let choice = $name::CHOICES.iter().find(|(name, _)| *name == text);
            choice.map(|(_, value)| *value).ok_or_else(|| {
                de::Error::custom(format!("`{text}` is not a choice of {}", stringify!($function)))
            })
        }
    )*};
}
chosen!(backend Backend, existing Existing, external External, listen Listen);

#[derive(Template)]
#[template(path = "ansible/redisguard.yml")]
struct ForAnsible<'a> {
    spec: &'a Spec,
    digest: &'a str,
    packages: &'static [&'static str],
    units: [&'static str; 4],
}

/// What the roles need to know.
pub(super) fn render_for_ansible(spec: &Spec, digest: &str) -> askama::Result<String> {
    let packages: &[&str] = match spec.firewall.backend {
        Backend::Iptables => &["iptables"],
        Backend::Nftables => &["nftables"],
    };
    ForAnsible { spec, digest, packages, units: Unit::MAIN.map(Unit::name) }.render()
}
