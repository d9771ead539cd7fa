//! Alert rules for Prometheus and a dashboard for Grafana. Both need `[metrics]` on the hosts.

use super::sha256sums::sha256_hex;
use crate::spec::Spec;
use askama::Template;

/// The most reservations that the dashboard's description names one by one.
const MAX_NAMED: usize = 20;
/// The most ports that a panel shows one line each.
const MAX_LINES: usize = 10;
/// The runbook's path in redisguard's repository.
const RUNBOOK: &str = "docs/runbook.md";

#[derive(Template)]
#[template(path = "prometheus/redisguard.rules.yml")]
struct Alerts<'a> {
    spec: &'a Spec,
    /// The label that tells environments apart.
    environment: &'a str,
    /// The annotation that leads to the runbook, and the runbook.
    runbook_key: &'static str,
    runbook: &'a str,
}

#[derive(Template)]
#[template(path = "grafana/redisguard.json")]
struct Dashboard<'a> {
    spec: &'a Spec,
    about: String,
    uid: String,
    /// The label that tells environments apart.
    environment: &'a str,
    /// The selector of the chosen hosts.
    selector: String,
    /// The selectors of one series a host: of every host, and of those in the chosen environments.
    every_host: String,
    hosts: String,
    /// Whether panels by port show only the busiest ones.
    busiest_only: bool,
}

impl Dashboard<'_> {
    /// What keeps a query by port to the ports on which `counter` grew most within a day. `@ end()`: the same ports at
    /// every step.
    fn busiest(&self, counter: &str) -> String {
        match self.busiest_only {
            true => format!(
                " and topk({MAX_LINES}, sum by (port) (increase({counter}{}[1d] @ end())))",
                self.selector
            ),
            false => String::new(),
        }
    }
}

/// The artifacts, as (path in the bundle, text).
pub(super) fn render(spec: &Spec) -> askama::Result<Vec<(String, String)>> {
    Ok(vec![
        ("prometheus/redisguard.rules.yml".to_owned(), alerts(spec).render()?),
        ("grafana/redisguard.json".to_owned(), dashboard(spec).render()?),
    ])
}

fn alerts(spec: &Spec) -> Alerts<'_> {
    // A path must not be called an address: where `runbook_url` is shown as a link, it would lead nowhere.
    let (runbook_key, runbook) = match &spec.docs.runbook {
        Some(address) => ("runbook_url", address.as_str()),
        None => ("runbook", RUNBOOK),
    };
    Alerts { spec, environment: spec.metrics.environment_label.as_str(), runbook_key, runbook }
}

fn dashboard(spec: &Spec) -> Dashboard<'_> {
    let environment = spec.metrics.environment_label.as_str();
    let chosen = format!("{environment}=~\"$environment\"");
    // Every host has the first metric, or the second where only the listener is scraped.
    let every_host = "__name__=~\"redisguard_healthy|redisguard_notice_start_time_seconds\"";
    Dashboard {
        spec,
        about: about(spec),
        uid: uid(spec.site.title.as_str()),
        environment,
        // `instance` is HOST:PORT, and the host's exporters have different ports.
        selector: format!("{{instance=~\"($host)(:[0-9]+)?\",{chosen}}}"),
        every_host: format!("{{{every_host}}}"),
        hosts: format!("{{{every_host},{chosen}}}"),
        busiest_only: spec.reserved.len() > MAX_LINES,
    }
}

/// The dashboard's identity in Grafana (at most 40 characters): an import replaces the dashboard that has the same.
fn uid(title: &str) -> String {
    format!("redisguard-{}", &sha256_hex(title.as_bytes())[..12])
}

fn about(spec: &Spec) -> String {
    let named: Vec<String> = spec
        .reserved
        .iter()
        .take(MAX_NAMED)
        .map(|reserved| format!("{} ({})", reserved.ports, reserved.label))
        .collect();
    let more = match spec.reserved.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let contact = &spec.contact;
    format!("Retired: {}{more}. Contact {}, {}.", named.join(", "), contact.team, contact.email)
}
