//! Sites of every kind, each for what it alone has, and the documents that are rendered for one.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use redisguard::bundle::{Bundle, Documents};
use redisguard::spec::{Source, Spec};

/// Who is asked, the same everywhere.
macro_rules! site {
    ($($text:literal),*) => { concat!("[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n", $($text),*) };
}

/// Every site, by what it is.
pub const SITES: &[(&str, &str)] = &[
    ("least", site!("[cluster]\nports = 7000\n[[reserved]]\nport = 6379\n")),
    (
        "all_told_from_outside_by_nftables",
        site!(
            "[cluster]\nports = 7000\nhost = \"redis.example.org\"\n",
            "[[reserved]]\nport = 6379\nexternal = \"notice\"\nlisten = \"never\"\n",
            "[firewall]\nbackend = \"nftables\"\nexisting = \"keep\"\n",
            "allow = [\"10.20.0.0/16\", \"2001:db8::/32\"]\n",
            "[docs]\nguides = [\"docs/redis/guide.md\", \"docs/other.md\"]\n"
        ),
    ),
    (
        "every_policy_and_ranges_with_an_ipv6_host",
        site!(
            "[site]\ntitle = \"Old ports\"\npriority = \"LOW\"\n",
            "[cluster]\nports = [7000, \"7002-7004\", 7010]\nhost = \"2001:db8::7\"\n",
            "[[reserved]]\nport = \"6370-6378\"\nexternal = \"reject\"\nlisten = \"always\"\n",
            "[[reserved]]\nport = 6379\nlabel = \"The default\"\nexternal = \"notice\"\n",
            "[[reserved]]\nport = 6380\nlisten = \"never\"\n",
            "[firewall]\nallow = [\"172.17.0.0/16\"]\n",
            "[notice]\nport = 45000\nlog-per-source = 5\n",
            "[notice.tls]\ncert = \"/etc/ssl/notice.pem\"\nkey = \"/etc/ssl/notice.key\"\n",
            "[docs]\nguides = [\"docs/redis/guide.md\"]\n"
        ),
    ),
    (
        "nobody_told",
        site!(
            "[site]\ndate = 2025-05-09\n[cluster]\nports = \"7000-7002\"\n",
            "[[reserved]]\nport = \"6379-6381\"\nexternal = \"reject\"\nlisten = \"never\"\n",
            "[notice]\nlog = \"/var/log/redisguard/ports.log\"\n",
            "[docs]\nguides = [\"guide.md\"]\noverview = \"ports.md\"\nreservations = \"docs/list.md\"\n"
        ),
    ),
    (
        "all_told_everywhere",
        site!(
            "[site]\ndate = 2025-05-09\npriority = \"HIGH\"\n",
            "[cluster]\nports = [7000, 7001]\nhost = \"192.0.2.7\"\n",
            "[[reserved]]\nport = 6379\nexternal = \"notice\"\nlisten = \"always\"\n",
            "[[reserved]]\nport = 6380\nexternal = \"notice\"\nlisten = \"always\"\n",
            "[docs]\nguides = [\"docs/redis/guide.md\"]\n"
        ),
    ),
    (
        "other_ports_and_none_for_the_bus",
        site!(
            "[cluster]\nports = \"55535-55537\"\n",
            "[[reserved]]\nport = 80\nexternal = \"drop\"\nlisten = \"never\"\n",
            "[[reserved]]\nport = 8000\nexternal = \"reject\"\nlisten = \"always\"\n"
        ),
    ),
];

/// A site with two reservations, each as (port, (external, listen)).
pub fn with_two(first: (&str, (&str, &str)), second: (&str, (&str, &str))) -> String {
    let reserved = |(port, (external, listen)): (&str, (&str, &str))| {
        format!("[[reserved]]\nport = {port}\nexternal = \"{external}\"\nlisten = \"{listen}\"\n")
    };
    let guides = "[docs]\nguides = [\"docs/guide.md\"]\n";
    let cluster = site!("[cluster]\nports = \"7000-7002\"\n");
    format!("{cluster}{}{}{guides}", reserved(first), reserved(second))
}

/// A site with so many reservations of all nine kinds, each a port or a pair of ports.
pub fn with_many(count: usize) -> String {
    let policies = ["drop", "reject", "notice"];
    let listens = ["always", "if-free", "never"];
    let reserved = (0..count).map(|index| {
        let (first, kind) = (8000 + 10 * index, index % 9);
        let port =
            if index % 2 == 0 { first.to_string() } else { format!("\"{first}-{}\"", first + 1) };
        let (external, listen) = (policies[kind / 3], listens[kind % 3]);
        format!("[[reserved]]\nport = {port}\nexternal = \"{external}\"\nlisten = \"{listen}\"\n")
    });
    site!("[cluster]\nports = \"7000-7002\"\n").to_owned() + &reserved.collect::<String>()
}

/// The documents of a TOML.
pub fn rendered(toml: &str) -> Documents {
    let source = Source::from_bytes("x.toml", toml.as_bytes().to_vec()).unwrap();
    let parsed = Spec::parse(source);
    let (spec, _) = parsed.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    Documents::render(&spec, &Bundle::render(&spec).unwrap()).unwrap()
}

/// All of them as one text: the overview, the reservations, and the sections of each guide.
pub fn whole(documents: &Documents) -> String {
    let files = documents.files.iter().map(|(path, text)| format!("==> {path}\n{text}"));
    let sections = documents.guides.iter().flat_map(|(path, sections)| {
        sections.iter().map(move |one| format!("==> {path}, {}\n{}", one.name, one.text))
    });
    files.chain(sections).collect()
}

/// The fenced blocks of that language.
pub fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(named))) if *named == *language => {
                blocks.push(String::new());
                inside = true;
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(text) if inside => blocks.last_mut().unwrap().push_str(&text),
            _ => {}
        }
    }
    blocks
}
