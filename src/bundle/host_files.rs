//! The files of a guarded host: one struct per template, each rendered to the path that the template's
//! own path mirrors.

use super::{firewall_rules, guard_config};
use crate::family::Family;
use crate::spec::{Listen, PortRange, PortSet, Spec, TextfilePath};
use crate::unit::Unit;
use askama::Template;

/// The path of the installer on a host.
pub const BINARY: &str = "/usr/local/sbin/redisguard-install";

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

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-ports-block.service")]
struct BlockUnit<'a> {
    spec: &'a Spec,
    binary: &'static str,
    firewalls: &'static str,
    ports: String,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-port-notice.service")]
struct NoticeUnit<'a> {
    spec: &'a Spec,
    binary: &'static str,
    ports: String,
    listened: Vec<PortRange>,
    descriptors: u64,
    redis: &'static str,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-port-yield@.service")]
struct YieldUnit<'a> {
    spec: &'a Spec,
    ports: PortSet,
    redis: &'static str,
    templates: &'static str,
    instances: &'static str,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-port-wait@.service")]
struct WaitUnit<'a> {
    spec: &'a Spec,
    templates: &'static str,
    instances: &'static str,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-ports-check.service")]
struct CheckUnit<'a> {
    spec: &'a Spec,
    binary: &'static str,
    firewalls: &'static str,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-ports-metrics.service")]
struct MetricsUnit<'a> {
    spec: &'a Spec,
    binary: &'static str,
    textfile: &'a TextfilePath,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-ports-check.timer")]
struct CheckTimer<'a> {
    spec: &'a Spec,
}

#[derive(Template)]
#[template(path = "host/etc/systemd/system/redis-ports-revert.service")]
struct RevertUnit<'a> {
    spec: &'a Spec,
}

#[derive(Template)]
#[template(path = "host/etc/logrotate.d/redis-port-notice.logrotate")]
struct Logrotate<'a> {
    spec: &'a Spec,
}

#[derive(Template)]
#[template(path = "host/etc/tmpfiles.d/redisguard.tmpfiles")]
struct Tmpfiles<'a> {
    spec: &'a Spec,
}

#[derive(Template)]
#[template(path = "host/etc/sysctl.d/60-redisguard.sysctl")]
struct Sysctl {
    ports: String,
}

#[derive(Template)]
#[template(path = "host/etc/redisguard/notice.toml")]
struct NoticeSettings<'a> {
    spec: &'a Spec,
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
    let ports = spec.reserved_ports().to_string();
    let listened = listened(spec);
    let notice_unit = NoticeUnit {
        spec,
        binary: BINARY,
        ports: ports.clone(),
        listened,
        descriptors: descriptors(spec),
        redis: REDIS,
    };
    let block_unit = BlockUnit { spec, binary: BINARY, firewalls: FIREWALLS, ports };
    let check_unit = CheckUnit { spec, binary: BINARY, firewalls: FIREWALLS };
    let mut artifacts = vec![
        (unit(Unit::Block), block_unit.render()?),
        (unit(Unit::Listener), notice_unit.render()?),
        (unit(Unit::Check), check_unit.render()?),
        (unit(Unit::CheckTimer), CheckTimer { spec }.render()?),
        (unit(Unit::Revert), RevertUnit { spec }.render()?),
        (Family::V4.rules_path().to_owned(), firewall_rules::iptables(spec, digest, Family::V4)?),
        (Family::V6.rules_path().to_owned(), firewall_rules::iptables(spec, digest, Family::V6)?),
        ("host/etc/redisguard/redisguard.nft".into(), firewall_rules::nft(spec, digest)?),
        ("host/etc/redisguard/notice.toml".into(), NoticeSettings { spec }.render()?),
        (guard_config::PATH.into(), GuardConfigFile { spec, digest }.render()?),
        ("host/etc/logrotate.d/redis-port-notice".into(), Logrotate { spec }.render()?),
        ("host/etc/tmpfiles.d/redisguard.conf".into(), Tmpfiles { spec }.render()?),
        (
            "host/etc/sysctl.d/60-redisguard.conf".into(),
            Sysctl { ports: local_reserved_ports(spec).joined(",") }.render()?,
        ),
    ];
    if let Some(textfile) = &spec.metrics.textfile {
        let metrics = MetricsUnit { spec, binary: BINARY, textfile };
        artifacts.push((unit(Unit::Metrics), metrics.render()?));
    }
    let yielded = spec.reserved.iter().filter(|reserved| reserved.listen == Listen::IfFree);
    let yielded: PortSet = yielded.map(|reserved| reserved.ports).collect();
    if !yielded.is_empty() {
        let (templates, instances) = (TEMPLATES, INSTANCES);
        let yields = YieldUnit { spec, ports: yielded, redis: REDIS, templates, instances };
        artifacts.push((unit(Unit::Yield), yields.render()?));
        artifacts.push((unit(Unit::Wait), WaitUnit { spec, templates, instances }.render()?));
    }
    Ok(artifacts)
}

/// The ports that the listener may bind.
fn listened(spec: &Spec) -> Vec<PortRange> {
    let reserved = spec.reserved.iter().filter(|reserved| reserved.listen != Listen::Never);
    let notice = spec.redirects().then(|| PortRange::from(spec.notice.port));
    reserved.map(|reserved| reserved.ports).chain(notice).collect()
}

/// The listener's limit of file descriptors: one a connection, two a port (IPv4 and IPv6), and 64 for
/// logs, timers and the like.
fn descriptors(spec: &Spec) -> u64 {
    let ports: usize = listened(spec).into_iter().map(|range| range.ports().count()).sum();
    spec.notice.max_connections + 2 * ports as u64 + 64
}

/// The ports that the kernel must not give to outgoing connections (ip_local_reserved_ports in
/// Documentation/networking/ip-sysctl.rst): a listener could not bind them any more.
fn local_reserved_ports(spec: &Spec) -> PortSet {
    let own = [Some(spec.notice.port), spec.metrics.scrape_port].into_iter().flatten();
    let own: PortSet = own.map(PortRange::from).collect();
    spec.reserved_ports().union(&spec.cluster.ports).union(&spec.cluster.bus_ports()).union(&own)
}
