//! The page about the commands: both programs, every verb and option, from the definition that `--help`
//! and the man pages come from. What is hidden there is hidden here.

use super::markdown::{code, fenced, prose, table};
use clap::{Arg, Command};
use redisguard::args;

pub fn page() -> String {
    let programs: String = args::commands().into_iter().map(program).collect();
    format!(
        "# Commands\n\n\
         What `--help` says. What each exit status means is in [exit-codes.md](exit-codes.md), what\n\
         `--json` prints in [json.md](json.md), and which NAME a check has in [checks.md](checks.md).\n\
         `-h` and `--help` explain every command, `--version` names the release.\n\n{programs}"
    )
}

fn program(mut command: Command) -> String {
    command.build();
    let verbs = command.get_subcommands().cloned().collect::<Vec<_>>();
    let mut text = section(&mut command, "##", |_| true);
    for verb in verbs {
        text.push_str(&verb_and_its_own(verb));
    }
    text
}

/// A verb, and the verbs that it has itself; those that do something by themselves only.
fn verb_and_its_own(mut verb: Command) -> String {
    if verb.is_hide_set() || verb.get_name() == "help" {
        return String::new();
    }
    let own: Vec<Command> = verb.get_subcommands().cloned().collect();
    // Options of all verbs are in the section of the program.
    let text = section(&mut verb, "###", |argument| !argument.is_global_set());
    own.into_iter().fold(text, |text, verb| text + &verb_and_its_own(verb))
}

fn section(command: &mut Command, level: &str, shown: impl Fn(&Arg) -> bool) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
    let about: Vec<String> = about.unwrap_or_default().split("\n\n").map(sentence).collect();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>();
    let mut text = format!(
        "{level} {}\n\n{}\n\n{}\n",
        code(&name),
        about.join("\n\n"),
        fenced("text", &usage.join("\n"))
    );
    let options: Vec<Vec<String>> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && shown(argument))
        .filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        .map(option)
        .collect();
    if !options.is_empty() {
        text.push_str(&format!("{}\n", table(&["Option", "Default", "What it does"], options)));
    }
    if let Some(exits) = command.get_after_help() {
        text.push_str(&format!("{}\n\n", prose(&exits.to_string())));
    }
    text
}

fn option(argument: &Arg) -> Vec<String> {
    let names = argument.get_value_names().unwrap_or_default();
    let takes = argument.get_action().takes_values();
    let values: String = names.iter().filter(|_| takes).map(|name| format!(" {name}")).collect();
    let long = argument.get_long().unwrap_or(argument.get_id().as_str());
    let defaults = argument.get_default_values().iter();
    let default: Vec<String> =
        defaults.filter(|_| takes).map(|value| code(&value.to_string_lossy())).collect();
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
    vec![code(&format!("--{long}{values}")), default.join(" "), sentence(&help.unwrap_or_default())]
}

/// What a help says without a full stop, as a sentence.
fn sentence(text: &str) -> String {
    let text = prose(text.trim());
    if text.ends_with('.') { text } else { format!("{text}.") }
}
