//! `[metrics]`: where Prometheus finds the guard's and the listener's metrics.

use super::diagnostics::{Check, Problem};
use super::parse::Table;
use super::parse::values::plain_path;
use std::fmt;
use toml::Spanned;

/// `[metrics]`: what Prometheus can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// The file for node_exporter; `None`: no file is written.
    pub textfile: Option<TextfilePath>,
    /// The port of 127.0.0.1 on which the listener serves its metrics; `None`: it does not.
    pub scrape_port: Option<u16>,
}

/// The absolute path of a file that node_exporter's textfile collector reads: those that end in
/// `.prom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextfilePath(String);

impl TextfilePath {
    /// # Errors
    /// The reason why node_exporter could not read such a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("it must be an absolute path on the guarded host".into());
        }
        plain_path(text)?;
        let (directory, name) = text.rsplit_once('/').unwrap_or_default();
        if !name.ends_with(".prom") || name.starts_with('.') {
            return Err("node_exporter reads only files that end in `.prom`".into());
        }
        if directory.is_empty() {
            return Err("it must lie in a directory of node_exporter's".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as the TOML has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file's directory.
    pub fn directory(&self) -> &str {
        self.0.rsplit_once('/').map_or("/", |(directory, _)| directory)
    }
}

impl fmt::Display for TextfilePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads the table; the second half is the scrape port with its span, to be compared with others.
pub(super) fn metrics(
    table: &Table<'_>,
    problems: &mut Vec<Problem>,
) -> (Metrics, Option<Spanned<u16>>) {
    let textfile = table.text("textfile", Check::Path, problems, TextfilePath::parse);
    let port = table.port("scrape-port", "the port for metrics is one port", problems);
    let scrape_port = port.as_ref().map(|port| *port.get_ref());
    (Metrics { textfile: textfile.map(Spanned::into_inner), scrape_port }, port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textfile_is_one_that_node_exporter_reads() {
        let good = TextfilePath::parse("/var/lib/prometheus/node-exporter/redisguard.prom");
        let directory = good.map(|path| path.directory().to_owned());
        assert_eq!(directory.as_deref(), Ok("/var/lib/prometheus/node-exporter"));
        for bad in
            ["", "redisguard.prom", "/redisguard.prom", "/a/b.txt", "/a/.prom", "/a b/c.prom"]
        {
            assert!(TextfilePath::parse(bad).is_err(), "{bad} was taken");
        }
    }
}
