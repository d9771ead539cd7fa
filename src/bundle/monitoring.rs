//! Alert rules for Prometheus and a dashboard for Grafana. Both need `[metrics]` on the hosts.

use crate::spec::Spec;
use askama::Template;

/// The most reservations that the dashboard's description names one by one.
const MAX_NAMED: usize = 20;

#[derive(Template)]
#[template(path = "prometheus/redisguard.rules.yml")]
struct Alerts<'a> {
    spec: &'a Spec,
}

#[derive(Template)]
#[template(path = "grafana/redisguard.json")]
struct Dashboard<'a> {
    spec: &'a Spec,
    about: String,
}

/// The artifacts, as (path in the bundle, text).
pub(super) fn render(spec: &Spec) -> askama::Result<Vec<(String, String)>> {
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
    let about = format!(
        "Retired: {}{more}. Contact {}, {}.",
        named.join(", "),
        contact.team,
        contact.email
    );
    Ok(vec![
        ("prometheus/redisguard.rules.yml".to_owned(), Alerts { spec }.render()?),
        ("grafana/redisguard.json".to_owned(), Dashboard { spec, about }.render()?),
    ])
}
