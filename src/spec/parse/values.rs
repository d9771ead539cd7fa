//! Text values of the TOML, parsed once into types.
//!
//! Guarantees: no value holds characters that could end a quotation or begin syntax in a unit, a rule, a
//! shell line, YAML or Markdown.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;

/// Characters that are syntax in two or more of the formats that values are rendered into.
const SYNTAX: &[char] = &['"', '\\', '`', '$', '<', '>', '{', '}'];

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The text as the TOML has it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// One printable line of text: no control characters, nothing invisible, no syntax of the formats that it
    /// is rendered into, and no space at its ends.
    Line;

    /// An e-mail address `local@domain` in ASCII, without quoting.
    Email;

    /// A host name (RFC 1123) or an IP address.
    Host;

    /// The log file's absolute path, under /var/log.
    LogPath;

    /// The absolute path of a PEM file on the guarded host.
    PemPath;

    /// The absolute path of a file that node_exporter's textfile collector reads: those that end in `.prom`.
    TextfilePath;

    /// A Markdown file's path, relative to the root of the repository.
    DocumentPath;

    /// The address of a page, http or https, without a fragment.
    WebAddress;

    /// The name of a label of Prometheus that redisguard's own metrics do not have.
    TargetLabel;
}

impl Line {
    /// Accepts a printable line of 1 to `max_length` bytes.
    ///
    /// # Errors
    /// Names the character and its position, or the length.
    pub fn parse(text: &str, max_length: usize) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".into());
        }
        if text.len() > max_length {
            return Err(format!("it has {} bytes; at most {max_length} fit", text.len()));
        }
        if text.trim() != text {
            return Err("it begins or ends with a space".into());
        }
        for (index, character) in text.chars().enumerate() {
            if let Some(why) = why_forbidden(character) {
                let shown = if SYNTAX.contains(&character) {
                    format!("'{character}'")
                } else {
                    character.escape_default().to_string()
                };
                return Err(format!("character {} is {shown}, {why}", index + 1));
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a [`Line`] may not hold a character.
fn why_forbidden(character: char) -> Option<&'static str> {
    let code = u32::from(character);
    if character.is_control() {
        Some("a control character")
    } else if SYNTAX.contains(&character) {
        Some("which is syntax in units, rules, shells or Markdown")
    } else if character.is_whitespace() && character != ' ' {
        Some("a space that is not the ordinary one")
    } else if matches!(code,
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
        | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFD | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
    {
        Some("which is invisible or changes the direction of text")
    } else if matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE {
        // systemd ignores the line of a unit that holds one (utf8_is_valid in its sources).
        Some("which is no character (Unicode keeps it free)")
    } else if matches!(code, 0xE000..=0xF8FF | 0xF0000..) {
        Some("which has no agreed meaning (private use)")
    } else {
        None
    }
}

impl Email {
    /// # Errors
    /// Names the part that is not accepted.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (local, domain) = text.split_once('@').ok_or("it has no `@`")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte);
        if local.is_empty() || local.len() > 64 || !local.bytes().all(plain) {
            return Err("before the `@` only letters, digits and . _ % + - may stand".into());
        }
        if domain.parse::<IpAddr>().is_ok() {
            return Err("behind the `@` a domain name is needed, not an address".into());
        }
        Host::parse(domain).map_err(|why| format!("behind the `@`, {why}"))?;
        Ok(Self(text.to_owned()))
    }
}

impl Host {
    /// # Errors
    /// If the text is neither a host name nor an address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let numeric = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let named = text.len() <= 253 && text.split('.').all(label) && !numeric(text);
        if named || text.parse::<IpAddr>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err("it is neither a host name nor an IP address".into())
        }
    }
}

/// Accepts a path of characters that are syntax neither in a shell nor in a unit nor in Markdown.
fn plain_path(text: &str) -> Result<(), String> {
    if text.len() > 200 {
        return Err(format!("it has {} bytes; at most 200 fit", text.len()));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if let Some(odd) = text.chars().find(|odd| !odd.is_ascii() || !plain(*odd as u8)) {
        let odd = odd.escape_default();
        return Err(format!("`{odd}` may not stand in it; use letters, digits and / . _ -"));
    }
    for part in text.trim_start_matches('/').split('/') {
        match part {
            "" => return Err("it has an empty part (`//`, or `/` at its end)".into()),
            "." | ".." => return Err(format!("`{part}` may not stand in it")),
            part if part.starts_with('-') => return Err("a part of it begins with `-`".into()),
            _ => {}
        }
    }
    Ok(())
}

impl LogPath {
    /// The directory of the listener's log (LogsDirectory= in systemd.exec(5)).
    pub const DIRECTORY: &'static str = "/var/log/redisguard";

    /// # Errors
    /// The reason why the text is no path below /var/log that the listener can have.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with("/var/log/") {
            return Err("it must be an absolute path under /var/log/".into());
        }
        plain_path(text)?;
        if text == Self::DIRECTORY || text.starts_with("/var/log/private/") {
            return Err("that directory belongs to systemd; name a file elsewhere".into());
        }
        if text.starts_with(&format!("{}/", Self::DIRECTORY))
            && text.matches('/').count() > Self::DIRECTORY.matches('/').count() + 1
        {
            return Err(format!("{} has no directories below it", Self::DIRECTORY));
        }
        Ok(Self(text.to_owned()))
    }

    /// The file that the listener writes, in its own directory.
    pub fn real(&self) -> String {
        let name = self.0.rsplit('/').next().unwrap_or_default();
        format!("{}/{name}", Self::DIRECTORY)
    }

    /// Whether the TOML's path is a link to [`LogPath::real`].
    pub fn is_linked(&self) -> bool {
        self.0 != self.real()
    }
}

/// Accepts an absolute [`plain_path`].
fn absolute_path(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("it must be an absolute path on the guarded host".into());
    }
    plain_path(text)
}

impl PemPath {
    /// # Errors
    /// The reason why the text is no plain absolute path.
    pub fn parse(text: &str) -> Result<Self, String> {
        absolute_path(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TextfilePath {
    /// # Errors
    /// The reason why node_exporter could not read such a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        absolute_path(text)?;
        let (directory, name) = text.rsplit_once('/').unwrap_or_default();
        if !name.ends_with(".prom") || name.starts_with('.') {
            return Err("node_exporter reads only files that end in `.prom`".into());
        }
        if directory.is_empty() {
            return Err("it must lie in a directory of node_exporter's".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The file's directory.
    pub fn directory(&self) -> &str {
        self.0.rsplit_once('/').map_or("/", |(directory, _)| directory)
    }
}

impl DocumentPath {
    /// # Errors
    /// The reason why the text is no relative path of a Markdown file.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Err("it must be relative to the root of the repository".into());
        }
        plain_path(text)?;
        if !text.ends_with(".md") {
            return Err("it must end in `.md`".into());
        }
        if text.split('/').any(|part| part.starts_with('.')) {
            return Err("a part of it begins with `.`".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl WebAddress {
    /// # Errors
    /// The reason why the text is no plain address of a page.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 200 {
            return Err(format!("it has {} bytes; at most 200 fit", text.len()));
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or("it must begin with https:// or http://")?;
        // The characters of RFC 3986, less those that are syntax in a format that holds the address.
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?@!&()*+,;=%".contains(&byte);
        if let Some(odd) = rest.chars().find(|odd| !odd.is_ascii() || !plain(*odd as u8)) {
            return Err(match odd {
                '#' => "it may not have a fragment: each alert adds its own".to_owned(),
                odd => format!("`{}` may not stand in it", odd.escape_default()),
            });
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (host, port) = authority.split_once(':').unwrap_or((authority, "1"));
        if port.parse::<u16>().is_err() || Host::parse(host).is_err() {
            return Err("it must name a host, such as https://wiki.example.org/runbook".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl TargetLabel {
    /// Labels that the metrics or the alerts set themselves.
    pub const TAKEN: [&'static str; 8] =
        ["instance", "bundle", "port", "family", "ending", "severity", "team", "alertname"];

    /// # Errors
    /// The reason why no scrape target can be told apart by such a label.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 60 {
            return Err(format!("it has {} bytes; at most 60 fit", text.len()));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        if !text.bytes().all(plain) || !text.as_bytes().first().is_some_and(begins) {
            return Err("a label's name has letters, digits and _, and begins with no digit".into());
        }
        if text.starts_with("__") {
            return Err("Prometheus drops labels that begin with __".into());
        }
        if Self::TAKEN.contains(&text) {
            return Err(format!("`{text}` has another meaning in redisguard's metrics and alerts"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Parses a network of [firewall] in canonical CIDR notation, without host bits.
///
/// # Errors
/// The reason, and the canonical notation where there is one.
pub fn network(text: &str) -> Result<IpNet, String> {
    let everyone = "it lets everyone past: nothing would be guarded";
    canonical_network(text, everyone, "it lets very many past; name the networks that you mean")
}

/// The same for `[probe] from`.
///
/// # Errors
/// As [`network`].
pub fn probe_network(text: &str) -> Result<IpNet, String> {
    let everyone = "it holds everyone: no attempt would be counted";
    canonical_network(text, everyone, "it holds very many addresses; name those that probe")
}

fn canonical_network(text: &str, everyone: &str, very_many: &str) -> Result<IpNet, String> {
    let net: IpNet = match (text.parse(), text.parse::<IpAddr>()) {
        (Ok(net), _) => net,
        (_, Ok(address)) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            return Err(format!("a prefix length is missing; one host is {address}/{bits}"));
        }
        _ => return Err("it is not a network such as 10.20.0.0/16 or 2001:db8::/32".into()),
    };
    if net.prefix_len() == 0 {
        return Err(everyone.into());
    }
    // IPv4-mapped, and the retired IPv4-compatible ones in ::/96 (RFC 4291, section 2.5.5).
    let mapped = matches!(net, IpNet::V6(net) if net.network().to_ipv4().is_some() && net.prefix_len() >= 96);
    let address = net.network();
    // 0.0.0.0/1 to /7 and ::/1 to /7 hold a large part of a family: rather a typing error than a wish.
    if address.is_unspecified() && net.prefix_len() < 8 {
        return Err(very_many.into());
    }
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() || mapped {
        return Err("no packet from outside comes from there".into());
    }
    if net.trunc() != net {
        return Err(format!("it has host bits set; the network is {}", net.trunc()));
    }
    if net.to_string() != text {
        return Err(format!("it is written {net} in canonical form"));
    }
    Ok(net)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "values_tests.rs"]
mod tests;
