//! The files of a guarded host: one struct per template, each rendered to the path that the template's
//! own path mirrors.

use super::{firewall_rules, guard_config};
use crate::family::Family;
use crate::spec::{Expected, Listen, Part, PortRange, PortSet, Spec, TextfilePath};
use crate::unit::{self, Unit};
use askama::Template;

/// The path of the installer on a host.
pub const BINARY: &str = "/usr/local/sbin/redisguard-install";

/// The preset of the units, in the bundle. Before all others, because the first preset that names a unit
/// decides.
const PRESET: &str = "host/etc/systemd/system-preset/00-redisguard.preset";

/// The units of Redis and Valkey, as Debian and Fedora name them.
const REDIS: &str = "redis-server.service redis.service valkey-server.service valkey.service";
/// Their template units, for several instances on one host.
const TEMPLATES: &str =
    "redis-server@.service redis@.service valkey-server@.service valkey@.service";
/// The instances that one of redisguard's template units can belong to: `%i` is the part after its `@`
/// (systemd.unit(5)).
const INSTANCES: &str =
    "redis-server@%i.service redis@%i.service valkey-server@%i.service valkey@%i.service";

/// Services that flush or replace the kernel's rules when they start or reload.
const FIREWALLS: &str = "nftables.service iptables.service ip6tables.service \
                         netfilter-persistent.service ufw.service firewalld.service";

macro_rules! templates_of_spec {
    ($($name:ident $path:tt;)*) => {$(
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> {
            spec: &'a Spec,
        }
    )*};
}
templates_of_spec! {
    BlockUnit "host/etc/systemd/system/redis-ports-block.service";
    NoticeUnit "host/etc/systemd/system/redis-port-notice.service";
    YieldUnit "host/etc/systemd/system/redis-port-yield@.service";
    WaitUnit "host/etc/systemd/system/redis-port-wait@.service";
    CheckUnit "host/etc/systemd/system/redis-ports-check.service";
    CheckAfterUnit "host/etc/systemd/system/redis-ports-check@.service";
    CheckTimer "host/etc/systemd/system/redis-ports-check.timer";
    FallbackUnit "host/etc/systemd/system/redis-ports-fallback.service";
    RevertUnit "host/etc/systemd/system/redis-ports-revert.service";
    Logrotate "host/etc/logrotate.d/redis-port-notice.logrotate";
    Tmpfiles "host/etc/tmpfiles.d/redisguard.tmpfiles";
    Sysctl "host/etc/sysctl.d/60-redisguard.sysctl";
    NoticeSettings "host/etc/redisguard/notice.toml";
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-ports-metrics.service")]
struct MetricsUnit<'a> {
    spec: &'a Spec,
    textfile: &'a TextfilePath,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system-preset/00-redisguard.preset")]
struct Preset<'a> {
    units: Vec<&'a str>,
}

#[derive(Template)]
#[template(path = "host/etc/redisguard/guard.toml")]
struct GuardConfigFile<'a> {
    spec: &'a Spec,
    digest: &'a str,
}

/// Every file of the host, as (path in the bundle, text).
///
/// # Errors
/// None with values that a [`Spec`] can hold; askama's signature has one.
pub(super) fn render(spec: &Spec, digest: &str) -> askama::Result<Vec<(String, String)>> {
    let unit = |unit: Unit| format!("host{}", unit.path());
    let mut artifacts = vec![
        (unit(Unit::Block), BlockUnit { spec }.render()?),
        (unit(Unit::Listener), NoticeUnit { spec }.render()?),
        (unit(Unit::Check), CheckUnit { spec }.render()?),
        (unit(Unit::CheckAfter), CheckAfterUnit { spec }.render()?),
        (unit(Unit::CheckTimer), CheckTimer { spec }.render()?),
        (unit(Unit::Fallback), FallbackUnit { spec }.render()?),
        (unit(Unit::Revert), RevertUnit { spec }.render()?),
        (Family::V4.rules_path().to_owned(), firewall_rules::iptables(spec, digest, Family::V4)?),
        (Family::V6.rules_path().to_owned(), firewall_rules::iptables(spec, digest, Family::V6)?),
        ("host/etc/redisguard/redisguard.nft".into(), firewall_rules::nft(spec, digest)?),
        ("host/etc/redisguard/notice.toml".into(), NoticeSettings { spec }.render()?),
        (guard_config::PATH.into(), GuardConfigFile { spec, digest }.render()?),
        ("host/etc/logrotate.d/redis-port-notice".into(), Logrotate { spec }.render()?),
        ("host/etc/tmpfiles.d/redisguard.conf".into(), Tmpfiles { spec }.render()?),
        ("host/etc/sysctl.d/60-redisguard.conf".into(), Sysctl { spec }.render()?),
    ];
    if let Some(textfile) = &spec.metrics.textfile {
        artifacts.push((unit(Unit::Metrics), MetricsUnit { spec, textfile }.render()?));
    }
    if !spec.yielded().is_empty() {
        artifacts.push((unit(Unit::Yield), YieldUnit { spec }.render()?));
        artifacts.push((unit(Unit::Wait), WaitUnit { spec }.render()?));
    }
    let preset = Preset { units: enabled(spec, &artifacts) }.render()?;
    artifacts.push((PRESET.into(), preset));
    Ok(artifacts)
}

/// The units of parts that a host is not expected to run: apply neither enables nor starts them. The unit
/// that loads the rules at boot is always enabled.
pub fn unexpected_units(expected: &Expected) -> Vec<Unit> {
    let listener = [Unit::Listener, Unit::Yield, Unit::Wait];
    let of_parts = [(Part::Listener, &listener[..]), (Part::Timer, &[Unit::CheckTimer])];
    let missing = of_parts.iter().filter(|(part, _)| !expected.has(*part));
    missing.flat_map(|(_, units)| units.iter().copied()).collect()
}

/// The units that apply enables: those with an \[Install\] section, of parts that are expected to run.
fn enabled<'a>(spec: &Spec, artifacts: &'a [(String, String)]) -> Vec<&'a str> {
    let unexpected = unexpected_units(&spec.host.expect);
    let units = artifacts.iter().filter(|(_, text)| text.contains("\n[Install]\n"));
    let names = units.filter_map(|(path, _)| unit::below_directory(path.strip_prefix("host")?));
    let is_expected = |name: &&str| !unexpected.iter().any(|unit| unit.name() == *name);
    let mut names: Vec<&str> = names.filter(is_expected).collect();
    names.sort_unstable();
    names
}

impl Spec {
    /// The ports that the listener may bind.
    fn listened(&self) -> Vec<PortRange> {
        let reserved = self.reserved.iter().filter(|reserved| reserved.listen != Listen::Never);
        let notice = self.redirects().then(|| PortRange::from(self.notice.port));
        reserved.map(|reserved| reserved.ports).chain(notice).collect()
    }

    /// The ports that the listener leaves to a Redis that starts there.
    pub(super) fn yielded(&self) -> PortSet {
        let yielded = self.reserved.iter().filter(|reserved| reserved.listen == Listen::IfFree);
        yielded.map(|reserved| reserved.ports).collect()
    }

    /// The instances of [`Unit::CheckAfter`] that run after a firewall has reloaded.
    fn checks_after_firewalls(&self) -> String {
        let instances = FIREWALLS.split_whitespace();
        let instances = instances
            .map(|firewall| Unit::CheckAfter.name().replace("@.service", &format!("@{firewall}")));
        instances.collect::<Vec<_>>().join(" ")
    }

    /// The listener's limit of file descriptors: one a connection, two a port (IPv4 and IPv6), and 64
    /// for logs, timers and the like.
    fn descriptors(&self) -> u64 {
        let ports: usize = self.listened().into_iter().map(|range| range.ports().count()).sum();
        self.notice.max_connections + 2 * ports as u64 + 64
    }

    /// The ports that the kernel must not give to outgoing connections (ip_local_reserved_ports in
    /// Documentation/networking/ip-sysctl.rst): a listener could not bind them any more.
    fn local_reserved_ports(&self) -> PortSet {
        let own = [Some(self.notice.port), self.metrics.scrape_port].into_iter().flatten();
        let own: PortSet = own.map(PortRange::from).collect();
        let Self { cluster, .. } = self;
        self.reserved_ports().union(&cluster.ports).union(&cluster.bus_ports()).union(&own)
    }
}
