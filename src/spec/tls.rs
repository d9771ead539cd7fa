//! Owns `[notice.tls]`: the certificate and the key with which the listener ends TLS. Knows their
//! paths on the guarded host only; never reads them.

use super::diagnostics::{Check, Problem};
use super::parse::Table;
use super::parse::values::plain_path;
use super::validate::needed;
use std::fmt;

/// `[notice.tls]`: with what the listener ends TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and after it those that lead to the authority.
    pub cert: PemPath,
    /// Its private key.
    pub key: PemPath,
}

/// The absolute path of a PEM file on the guarded host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemPath(String);

impl PemPath {
    /// # Errors
    /// Says what keeps it from being a plain absolute path.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("it must be an absolute path on the guarded host".into());
        }
        plain_path(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The path as it stands in the TOML.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PemPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Judges the table; one half without the other is a fault.
pub(super) fn tls(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Tls> {
    let cert = table.text("cert", Check::Path, problems, PemPath::parse);
    let cure = "cert = \"/etc/ssl/redisguard/fullchain.pem\", or take [notice.tls] out";
    let cert = needed(table, "cert", cure, cert, problems);
    let key = table.text("key", Check::Path, problems, PemPath::parse);
    let cure = "key = \"/etc/ssl/redisguard/privkey.pem\", or take [notice.tls] out";
    let key = needed(table, "key", cure, key, problems);
    Some(Tls { cert: cert?.value, key: key?.value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_named_by_a_plain_absolute_path() {
        for good in ["/etc/letsencrypt/live/redis.example.org/fullchain.pem", "/a"] {
            assert!(PemPath::parse(good).is_ok(), "{good} was refused");
        }
        for bad in [
            "",
            "/",
            "tls/cert.pem",
            "./cert.pem",
            "/etc/ssl/../shadow",
            "/etc//cert.pem",
            "/etc/ssl/",
            "/etc/ssl/a b.pem",
            "/etc/ssl/%h.pem",
            "/etc/ssl/a:b.pem",
            "/etc/ssl/a\n[Service]",
            "/etc/ssl/ключ.pem",
        ] {
            assert!(PemPath::parse(bad).is_err(), "{bad} was taken");
        }
    }
}
