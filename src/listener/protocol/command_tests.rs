//! What is kept of a command, and what is not.

use super::*;

fn command(words: &[&str]) -> Command {
    let mut command = Command::new();
    command.begin(Form::Array);
    for word in words {
        command.begin_word();
        word.bytes().for_each(|byte| command.extend_word(&[byte]));
        command.end_word();
    }
    command
}

fn held(command: &Command) -> String {
    command.kept.iter().map(|word| String::from_utf8_lossy(&word.start)).collect()
}

#[test]
fn no_key_value_user_or_password_is_held() {
    assert_eq!(held(&command(&["SET", "key", "value"])), "SET");
    assert_eq!(held(&command(&["AUTH", "user", "secret"])), "AUTH");
    assert_eq!(held(&command(&["CLIENT", "SETNAME", "secret"])), "CLIENTSETNAME");
    let hello = command(&["HELLO", "3", "AUTH", "user", "secret", "SETNAME", "me"]);
    assert_eq!(held(&hello), "HELLO3SETNAME");
}

#[test]
fn the_options_of_hello_are_checked() {
    for good in [
        &["HELLO"][..],
        &["HELLO", "3"],
        &["hello", "3", "auth", "u", "p"],
        &["HELLO", "2", "SETNAME", "n", "AUTH", "u", "p"],
    ] {
        assert!(command(good).hello_options_fit(), "{good:?}");
    }
    for bad in [
        &["HELLO", "3", "AUTH", "u"][..],
        &["HELLO", "3", "COLOUR", "red"],
        &["HELLO", "3", "SETNAME", "n", "p"],
    ] {
        assert!(!command(bad).hello_options_fit(), "{bad:?}");
    }
}

#[test]
fn only_names_of_commands_reach_the_log() {
    assert_eq!(command(&["get"]).name_for_log().text(), "GET");
    assert_eq!(command(&["json.set"]).name_for_log().text(), "JSON.SET");
    for odd in ["", "p4ss", "hunter", "correcthorsebattery", "a b", "x\ny", &"a".repeat(33)] {
        assert_eq!(command(&[odd]).name_for_log().text(), "other");
    }
}

#[test]
fn the_library_is_read_and_cut() {
    let long = "x".repeat(200);
    let named = command(&["client", "setinfo", "lib-name", &long]);
    assert_eq!(named.library(), Some((Library::Name, &long.as_bytes()[..LIBRARY_KEPT])));
    assert_eq!(command(&["CLIENT", "SETINFO", "LIB-COLOUR", "red"]).library(), None);
    assert_eq!(command(&["CLIENT", "SETNAME", "LIB-NAME", "red"]).library(), None);
}
