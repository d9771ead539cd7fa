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
    let read = |family: Family| Ok((family, parsed(bundle, family.rules_path(), Ruleset::parse)?));
    Family::BOTH.into_iter().map(read).collect()
}

/// The SHA-256 of artifacts of a bundle.
pub(super) fn digest(bundle: &Bundle, paths: &[&str]) -> String {
    let artifacts = paths.iter().filter_map(|path| bundle.get(path));
    sha256_hex(&artifacts.collect::<Vec<_>>().concat())
}

/// A bundle's nftables rules.
pub(super) fn script(bundle: &Bundle, guard_config: &GuardConfig) -> Result<Script, Error> {
    parsed(bundle, SCRIPT, |text| Script::parse(text, &guard_config.bundle))
}

fn parsed<T>(
    bundle: &Bundle,
    path: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Error> {
    let bytes = bundle.get(path).ok_or_else(|| "the bundle has none".to_owned());
    let text = bytes.and_then(|bytes| str::from_utf8(bytes).map_err(|error| error.to_string()));
    text.and_then(parse).map_err(|cause| Error::new(format!("read {path}"), cause))
}
