//! The listener's metrics: exact counters, and the HTTP endpoint that Prometheus scrapes.

pub(super) mod counters;
pub(super) mod http;
