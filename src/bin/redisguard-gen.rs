//! Renders a redisguard.toml into the reviewed bundle and the documents.

use clap::Parser;
use redisguard::args::GeneratorArgs;
use redisguard::cli::generator;
use std::process::ExitCode;

fn main() -> ExitCode {
    generator::run(&GeneratorArgs::parse()).into()
}
