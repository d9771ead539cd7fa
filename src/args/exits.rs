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

/// Every verb, in the order of the help.
pub const EXIT_STATUSES: &[ExitStatuses] = &[
    ExitStatuses {
        verb: "redisguard-gen",
        same: "written, or with --check: everything is as it is rendered",
        differs: Some("with --check: something is not"),
        error: "a fault in the TOML or in a guide's markers, or no such check or revision",
    },
    ExitStatuses {
        verb: "redisguard-gen init",
        same: "written",
        differs: None,
        error: "there is such a file already, or it could not be written",
    },
    ExitStatuses {
        verb: "redisguard-gen schema",
        same: "printed",
        differs: None,
        error: "it could not be printed",
    },
    ExitStatuses {
        verb: "redisguard-install plan",
        same: "nothing would change",
        differs: Some("something would"),
        error: "the host cannot be looked at, or must be put in order first",
    },
    ExitStatuses {
        verb: "redisguard-install apply",
        same: "the host is as the bundle says",
        differs: None,
        error: "it was refused, or failed and was taken back",
    },
    ExitStatuses {
        verb: "redisguard-install confirm",
        same: "the change is kept",
        differs: None,
        error: "it came too late, or no change waits for it",
    },
    ExitStatuses {
        verb: "redisguard-install revert",
        same: "the host is as it was",
        differs: None,
        error: "no change waits for its confirmation, or going back failed",
    },
    ExitStatuses {
        verb: "redisguard-install status",
        same: "everything is in place and works",
        differs: Some("something is not, or nothing was applied"),
        error: "the host cannot be looked at",
    },
    ExitStatuses {
        verb: "redisguard-install report",
        same: "all logs were read",
        differs: Some("some could not be read to their end; the report says which"),
        error: "there is no log that can be read, or the page could not be written",
    },
    ExitStatuses {
        verb: "redisguard-install remove",
        same: "what was applied is gone",
        differs: Some("with --dry-run: something would be taken away"),
        error: "something could not be taken away",
    },
    ExitStatuses {
        verb: "redisguard-install rehearse",
        same: "everything met what the bundle promises",
        differs: Some("something did not"),
        error: "it cannot be rehearsed here",
    },
    ExitStatuses {
        verb: "redisguard-install probe",
        same: "every host met what the bundle promises",
        differs: Some("one did not, or could not be judged"),
        error: "nobody could be asked",
    },
    ExitStatuses {
        verb: "redisguard-install metrics",
        same: "written, however the guard is",
        differs: None,
        error: "the host cannot be looked at, or the file not be written",
    },
    ExitStatuses {
        verb: "redisguard-install rules load",
        same: "the rules are in place",
        differs: None,
        error: "they are not, or the last good ones are in their place",
    },
    ExitStatuses {
        verb: "redisguard-install rules save",
        same: "it is kept",
        differs: None,
        error: "it is not",
    },
    ExitStatuses {
        verb: "redisguard-install rules unload",
        same: "no rule of ours is in the kernel",
        differs: None,
        error: "one could not be taken away",
    },
    ExitStatuses {
        verb: "redisguard-install notice",
        same: "stopped by a signal",
        differs: None,
        error: "it could not begin, or could not go on",
    },
];

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
