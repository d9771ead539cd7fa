//! Marked sections of guides are filled, and every byte outside of the markers stays.

use crate::support::{GEN, cases, transcript};
use proptest::prelude::*;
use redisguard::bundle::Section;
use redisguard::guide::fill;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- redisguard:begin a -->";
const END: &str = "<!-- redisguard:end a -->";

/// What hostile guides are made of.
const PIECES: [&[u8]; 24] = [
    b"words",
    b"",
    b"# Heading",
    b"```",
    b"````",
    b"~~~ text",
    b"~~~",
    b"   ```",
    b"    indented",
    b"\tindented",
    b"- item",
    b"  - nested",
    b"1. one",
    b"> quoted",
    b"> ```",
    b"<pre>",
    b"</pre>",
    b"<div>",
    b"</div>",
    b"<!-- a comment -->",
    b"<!--",
    b"-->",
    b"\xff\xfe no text \x80",
    "тест \u{2028} `".as_bytes(),
];
const MARKERS: [&str; 5] = [
    BEGIN,
    END,
    "  <!--redisguard:begin a-->",
    "<!--  redisguard:end   a  -->  ",
    "> <!-- redisguard:begin a -->",
];

fn section(text: &str) -> [Section; 1] {
    [Section { name: "a", text: text.to_owned(), required: true }]
}

/// A guide of pieces, with line ends of both kinds, and maybe none behind the last one.
fn guide() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(&PIECES[..]).prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(&MARKERS[..]).prop_map(|text| text.as_bytes().to_vec()),
    ];
    let end = prop_oneof![3 => Just(&b"\n"[..]), 1 => Just(&b"\r\n"[..])];
    let lines = prop::collection::vec((piece, end), 0..24);
    (lines, any::<bool>(), any::<bool>()).prop_map(|(lines, bom, cut)| {
        let mut guide = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        let last = lines.len().saturating_sub(1);
        for (index, (line, end)) in lines.iter().enumerate() {
            guide.extend(line);
            guide.extend(if index == last && cut { &b""[..] } else { end });
        }
        guide
    })
}

/// Whole lines, with their ends.
fn lines(guide: &[u8]) -> Vec<&[u8]> {
    guide.split_inclusive(|byte| *byte == b'\n').collect()
}

proptest! {
    #![proptest_config(cases(3000))]

    /// With random pieces most guides have faults; a whole section between them makes many good.
    #[test]
    fn bytes_outside_the_markers_never_change_and_a_second_run_changes_nothing(
        before in guide(), within in guide(), after in guide(), whole in any::<bool>(),
    ) {
        let end = |text: &[u8]| if text.ends_with(b"\n") || text.is_empty() { "" } else { "\n" };
        let guide = if whole {
            let middle = [BEGIN.as_bytes(), b"\n", &within, end(&within).as_bytes(), END.as_bytes(), b"\n"];
            [&before, end(&before).as_bytes(), &middle.concat(), &after[..]].concat()
        } else {
            [before, within, after].concat()
        };
        let Ok(filled) = fill(&guide, &section("NEW one\nNEW two\n")) else {
            // A fault is a fault whatever would be filled in.
            prop_assert!(fill(&guide, &section("")).is_err());
            return Ok(());
        };
        prop_assert_eq!(&fill(&filled, &section("NEW one\nNEW two\n")).unwrap(), &filled);
        // Taken out again, exactly what we put in is missing: once, and in one place.
        let (old, new) = (lines(&guide), lines(&filled));
        let at = new.iter().position(|line| line.starts_with(b"NEW one")).unwrap();
        prop_assert!(new[at + 1].starts_with(b"NEW two"));
        prop_assert_eq!(new.iter().filter(|line| line.starts_with(b"NEW")).count(), 2);
        let marker = String::from_utf8_lossy(new[at - 1]).into_owned();
        prop_assert!(marker.contains("redisguard:begin"), "{}", marker);
        prop_assert_eq!(&old[..at], &new[..at]);
        let rest = &new[at + 2..];
        prop_assert_eq!(&old[old.len() - rest.len()..], rest);
        prop_assert!(String::from_utf8_lossy(rest[0]).contains("redisguard:end"));
        // And the line ends are those of the marker above.
        prop_assert_eq!(new[at].ends_with(b"\r\n"), new[at - 1].ends_with(b"\r\n"));
    }
}

/// A site with the guides, rendered in a folder of its own.
fn rendered(guides: &[&str], prepare: impl Fn(&Path)) -> (tempfile::TempDir, String, i32) {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = guides.iter().map(|guide| format!("\"{guide}\"")).collect();
    let toml = format!(
        "[contact]\nteam = \"Ops\"\nemail = \"ops@example.org\"\n[cluster]\nports = 7000\n\
         [[reserved]]\nport = 6379\nexternal = \"reject\"\n[docs]\nguides = [{}]\n",
        names.join(", ")
    );
    fs::write(folder.path().join("redisguard.toml"), toml).unwrap();
    prepare(folder.path());
    let output = Command::new(GEN).current_dir(folder.path()).output().unwrap();
    (folder, transcript(&output), output.status.code().unwrap())
}

fn with_markers(before: &[u8], after: &[u8]) -> Vec<u8> {
    let markers = "<!-- redisguard:begin port-warning -->\n<!-- redisguard:end port-warning -->\n";
    [before, markers.as_bytes(), after].concat()
}

#[test]
fn several_guides_have_the_same_section_each_with_its_own_links() {
    let (folder, said, status) = rendered(&["docs/a.md", "docs/deep/er/b.md"], |folder| {
        fs::create_dir_all(folder.join("docs/deep/er")).unwrap();
        for guide in ["docs/a.md", "docs/deep/er/b.md"] {
            fs::write(folder.join(guide), with_markers(b"mine\n", b"mine too\n")).unwrap();
        }
    });
    assert_eq!(status, 0, "{said}");
    for (guide, link) in [
        ("docs/a.md", "(redis/REDIS_PORT_RESERVATIONS.md)"),
        ("docs/deep/er/b.md", "(../../redis/REDIS_PORT_RESERVATIONS.md)"),
    ] {
        let text = fs::read_to_string(folder.path().join(guide)).unwrap();
        assert!(text.starts_with("mine\n<!--") && text.ends_with("-->\nmine too\n"), "{text}");
        assert!(text.contains("6379") && text.contains(link), "{text}");
    }
}

#[test]
fn a_guide_of_ten_megabytes_is_filled() {
    let line = b"Some prose with `code`, <b>HTML</b> and more of it, again and again.\n";
    let prose = line.repeat((10 << 20) / line.len());
    let (folder, said, status) = rendered(&["docs/a.md"], |folder| {
        fs::create_dir_all(folder.join("docs")).unwrap();
        fs::write(folder.join("docs/a.md"), with_markers(&prose, &prose)).unwrap();
    });
    assert_eq!(status, 0, "{said}");
    let text = fs::read(folder.path().join("docs/a.md")).unwrap();
    assert!(
        text.starts_with(&prose) && text.ends_with(&prose) && text.len() > 2 * prose.len() + 200
    );
}

#[test]
fn a_guide_that_is_write_protected_is_filled_and_stays_protected() {
    // It is replaced, not written into: what counts are the rights to its folder.
    let (folder, said, status) = rendered(&["docs/a.md"], |folder| {
        fs::create_dir_all(folder.join("docs")).unwrap();
        fs::write(folder.join("docs/a.md"), with_markers(b"", b"")).unwrap();
        let protected = fs::Permissions::from_mode(0o440);
        fs::set_permissions(folder.join("docs/a.md"), protected).unwrap();
    });
    assert_eq!(status, 0, "{said}");
    let guide = folder.path().join("docs/a.md");
    assert_eq!(fs::metadata(&guide).unwrap().permissions().mode() & 0o777, 0o440);
    assert!(fs::read_to_string(&guide).unwrap().contains("6379"));
}

#[test]
fn a_guide_that_is_a_link_or_no_file_is_refused_and_nothing_is_written() {
    for (make, named) in [
        ("echo > real.md; ln -s ../real.md docs/a.md", "ordinary file"),
        ("ln -s ../missing.md docs/a.md", "ordinary file"),
        ("mkdir docs/a.md", "ordinary file"),
        ("mkfifo docs/a.md", "ordinary file"),
    ] {
        let (folder, said, status) = rendered(&["docs/a.md"], |folder| {
            let script = format!("mkdir docs; {make}");
            let made = Command::new("sh").args(["-ec", &script]).current_dir(folder).status();
            assert!(made.unwrap().success());
        });
        assert!(
            status == 2 && said.contains("could not use docs/a.md") && said.contains(named),
            "{said}"
        );
        assert!(!folder.path().join("generated").exists(), "{make}");
    }
}
