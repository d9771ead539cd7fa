//! Owns carrying out a plan: all of it, or nothing. Every effect leaves behind how to take it back,
//! and a step that fails takes back those before it.

use super::firewall::Firewall;
use super::receipt::{self, FileEntry, Original, Receipt, State};
use super::undo::Undo;
use super::{Host, files, kept_free, observe, rules, services};
use crate::bundle::{BINARY, Bundle, Facts, UNITS, hex};
use crate::error::Trouble;
use crate::plan::{FileState, InPlace, Plan, Step, Wanted};
use crate::spec::PortSet;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A change under way.
struct Change<'a> {
    host: &'a Host,
    bundle: &'a Bundle,
    facts: &'a Facts,
    receipt: Receipt,
    undo: Vec<Undo>,
    /// Whether rules of ours were in the kernel before.
    was_guarded: bool,
    /// Units that ran before, to be brought back if the change fails.
    ran: Vec<String>,
    /// Units that were told to start or restart; the others run on as they were.
    touched: Vec<String>,
    /// Whether rules may have been loaded, through their unit or without it.
    rules_touched: bool,
}

/// Carries out a plan that was just computed under the lock.
///
/// # Errors
/// Names the step and its cause; files, rules and units are as they were.
pub fn apply(
    host: &Host,
    bundle: &Bundle,
    facts: &Facts,
    wanted: &Wanted,
    plan: &Plan,
    observed: &crate::plan::Observed,
) -> Result<(), Trouble> {
    let before = Receipt::read(host)?;
    let units = observed.units.iter().flatten();
    let ran = units.filter(|(_, (_, active))| active == "active").map(|(name, _)| name.clone());
    let mut change = Change {
        host,
        bundle,
        facts,
        receipt: announced(before.as_ref(), bundle, facts, wanted, observed),
        undo: Vec::new(),
        was_guarded: observed.guarded,
        ran: ran.collect(),
        touched: Vec::new(),
        rules_touched: false,
    };
    match change.carry_out(plan, before.as_ref()) {
        Ok(()) => Ok(()),
        Err(trouble) => Err(change.take_back(before, trouble)),
    }
}

/// The receipt for the time of the change: what was ours stays ours, what will be already is.
fn announced(
    before: Option<&Receipt>,
    bundle: &Bundle,
    facts: &Facts,
    wanted: &Wanted,
    observed: &crate::plan::Observed,
) -> Receipt {
    let mut receipt = before.cloned().unwrap_or_default();
    receipt.state = State::Changing;
    receipt.bundle.clone_from(&facts.bundle);
    receipt.sum = bundle.sum();
    for (path, file) in &wanted.files {
        // A program that somebody else put in its place stays theirs.
        let theirs = path == BINARY
            && observed.files.get(path) == Some(file)
            && !receipt.files.contains_key(path);
        if !theirs {
            let entry = FileEntry { sha256: hex(&file.bytes), mode: file.mode };
            receipt.files.insert(path.clone(), entry);
        }
    }
    receipt.links.extend(wanted.links.clone());
    receipt
}

impl Change<'_> {
    fn carry_out(&mut self, plan: &Plan, before: Option<&Receipt>) -> Result<(), Trouble> {
        if self.host.is_live() && plan.steps.iter().any(|step| matches!(step, Step::Rules { .. })) {
            let firewall = Firewall::of(self.bundle, self.facts)?;
            firewall.test(&firewall.look()?)?;
        }
        for path in self.receipt.files.keys().map(String::as_str).chain([receipt::PATH]) {
            files::sweep(&self.host.path(path));
        }
        self.save_originals(plan, before)?;
        self.receipt.write(self.host)?;
        for step in &plan.steps {
            self.file_step(step)?;
        }
        services::reload(self.host)?;
        for step in &plan.steps {
            self.live_step(step)?;
        }
        self.keep_bundle()?;
        let gone = |path: &String| !observe::exists(self.host, path);
        self.receipt.files.retain(|path, _| !gone(path));
        self.receipt.links.retain(|path, _| !gone(path));
        self.receipt.state = State::Applied;
        self.receipt.applied = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        self.receipt.write(self.host)
    }

    /// Keeps what others have where ours will stand, before anything is overwritten.
    fn save_originals(&mut self, plan: &Plan, before: Option<&Receipt>) -> Result<(), Trouble> {
        for step in &plan.steps {
            let (path, original, bytes) = match step {
                Step::WriteFile { path, link: Some(link), .. }
                | Step::Link { path, old: InPlace::Link(link), .. } => {
                    (path, Original::Link(link.clone()), None)
                }
                Step::WriteFile { path, old: Some(old), .. } => {
                    let original = Original::File { mode: old.mode, owner: old.owner };
                    (path, original, Some(&old.bytes))
                }
                _ => continue,
            };
            let ours = before.is_some_and(|receipt| {
                receipt.files.contains_key(path) || receipt.links.contains_key(path)
            });
            if ours || self.receipt.originals.contains_key(path) {
                continue;
            }
            if let Some(bytes) = bytes {
                let copy = self.host.path(&format!("{}{path}", receipt::ORIGINALS));
                let made = files::replace(&copy, bytes, 0o600)?;
                self.undo.push(Undo::Directories(made));
                self.undo.push(Undo::File { path: copy, old: None });
            }
            self.receipt.originals.insert(path.clone(), original);
        }
        Ok(())
    }

    fn file_step(&mut self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::WriteFile { path, old, link, new } => {
                self.write(path, old.clone(), link.clone(), new)
            }
            Step::RemoveFile { path, old } => {
                let here = self.host.path(path);
                self.undo.push(Undo::File { path: here.clone(), old: Some(old.clone()) });
                files::remove(&here)
            }
            Step::Link { path, target, old } => self.link(path, target, old),
            Step::Unlink { path } => {
                let here = self.host.path(path);
                let target = fs::read_link(&here).ok();
                let old = target.map(|target| target.to_string_lossy().into_owned());
                self.undo.push(Undo::Link { path: here.clone(), old });
                files::remove(&here)
            }
            _ => Ok(()),
        }
    }

    fn write(
        &mut self,
        path: &str,
        old: Option<FileState>,
        link: Option<String>,
        new: &FileState,
    ) -> Result<(), Trouble> {
        let here = self.host.path(path);
        let made = files::replace(&here, &new.bytes, new.mode)?;
        self.made(made);
        self.undo.push(match link {
            Some(link) => Undo::Link { path: here, old: Some(link) },
            None => Undo::File { path: here, old },
        });
        Ok(())
    }

    fn made(&mut self, made: Vec<PathBuf>) {
        for directory in &made {
            self.receipt.made(self.host, directory);
        }
        self.undo.push(Undo::Directories(made));
    }

    fn link(&mut self, path: &str, target: &str, old: &InPlace) -> Result<(), Trouble> {
        let here = self.host.path(path);
        let failed = |error| Trouble::new(format!("link {} to {target}", here.display()), error);
        if let Some(directory) = here.parent() {
            let made = files::make_directories(directory).map_err(failed)?;
            self.made(made);
        }
        let undo = match old {
            InPlace::Nothing => Undo::Link { path: here.clone(), old: None },
            InPlace::Link(other) => {
                files::remove(&here)?;
                Undo::Link { path: here.clone(), old: Some(other.clone()) }
            }
            InPlace::File => {
                let aside = self.aside(path);
                let to = self.host.path(&aside);
                fs::rename(&here, &to).map_err(failed)?;
                // The first one was there before us; later ones were made meanwhile, and stay aside.
                self.receipt.moved.entry(path.to_owned()).or_insert(aside);
                Undo::Moved { from: here.clone(), to }
            }
        };
        self.undo.push(undo);
        symlink(target, &here).map_err(failed)
    }

    /// A free name for a file that must make room.
    fn aside(&self, path: &str) -> String {
        let first = format!("{path}.before-redisguard");
        let numbered = (1..).map(|number| format!("{first}.{number}"));
        let mut names = std::iter::once(first.clone()).chain(numbered);
        names.find(|name| !observe::exists(self.host, name)).unwrap_or(first)
    }

    fn live_step(&mut self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::KeepFree { ports } => self.keep_free(ports),
            // Where systemd runs, the unit that is (re)started behind this loads them, so that a
            // change that is killed here leaves the old rules or the new ones.
            Step::Rules { .. } if !self.host.has_systemd() => {
                self.rules_touched = true;
                rules::load(self.bundle, self.facts).map(drop)
            }
            Step::Unit { name, verb, .. } => {
                self.rules_touched |= name == UNITS[0];
                self.touched.push(name.clone());
                services::systemctl(&[verb, name]).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn keep_free(&mut self, ports: &str) -> Result<(), Trouble> {
        let more: PortSet = ports.parse().unwrap_or_default();
        self.undo.push(Undo::KeptFree(kept_free::add(self.host, &more)?));
        let more = kept_free::ours_among(self.host, &more)?;
        let ours: PortSet = self.receipt.kept_free.parse().unwrap_or_default();
        let ours: PortSet = ours.ranges().iter().chain(more.ranges()).copied().collect();
        self.receipt.kept_free = ours.joined(",");
        Ok(())
    }

    /// Keeps the whole bundle beside the receipt: what is loaded when the installed one is damaged.
    /// It takes the former one's place in one step, so that there is a whole one at any time.
    fn keep_bundle(&self) -> Result<(), Trouble> {
        if observe::is_kept(self.host, self.bundle) {
            return Ok(());
        }
        let kept = self.host.path(receipt::BUNDLE);
        let fresh = kept.with_extension("new");
        let failed = |error: io::Error| Trouble::new(format!("write {}", kept.display()), error);
        // What a run that was killed left half-written.
        let _ = fs::remove_dir_all(&fresh);
        for (path, bytes) in self.bundle.artifacts() {
            files::replace(&fresh.join(path), bytes, 0o644)?;
        }
        if kept.exists() {
            let flags = RenameFlags::RENAME_EXCHANGE;
            renameat2(AT_FDCWD, &fresh, AT_FDCWD, &kept, flags)
                .map_err(|error| failed(error.into()))?;
            fs::remove_dir_all(&fresh).map_err(failed)
        } else {
            fs::rename(&fresh, &kept).map_err(failed)
        }
    }

    /// Takes everything back, last effect first, and adds to the trouble what could not be.
    fn take_back(mut self, before: Option<Receipt>, trouble: Trouble) -> Trouble {
        let mut worse: Vec<Trouble> = Vec::new();
        let undo = std::mem::take(&mut self.undo);
        // The rules go back while the program and units that load them are there.
        for undo in undo.into_iter().rev() {
            worse.extend(undo.take_back(self.host).err());
        }
        if worse.is_empty() {
            worse.extend(self.take_back_receipt(before).err());
        } else {
            // What could not be put back is still known, and kept, for the next apply or remove.
            worse.extend(self.receipt.write(self.host).err());
        }
        worse.extend(services::reload(self.host).err());
        worse.extend(self.take_back_live().err());
        if worse.is_empty() {
            return trouble.and("everything is as it was before");
        }
        worse.into_iter().fold(trouble, |trouble, worse| trouble.and(worse))
    }

    fn take_back_receipt(&self, before: Option<Receipt>) -> Result<(), Trouble> {
        match before {
            Some(mut receipt) => receipt.write(self.host),
            None => {
                let state = self.host.path(receipt::STATE);
                match fs::remove_dir_all(&state) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        Err(Trouble::new(format!("remove {}", state.display()), error))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Brings back the rules and the units that were touched. From guarded it never goes to open.
    fn take_back_live(&self) -> Result<(), Trouble> {
        if !self.host.is_live() {
            return Ok(());
        }
        if self.host.has_systemd() {
            for unit in self.touched.iter().rev() {
                let ran = self.ran.iter().any(|ran| ran == unit);
                let verb = if ran { "restart" } else { "stop" };
                // A unit that never came to be cannot be stopped, and need not be.
                let _ = services::systemctl(&[verb, unit]);
                let _ = services::systemctl(&["reset-failed", unit]);
            }
        }
        if !self.rules_touched {
            return Ok(());
        }
        if self.was_guarded {
            if observe::exists(self.host, receipt::PATH) {
                return rules::load_installed(self.host).map(drop);
            }
            return Ok(());
        }
        rules::unload().map(drop)
    }
}
