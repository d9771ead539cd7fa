//! The exposition format of metrics: the text format of Prometheus, and OpenMetrics.
//!
//! Guarantees: no label value and no help text breaks out of its line.
//! Never: does I/O.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::fmt::Write as _;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows. The names of its samples end in `_total`.
    Counter,
    /// It rises and falls.
    Gauge,
}

/// A metric and its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with its unit and without `_total`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its description, one sentence.
    pub help: &'static str,
    /// Its samples; no two have equal labels.
    pub samples: Vec<Sample>,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Names and values. Names must need no escapes; values may contain anything.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

impl Metric {
    /// A metric with one sample without labels.
    pub fn single(name: &'static str, kind: Kind, help: &'static str, value: u64) -> Self {
        Self { name, kind, help, samples: vec![Sample { labels: Vec::new(), value }] }
    }
}

/// The two formats that Prometheus reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format 0.0.4, which node_exporter's textfile collector takes too.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Its media type in HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Renders metrics. Those without a sample are left out.
pub fn render(metrics: &[Metric], format: Format) -> String {
    let mut text = String::new();
    for metric in metrics.iter().filter(|metric| !metric.samples.is_empty()) {
        let (kind, suffix) = match metric.kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        // OpenMetrics describes a counter by its name without `_total`.
        let described = if format == Format::Text { suffix } else { "" };
        let name = metric.name;
        let _ = writeln!(text, "# HELP {name}{described} {}", escaped(metric.help));
        let _ = writeln!(text, "# TYPE {name}{described} {kind}");
        for Sample { labels, value } in &metric.samples {
            let _ = write!(text, "{name}{suffix}");
            for (index, (label, value)) in labels.iter().enumerate() {
                let open = if index == 0 { '{' } else { ',' };
                let _ = write!(text, "{open}{label}=\"{}\"", escaped(value));
            }
            let close = if labels.is_empty() { "" } else { "}" };
            let _ = writeln!(text, "{close} {value}");
        }
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_rendered_and_no_value_breaks_out() {
        let labels = vec![("port", "6379".to_owned()), ("x", "a\"\\\nb".to_owned())];
        let metrics = [
            Metric {
                name: "stopped_packets",
                kind: Kind::Counter,
                help: "Stopped.",
                samples: vec![Sample { labels, value: 7 }],
            },
            Metric { name: "none", kind: Kind::Gauge, help: "", samples: Vec::new() },
            Metric::single("healthy", Kind::Gauge, "Healthy.", 1),
        ];
        let sample = "stopped_packets_total{port=\"6379\",x=\"a\\\"\\\\\\nb\"} 7\n";
        let gauge = "# HELP healthy Healthy.\n# TYPE healthy gauge\nhealthy 1\n";
        assert_eq!(
            render(&metrics, Format::Text),
            format!(
                "# HELP stopped_packets_total Stopped.\n# TYPE stopped_packets_total counter\n{sample}{gauge}"
            )
        );
        assert_eq!(
            render(&metrics, Format::OpenMetrics),
            format!(
                "# HELP stopped_packets Stopped.\n# TYPE stopped_packets counter\n{sample}{gauge}# EOF\n"
            )
        );
    }
}
