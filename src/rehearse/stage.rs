//! Which of a rehearsal's processes this one is.

/// The environment variable that tells a process its stage.
pub(super) const STAGE: &str = "REDISGUARD_REHEARSAL_STAGE";

/// The processes of a rehearsal. Each starts the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Makes the namespaces and waits.
    Caller,
    /// The guarded host: the first process in them.
    Host,
    /// The outsider, in a second network.
    Outside,
}

impl Stage {
    /// The stage of this process.
    pub fn of_this_process() -> Self {
        match std::env::var(STAGE).as_deref() {
            Ok("host") => Self::Host,
            Ok("outside") => Self::Outside,
            _ => Self::Caller,
        }
    }
}
