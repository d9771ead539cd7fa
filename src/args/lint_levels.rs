//! `--deny`, `--allow` and `--deny-warnings`. For each warning the last option that names it on the
//! command line wins, so their order is kept.

use crate::spec::{Check, LintLevel, Severity};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The lint levels, in the order of the command line.
#[derive(Clone, Debug, Default)]
pub struct LintLevels(pub Vec<LintLevel>);

const DENY: &str = "deny";
const ALLOW: &str = "allow";
const DENY_WARNINGS: &str = "deny-warnings";

impl Args for LintLevels {
    fn augment_args(command: Command) -> Command {
        let named = |name: &'static str, help: &'static str| {
            let arg = Arg::new(name).long(name).value_name("NAME").action(ArgAction::Append);
            arg.value_parser(warning()).hide_possible_values(true).help(help)
        };
        command
            .arg(named(DENY, "Treat this warning as a fault; may be repeated"))
            .arg(named(ALLOW, "Do not print this warning; may be repeated, and the last one holds"))
            .arg(
                Arg::new(DENY_WARNINGS)
                    .long(DENY_WARNINGS)
                    .action(ArgAction::SetTrue)
                    .overrides_with(DENY_WARNINGS)
                    .help("Treat every warning as a fault, but for those allowed behind it"),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LintLevels {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut indexed = Vec::new();
        let levels = [(DENY, LintLevel::Deny as fn(Check) -> LintLevel), (ALLOW, LintLevel::Allow)];
        for (name, level) in levels {
            let indices = matches.indices_of(name).into_iter().flatten();
            let checks = matches.get_many::<Check>(name).into_iter().flatten();
            indexed.extend(indices.zip(checks.map(|check| level(*check))));
        }
        // clap keeps the last index of a flag that overrides itself, which is the one that counts.
        if matches.get_flag(DENY_WARNINGS) {
            let indices = matches.indices_of(DENY_WARNINGS).into_iter().flatten();
            indexed.extend(indices.map(|index| (index, LintLevel::DenyAll)));
        }
        indexed.sort_by_key(|(index, _)| *index);
        Ok(Self(indexed.into_iter().map(|(_, level)| level).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Parses the name of a check; clap answers an unknown name with the closest known one.
pub(super) fn every_check() -> impl TypedValueParser<Value = Check> {
    check_names(|_| false).try_map(|name| Check::named(&name).ok_or("there is no such check"))
}

/// Parses the name of a check that is a warning.
fn warning() -> impl TypedValueParser<Value = Check> {
    check_names(|check| check.severity() == Severity::Error).try_map(|name| {
        match Check::named(&name) {
            Some(check) if check.severity() == Severity::Warning => Ok(check),
            _ => {
                Err("it is a fault already, and stays one: only warnings can be denied or allowed")
            }
        }
    })
}

fn check_names(hidden: impl Fn(Check) -> bool) -> PossibleValuesParser {
    let value =
        |check: &Check| PossibleValue::new(check.name()).help(check.rule()).hide(hidden(*check));
    PossibleValuesParser::new(Check::ALL.iter().map(value).collect::<Vec<_>>())
}
