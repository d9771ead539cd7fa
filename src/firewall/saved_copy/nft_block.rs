//! Which lines of an nft script belong to redisguard: its table, its chains in tables of iptables, jumps there and
//! includes of its own file.
//!
//! Guarantees: a line that also holds something of others does not count as redisguard's.

use crate::firewall::iptables::chains::PREFIX;
use crate::firewall::nftables::names::TABLE;

/// Whether a line makes redisguard's table or chains, or leads there.
pub(super) fn is_of_nft(line: &str) -> bool {
    let bare = bare(line);
    let words = words(&bare);
    (0..words.len()).any(|at| is_table(&words[at..]))
        || words
            .windows(2)
            .any(|pair| matches!(pair[0], "chain" | "jump" | "goto") && pair[1].starts_with(PREFIX))
}

/// Whether a line has nft load redisguard's own file.
pub(super) fn is_include(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ").starts_with("include \"/etc/redisguard/")
}

/// Which lines hold nothing but what is redisguard's: whole blocks by their braces, and lines outside of them.
pub(super) fn owned(lines: &[&str]) -> Vec<bool> {
    let mut depth = 0;
    let is_owned = |line: &&str| {
        let bare = bare(line);
        let words = words(&bare);
        let is_block = match words.as_slice() {
            ["add" | "delete" | "flush", rest @ ..] => is_table(rest),
            ["chain", name, ..] => name.starts_with(PREFIX),
            words => is_table(words),
        };
        if depth > 0 || is_block {
            let after = depth_after(&bare, depth);
            let is_others = depth > 0 && words.first() == Some(&"table");
            depth = after.unwrap_or_default();
            return after.is_some() && !is_others;
        }
        let is_statement = !words.iter().any(|word| matches!(*word, "table" | "chain"))
            && !bare.contains(';')
            && depth_after(&bare, 1) == Some(1);
        is_statement && (is_of_nft(line) || is_include(line))
    };
    lines.iter().map(is_owned).collect()
}

fn is_table(words: &[&str]) -> bool {
    words.first() == Some(&"table") && words.get(1..3).is_some_and(|name| name.join(" ") == TABLE)
}

/// How many braces are open after a line; `None` where something follows the one that closes the last.
fn depth_after(bare: &str, mut depth: usize) -> Option<usize> {
    for (at, letter) in bare.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        if depth == 0 {
            let rest =
                bare[at + 1..].trim_matches(|letter: char| letter == ';' || letter.is_whitespace());
            return rest.is_empty().then_some(0);
        }
    }
    Some(depth)
}

/// The words of a line, without its braces and semicolons.
fn words(bare: &str) -> Vec<&str> {
    let is_between = |letter: char| letter.is_whitespace() || "{};".contains(letter);
    bare.split(is_between).filter(|word| !word.is_empty()).collect()
}

/// A line without its comment and the texts in quotes. `# xt_NAME` within a rule is no comment: older versions of nft print
/// a match of iptables so, and the rest of the rule behind it.
fn bare(line: &str) -> String {
    let mut is_quoted = false;
    let code = line.char_indices().take_while(|(at, letter)| {
        is_quoted ^= *letter == '"';
        is_quoted || *letter != '#' || line[*at..].starts_with("# xt_")
    });
    let code: String = code.map(|(_, letter)| letter).collect();
    code.split('"').step_by(2).collect::<Vec<&str>>().join("\"\"")
}
