//! Renders the bundle into OUT_DIR, and nowhere else, for `src/embedded.rs` to embed. The modules
//! are those of the library itself, so what is embedded is what redisguard-gen writes.
//!
//! The generator alone embeds nothing, so for it this does nothing.

#[cfg(feature = "installer")]
#[allow(dead_code, unused_imports, reason = "the build needs rendering only")]
#[path = "src/bundle/mod.rs"]
mod bundle;
#[cfg(feature = "installer")]
#[allow(dead_code, reason = "the build needs rendering only")]
#[path = "src/family.rs"]
mod family;
#[cfg(feature = "installer")]
#[allow(dead_code, reason = "the build needs rendering only")]
#[path = "src/listener_contract.rs"]
mod listener_contract;
#[cfg(feature = "installer")]
#[allow(dead_code, unused_imports, reason = "the build needs rendering only")]
#[path = "src/spec/mod.rs"]
mod spec;
#[cfg(feature = "installer")]
#[allow(dead_code, reason = "the build needs the names only")]
#[path = "src/unit.rs"]
mod unit;

use std::error::Error;
use std::process::ExitCode;

#[allow(clippy::print_stderr, reason = "cargo shows it to the user")]
fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(feature = "installer"))]
fn run() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[cfg(feature = "installer")]
fn run() -> Result<(), Box<dyn Error>> {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    for input in [
        "askama.toml",
        "templates",
        "src/bundle",
        "src/family.rs",
        "src/listener_contract.rs",
        "src/spec",
        "src/unit.rs",
    ] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=REDISGUARD_CONFIG");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let config = env::var("REDISGUARD_CONFIG").unwrap_or_else(|_| "redisguard.toml".into());
    let config = root.join(config);
    println!("cargo::rerun-if-changed={}", config.display());

    let shown = config.display().to_string();
    let bytes = fs::read(&config).map_err(|error| format!("could not read {shown}: {error}"))?;
    let parsed = spec::Source::from_bytes(&shown, bytes).and_then(spec::Spec::parse);
    let (spec, _) = parsed.map_err(|problems| format!("\n{}", problems.render(false)))?;
    embed(&bundle::Bundle::render(&spec)?, Path::new(&env::var("OUT_DIR")?))
}

/// Writes the artifacts, and a table of them in Rust.
#[cfg(feature = "installer")]
fn embed(bundle: &bundle::Bundle, out: &std::path::Path) -> Result<(), Box<dyn Error>> {
    use std::fmt::Write as _;
    use std::fs;

    let mut table = String::from("const ARTIFACTS: &[(&str, &[u8])] = &[\n");
    for (path, bytes) in bundle.artifacts() {
        let file = out.join("bundle").join(path);
        fs::create_dir_all(file.parent().ok_or("an artifact has no directory")?)?;
        fs::write(&file, bytes)?;
        writeln!(table, "    ({path:?}, include_bytes!({file:?})),")?;
    }
    table.push_str("];\n");
    Ok(fs::write(out.join("embedded.rs"), table)?)
}
