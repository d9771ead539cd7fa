//! What a program sees that uses a client library.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

use crate::listener::{Notice, run, sentence};
use crate::support::{need, tools};

/// A Python with redis-py from PyPI, made once and kept for later runs.
pub fn python_with_redis() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(|| tools(&["python3"]).then(make_python).flatten()).as_deref()
}

fn make_python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("redis-py");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap();
    let python = folder.join("bin/python");
    let works = || {
        let output = Command::new(&python).args(["-c", "import redis.asyncio"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if !works() {
        let _ = Command::new("python3").args(["-m", "venv"]).arg(&folder).output();
        let install = ["-m", "pip", "install", "--quiet", "--timeout", "20", "redis"];
        let _ = Command::new(&python).args(install).output();
    }
    (need("redis-py from PyPI", works())).then_some(python)
}

/// Lets redis-py connect in this manner; the program must see the sentence, so many times.
fn shows_the_sentence(manner: &str, times: usize) {
    let Some(python) = python_with_redis() else { return };
    let notice = Notice::start("");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/redis_py.py");
    let port = notice.port.to_string();
    let seen = run(&[python.to_str().unwrap(), script, &port, manner], b"");
    assert!(seen.status.success(), "{}", seen.text);
    assert_eq!(seen.text.matches(&sentence(notice.port)).count(), times, "{}", seen.text);
}

#[test]
fn redis_py_raises_the_sentence() {
    for manner in ["sync", "password", "resp3", "pipeline"] {
        shows_the_sentence(manner, 1);
    }
}

#[test]
fn redis_py_with_a_pool_raises_it_on_every_use() {
    shows_the_sentence("pool", 4);
}

#[test]
fn redis_py_with_asyncio_raises_the_sentence() {
    shows_the_sentence("asyncio", 1);
}

#[test]
fn redis_py_with_a_cluster_raises_the_sentence() {
    shows_the_sentence("cluster", 1);
}
