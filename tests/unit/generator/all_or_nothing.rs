//! `redisguard-gen` leaves whole files when it is killed or several of it run at once.

use crate::support::GEN;
use crate::support::repository::{Contents, changed, contents, copy, generate};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

#[test]
fn a_killed_run_leaves_old_or_new_files_and_the_next_run_finishes() {
    let (folder, before, after) = changed();
    let at = |files: &Contents, path: &str| {
        files.iter().find(|(known, _)| known == path).map(|(_, bytes)| bytes.clone())
    };
    let mut unfinished = 0;
    // Kills while the new files are written beside the old ones, then while they take their places.
    let while_written = (0..15).map(|files| (files, true));
    let while_replaced = (0..15).map(|files| (files, false));
    for (files, is_written) in while_written.chain(while_replaced) {
        let place = copy(folder.path());
        let mut command = Command::new(GEN);
        command.current_dir(place.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut run = command.spawn().unwrap();
        let mut most = 0;
        while run.try_wait().unwrap().is_none() {
            let now = unfinished_files(place.path());
            most = most.max(now);
            let is_time = match is_written {
                true => now >= files,
                false => now < most && now <= files,
            };
            if is_time {
                break;
            }
        }
        run.kill().unwrap();
        run.wait().unwrap();
        let now = contents(place.path());
        for (path, bytes) in &now {
            if path.ends_with(".redisguard~") {
                unfinished += 1;
                continue;
            }
            let known = [at(&before, path), at(&after, path)];
            assert!(known.contains(&Some(bytes.clone())), "{path} is neither old nor new");
        }
        let there = now.iter().filter(|(path, _)| !path.ends_with(".redisguard~")).count();
        assert_eq!(there, before.len(), "killed at {files} files");
        let (said, status) = generate(place.path(), &[]);
        assert_eq!(status, 0, "{said}");
        assert_eq!(contents(place.path()), after, "killed at {files} files");
    }
    assert!(unfinished > 0, "no run was killed at work");
}

/// How many files a run has written beside their places, and not yet put there.
fn unfinished_files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let count = |path: &Path| match path.is_dir() {
        true => unfinished_files(path),
        false => usize::from(path.to_string_lossy().ends_with(".redisguard~")),
    };
    entries.map(|entry| count(&entry.path())).sum()
}

#[test]
fn concurrent_runs_are_serialized() {
    let (folder, _, after) = changed();
    let toml = folder.path().join("redisguard.toml");
    let other = folder.path().join("other.toml");
    fs::write(&other, fs::read_to_string(&toml).unwrap().replace("Old Port", "Older Port"))
        .unwrap();
    for _ in 0..5 {
        thread::scope(|scope| {
            for config in ["redisguard.toml", "other.toml"].repeat(3) {
                scope.spawn(|| {
                    let (said, status) = generate(folder.path(), &["--config", config]);
                    assert_eq!(status, 0, "{said}");
                });
            }
        });
        // All files are those of the run that came last.
        let last = ["redisguard.toml", "other.toml"]
            .map(|config| generate(folder.path(), &["--config", config, "--check"]).1);
        assert!(last.contains(&0), "{last:?}");
    }
    generate(folder.path(), &[]);
    fs::remove_file(other).unwrap();
    assert_eq!(contents(folder.path()), after);
}
