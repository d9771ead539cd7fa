//! The notice listener held against others that answer with one sentence, and against the least
//! that any such server must do. `cargo bench --bench notice` runs everything; names of
//! measurements select some, `--markdown` prints what docs/performance.md shows. Without
//! `--bench`, as `cargo test --all-targets` calls it, a small run only shows that it works.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "notice/account.rs"]
mod account;
#[path = "notice/clients.rs"]
mod clients;
#[path = "notice/contestants.rs"]
mod contestants;
#[path = "notice/cpu.rs"]
mod cpu;
#[path = "notice/limit.rs"]
mod limit;
#[path = "notice/options.rs"]
mod options;
#[path = "notice/rounds.rs"]
mod rounds;
#[path = "notice/server.rs"]
mod server;
#[path = "notice/stage.rs"]
mod stage;
#[path = "notice/table.rs"]
mod table;

use options::Options;
use stage::Stage;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == limit::ROLE) {
        limit::play(&arguments[1..]);
    }
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("{complaint}");
            std::process::exit(2);
        }
    };
    let stage = Stage::set();
    for measurement in &options.measurements {
        let tables = match measurement.as_str() {
            "cpu" => cpu::measure(&stage, options.scale),
            _ => unreachable!("the options name what there is"),
        };
        for table in tables {
            println!("{}", if options.markdown { table.markdown() } else { table.text() });
        }
    }
}
