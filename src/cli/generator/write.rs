//! Writing: whatever differs, each file in one step.

use super::changes::Change;
use super::{Status, say};
use crate::bundle::SUMS;
use crate::error::Trouble;
use crate::host::files;

pub(super) fn write(changes: &[Change]) -> Result<Status, Trouble> {
    if changes.is_empty() {
        say!("up to date");
    }
    // The sums come last: a run that was killed is then seen as one.
    let (sums, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| change.path.ends_with(SUMS));
    for change in others.into_iter().chain(sums) {
        let path = &change.path;
        match &change.new {
            Some(bytes) => {
                let mode = files::mode(path).unwrap_or(0o644);
                files::replace(path, bytes, mode)?;
                let verb = if change.old.is_some() { "changed" } else { "wrote" };
                say!("{verb} {}", path.display());
            }
            None if change.ours => {
                files::remove(path)?;
                say!("removed {}", path.display());
            }
            None => eprintln!("warning: {} is not ours and was left alone", path.display()),
        }
    }
    Ok(Status::Same)
}
