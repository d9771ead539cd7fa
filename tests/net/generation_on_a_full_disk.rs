//! `redisguard-gen` on a full disk writes every file or none.

use crate::support::repository::{changed, contents};
use crate::support::{GEN, can_make_namespaces, transcript};
use std::fs;
use std::process::Command;

#[test]
fn a_full_disk_changes_nothing_and_leaves_nothing() {
    if !can_make_namespaces() {
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
                let said = transcript(&output);
                assert!(said.contains("nothing was written"), "{said}");
                assert!(said.contains("free some space"), "{said}");
                assert_eq!(now, before);
            }
            _ => panic!("{}", transcript(&output)),
        }
    }
    assert!((1..10).contains(&refused), "{refused} of 10 were refused");
}
