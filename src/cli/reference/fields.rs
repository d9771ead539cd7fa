//! Owns what is said of every field that `--json` prints. Plain data; held to the printed types by
//! `json`.

/// What one verb prints, or several print alike.
pub struct Outputs {
    /// The verbs, as the examples name them.
    pub verbs: &'static str,
    /// What it is, as Markdown.
    pub about: &'static str,
    /// Each field by its path, in the order of the types, with its meaning.
    pub fields: &'static [(&'static str, &'static str)],
}

/// Every output.
pub const FIELDS: &[Outputs] = &[
    Outputs {
        verbs: "redisguard-gen",
        about: "With or without `--check`. The names of `problems` are what an annotation on GitHub \
                takes. Where the TOML or a guide's markers cannot be read nothing is printed.",
        fields: &[
            ("problems", "what is wrong with the TOML, or may be; in the order of its text"),
            ("problems[].check", "the name that `--explain` takes"),
            ("problems[].severity", "`error` or `warning`"),
            ("problems[].file", "the path as it was given"),
            ("problems[].line", "where it begins; counts from 1"),
            ("problems[].column", "where it begins, in characters; counts from 1"),
            ("problems[].end_line", "the line of the place behind its last character"),
            ("problems[].end_column", "the column of that place"),
            ("problems[].message", "what is wrong"),
            ("problems[].cure", "what would be right"),
            (
                "files",
                "every file that is not as it is rendered, or was not before it was written; none where the \
                 TOML has a fault",
            ),
            ("files[].path", "the file"),
            (
                "files[].state",
                "`stale`, `edited by hand`, `missing`, `stray`, `executable` or `unfinished`",
            ),
            ("files[].diff", "the change as a unified diff"),
            (
                "mend",
                "the command that mends the files; null without `--check`, and where none is needed",
            ),
        ],
    },
    Outputs {
        verbs: "plan, apply, revert, remove",
        about: "What would be done, or was. `remove --dry-run` prints what `remove` would.",
        fields: &[
            ("changed", "whether there is any step"),
            (
                "bundle",
                "the digest of the bundle that this is about, twelve digits; empty where `remove` \
                 finds none, and where `revert` goes back to nothing",
            ),
            ("steps", "what is done, in order"),
            ("steps[].kind", "`binary`, `file`, `link`, `sysctl`, `rules`, `unit` or `receipt`"),
            ("steps[].target", "what it is done to: a path, a unit or a name"),
            ("steps[].action", "what is done, in words"),
            ("steps[].diff", "a unified diff, of a file whose text changes"),
            ("peers", "who is connected to a reserved port from outside; absent where nobody is"),
            ("peers[].port", "the reserved port"),
            ("peers[].address", "where they are"),
            ("listeners", "what listens on a reserved port; absent where nothing does"),
            ("listeners[].port", "the reserved port"),
            ("listeners[].address", "what it is bound to; `0.0.0.0` and `::` are all addresses"),
            ("listeners[].program", "the process's name, where it can be seen"),
            ("listeners[].pid", "its number, where it can be seen"),
            ("confirm_by", "until when `confirm` must come, where a change waits for it"),
        ],
    },
    Outputs {
        verbs: "confirm",
        about: "That the change is kept.",
        fields: &[
            ("confirmed", "always true: where nothing was confirmed the exit status is 2"),
            ("bundle", "the digest of the bundle that stays"),
        ],
    },
    Outputs {
        verbs: "status",
        about: "What is in place. What the kinds of findings mean is in \
                [architecture.md](../architecture.md#what-status-finds); they stay.",
        fields: &[
            ("in_sync", "whether rules, files, links and enablement are as they were applied"),
            ("healthy", "whether the rules are in place, the units run and the listener answers"),
            ("bundle", "the digest of the bundle that was applied; null where none was"),
            ("applied", "when; null where nothing was"),
            ("mend", "the command that mends what `apply` can mend"),
            ("confirm_by", "until when `confirm` must come, where a change waits for it"),
            ("findings", "everything that is not as it should be"),
            (
                "findings[].kind",
                "`bundle`, `receipt`, `file`, `link`, `sysctl`, `rules`, `unit`, `listener`, \
                 `notice` or `others`",
            ),
            ("findings[].target", "what it is about"),
            ("findings[].detail", "what is wrong with it, in words"),
            (
                "counted_since",
                "when what `ports` tells began to be counted; absent where nobody came yet",
            ),
            (
                "ports",
                "what the rules stopped or told in all that time, by reservation and family: it \
                 outlives reloads, changed bundles and reboots",
            ),
            ("ports[].port", "the reserved port, or the first of a range"),
            ("ports[].last_port", "the last one of a range"),
            ("ports[].family", "`IPv4` or `IPv6`"),
            ("ports[].packets", "how many packets"),
            ("ports[].bytes", "how many bytes they had"),
            ("listener", "the listener"),
            (
                "listener.unit",
                "its unit's state as systemd names it (`active`, `failed`); null where no systemd runs",
            ),
            ("listener.answers", "what some of its ports answered when asked on this host"),
            ("listener.answers[].port", "the port"),
            ("listener.answers[].family", "`IPv4` or `IPv6`"),
            (
                "listener.answers[].outcome",
                "`notice`, `served` (somebody else answers), `refused`, `silence`, \
                 `mute` (a connection without a word) or `failed`",
            ),
        ],
    },
    Outputs {
        verbs: "rules load, rules save, rules unload",
        about: "What was done to the rules in the kernel.",
        fields: &[
            ("changed", "whether anything was"),
            ("findings", "why they were loaded, in words; none where they were in place"),
        ],
    },
    Outputs {
        verbs: "rehearse",
        about: "What was tried and met.",
        fields: &[
            ("as_expected", "whether everything was, and the rules were what stopped outsiders"),
            ("bundle", "the digest of the bundle"),
            (
                "tried_before_the_rules",
                "how many of the attempts that the rules stop were made before they were loaded",
            ),
            ("reached_before_the_rules", "how many of those got through; all should"),
            ("attempts", "every attempt"),
            ("attempts[].from", "`loopback`, `own-address` or `outside`"),
            ("attempts[].port", "the port"),
            ("attempts[].service", "what the port is"),
            ("attempts[].family", "`IPv4` or `IPv6`"),
            ("attempts[].expected", "`notice`, `served`, `refused` or `silence`"),
            ("attempts[].observed", "the same, or `failed`"),
            ("attempts[].same", "whether they are the same"),
        ],
    },
    Outputs {
        verbs: "probe",
        about: "What a user of each host meets, from where the program runs. A host that nothing follows \
                from, for all of it is silent or its name is unknown, is not as promised.",
        fields: &[
            ("as_promised", "whether every host is"),
            ("bundle", "the digest of the bundle that promises"),
            ("hosts", "the hosts, in the order of the arguments"),
            ("hosts[].host", "as it was named"),
            ("hosts[].as_promised", "whether all of its ports are"),
            ("hosts[].problem", "what keeps it from being judged"),
            (
                "hosts[].unasked",
                "addresses that cannot be asked from here; nothing is held against them",
            ),
            ("hosts[].unasked[].address", "the address"),
            ("hosts[].unasked[].cause", "why"),
            ("hosts[].ports", "every port that was asked for, over every address"),
            ("hosts[].ports[].port", "the port"),
            ("hosts[].ports[].family", "`IPv4` or `IPv6`"),
            ("hosts[].ports[].address", "the address that was asked"),
            ("hosts[].ports[].kind", "`reserved`, `notice port`, `cluster` or `control`"),
            (
                "hosts[].ports[].promised",
                "`dropped`, `refused`, `notice`, `notice or open` (asked on the host itself), `untouched` \
                 (anything but the notice), or `nothing` (asked from an allowed network: the host's own \
                 rules decide)",
            ),
            ("hosts[].ports[].met", "`dropped`, `refused`, `notice`, `open` or `failed`"),
            (
                "hosts[].ports[].text",
                "what was said first, on an open port or as the notice; why it failed",
            ),
            ("hosts[].ports[].milliseconds", "from connecting to the first line"),
            ("hosts[].ports[].as_promised", "whether that was promised"),
        ],
    },
];
