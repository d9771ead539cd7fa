//! Every link in the documents of this repository leads to a file and a heading that exist.

use crate::support::root;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The hosts that links may lead to; reserved names (RFC 2606) are for examples and lead nowhere.
const HOSTS: [&str; 2] = ["keepachangelog.com", "semver.org"];

/// Every Markdown file that is ours.
fn pages() -> Vec<PathBuf> {
    let mut pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from).to_vec();
    for folder in ["docs", "ansible"] {
        let files = redisguard::files::read_tree(&root().join(folder)).unwrap();
        let files = files.into_keys().filter(|path| path.ends_with(".md"));
        pages.extend(files.map(|path| Path::new(folder).join(path)));
    }
    pages
}

/// What a page links to and the anchors that it has, as GitHub makes them of its headings: in small
/// letters, without punctuation, with a hyphen for each space, and counted where they are alike.
fn links_and_anchors(markdown: &str) -> (Vec<String>, Vec<String>) {
    let (mut links, mut anchors) = (Vec::new(), Vec::new());
    let mut heading: Option<String> = None;
    let mut alike: HashMap<String, usize> = HashMap::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.to_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let before = alike.entry(anchor.clone()).or_default();
                anchors.push(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
                *before += 1;
            }
            _ => {}
        }
    }
    (links, anchors)
}

pub fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|one| if one == ' ' { '-' } else { one })
        .collect()
}

/// Where a relative link leads, from the root of the repository; `None` where it leads out of it.
fn target(page: &Path, link: &str) -> Option<PathBuf> {
    let mut place = PathBuf::new();
    for part in page.parent().unwrap().join(link).components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir if place.pop() => {}
            _ => return None,
        }
    }
    Some(place)
}

/// What is wrong with the links of a page.
fn dead_links(page: &Path, markdown: &str) -> Vec<String> {
    let dead = |link: &String| {
        if let Some((_, rest)) = link.split_once("://") {
            let host = rest.split('/').next().unwrap_or_default();
            return (!HOSTS.contains(&host)).then_some("leads to a host that is not known");
        }
        if link.starts_with("mailto:") {
            return None;
        }
        let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
        let text = if path.is_empty() {
            markdown.to_owned()
        } else {
            let place = target(page, path).map(|place| root().join(place));
            let Some(place) = place.filter(|place| place.exists()) else {
                return Some("leads to no file");
            };
            fs::read_to_string(place).unwrap_or_default()
        };
        let known = || links_and_anchors(&text).1.iter().any(|one| one == fragment);
        (!fragment.is_empty() && !known()).then_some("leads to no heading")
    };
    let (links, _) = links_and_anchors(markdown);
    let told =
        links.iter().filter_map(|link| Some(format!("{}: {link} {}", page.display(), dead(link)?)));
    told.collect()
}

#[test]
fn every_link_leads_to_an_existing_file_and_heading() {
    let pages = pages();
    assert!(pages.len() > 10, "{pages:?}");
    let dead: Vec<String> = pages
        .iter()
        .flat_map(|page| dead_links(page, &fs::read_to_string(root().join(page)).unwrap()))
        .collect();
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn a_dead_link_is_found() {
    let page = "# A `b`: c, d\n# A b\n# A b\n[1](#a-b-c-d) [2](../README.md#commands) [3](#a-b-1)\n\
                [4](#a-b-2) [5](nothing.md) [6](../README.md#nothing) [7](../../etc/passwd)\n\
                [8](https://docs.example.org/) [9](https://semver.org/)\n";
    let found = dead_links(Path::new("docs/x.md"), page);
    let numbers: Vec<&str> = found.iter().filter_map(|one| one.split(' ').nth(1)).collect();
    assert_eq!(
        numbers,
        [
            "#a-b-2",
            "nothing.md",
            "../README.md#nothing",
            "../../etc/passwd",
            "https://docs.example.org/"
        ]
    );
}
