//! The guard's configuration for programs: guard.toml, which the installer reads back, and
//! redisguard.yml for the Ansible role.

use crate::spec::{
    Backend, Choice, Existing, Expected, External, Listen, PortRange, PortSet, Spec,
};
use crate::unit::Unit;
use askama::Template;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
use std::net::IpAddr;
use std::str::FromStr;

/// The path of guard.toml in a bundle.
pub const PATH: &str = "host/etc/redisguard/guard.toml";

/// The guard's configuration as the installer reads it from guard.toml.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuardConfig {
    /// The digest that the rules carry.
    pub bundle: String,
    /// The firewall that holds the rules.
    #[serde(deserialize_with = "choice")]
    pub backend: Backend,
    /// What happens to connections that are open already.
    #[serde(deserialize_with = "choice")]
    pub existing: Existing,
    /// Networks that the rules exempt.
    pub allow: Vec<IpNet>,
    /// Destinations that the rules leave alone.
    #[serde(default)]
    pub service_networks: Vec<IpNet>,
    /// Networks whose attempts are probes; empty in bundles without `[probe]`.
    #[serde(default)]
    pub probe: Vec<IpNet>,
    /// The cluster's client ports.
    #[serde(deserialize_with = "parsed")]
    pub cluster: PortSet,
    /// The port to which connections from outside are redirected.
    pub notice: u16,
    /// The log's path in the documents.
    pub log: String,
    /// The file that the listener writes; the log's path may be a link to it.
    pub log_file: String,
    /// The file for node_exporter; `None`: no file is written.
    #[serde(default)]
    pub textfile: Option<String>,
    /// The parts that a host is expected to run, unless it declares others.
    #[serde(default)]
    pub expect: Expected,
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
    /// What the port was used for.
    pub label: String,
    /// What happens to connections from outside.
    #[serde(deserialize_with = "choice")]
    pub external: External,
    /// Whether the listener listens on the port.
    #[serde(deserialize_with = "choice")]
    pub listen: Listen,
}

impl GuardConfig {
    /// Reads guard.toml.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| format!("guard.toml: {}", error.message()))
    }

    /// All reserved ports.
    pub fn reserved_ports(&self) -> PortSet {
        self.reserved.iter().map(|reserved| reserved.ports).collect()
    }

    /// Whether an outsider of that address is one that probes.
    pub fn is_probe(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.probe.iter().any(|network| network.contains(&address))
    }

    /// Whether any connections from outside are redirected to the listener.
    pub fn redirects(&self) -> bool {
        self.reserved.iter().any(|reserved| reserved.external == External::Notice)
    }
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(input: D) -> Result<T, D::Error> {
    String::deserialize(input)?.parse().map_err(de::Error::custom)
}

fn choice<'de, D: Deserializer<'de>, T: Choice>(input: D) -> Result<T, D::Error> {
    let text = String::deserialize(input)?;
    T::named(&text)
        .ok_or_else(|| de::Error::custom(format!("`{text}` is not a choice of {}", T::KEY)))
}

#[derive(Template)]
#[template(path = "ansible/redisguard.yml")]
struct ForAnsible<'a> {
    spec: &'a Spec,
    digest: &'a str,
    packages: &'static [&'static str],
    units: [&'static str; 4],
}

/// The variables of the Ansible role.
pub(super) fn render_for_ansible(spec: &Spec, digest: &str) -> askama::Result<String> {
    let packages: &[&str] = match spec.firewall.backend {
        Backend::Iptables => &["iptables"],
        Backend::Nftables => &["nftables"],
    };
    ForAnsible { spec, digest, packages, units: Unit::MAIN.map(Unit::name) }.render()
}
