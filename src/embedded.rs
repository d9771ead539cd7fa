//! Owns the bundle that was rendered when this program was built, from the TOML that
//! REDISGUARD_CONFIG named then, or the shipped redisguard.toml.

use crate::bundle::Bundle;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The built-in bundle.
///
/// # Errors
/// Only if the build embedded other bytes than it rendered.
pub fn bundle() -> Result<Bundle, String> {
    let artifacts = ARTIFACTS.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
    Bundle::verified(artifacts.collect())
}
