//! The bundle that the build script rendered, from the TOML that REDISGUARD_CONFIG named or from the
//! shipped redisguard.toml.

use crate::bundle::Bundle;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The built-in bundle.
///
/// # Errors
/// Only if the build embedded bytes that do not match SHA256SUMS.
pub fn bundle() -> Result<Bundle, String> {
    let artifacts = ARTIFACTS.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
    Bundle::verified(artifacts.collect())
}
