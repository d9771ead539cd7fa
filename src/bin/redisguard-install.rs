//! Applies a reviewed redisguard bundle to a host, and runs its notice listener.

use clap::Parser;
use redisguard::args::InstallerArgs;
use redisguard::cli;
use redisguard::cli::installer;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::with_system_path();
    installer::run(&InstallerArgs::parse()).into()
}
