//! Small strict readers of the formats that artifacts are written in.
//!
//! They accept the form that is rendered and nothing else, so that a text that breaks out of its
//! place is seen.

use super::transcript;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A unit's settings as (section, key, value), with `%%` read as systemd reads it. Specifiers other
/// than `%i` are refused: no unit of redisguard's has any.
pub fn unit(text: &str) -> Result<Vec<(String, String, String)>, String> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if !["Unit", "Service", "Timer", "Install"].contains(&name) {
                return Err(format!("there is no section {name}"));
            }
            name.clone_into(&mut section);
            continue;
        }
        let (key, value) = line.split_once('=').ok_or(format!("{line:?} sets nothing"))?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("{key:?} is no key"));
        }
        if value.ends_with('\\') {
            return Err(format!("{line:?} goes on in the next line"));
        }
        settings.push((section.clone(), key.to_owned(), expanded(value)?));
    }
    Ok(settings)
}

fn expanded(value: &str) -> Result<String, String> {
    let mut expanded = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (character, character == '%') {
            (_, false) => expanded.push(character),
            (_, true) => match characters.next() {
                Some('%') => expanded.push('%'),
                Some('i') => expanded.push_str("%i"),
                other => return Err(format!("%{other:?} is a specifier in {value:?}")),
            },
        }
    }
    Ok(expanded)
}

/// The words of a line of iptables-restore: quoted ones are unescaped, and nothing is left open.
pub fn rule(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(first) = characters.next() {
        if first != '"' {
            let mut word = String::from(first);
            word.extend(std::iter::from_fn(|| characters.next_if(|next| *next != ' ')));
            if word.contains(['"', '\'', '\\']) {
                return Err(format!("{word:?} is quoted within in {line:?}"));
            }
            words.push(word);
        } else {
            let mut word = String::new();
            loop {
                match characters.next() {
                    Some('"') => break,
                    Some('\\') => word.extend(characters.next()),
                    Some(character) => word.push(character),
                    None => return Err(format!("a quote is not closed in {line:?}")),
                }
            }
            words.push(word);
        }
        if characters.next().is_some_and(|next| next != ' ') {
            return Err(format!("words are not apart in {line:?}"));
        }
    }
    Ok(words)
}

/// The lines of a ruleset of nft in which quoted strings are words of their own.
pub fn nft(text: &str) -> Result<Vec<Vec<String>>, String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split('"').collect();
            // nft knows no escape: every second part is within quotes.
            match parts.len() % 2 {
                1 => Ok(parts.into_iter().map(str::to_owned).collect()),
                _ => Err(format!("a quote is not closed in {line:?}")),
            }
        })
        .collect()
}

/// What a YAML reader makes of every file of a folder, in the order of their names.
pub fn yaml(programs: &Path, folder: &Path) -> Vec<Value> {
    let read = "import json, pathlib, sys, ruamel.yaml\n\
                read = lambda path: ruamel.yaml.YAML(typ='safe', pure=True).load(path)\n\
                print(json.dumps([read(path) for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]))";
    let mut python = Command::new(programs.join("python"));
    let output = python.args(["-c", read]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", transcript(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}
