//! The meaning of every verb's exit statuses, for its help, its man page and the reference.

/// The meaning of one verb's exit statuses, as phrases.
#[derive(Clone, Copy, Debug)]
pub struct ExitStatuses {
    /// The program and the verb, as they are typed.
    pub verb: &'static str,
    /// The meaning of 0.
    pub same: &'static str,
    /// The meaning of 1; `None` if the verb never exits with it.
    pub differs: Option<&'static str>,
    /// The meaning of 2, besides wrong usage and output that could not be written.
    pub error: &'static str,
}

macro_rules! exit_statuses {
    ($($verb:literal: 0 $same:literal, $(1 $differs:literal,)? 2 $error:literal;)*) => {
        /// Every verb, in the order of the help.
        pub const EXIT_STATUSES: &[ExitStatuses] = &[$(ExitStatuses {
            verb: $verb,
            same: $same,
            differs: [$(Some($differs),)? None][0],
            error: $error,
        }),*];
    };
}

exit_statuses! {
    "redisguard-gen":
        0 "written, or with --check: everything is as it is rendered",
        1 "with --check: something is not",
        2 "a fault in the TOML or in a guide's markers, or no such check or revision";
    "redisguard-gen init":
        0 "written",
        2 "there is such a file already, or it could not be written";
    "redisguard-gen schema":
        0 "printed",
        2 "it could not be printed";
    "redisguard-install plan":
        0 "nothing would change",
        1 "something would",
        2 "the host cannot be looked at, or must be put in order first";
    "redisguard-install apply":
        0 "the host is as the bundle says",
        2 "it was refused, or failed and was undone";
    "redisguard-install confirm":
        0 "the change is kept",
        2 "it came too late, or no change waits for it";
    "redisguard-install revert":
        0 "the host is as it was",
        2 "no change waits for its confirmation, or going back failed";
    "redisguard-install status":
        0 "OK: outsiders are blocked and nothing is wrong",
        1 "OPEN, UNKNOWN or BLOCKED, or nothing was ever applied",
        2 "the host cannot be looked at";
    "redisguard-install report":
        0 "all logs were read and counted",
        1 "a log could not be read to its end, or a line not be counted; the report says which",
        2 "there is no log that can be read, or the page could not be written";
    "redisguard-install remove":
        0 "what was applied is gone",
        1 "with --dry-run: something would be taken away",
        2 "something could not be taken away";
    "redisguard-install rehearse":
        0 "everything met what the bundle promises",
        1 "something did not",
        2 "it cannot be rehearsed here";
    "redisguard-install probe":
        0 "every host met what the bundle promises",
        1 "one did not, or could not be judged",
        2 "nobody could be asked";
    "redisguard-install metrics":
        0 "written, however the guard is",
        2 "the host cannot be looked at, or the file not be written";
    "redisguard-install rules load":
        0 "the rules are in place",
        2 "they are not, or the last good ones are in their place";
    "redisguard-install rules save":
        0 "it is kept",
        2 "it is not";
    "redisguard-install rules unload":
        0 "no rule of ours is in the kernel",
        2 "one could not be taken away";
    "redisguard-install notice":
        0 "stopped by a signal",
        2 "it could not begin, or could not go on";
}

/// The line about exit statuses in a verb's help.
///
/// # Panics
/// If the table has no such verb; a test compares it with the command lines.
pub(super) fn of(verb: &str) -> String {
    let Some(statuses) = EXIT_STATUSES.iter().find(|statuses| statuses.verb == verb) else {
        unreachable!("nothing is said of the exit statuses of {verb}")
    };
    let differs = statuses.differs.map(|differs| format!("1 {differs}; ")).unwrap_or_default();
    format!("Exit status: 0 {}; {differs}2 {}.", statuses.same, statuses.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    /// The commands that do something by themselves and are shown.
    fn verbs(command: &Command, found: &mut Vec<String>) {
        let shown = |verb: &&Command| !verb.is_hide_set() && verb.get_name() != "help";
        let own: Vec<&Command> = command.get_subcommands().filter(shown).collect();
        if !command.is_subcommand_required_set() {
            let name = command.get_bin_name().unwrap_or(command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert_eq!(help, of(name), "{name}");
            found.push(name.to_owned());
        }
        own.into_iter().for_each(|verb| verbs(verb, found));
    }

    #[test]
    fn every_verb_says_in_its_help_what_its_exit_status_means() {
        let mut found = Vec::new();
        for mut command in crate::args::commands() {
            command.build();
            verbs(&command, &mut found);
        }
        let listed: Vec<&str> = EXIT_STATUSES.iter().map(|statuses| statuses.verb).collect();
        assert_eq!(found, listed);
    }
}
