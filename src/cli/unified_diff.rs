//! Unified diffs, for people and for JSON alike.

use similar::TextDiff;

/// What changes from `old` to `new`, or a line that says so where the bytes are not text.
pub fn unified(name: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> String {
    let (from, to) = (header(name, "a/", old), header(name, "b/", new));
    let text =
        |bytes: Option<&[u8]>| std::str::from_utf8(bytes.unwrap_or_default()).map(str::to_owned);
    match (text(old), text(new)) {
        (Ok(old), Ok(new)) => {
            TextDiff::from_lines(&old, &new).unified_diff().header(&from, &to).to_string()
        }
        _ => format!("--- {from}\n+++ {to}\nBinary files differ\n"),
    }
}

fn header(name: &str, side: &str, bytes: Option<&[u8]>) -> String {
    match bytes {
        Some(_) => format!("{side}{}", name.trim_start_matches('/')),
        None => "/dev/null".to_owned(),
    }
}

/// A diff with its added and removed lines coloured.
pub fn painted(diff: &str, colour: bool) -> String {
    if !colour {
        return diff.to_owned();
    }
    diff.lines()
        .map(|line| match line.as_bytes().first() {
            Some(b'+') => format!("\x1b[32m{line}\x1b[0m\n"),
            Some(b'-') => format!("\x1b[31m{line}\x1b[0m\n"),
            Some(b'@') => format!("\x1b[36m{line}\x1b[0m\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}
