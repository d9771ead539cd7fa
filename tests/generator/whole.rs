//! All or nothing: on a disk that is full, when killed, and two at once.

use super::*;
use std::process::Stdio;
use std::thread;
use std::time::Instant;
use support::is_root;

/// Files by path.
type Contents = Vec<(String, Vec<u8>)>;

fn contents(folder: &Path) -> Contents {
    tree(folder).into_iter().map(|(path, _, bytes)| (path, bytes)).collect()
}

fn copy(folder: &Path) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("cp");
    command.arg("-r").arg(folder.join(".")).arg(place.path());
    assert!(command.status().unwrap().success());
    place
}

/// A repository that was rendered, and its TOML changed so that most files will change.
fn changed() -> (TempDir, Contents, Contents) {
    let folder = repository();
    generate(folder.path(), &[]);
    let toml = folder.path().join("redisguard.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("Default Redis Port", "Old Port")).unwrap();
    let before = contents(folder.path());
    let other = copy(folder.path());
    assert_eq!(generate(other.path(), &[]).1, 0);
    let after = contents(other.path());
    assert_ne!(before, after);
    (folder, before, after)
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let (folder, before, after) = changed();
    let used: usize = before.iter().map(|(_, bytes)| bytes.len().next_multiple_of(4096)).sum();
    let mut refused = 0;
    // From no room at all to enough of it.
    for pages in (0..30).step_by(3) {
        let place = tempfile::tempdir().unwrap();
        let script = format!(
            "mount -t tmpfs -o size={} tmpfs {place} && cp -r {from}/. {place} && cd {place} && \
             {GEN} 2>&1; status=$?; cp -r {place}/. {from}.result; exit $status",
            used + pages * 4096,
            place = place.path().display(),
            from = folder.path().display(),
        );
        let result = folder.path().with_extension("result");
        let _ = fs::remove_dir_all(&result);
        fs::create_dir(&result).unwrap();
        let output =
            Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
        let now = contents(&result);
        fs::remove_dir_all(&result).unwrap();
        match output.status.code() {
            Some(0) => assert_eq!(now, after),
            Some(2) => {
                refused += 1;
                let said = told(&output);
                assert!(said.contains("nothing was written"), "{said}");
                assert!(said.contains("free some space"), "{said}");
                assert_eq!(now, before);
            }
            _ => panic!("{}", told(&output)),
        }
    }
    assert!((1..10).contains(&refused), "{refused} of 10 were refused");
}

#[test]
fn a_run_that_is_killed_leaves_every_file_old_or_new_and_the_next_one_ends_the_work() {
    let (folder, before, after) = changed();
    let at = |files: &Contents, path: &str| {
        files.iter().find(|(known, _)| known == path).map(|(_, bytes)| bytes.clone())
    };
    // How long an undisturbed run takes here, to spread the kills over it.
    let (started, place) = (Instant::now(), copy(folder.path()));
    generate(place.path(), &[]);
    let whole = started.elapsed();
    let mut unfinished = 0;
    for moment in 0..40 {
        let place = copy(folder.path());
        let mut command = Command::new(GEN);
        command.current_dir(place.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut run = command.spawn().unwrap();
        thread::sleep(whole * moment / 40);
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
        assert_eq!(there, before.len(), "moment {moment}");
        let (said, status) = generate(place.path(), &[]);
        assert_eq!(status, 0, "{said}");
        assert_eq!(contents(place.path()), after, "moment {moment}");
    }
    assert!(unfinished > 0, "no run was killed at work");
}

#[test]
fn two_at_once_come_one_after_the_other() {
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
        // Whoever came last, it is all theirs.
        let last = ["redisguard.toml", "other.toml"]
            .map(|config| generate(folder.path(), &["--config", config, "--check"]).1);
        assert!(last.contains(&0), "{last:?}");
    }
    generate(folder.path(), &[]);
    fs::remove_file(other).unwrap();
    assert_eq!(contents(folder.path()), after);
}
