//! SHA256SUMS: the artifact that lists all others with their digests.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Its path in the bundle.
pub const SUMS: &str = "SHA256SUMS";

/// The SHA-256 of bytes, as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of SHA256SUMS, in the format that `sha256sum -c` reads.
pub(super) fn written(artifacts: &BTreeMap<String, Vec<u8>>) -> String {
    artifacts.iter().map(|(path, bytes)| format!("{}  {path}\n", sha256_hex(bytes))).collect()
}

/// Reads the format of `sha256sum`: sums by path.
///
/// # Errors
/// Names the first line that does not have that format, or whose path leads out of the bundle.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{SUMS} is not text"))?;
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            let parts = line.split_once("  ").filter(|(sum, path)| {
                sum.len() == 64
                    && sum.bytes().all(|byte| byte.is_ascii_hexdigit())
                    && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
            });
            let (sum, path) =
                parts.ok_or(format!("{SUMS} line {} is not `sum  path`", index + 1))?;
            Ok((path.to_owned(), sum.to_owned()))
        })
        .collect()
}
