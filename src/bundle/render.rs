//! Renders a spec to a bundle.

use super::artifacts::Bundle;
use super::sha256sums::{self, SUMS};
use super::text::ends_in_one_line_feed;
use super::{guard_config, host_files, monitoring};
use crate::spec::Spec;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

impl Bundle {
    /// Renders every artifact of a spec.
    ///
    /// # Errors
    /// None with values that a [`Spec`] can hold; askama's signature has one.
    pub fn render(spec: &Spec) -> Result<Self, String> {
        let mut texts =
            host_files::render(spec, DIGEST_PLACEHOLDER).map_err(|error| error.to_string())?;
        let digest = short_digest(&texts);
        for (_, text) in &mut texts {
            if text.contains(DIGEST_PLACEHOLDER) {
                *text = text.replace(DIGEST_PLACEHOLDER, &digest);
            }
        }
        texts.push((
            "ansible/redisguard.yml".to_owned(),
            guard_config::render_for_ansible(spec, &digest).map_err(|error| error.to_string())?,
        ));
        texts.extend(monitoring::render(spec).map_err(|error| error.to_string())?);
        let mut artifacts: BTreeMap<String, Vec<u8>> = texts
            .into_iter()
            .map(|(path, text)| (path, ends_in_one_line_feed(text).into_bytes()))
            .collect();
        artifacts.insert(SUMS.to_owned(), sha256sums::written(&artifacts).into_bytes());
        Ok(Self { artifacts })
    }
}

/// Stands for the digest until it is known. No value of a spec can hold a control character.
const DIGEST_PLACEHOLDER: &str = "\0";

/// The digest that rules and guard.toml carry: twelve hexadecimal digits over the paths and texts of the
/// host's files, without the placeholders. Enough to tell bundles apart in a comment.
fn short_digest(texts: &[(String, String)]) -> String {
    let mut hasher = Sha256::new();
    for (path, text) in texts {
        let pieces = || text.split(DIGEST_PLACEHOLDER);
        let length: usize = pieces().map(str::len).sum();
        hasher.update(format!("{path}\0{length}\0"));
        pieces().for_each(|piece| hasher.update(piece));
    }
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
