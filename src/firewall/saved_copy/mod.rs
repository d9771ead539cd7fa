//! Copies of redisguard's rules in files of others, such as iptables-save and nft print them: loaded at boot, they
//! bring back rules that were removed or replaced. Changes nothing.

use super::iptables::chains::{PREFIX, is_jump};
use crate::os::command::{Output, Program};
use crate::spec::Backend;
use nft_block::{is_include, is_of_nft};
use std::collections::BTreeSet;

mod nft_block;

/// What is redisguard's in lines of iptables-save, as an expression of sed: its chains and the jumps there.
const IPTABLES: &str = r#"/^ *(\[[0-9:]+\] *)?(:REDISGUARD-|-[AIN] +REDISGUARD-)|^ *[^# ].* -[jg] +REDISGUARD-[^ "]* *$/d"#;
/// The same for what nft prints: redisguard's table, its chains in the tables of iptables and the jumps there.
const NFT: &str = r#"/^table inet redisguard \{$/,/^\}$/d;/^(add |delete |flush )?table inet redisguard$/d;/^[[:space:]]*chain REDISGUARD-[^ ]* \{$/,/^[[:space:]]*\}$/d;/ (jump|goto) REDISGUARD-[^ ]*( |$)/d"#;
/// The same for a line that includes redisguard's own file, which goes when redisguard is removed.
const INCLUDE: &str = r#"/^[[:space:]]*include "\/etc\/redisguard\//d"#;
/// The same for elements of firewalld's direct.xml, which it writes one a line.
const XML: &str = r"/^ *<.*REDISGUARD-.*> *$/d";
/// How many digits of its digest identify a bundle in the comments of rules.
const DIGEST_LENGTH: usize = 12;

/// In which form rules are saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As iptables-save prints them.
    Iptables,
    /// As nft prints redisguard's table.
    Nft,
    /// Rules of iptables as nft prints them: it cannot read all of that (xtables compat expressions).
    IptablesByNft,
    /// No rules, but a line that has nft load redisguard's own file.
    Include,
    /// Elements of firewalld's direct.xml.
    Firewalld,
}

impl Form {
    /// What takes it out of a file, as an expression of sed.
    fn expression(self) -> String {
        match self {
            Self::Iptables => IPTABLES.to_owned(),
            Self::Nft | Self::IptablesByNft => format!("{NFT};{INCLUDE}"),
            Self::Include => INCLUDE.to_owned(),
            Self::Firewalld => XML.to_owned(),
        }
    }

    /// Whether a line names redisguard's rules, whatever else it holds.
    fn names(self, line: &str) -> bool {
        match self {
            Self::Iptables => is_of_iptables(line),
            Self::Nft | Self::IptablesByNft | Self::Include => is_of_nft(line) || is_include(line),
            Self::Firewalld => line.contains(PREFIX),
        }
    }

    /// Which lines hold nothing but what is redisguard's.
    fn owned(self, lines: &[&str]) -> Vec<bool> {
        match self {
            Self::Nft | Self::IptablesByNft | Self::Include => nft_block::owned(lines),
            Self::Firewalld => {
                lines.iter().map(|line| self.names(line) && is_one_element(line)).collect()
            }
            Self::Iptables => lines.iter().map(|line| self.names(line)).collect(),
        }
    }
}

/// A copy in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCopy {
    /// The digests of the bundles that its rules name.
    bundles: BTreeSet<String>,
    form: Form,
    /// The command that takes it out of the file, or what a person must do.
    pub fix: String,
    /// Whether that is a command.
    pub is_command: bool,
}

impl SavedCopy {
    /// The copy that a text holds, of the file at `path`; `None` where it holds none.
    pub fn find(path: &str, text: &str) -> Option<Self> {
        let lines = || text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let is_xml = path.ends_with(".xml");
        let (by_iptables, by_nft) = (lines().any(is_of_iptables), lines().any(is_of_nft));
        let form = match () {
            () if is_xml && text.contains(PREFIX) => Form::Firewalld,
            () if is_xml => return None,
            () if by_iptables => Form::Iptables,
            () if by_nft && lines().any(|line| line.contains(PREFIX)) => Form::IptablesByNft,
            () if by_nft => Form::Nft,
            () if lines().any(is_include) => Form::Include,
            () => return None,
        };
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let wholly = form.owned(&lines);
        let partly = lines.iter().zip(&wholly).map(|(line, wholly)| *wholly || form.names(line));
        let partly: Vec<bool> = partly.collect();
        let expression = form.expression();
        // Tried, because files that people wrote have other forms: it must take out redisguard's lines, and no others.
        let is_command =
            wholly == partly && removed_by(&expression, &lines).as_ref() == Some(&wholly);
        let fix = if is_command {
            format!("sed -i -E '{expression}' {}", shell_word(path))
        } else {
            let numbers = line_numbers(&partly);
            format!("edit {path}: take out what belongs to redisguard in lines {numbers}")
        };
        Some(Self { bundles: digests(text), form, fix, is_command })
    }

    /// Whether the file holds no rules of redisguard's, but has nft load the installed ones.
    pub fn is_include(&self) -> bool {
        self.form == Form::Include
    }

    /// Whether nft cannot read the file: then nothing in it is loaded, whosever it is.
    pub fn is_unreadable(&self) -> bool {
        self.form == Form::IptablesByNft
    }

    /// Whether it is what a bundle loads by this backend: loaded at boot, it changes nothing.
    pub fn is_of(&self, bundle: &str, backend: Backend) -> bool {
        let form = match backend {
            Backend::Iptables => Form::Iptables,
            Backend::Nftables => Form::Nft,
        };
        self.form == form && self.bundles.len() == 1 && self.bundles.contains(bundle)
    }
}

/// Whether a line of iptables-save is a chain of redisguard's, a rule in it, or a jump there.
fn is_of_iptables(line: &str) -> bool {
    let line = line.trim();
    let line = match line.strip_prefix('[').and_then(|counted| counted.split_once(']')) {
        Some((_, rule)) => rule.trim_start(),
        None => line,
    };
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb {
        "-A" | "-I" | "-N" => rest.trim_start().starts_with(PREFIX) || is_jump(rest),
        _ => verb.strip_prefix(':').is_some_and(|chain| chain.starts_with(PREFIX)),
    }
}

/// Whether a line of firewalld's direct.xml is one element, and whole.
fn is_one_element(line: &str) -> bool {
    let line = line.trim();
    let ends = line.matches("</").count();
    let name = line.trim_start_matches('<').split([' ', '>']).next().unwrap_or_default();
    line.matches('<').count() == ends + 1
        && matches!(name, "chain" | "rule" | "passthrough")
        && match ends {
            0 => line.ends_with("/>"),
            _ => ends == 1 && line.ends_with(&format!("</{name}>")),
        }
}

/// Which lines an expression of sed deletes; `None` where sed fails.
fn removed_by(expression: &str, lines: &[&str]) -> Option<Vec<bool>> {
    // `=` prints the numbers of the lines that are kept.
    let sed = Program::new("sed").args(["-n", "-E", &format!("{expression};=")]);
    let sed = sed.input(lines.concat().as_bytes()).run("try a fix");
    let kept = sed.ok().filter(Output::is_success).map(Output::text)?;
    let kept: BTreeSet<usize> = kept.lines().filter_map(|number| number.parse().ok()).collect();
    Some((1..=lines.len()).map(|number| !kept.contains(&number)).collect())
}

/// The numbers of chosen lines, in words: `1, 4-9`.
fn line_numbers(chosen: &[bool]) -> String {
    let numbered = chosen.iter().zip(1..).collect::<Vec<(&bool, usize)>>();
    let ranges = numbered.chunk_by(|a, b| a.0 == b.0).filter(|range| *range[0].0);
    let words = ranges.map(|range| match range {
        [(_, first), .., (_, last)] => format!("{first}-{last}"),
        _ => range[0].1.to_string(),
    });
    words.collect::<Vec<String>>().join(", ")
}

/// Every digest of a bundle in comments: `redisguard:DIGEST"`.
fn digests(text: &str) -> BTreeSet<String> {
    let after = text.split("redisguard:").skip(1);
    let named = after.filter_map(|rest| rest.split_once('"').map(|(digest, _)| digest));
    let is_digest = |digest: &&str| {
        digest.len() == DIGEST_LENGTH && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    named.filter(is_digest).map(str::to_owned).collect()
}

/// A path as one word of a shell's.
pub(super) fn shell_word(path: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@".contains(letter);
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is left after the fix was followed; the fix must be a command for this path.
    fn fixed(path: &str, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(path);
        std::fs::write(&file, text).unwrap();
        let fix = SavedCopy::find(file.to_str().unwrap(), text).unwrap().fix;
        assert!(fix.starts_with("sed -i -E '"), "{fix}");
        let done = std::process::Command::new("sh").args(["-c", &fix]).output().unwrap();
        assert!(done.status.success(), "{fix}: {done:?}");
        std::fs::read_to_string(&file).unwrap()
    }

    const THEIRS: &str = "*filter\n:INPUT DROP [0:0]\n:THEIRS - [0:0]\n\
        -A INPUT -m comment --comment \"before -j REDISGUARD-IN\" -j THEIRS\n\
        # -A INPUT -j REDISGUARD-IN\n-A THEIRS -p tcp -j ACCEPT\nCOMMIT\n";
    const OURS: [&str; 4] = [
        ":REDISGUARD-IN - [0:0]\n",
        "[3:180] -A INPUT -p tcp -m comment --comment \"redisguard:0123456789ab\" -j REDISGUARD-IN\n",
        "-A THEIRS -g REDISGUARD-IN\n",
        "-A REDISGUARD-IN -p tcp -m comment --comment \"redisguard:6379:drop x\" -j DROP\n",
    ];

    #[test]
    fn rules_of_others_are_no_copy_and_stay() {
        assert_eq!(SavedCopy::find("/etc/iptables/rules.v4", THEIRS), None);
        let saved = THEIRS.replace("COMMIT", &format!("{}COMMIT", OURS.concat()));
        assert_eq!(fixed("rules v4's", &saved), THEIRS);
        for one in OURS {
            let saved = THEIRS.replace("COMMIT", &format!("{one}COMMIT"));
            assert_eq!(fixed("rules.v4", &saved), THEIRS, "{one}");
        }
    }

    #[test]
    fn a_copy_is_of_the_bundle_that_all_its_rules_name() {
        let copy = |text: &str| SavedCopy::find("/etc/iptables/rules.v4", text).unwrap();
        let saved = OURS.concat();
        assert!(copy(&saved).is_of("0123456789ab", Backend::Iptables));
        assert!(!copy(&saved).is_of("0123456789ab", Backend::Nftables));
        assert!(!copy(&saved).is_of("ba9876543210", Backend::Iptables));
        let both = format!("{saved}{}", saved.replace("0123456789ab", "ba9876543210"));
        assert!(!copy(&both).is_of("0123456789ab", Backend::Iptables));
    }

    #[test]
    fn what_nft_prints_is_taken_out_and_tables_of_others_stay() {
        let theirs = "table inet filter {\n\tchain input {\n\t\ttcp dport 22 accept\n\t}\n}\n\
                      table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n";
        let jump = "policy drop;\n\t\tmeta l4proto tcp counter packets 0 bytes 0 jump REDISGUARD-IN\n\t}\n\n\
                    \tchain REDISGUARD-IN {\n\t\ttcp dport 6379 drop\n";
        let table = "table inet redisguard\ndelete table inet redisguard\ntable inet redisguard {\n\tset a {\n\t\t\
                     elements = { 1,\n\t\t\t     2 }\n\t}\n\n\tchain rg_bundle {\n\t\treturn comment \
                     \"redisguard:0123456789ab\"\n\t}\n}\ninclude \"/etc/redisguard/redisguard.nft\"\n";
        assert_eq!(fixed("nftables.conf", &format!("{theirs}{table}")), theirs);
        assert_eq!(
            fixed("nftables.conf", &theirs.replace("policy drop;\n", jump)).replace("\n\n", "\n"),
            theirs
        );
        let copy = |text: &str| SavedCopy::find("/etc/nftables.conf", text).unwrap();
        assert!(copy(table).is_of("0123456789ab", Backend::Nftables));
        let by_hand = "table inet redisguard { chain rg_input { tcp dport 6379 drop; }; }\n";
        let fix = "edit /etc/nftables.conf: take out what belongs to redisguard in lines 1";
        assert_eq!(copy(by_hand).fix, fix);
    }

    #[test]
    fn an_include_is_taken_out_and_is_no_copy() {
        let include = "\tinclude \"/etc/redisguard/redisguard.nft\"\n";
        let copy = SavedCopy::find("/etc/nftables.conf", include).unwrap();
        assert!(copy.is_include());
        assert_eq!(fixed("nftables.conf", &format!("flush ruleset\n{include}")), "flush ruleset\n");
    }

    #[test]
    fn no_command_is_printed_that_removes_lines_of_others() {
        let edit = |path: &str, text: &str, numbers: &str| {
            let fix = SavedCopy::find(path, text).unwrap().fix;
            assert!(fix.starts_with("edit ") && fix.ends_with(numbers), "{text}{fix}");
        };
        let theirs = "table inet theirs {\n\tchain input {\n\t}\n}\n";
        for end in ["} # end", "  }", "};", "} table ip x {\n}"] {
            let text = format!("table inet redisguard {{\n\tchain a {{\n\t}}\n{end}\n{theirs}");
            edit("/etc/nftables.conf", &text, if end.contains('x') { "1-3" } else { "1-4" });
        }
        let chain = "table ip x {\n\tchain y { meta mark 1 accept; jump REDISGUARD-IN ; }\n}\n";
        edit("/etc/nftables.conf", chain, "lines 2");
        let part = "table inet redisguard {\n}\n# before jump REDISGUARD-IN \n";
        edit("/etc/nftables.conf", part, "lines 1-2");
        let element = "<chain ipv=\"ipv4\" table=\"filter\" chain=\"REDISGUARD-IN\"/>";
        let other = element.replace("REDISGUARD-IN", "THEIRS");
        for line in [
            format!("{element}{other}"),
            format!("<direct>{element}</direct>"),
            "<rule ipv=\"ipv4\">-j REDISGUARD-IN</rule><rule>-j THEIRS</rule>".to_owned(),
        ] {
            edit("/etc/firewalld/direct.xml", &format!("<?xml?>\n{line}\n"), "lines 2");
        }
    }

    #[test]
    fn a_table_of_another_name_is_no_copy() {
        let find = |text: &str| SavedCopy::find("/etc/nftables.conf", text);
        assert_eq!(find("table inet redisguard_stats {\n}\n"), None);
        assert!(find("table inet redisguard{\n}\n").is_some());
        let by_old_nft = "\t\tmeta l4proto tcp # xt_multiport counter jump REDISGUARD-IN\n";
        assert_eq!(fixed("nftables.conf", by_old_nft), "");
    }

    #[test]
    fn elements_of_firewalld_are_taken_out() {
        let rule = |target: &str| {
            format!(
                "  <rule ipv=\"ipv4\" table=\"filter\" chain=\"INPUT\" priority=\"0\">-j {target}</rule>\n"
            )
        };
        let text = |rules: &str| format!("<?xml version=\"1.0\"?>\n<direct>\n{rules}</direct>\n");
        let chain = "  <chain ipv=\"ipv4\" table=\"filter\" chain=\"REDISGUARD-IN\"/>\n";
        let saved = text(&[chain, &rule("REDISGUARD-IN"), &rule("ACCEPT")].concat());
        assert_eq!(fixed("direct.xml", &saved), text(&rule("ACCEPT")));
        assert_eq!(SavedCopy::find("/etc/firewalld/direct.xml", &text(&rule("ACCEPT"))), None);
    }
}
