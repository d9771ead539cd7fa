//! Renders a spec to a bundle.

use super::artifacts::Bundle;
use super::sha256sums::{self, SUMS, sha256_hex};
use super::text::ends_in_one_line_feed;
use super::{guard_config, host_files, monitoring};
use crate::spec::Spec;
use std::collections::BTreeMap;

impl Bundle {
    /// Renders every artifact of a spec.
    ///
    /// # Errors
    /// None with values that a [`Spec`] can hold; askama's signature has one.
    pub fn render(spec: &Spec) -> Result<Self, String> {
        let texts = texts(spec).map_err(|error| error.to_string())?;
        let mut artifacts: BTreeMap<String, Vec<u8>> = texts
            .into_iter()
            .map(|(path, text)| (path, ends_in_one_line_feed(text).into_bytes()))
            .collect();
        artifacts.insert(SUMS.to_owned(), sha256sums::written(&artifacts).into_bytes());
        Ok(Self { artifacts })
    }
}

/// Every artifact but SHA256SUMS, as (path in the bundle, text).
fn texts(spec: &Spec) -> askama::Result<Vec<(String, String)>> {
    let mut texts = host_files::render(spec, DIGEST_PLACEHOLDER)?;
    let digest = short_digest(&texts);
    for (_, text) in &mut texts {
        *text = text.replace(DIGEST_PLACEHOLDER, &digest);
    }
    let variables = guard_config::render_for_ansible(spec, &digest)?;
    texts.push(("ansible/redisguard.yml".to_owned(), variables));
    texts.extend(monitoring::render(spec)?);
    Ok(texts)
}

/// Stands for the digest until it is known. No value of a spec can hold a control character.
const DIGEST_PLACEHOLDER: &str = "\0";

/// The digest that rules and guard.toml carry: twelve hexadecimal digits over the paths and texts of the
/// host's files, without the placeholders. Enough to tell bundles apart in a comment.
fn short_digest(texts: &[(String, String)]) -> String {
    let mut digested = String::new();
    for (path, text) in texts {
        let text = text.replace(DIGEST_PLACEHOLDER, "");
        digested += &format!("{path}\0{}\0{text}", text.len());
    }
    sha256_hex(digested.as_bytes())[..12].to_owned()
}
