//! Owns what every way of loading rules can do, and that nothing which was counted is lost on the way.

use super::Rulesets;
use crate::error::Error;
use crate::family::Family;
use crate::host::counters::Tally;
use crate::plan::{Counter, Scope};

/// What the kernel has of ours.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Everything in which it is not what is wanted; empty when it is.
    pub drift: Vec<(Scope, String)>,
    /// Whether any rule of ours is there.
    pub guarded: bool,
    /// What was stopped so far, by family.
    pub counters: Vec<(Family, Counter)>,
    /// Those of them that are on their way out: nothing leads there any more.
    pub retired: Vec<(Family, Counter)>,
    /// Whether chains are on their way out, with counters or without.
    pub(super) retires: bool,
    /// Our chains and jumps, where iptables loads them.
    pub(super) rulesets: Rulesets,
    /// Our table as nft lists it.
    pub(super) table: Option<String>,
}

impl Live {
    /// Refuses what is not as it was just loaded.
    ///
    /// # Errors
    /// Names the first difference.
    pub(super) fn or_changed(&self) -> Result<(), Error> {
        let Some((scope, finding)) = self.drift.first() else { return Ok(()) };
        let cause = format!("{}: {finding}", scope.name());
        let trouble = Error::new("find the rules as they were loaded", cause);
        Err(trouble.help(
            "another program changes them at the same time, or this kernel does; run it again",
        ))
    }
}

/// A way of loading rules.
pub(super) trait Backend: Sync {
    /// Reads what the kernel has of ours; changes nothing.
    fn look(&self) -> Result<Live, Error>;

    /// Has the kernel check the rules, where it can by taking them apart from the host, and else by
    /// taking them back.
    fn test(&self, live: &Live) -> Result<(), Error>;

    /// Turns what is live into what is wanted: all families or none.
    fn load(&self, live: &Live) -> Result<(), Error>;

    /// Turns what is live into what was live before.
    fn put_back(&self, before: &Live, now: &Live) -> Result<(), Error>;

    /// Has no packet meet any rule of ours. What they counted can still be read.
    fn stop(&self, _live: &Live) -> Result<(), Error> {
        Ok(())
    }

    /// Takes away all that is ours.
    fn unload(&self, live: &Live) -> Result<(), Error>;

    /// Takes away what has counted and does no more.
    fn retire(&self, _live: &Live) -> Result<(), Error> {
        Ok(())
    }

    /// The tables whose counters a look tells: [`Counter::table`].
    fn counts_in(&self) -> &'static [&'static str] {
        &[]
    }

    /// The same rules without those that write to the kernel's log; `None` where there are none.
    fn without_log(&self) -> Option<Box<dyn Backend>> {
        None
    }
}

/// Loads rules and keeps what those in their place have counted.
pub(super) fn load(backend: &dyn Backend, live: &Live, tally: &mut Tally) -> Result<(), Error> {
    backend.load(live)?;
    if !live.guarded {
        return Ok(());
    }
    let mut now = backend.look()?;
    tally.take(backend.counts_in(), &now);
    if now.retires {
        tally.let_go(&now);
        tally.save_if_possible();
        backend.retire(&now)?;
        now = backend.look()?;
        tally.take(backend.counts_in(), &now);
    }
    tally.save_if_possible();
    now.or_changed()
}

/// Takes rules away and keeps what they have counted.
pub(super) fn take_away(
    backend: &dyn Backend,
    live: &Live,
    tally: &mut Tally,
) -> Result<(), Error> {
    backend.stop(live)?;
    let stopped = backend.look()?;
    tally.take(backend.counts_in(), &stopped);
    tally.save_if_possible();
    backend.unload(&stopped)?;
    tally.take(backend.counts_in(), &Live::default());
    tally.save_if_possible();
    Ok(())
}
