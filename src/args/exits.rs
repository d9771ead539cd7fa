//! Owns what each verb's exit status means: what its help, its man page and the reference say of it.

/// What the exit statuses of one verb mean, as phrases.
#[derive(Clone, Copy, Debug)]
pub struct Exits {
    /// The verb with its program, as it is typed.
    pub verb: &'static str,
    /// What 0 means.
    pub same: &'static str,
    /// What 1 means; `None` where it does not occur.
    pub differs: Option<&'static str>,
    /// What 2 means, beyond wrong usage and an answer that could not be written.
    pub trouble: &'static str,
}

/// Every verb's, in the order of the help.
pub const EXITS: &[Exits] = &[
    Exits {
        verb: "redisguard-gen",
        same: "written, or with --check: everything is as it is rendered",
        differs: Some("with --check: something is not"),
        trouble: "a fault in the TOML or in a guide's markers, or no such check or revision",
    },
    Exits {
        verb: "redisguard-gen init",
        same: "written",
        differs: None,
        trouble: "there is such a file already, or it could not be written",
    },
    Exits {
        verb: "redisguard-gen schema",
        same: "printed",
        differs: None,
        trouble: "it could not be printed",
    },
    Exits {
        verb: "redisguard-install plan",
        same: "nothing would change",
        differs: Some("something would"),
        trouble: "the host cannot be looked at, or must be put in order first",
    },
    Exits {
        verb: "redisguard-install apply",
        same: "the host is as the bundle says",
        differs: None,
        trouble: "it was refused, or failed and was taken back",
    },
    Exits {
        verb: "redisguard-install confirm",
        same: "the change is kept",
        differs: None,
        trouble: "it came too late, or no change waits for it",
    },
    Exits {
        verb: "redisguard-install revert",
        same: "the host is as it was",
        differs: None,
        trouble: "no change waits for its confirmation, or going back failed",
    },
    Exits {
        verb: "redisguard-install status",
        same: "everything is in place and works",
        differs: Some("something is not, or nothing was applied"),
        trouble: "the host cannot be looked at",
    },
    Exits {
        verb: "redisguard-install report",
        same: "all logs were read",
        differs: Some("some could not be read to their end; the report says which"),
        trouble: "there is no log that can be read, or the page could not be written",
    },
    Exits {
        verb: "redisguard-install remove",
        same: "what was applied is gone",
        differs: Some("with --dry-run: something would be taken away"),
        trouble: "something could not be taken away",
    },
    Exits {
        verb: "redisguard-install rehearse",
        same: "everything met what the bundle promises",
        differs: Some("something did not"),
        trouble: "it cannot be rehearsed here",
    },
    Exits {
        verb: "redisguard-install probe",
        same: "every host met what the bundle promises",
        differs: Some("one did not, or could not be judged"),
        trouble: "nobody could be asked",
    },
    Exits {
        verb: "redisguard-install metrics",
        same: "written, however the guard is",
        differs: None,
        trouble: "the host cannot be looked at, or the file not be written",
    },
    Exits {
        verb: "redisguard-install rules load",
        same: "the rules are in place",
        differs: None,
        trouble: "they are not, or the last good ones are in their place",
    },
    Exits {
        verb: "redisguard-install rules save",
        same: "it is kept",
        differs: None,
        trouble: "it is not",
    },
    Exits {
        verb: "redisguard-install rules unload",
        same: "no rule of ours is in the kernel",
        differs: None,
        trouble: "one could not be taken away",
    },
    Exits {
        verb: "redisguard-install notice",
        same: "stopped by a signal",
        differs: None,
        trouble: "it could not begin, or could not go on",
    },
];

/// What a verb's help says of its exit statuses.
///
/// # Panics
/// Where the table has no such verb.
pub(super) fn of(verb: &str) -> String {
    let Some(exits) = EXITS.iter().find(|exits| exits.verb == verb) else {
        unreachable!("nothing is said of the exit statuses of {verb}")
    };
    let differs = exits.differs.map(|differs| format!("1 {differs}; ")).unwrap_or_default();
    format!("Exit status: 0 {}; {differs}2 {}.", exits.same, exits.trouble)
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
        let told: Vec<&str> = EXITS.iter().map(|exits| exits.verb).collect();
        assert_eq!(found, told);
    }
}
