//! The notice listener held against others that answer with one sentence, and against the least
//! that any such server must do. `cargo bench --bench notice` runs everything; names of
//! measurements select some, `--markdown` prints what docs/performance.md shows. Without
//! `--bench`, as `cargo test --all-targets` calls it, a small run only shows that it works.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "notice/abuse/mod.rs"]
mod abuse;
#[path = "notice/abuse/abuser.rs"]
mod abuser;
#[path = "notice/account.rs"]
mod account;
#[path = "notice/clients.rs"]
mod clients;
#[path = "notice/contestants.rs"]
mod contestants;
#[path = "notice/cpu.rs"]
mod cpu;
#[path = "notice/abuse/crowd.rs"]
mod crowd;
#[path = "notice/latency.rs"]
mod latency;
#[path = "notice/limit.rs"]
mod limit;
#[path = "notice/memory.rs"]
mod memory;
#[path = "notice/options.rs"]
mod options;
#[path = "notice/pipeline.rs"]
mod pipeline;
#[path = "notice/rounds.rs"]
mod rounds;
#[path = "notice/server.rs"]
mod server;
#[path = "notice/stage.rs"]
mod stage;
#[path = "notice/abuse/storm.rs"]
mod storm;
#[path = "notice/table.rs"]
mod table;

use options::{Measurement, Options, Scale};
use stage::Stage;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(limit::ROLE) => limit::play(&arguments[1..]),
        Some(abuser::ROLE) => abuser::play(&arguments[1..]),
        _ => {}
    }
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("{complaint}");
            std::process::exit(2);
        }
    };
    let stage = Stage::set(options.scale);
    for measurement in &options.measurements {
        let table = match measurement {
            Measurement::Cpu => cpu::measure(&stage, options.scale),
            Measurement::Latency => latency::measure(&stage, options.scale),
            Measurement::Pipeline => pipeline::measure(&stage, options.scale),
            Measurement::Abuse => abuse::measure(&stage, options.scale),
            Measurement::Storm => storm::measure(&stage, options.scale),
            Measurement::Memory => memory::measure(&stage, options.scale),
        };
        let text = if options.markdown { table.markdown() } else { table.text() };
        if options.scale == Scale::Full {
            println!("{text}");
        }
    }
}
