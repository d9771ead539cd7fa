//! What a run of redisguard-gen costs, held against bare programs that only read and write the same
//! files. `cargo bench --bench generator` measures; `--markdown` prints what docs/performance.md shows.
//! Without `--bench`, as `cargo test --all-targets` calls it, a small run only shows that it works.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[allow(dead_code)]
#[path = "notice/rounds.rs"]
mod rounds;
#[path = "notice/table.rs"]
mod table;

use rounds::{median, order, ratio, spread};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use table::Table;
use tempfile::TempDir;

const GEN: &str = env!("CARGO_BIN_EXE_redisguard-gen");
/// How this program is told to be the bare one: what to do, where the files are, where they go.
const BARE: &str = "--bare";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [bare, work, from, to] = arguments.as_slice()
        && bare == BARE
    {
        return bare_program(work, Path::new(from), Path::new(to));
    }
    let full = arguments.iter().any(|argument| argument == "--bench");
    let markdown = arguments.iter().any(|argument| argument == "--markdown");
    let many = if full { 10_000 } else { 40 };
    let sites = [Site::new(2), Site::new(10), Site::new(many)];
    let mut tables = vec![
        changing(&sites[0], "2 ports", if full { 41 } else { 1 }),
        unchanged(&sites[0], "2 ports", if full { 81 } else { 1 }),
        unchanged(&sites[2], &format!("{many} ports"), if full { 9 } else { 1 }),
    ];
    tables.push(growing(&sites[1], &sites[2], many, if full { 9 } else { 1 }));
    for table in tables {
        let text = if markdown { table.markdown() } else { table.text() };
        if full {
            println!("{text}");
        }
    }
}

/// Writes every file below `from` to the same place below `to`: a temporary file, fsync, rename. The
/// bytes come from one file, as those of a renderer come from its memory.
fn bare_program(work: &str, from: &Path, to: &Path) {
    let pack = fs::read(from).unwrap();
    let mut rest = pack.as_slice();
    while !rest.is_empty() {
        let (path, bytes);
        (path, rest) = piece(rest);
        (bytes, rest) = piece(rest);
        let place = to.join(std::str::from_utf8(path).unwrap());
        if work == "read-and-write" {
            assert_eq!(fs::read(&place).unwrap(), bytes);
        }
        let folder = place.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        let fresh = folder.join(".fresh");
        let mut file = File::create(&fresh).unwrap();
        file.write_all(bytes).unwrap();
        if work == "write" {
            file.sync_all().unwrap();
        }
        fs::rename(fresh, place).unwrap();
    }
}

fn piece(pack: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = pack.split_at(8);
    rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize)
}

/// A site with so many reserved ports, and what is rendered from it.
struct Site {
    folder: TempDir,
    /// Every rendered file in one.
    pack: PathBuf,
}

impl Site {
    fn new(ports: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let mut toml = String::from(
            "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = \"700-702\"\n",
        );
        for index in 0..ports {
            let port = 1024 + 5 * index;
            let _ = writeln!(toml, "[[reserved]]\nport = {port}\nexternal = \"reject\"");
        }
        fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
        let site = Self { pack: folder.path().join("pack"), folder };
        let place = site.place();
        site.render(place.path()).run();
        let mut pack = Vec::new();
        for (path, bytes) in redisguard::files::read_tree(place.path()).unwrap() {
            for part in [path.as_bytes(), &bytes] {
                pack.extend((part.len() as u64).to_le_bytes());
                pack.extend(part);
            }
        }
        fs::write(&site.pack, pack).unwrap();
        site
    }

    /// A folder that can be written to, on the disk that all others use.
    fn place(&self) -> TempDir {
        tempfile::tempdir_in(self.folder.path()).unwrap()
    }

    fn render(&self, to: &Path) -> Run {
        let mut command = Command::new(GEN);
        command.arg("--config").arg(self.folder.path().join("redisguard.toml"));
        command.arg("--out").arg(to.join("generated")).arg("--docs-root").arg(to);
        Run(command)
    }

    fn bare(&self, work: &str, to: &Path) -> Run {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([BARE, work]).arg(&self.pack).arg(to);
        Run(command)
    }
}

struct Run(Command);

impl Run {
    /// Seconds from its start to its end.
    fn run(&mut self) -> f64 {
        let started = Instant::now();
        let quiet = self.0.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(quiet.status().unwrap().success());
        started.elapsed().as_secs_f64()
    }
}

/// Each contestant's seconds by round.
fn turns(rounds: usize, contestants: &mut [&mut dyn FnMut() -> f64]) -> Vec<Vec<f64>> {
    let mut seconds = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        for index in order(round, contestants.len()) {
            seconds[index].push(contestants[index]());
        }
    }
    seconds
}

fn report(title: String, names: &[&str], seconds: &[Vec<f64>]) -> Table {
    let mut table = Table::new(title, &["What runs", "ms", "ours/it", "from-to"]);
    for (name, own) in names.iter().zip(seconds) {
        table.row([
            (*name).to_owned(),
            format!("{:.1}", median(own.iter().copied()) * 1000.0),
            format!("{:.2}", ratio(&seconds[0], own)),
            spread(&seconds[0], own),
        ]);
    }
    table
}

fn changing(site: &Site, ports: &str, rounds: usize) -> Table {
    let mut ours = || site.render(site.place().path()).run();
    let mut bare = || site.bare("write", site.place().path()).run();
    let seconds = turns(rounds, &mut [&mut ours, &mut bare]);
    let names = ["ours", "a bare program that writes the same files, fsync and rename"];
    report(format!("A run that changes everything, {ports}"), &names, &seconds)
}

fn unchanged(site: &Site, ports: &str, rounds: usize) -> Table {
    let place = site.place();
    site.render(place.path()).run();
    let mut ours = || site.render(place.path()).run();
    let mut bare = || site.bare("read-and-write", place.path()).run();
    let mut synced = || site.bare("write", place.path()).run();
    let seconds = turns(rounds, &mut [&mut ours, &mut bare, &mut synced]);
    let names = [
        "ours",
        "a bare program that reads and writes the files",
        "the same that only writes, with fsync",
    ];
    report(format!("A run that changes nothing, {ports}"), &names, &seconds)
}

fn growing(few: &Site, very_many: &Site, many: u32, rounds: usize) -> Table {
    let places = [few.place(), very_many.place()];
    let mut ten = || few.render(places[0].path()).run();
    let mut ours = || very_many.render(places[1].path()).run();
    for warm in [&mut ours as &mut dyn FnMut() -> f64, &mut ten] {
        warm();
    }
    let seconds = turns(rounds, &mut [&mut ours, &mut ten]);
    let names = [format!("{many} ports"), "10 ports".to_owned()];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    report("What very many ports cost, where nothing changes".to_owned(), &names, &seconds)
}
