//! What reading the logs costs, held against the tools that people reach for, over the same files in
//! the same rounds. `cargo bench --bench report` measures; `--markdown` prints what docs/performance.md
//! shows. Without `--bench`, as `cargo test --all-targets` calls it, a small run only shows that it works.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code)]
#[path = "notice/rounds.rs"]
mod rounds;
#[path = "notice/table.rs"]
mod table;

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use rounds::{median, order, ratio, spread};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use table::Table;
use tempfile::TempDir;

const INSTALL: &str = env!("CARGO_BIN_EXE_redisguard-install");
/// How this program is told to run a shell command and to say what it took.
const TAKEN: &str = "--taken";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [taken, command] = arguments.as_slice()
        && taken == TAKEN
    {
        return measure(command);
    }
    let full = arguments.iter().any(|argument| argument == "--bench");
    let markdown = arguments.iter().any(|argument| argument == "--markdown");
    let (files, lines, rounds) = if full { (4, 250_000, 5) } else { (2, 500, 1) };
    let mut few = Logs::new(files, true, lines, 200);
    let mut tables = vec![compare("logs that were rotated and compressed", &few, rounds)];
    few.unpack();
    tables.push(compare("the same logs, not compressed", &few, rounds));
    drop(few);
    let many = Logs::new(files, true, lines, u32::MAX);
    tables.push(compare("every line of another source", &many, rounds.min(3)));
    for table in tables {
        let text = if markdown { table.markdown() } else { table.text() };
        if full {
            println!("{text}");
        }
    }
}

/// Runs a command of the shell; prints its seconds, those of the processors, and the most KiB of memory
/// that one of its processes had.
fn measure(command: &str) {
    let started = Instant::now();
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", command]).env("LC_ALL", "C").stdout(Stdio::null());
    let status = shell.status().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert!(status.success(), "{command}: {status}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    let processors = time(usage.user_time()) + time(usage.system_time());
    println!("{seconds} {processors} {}", usage.max_rss());
}

/// What a command took: seconds, those of the processors, and MiB.
fn taken(command: &str) -> [f64; 3] {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).args([TAKEN, command]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [seconds, processors, memory] = numbers[..] else {
        panic!("{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    [seconds, processors, memory / 1024.0]
}

/// A folder with logs.
struct Logs {
    folder: TempDir,
    files: Vec<PathBuf>,
    /// How many bytes they hold when they are not compressed.
    bytes: u64,
}

impl Logs {
    /// So many files with so many lines each, of so many sources.
    fn new(files: u32, compressed: bool, lines: u32, sources: u32) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let mut logs = Logs { folder, files: Vec::new(), bytes: 0 };
        for file in 0..files {
            let path = logs.folder.path().join(format!("notice.log.{file}.gz"));
            let sink = BufWriter::new(File::create(&path).unwrap());
            let mut sink = GzEncoder::new(sink, Compression::new(if compressed { 6 } else { 0 }));
            for line in 0..lines {
                let text = text(file * lines + line, sources);
                logs.bytes += text.len() as u64;
                sink.write_all(text.as_bytes()).unwrap();
            }
            sink.finish().unwrap().flush().unwrap();
            logs.files.push(path);
        }
        logs
    }

    fn unpack(&mut self) {
        for path in &mut self.files {
            let status = Command::new("gzip").arg("-d").arg(&*path).status().unwrap();
            assert!(status.success());
            path.set_extension("");
        }
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        names.join(" ")
    }
}

/// A line as the listener writes it; numbers in it jump about as those of real lines do.
fn text(number: u32, sources: u32) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9);
    let peer = Ipv4Addr::from_bits(
        0x0a00_0000 | if sources == u32::MAX { number } else { (mixed >> 8) % sources },
    );
    let (second, port) = (number / 40, 6379 + (mixed >> 4) % 2);
    let library =
        ["redis-py library-version=5.0.1", "jedis library-version=4.3.1", "lettuce", "ioredis"];
    format!(
        "time=2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z peer={peer} peer-port={} port={port} family=4 via=redirected \
         protocol=resp command=PING library={} replies={} duration-ms={} outcome=told\n",
        1 + second / 86_400 % 28,
        second / 3600 % 24,
        second / 60 % 60,
        second % 60,
        mixed % 1000,
        1024 + mixed % 60_000,
        library[(mixed >> 12) as usize % 4],
        mixed % 7,
        mixed % 300,
    )
}

fn compare(what: &str, logs: &Logs, rounds: usize) -> Table {
    let names = logs.names();
    let tool = Path::new(INSTALL).display();
    let contestants = [
        ("ours: report", format!("{tool} report --log {names}")),
        (
            "zgrep | sort | uniq -c",
            format!("zgrep -ho ' peer=[^ ]*' {names} | sort | uniq -c | sort -rn"),
        ),
        (
            "zcat | mawk that counts sources",
            format!(
                "zcat -f {names} | mawk '{{ n[$2]++ }} END {{ for (i in n) print n[i], i }}' | sort -rn"
            ),
        ),
        ("zcat alone", format!("zcat -f {names}")),
    ];
    let mut seconds = vec![Vec::new(); contestants.len()];
    let mut processors = seconds.clone();
    let mut memory = vec![0.0_f64; contestants.len()];
    for round in 0..rounds {
        for index in order(round, contestants.len()) {
            let [time, busy, most] = taken(&contestants[index].1);
            seconds[index].push(time);
            processors[index].push(busy);
            memory[index] = memory[index].max(most);
        }
    }
    let size: u64 = logs.files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let title = format!(
        "{} MiB in {} files of {} MiB together: {what}",
        mib(logs.bytes).round(),
        logs.files.len(),
        mib(size).round()
    );
    let mut table = Table::new(
        title,
        &["What runs", "s", "CPU s", "MiB/s", "MiB of memory", "ours/it", "from-to"],
    );
    for (index, (name, _)) in contestants.iter().enumerate() {
        let own = median(seconds[index].iter().copied());
        table.row([
            (*name).to_owned(),
            format!("{own:.2}"),
            format!("{:.2}", median(processors[index].iter().copied())),
            format!("{:.0}", mib(logs.bytes) / own),
            format!("{:.0}", memory[index]),
            format!("{:.2}", ratio(&seconds[0], &seconds[index])),
            spread(&seconds[0], &seconds[index]),
        ]);
    }
    table
        .notes
        .push("Memory: the largest process of the pipe; sort spills to the disk.".to_owned());
    table
}
