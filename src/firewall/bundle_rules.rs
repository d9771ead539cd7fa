//! Reads a bundle's rules, and refuses those that would touch anything but redisguard's own chains and
//! table. Runs nothing.

use super::iptables::ruleset::Ruleset;
use super::nftables::script::Script;
use super::types::Rulesets;
use crate::bundle::{Bundle, GuardConfig, sha256_hex};
use crate::error::Error;
use crate::family::Family;

/// The artifact with the nftables rules.
pub(super) const SCRIPT: &str = "host/etc/redisguard/redisguard.nft";

/// A bundle's iptables rules.
pub(super) fn rulesets(bundle: &Bundle) -> Result<Rulesets, Error> {
    let read = |family: Family| {
        let path = family.rules_path();
        let failed = |cause: String| Error::new(format!("read {path}"), cause);
        Ok((family, Ruleset::parse(text(bundle, path)?).map_err(failed)?))
    };
    Family::BOTH.into_iter().map(read).collect()
}

/// The SHA-256 of artifacts of a bundle.
pub(super) fn digest(bundle: &Bundle, paths: &[&str]) -> String {
    let artifacts = paths.iter().filter_map(|path| bundle.get(path));
    sha256_hex(&artifacts.collect::<Vec<_>>().concat())
}

/// A bundle's nftables rules.
pub(super) fn script(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Script, Error> {
    let text = text(bundle, SCRIPT)?.to_owned();
    let is_foreign = |line: &str| {
        !line.starts_with(['\t', '#'])
            && !matches!(line, "" | "}" | "table inet redisguard {")
            && !matches!(line, "table inet redisguard" | "delete table inet redisguard")
    };
    match text.lines().position(is_foreign) {
        None => Ok(Script { text, bundle: guard_config.bundle.clone() }),
        Some(index) => {
            let line = text.lines().nth(index).unwrap_or_default();
            let cause = format!("line {} does not belong into our rules: {line}", index + 1);
            Err(Error::new(format!("read {SCRIPT}"), cause))
        }
    }
}

fn text<'a>(bundle: &'a Bundle, path: &str) -> Result<&'a str, Error> {
    let failed = |cause: String| Error::new(format!("read {path}"), cause);
    let bytes = bundle.get(path).ok_or_else(|| failed("the bundle has none".to_owned()))?;
    std::str::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}
