//! Writes what docs/reference and the shipped schema hold, from the code that they describe; with
//! `--check` it says what is stale. For this repository alone, so no verb of the programs does it.

use redisguard::cli::reference;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let check = std::env::args().skip(1).any(|argument| argument == "--check");
    reference::run(Path::new(env!("CARGO_MANIFEST_DIR")), check).into()
}
