//! The options that rule what becomes of warnings: of those about the same warning the last one on the
//! command line holds, so their order is kept.

use crate::spec::{Check, Ruling, Severity};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The rulings, in the order of the command line.
#[derive(Clone, Debug, Default)]
pub struct Rulings(pub Vec<Ruling>);

const DENY: &str = "deny";
const ALLOW: &str = "allow";
const DENY_WARNINGS: &str = "deny-warnings";

impl Args for Rulings {
    fn augment_args(command: Command) -> Command {
        let of_one = |name: &'static str, help: &'static str| {
            let named = Arg::new(name).long(name).value_name("NAME").action(ArgAction::Append);
            named.value_parser(warning()).hide_possible_values(true).help(help)
        };
        command
            .arg(of_one(DENY, "Treat this warning as a fault; may be repeated"))
            .arg(of_one(
                ALLOW,
                "Do not print this warning; may be repeated, and the last one holds",
            ))
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

impl FromArgMatches for Rulings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut placed = Vec::new();
        for (name, ruling) in [(DENY, Ruling::Deny as fn(Check) -> Ruling), (ALLOW, Ruling::Allow)]
        {
            let places = matches.indices_of(name).into_iter().flatten();
            let checks = matches.get_many::<Check>(name).into_iter().flatten();
            placed.extend(places.zip(checks.map(|check| ruling(*check))));
        }
        // Of a flag that overrides itself clap keeps the last place, which is the one that holds.
        if matches.get_flag(DENY_WARNINGS) {
            let places = matches.indices_of(DENY_WARNINGS).into_iter().flatten();
            placed.extend(places.map(|place| (place, Ruling::DenyAll)));
        }
        placed.sort_by_key(|(place, _)| *place);
        Ok(Self(placed.into_iter().map(|(_, ruling)| ruling).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A check by its name; a stranger is answered with the names, and with the one that was meant.
pub(super) fn every_check() -> impl TypedValueParser<Value = Check> {
    named(|_| false).try_map(|name| Check::named(&name).ok_or("there is no such check"))
}

/// A warning by its name.
fn warning() -> impl TypedValueParser<Value = Check> {
    named(|check| check.severity() == Severity::Fault).try_map(|name| match Check::named(&name) {
        Some(check) if check.severity() == Severity::Warning => Ok(check),
        _ => Err("it is a fault already, and stays one: only warnings can be denied or allowed"),
    })
}

fn named(hidden: impl Fn(Check) -> bool) -> PossibleValuesParser {
    let value =
        |check: &Check| PossibleValue::new(check.name()).help(check.rule()).hide(hidden(*check));
    PossibleValuesParser::new(Check::ALL.iter().map(value).collect::<Vec<_>>())
}
