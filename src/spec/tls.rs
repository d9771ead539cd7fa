//! `[notice.tls]`: the paths of the certificate and key with which the listener terminates TLS.
//!
//! Never: reads those files; they are on the guarded host.

use super::diagnostics::{Check, Problem};
use super::parse::Table;
use super::parse::values::plain_path;
use std::fmt;
use toml::Spanned;

/// `[notice.tls]`: the identity of the listener in TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, followed by its chain.
    pub cert: PemPath,
    /// Its private key.
    pub key: PemPath,
}

/// The absolute path of a PEM file on the guarded host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemPath(String);

impl PemPath {
    /// # Errors
    /// The reason why the text is no plain absolute path.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("it must be an absolute path on the guarded host".into());
        }
        plain_path(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The path as the TOML has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PemPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Reads the table; certificate and key need each other.
pub(super) fn tls(table: &Table<'_>, problems: &mut Vec<Problem>) -> Option<Tls> {
    let mut pem = |key: &str, help: &str| {
        let path = table.text(key, Check::Path, problems, PemPath::parse);
        table.required(key, help, path, problems).map(Spanned::into_inner)
    };
    let cert =
        pem("cert", "cert = \"/etc/ssl/redisguard/fullchain.pem\", or take [notice.tls] out");
    let key = pem("key", "key = \"/etc/ssl/redisguard/privkey.pem\", or take [notice.tls] out");
    Some(Tls { cert: cert?, key: key? })
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
