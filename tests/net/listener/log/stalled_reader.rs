//! A log whose reader stalls does not stop replies, and its losses are counted.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::listener::harness::log_totals::Account;
use crate::listener::harness::many_clients::{all_at_once, attempt, expect_notice, source};
use crate::listener::harness::process_usage::resident_kib;
use crate::listener::harness::{Notice, wait_until};

/// What a library may call itself: as JSON, a line of it has more than 300 bytes.
const NAMED: &str = "CLIENT SETINFO LIB-NAME \
    redis-library-with-a-name-of-the-greatest-length-that-is-kept-xy\r\nPING\r\n";

/// Makes a FIFO the log of `command`'s listener.
fn with_fifo(command: &mut std::process::Command) -> &mut std::process::Command {
    let log = Path::new(command.get_args().nth(2).unwrap()).with_file_name("log");
    mkfifo(&log, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    command
}

/// A reader of the FIFO at `path`, which need not have a writer yet.
fn reader(path: &Path) -> File {
    File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).unwrap()
}

/// Everything that comes until the writer ends.
fn read_all(mut reader: File) -> String {
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let mut log = String::new();
    reader.read_to_string(&mut log).unwrap();
    log
}

/// A listener whose log is a FIFO, and a reader of it that does not read yet.
fn stalled(settings: &str) -> (Notice, File) {
    let held = std::cell::RefCell::new(None);
    let notice = Notice::start_with(settings, |command| {
        let log = Path::new(command.get_args().nth(2).unwrap()).with_file_name("log");
        with_fifo(command);
        *held.borrow_mut() = Some(reader(&log));
        command
    });
    (notice, held.into_inner().unwrap())
}

fn complaints(notice: &Notice) -> usize {
    notice.diagnostics().matches(" ERROR ").count()
}

#[test]
fn a_stalled_reader_costs_bounded_memory_and_lost_lines_are_counted() {
    let (mut notice, reader) = stalled("log-format = \"json\"\nlog-per-source = 100000");
    let port = notice.port;
    let connect = |number| {
        let (_, told) = attempt(source(number % 2_000), port, NAMED.as_bytes());
        assert!(told.ends_with(&format!("+OK\r\n{}", notice.line())), "{told}");
    };
    all_at_once(|number| number < 1_000, connect);
    let before = resident_kib(notice.pid());
    all_at_once(|number| number < 50_000, connect);
    let grown = resident_kib(notice.pid()).saturating_sub(before);
    // Kept, the lines alone would take 15 MiB. A MiB of them may wait, and one be on its way.
    assert!(grown < 6 * 1024, "grown by {grown} KiB");
    wait_until("the trouble is told", || complaints(&notice) == 1);
    let log = thread::spawn(|| read_all(reader));
    all_at_once(|number| number < 1_000, connect);
    assert!(notice.end().success());
    let account = Account::of(&log.join().unwrap());
    assert!(account.dropped > 10_000, "only {} are dropped", account.dropped);
    assert_eq!(account.attempts(), 52_000);
    assert_eq!(complaints(&notice), 1, "{}", notice.diagnostics());
}

#[test]
fn a_shutdown_waits_a_bounded_time_for_a_stalled_reader() {
    let (mut notice, reader) = stalled("log-per-source = 100000");
    let port = notice.port;
    all_at_once(|number| number < 5_000, |number| expect_notice(source(number % 100), port));
    assert!(notice.end().success());
    let account = Account::of(&read_all(reader));
    assert!(account.written() > 0);
    let lacking = 5_000 - account.attempts();
    let diagnostics = notice.diagnostics();
    assert!(diagnostics.contains(&format!(", for {lacking} attempts")), "{diagnostics}");
}

#[test]
fn a_log_pipe_is_written_once_it_has_a_reader() {
    let mut notice = Notice::start_with("", with_fifo);
    assert_eq!(complaints(&notice), 1, "{}", notice.diagnostics());
    let port = notice.port;
    all_at_once(|number| number < 100, |_| expect_notice(source(1), port));
    notice.signal(Signal::SIGHUP);
    let mut late = reader(&notice.log_path());
    let mut log = String::new();
    wait_until("the loss is told", || {
        // Until the writer is there, this is the end of the file; then there may be nothing yet.
        let _ = late.read_to_string(&mut log);
        log.contains("outcome=dropped\n")
    });
    all_at_once(|number| number < 10, |_| expect_notice(source(1), port));
    assert!(notice.end().success());
    log.push_str(&read_all(late));
    let account = Account::of(&log);
    assert_eq!((account.attempts(), account.written()), (110, 10));
    assert_eq!(complaints(&notice), 1, "{}", notice.diagnostics());
}
