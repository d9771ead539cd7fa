//! What is kept of a command, and what is not.

use super::*;

impl Command {
    /// The command that has these words.
    pub fn of(words: &[&str]) -> Command {
        let mut command = Command::default();
        command.begin(Framing::Array);
        for word in words {
            command.begin_word();
            word.bytes().for_each(|byte| command.extend_word(&[byte]));
            command.end_word();
        }
        command
    }
}

fn retained(command: &Command) -> String {
    command.kept.iter().map(|word| String::from_utf8_lossy(&word.start)).collect()
}

#[test]
fn no_key_value_user_or_password_is_kept() {
    assert_eq!(retained(&Command::of(&["SET", "key", "value"])), "SET");
    assert_eq!(retained(&Command::of(&["AUTH", "user", "secret"])), "AUTH");
    let hello = Command::of(&["HELLO", "3", "AUTH", "user", "secret", "SETNAME", "me"]);
    assert_eq!(retained(&hello), "HELLO3SETNAMEme");
    let unknown_option = Command::of(&["HELLO", "3", "TOKEN", "secret", "SETNAME", "secret"]);
    assert_eq!(retained(&unknown_option), "HELLO3TOKEN");
    let named_like_an_option = Command::of(&["HELLO", "3", "AUTH", "SETNAME", "SETNAME"]);
    assert_eq!(retained(&named_like_an_option), "HELLO3AUTH");
}

#[test]
fn the_name_of_a_client_is_kept_wherever_it_states_it() {
    for (words, name) in [
        (&["CLIENT", "SETNAME", "billing"][..], Some("billing")),
        (&["hello", "3", "setname", "billing"], Some("billing")),
        (&["HELLO", "2", "SETNAME", "billing", "AUTH", "u", "p"], Some("billing")),
        (&["HELLO", "3", "AUTH", "u", "p", "SETNAME", "billing"], Some("billing")),
        (&["HELLO", "3", "SETNAME"], None),
        (&["HELLO", "3", "AUTH", "SETNAME", "billing"], None),
        (&["CLIENT", "SETNAME"], None),
        (&["CLIENT", "SETNAME", "billing", "more"], None),
        (&["CLIENT", "KILL", "billing"], None),
        (&["SET", "SETNAME", "billing"], None),
    ] {
        let command = Command::of(words);
        assert_eq!(command.client_name(), name.map(str::as_bytes), "{words:?}");
    }
}

#[test]
fn only_known_commands_reach_the_log() {
    assert_eq!(Command::of(&["get"]).name_for_log().as_str(), "GET");
    assert_eq!(Command::of(&["json.set"]).name_for_log().as_str(), "JSON.SET");
    for odd in ["", "p4ss", "hunter", "correcthorsebattery", "a b", "x\ny", &"a".repeat(33)] {
        assert_eq!(Command::of(&[odd]).name_for_log().as_str(), "other");
    }
}

#[test]
fn the_library_is_read_and_cut() {
    let long = "x".repeat(200);
    let named = Command::of(&["client", "setinfo", "lib-name", &long]);
    assert_eq!(named.library(LIB_NAME), Some(&long.as_bytes()[..STATED_BYTES]));
    assert_eq!(named.library(LIB_VER), None);
    let colour = Command::of(&["CLIENT", "SETINFO", "LIB-COLOUR", "red"]);
    assert_eq!((colour.library(LIB_NAME), colour.library(LIB_VER)), (None, None));
    assert_eq!(Command::of(&["CLIENT", "SETNAME", "LIB-NAME", "red"]).library(LIB_NAME), None);
}
