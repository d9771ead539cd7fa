//! The listener's metrics: exact counters, and the HTTP endpoint that Prometheus scrapes.

pub(crate) mod counters;
pub(crate) mod http;
