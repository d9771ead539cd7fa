//! Hostile texts for the TOML, and a TOML that has one at every place where it takes a text.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use redisguard::spec::{Problems, Source, Spec};

/// What may stand in a text and means something in a format that it ends up in.
const TAKEN: &[&str] = &[
    "%i",
    "%n",
    "%%",
    "100%",
    "'",
    "''",
    ";",
    "#",
    " # ",
    "|",
    " || ",
    "&",
    "&amp;",
    "&lt;b&gt;",
    "*",
    "**",
    "_",
    "__",
    "~~~",
    "~~",
    "[a](b)",
    "![a](b)",
    "[x] ",
    "[^1]",
    "- ",
    "+ ",
    "* ",
    "1. ",
    "2) ",
    "---",
    "===",
    ": ",
    ":-:",
    "!",
    "-j ACCEPT",
    "; drop",
    "|tee",
    "//",
    "/* */",
    "--",
    "--comment x",
    "[Service]",
    "ExecStart=x",
    "[[reserved]]",
    "null",
    "yes",
    "~",
    "@",
    "!tag",
    "?",
    "=",
    "a",
    "Redis",
    " ",
    ",",
    "é",
    "ß",
    "缓存",
    "ключ",
    "שלום",
    "مرحبا",
    "🧊",
    "e\u{301}",
    "ﬁ",
    "½",
    "www.example.org",
    "https://example.org",
    "port 22",
    "redisguard:end port-warning",
    "COMMIT",
    "*filter",
];
/// What may not.
const REFUSED: &[&str] = &[
    "\"",
    "\\",
    "`",
    "```",
    "$(id)",
    "${x}",
    "<b>",
    "<!--",
    "-->",
    "{{ x }}",
    "{%",
    "}",
    "\n",
    "\r\n",
    "\n\n# x\n",
    "\n[Service]\nExecStart=x",
    "\t",
    "\0",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{2028}",
    "\u{2066}",
    "\u{3164}",
    "\u{e000}",
    "\u{fdd0}",
    "\u{feff}",
    "\u{1fffe}",
    "<!-- redisguard:end port-warning -->",
    "\" -j ACCEPT",
    "\"; drop",
    "\\\n",
];
/// A text of the TOML.
pub struct Text {
    pub key: &'static str,
    /// The value, with `@` for the text: it may be a part of a path or of an address.
    pub form: &'static str,
    /// The text that hostile ones are compared with.
    pub harmless: &'static str,
}

/// Every text of the TOML.
pub const TEXTS: [Text; 13] = [
    Text { key: "title", form: "@", harmless: "qztitlezq" },
    Text { key: "author", form: "@", harmless: "qzauthorzq" },
    Text { key: "priority", form: "@", harmless: "qzpriorityzq" },
    Text { key: "team", form: "@", harmless: "qzteamzq" },
    Text { key: "label", form: "@", harmless: "qzlabelzq" },
    Text { key: "email", form: "@\u{40}example.org", harmless: "qzemailzq" },
    Text { key: "host", form: "@", harmless: "qzhostzq" },
    Text { key: "log", form: "/var/log/@.log", harmless: "qzlogzq" },
    Text { key: "overview", form: "docs/@.md", harmless: "qzoverviewzq" },
    Text { key: "reservations", form: "docs/@.md", harmless: "qzreservationszq" },
    Text { key: "guide", form: "docs/@.md", harmless: "qzguidezq" },
    Text { key: "cert", form: "/etc/ssl/@.pem", harmless: "qzcertzq" },
    Text { key: "key", form: "/etc/ssl/@.pem", harmless: "qzkeyzq" },
];

/// A text that is often refused, or one that seldom is.
pub fn hostile() -> impl Strategy<Value = String> {
    let joined = |pieces: Vec<&str>| pieces.concat();
    let taken = vec(select(TAKEN), 1..5).prop_map(joined);
    let any = vec(prop_oneof![3 => select(TAKEN), 1 => select(REFUSED)], 1..4).prop_map(joined);
    prop_oneof![6 => taken, 2 => any, 1 => "\\PC{1,20}", 1 => "[a-z0-9._%+-]{1,12}", 1 => ".{0,10}"]
}

/// Which texts are hostile, and what they are: most often a single one, so that the others do not
/// have it refused.
pub fn attack() -> impl Strategy<Value = Vec<(usize, String)>> {
    let one = || (0..TEXTS.len(), hostile());
    prop_oneof![4 => vec(one(), 1), 1 => vec((0..5usize, hostile()), 2..5)]
}

/// The TOML with these texts in it, and all others harmless.
pub fn toml(attack: &[(usize, String)]) -> String {
    let value = |name: &str| {
        let number = TEXTS.iter().position(|text| text.key == name).unwrap();
        let Text { form, harmless, .. } = TEXTS[number];
        let given = attack.iter().rev().find(|(index, _)| *index == number);
        let given = given.map_or(harmless, |(_, text)| text);
        toml::Value::from(form.replacen('@', given, 1)).to_string()
    };
    let (label, email, host) = (value("label"), value("email"), value("host"));
    format!(
        "[site]\ntitle = {}\nauthor = {}\npriority = {}\n[contact]\nteam = {}\nemail = {email}\n\
         [cluster]\nports = \"7000-7001\"\nhost = {host}\n\
         [[reserved]]\nport = 6379\nlabel = {label}\nexternal = \"notice\"\n\
         [[reserved]]\nport = \"6381-6382\"\nlabel = {label}\nexternal = \"drop\"\n\
         [[reserved]]\nport = 6390\nlabel = {label}\nexternal = \"reject\"\n\
         [notice]\nlog = {}\ntls = {{ cert = {}, key = {} }}\n\
         [docs]\noverview = {}\nreservations = {}\nguides = [{}]\n",
        value("title"),
        value("author"),
        value("priority"),
        value("team"),
        value("log"),
        value("cert"),
        value("key"),
        value("overview"),
        value("reservations"),
        value("guide"),
    )
}

/// The checked TOML with these texts in it.
pub fn parsed(attack: &[(usize, String)]) -> Result<Spec, Problems> {
    let source = Source::from_bytes("x.toml", toml(attack).into_bytes())?;
    Spec::parse(source).map(|(spec, _)| spec)
}
