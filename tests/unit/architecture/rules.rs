//! What holds for the structure of a crate. Each rule returns every violation as a line of text.

use super::references::{Arrow, arrows};
use super::source_tree::SourceTree;
use std::collections::{BTreeMap, BTreeSet};

/// The most files of Rust that a directory may have.
const MOST_FILES: usize = 16;
/// The most lines that a file may have.
const MOST_LINES: usize = 400;

/// The order that the head of a module states for its children, from the bottom up: in a list, each
/// `` - [`name`]: … `` may import those above; in a sentence, ``From the bottom up: `a` and `b`; `c`.``,
/// each may import those before the last semicolon, and those beside it.
pub fn order(tree: &SourceTree, file: &str) -> Vec<Vec<String>> {
    let file = tree.files.iter().find(|known| known.path == file);
    let text = &file.unwrap_or_else(|| panic!("there is no such file")).text;
    let head = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let list = head.clone().filter(|line| line.starts_with("- [`") || line.starts_with("- `"));
    let list: Vec<Vec<String>> =
        list.map(|line| quoted(line.split(':').next().unwrap_or_default())).collect();
    if !list.is_empty() {
        return list;
    }
    let head = head.collect::<Vec<_>>().join(" ");
    let sentence = head.split("From the bottom up:").nth(1).unwrap_or_default();
    let sentence = sentence.split(". ").next().unwrap_or_default();
    sentence.split(';').map(quoted).filter(|names: &Vec<_>| !names.is_empty()).collect()
}

/// Imports between children of the module `file` that go against the order it states, and children
/// that the order does not name.
pub fn layers(tree: &SourceTree, file: &str) -> Vec<String> {
    let parent = tree.files.iter().find(|known| known.path == file).unwrap();
    let parent = parent.module.clone().unwrap();
    let order = order(tree, file);
    let rank = |name: &str| order.iter().position(|names| names.iter().any(|one| one == name));
    let child = |module: &[String]| -> Option<String> {
        module.starts_with(&parent).then(|| module.get(parent.len()).cloned())?
    };
    let declared = tree.children(&parent);
    let unnamed = declared.iter().filter(|name| rank(name).is_none());
    let mut violations: Vec<String> =
        unnamed.map(|name| format!("{file}: `{name}` is not in the order")).collect();
    let missing = order.iter().flatten().filter(|name| !declared.contains(name.as_str()));
    violations.extend(missing.map(|name| format!("{file}: there is no module `{name}`")));
    for arrow in arrows(tree) {
        let (Some(from), Some(to)) = (child(&arrow.module), child(&arrow.target.module)) else {
            continue;
        };
        if from != to && rank(&to) > rank(&from) {
            violations.push(format!("{}: `{from}` is below `{to}`", shown(tree, &arrow)));
        }
    }
    violations
}

/// Imports between files that lead back to the file they come from.
pub fn circles(tree: &SourceTree) -> Vec<String> {
    let arrows: Vec<Arrow> =
        arrows(tree).into_iter().filter(|one| one.target.item.is_some()).collect();
    let mut needs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for arrow in &arrows {
        needs.entry(arrow.from).or_default().insert(arrow.target.file);
    }
    let reached = |from: usize| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            let others = needs.get(&file).into_iter().flatten();
            next.extend(others.copied().filter(|file| reached.insert(*file)));
        }
        reached
    };
    let reached: BTreeMap<usize, BTreeSet<usize>> =
        needs.keys().map(|from| (*from, reached(*from))).collect();
    let leads_back = |arrow: &&Arrow| {
        reached.get(&arrow.target.file).is_some_and(|files| files.contains(&arrow.from))
    };
    arrows.iter().filter(leads_back).map(|arrow| shown(tree, arrow)).collect()
}

/// Directories with too many files, and files with too many lines.
pub fn oversized(tree: &SourceTree) -> Vec<String> {
    let mut directories: BTreeMap<&str, usize> = BTreeMap::new();
    let mut violations = Vec::new();
    for file in &tree.files {
        let (directory, _) = file.path.rsplit_once('/').unwrap_or_default();
        *directories.entry(directory).or_default() += 1;
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            violations.push(format!("{}: {lines} lines, at most {MOST_LINES}", file.path));
        }
    }
    let crowded = directories.iter().filter(|(_, files)| **files > MOST_FILES);
    violations.extend(
        crowded
            .map(|(directory, files)| format!("{directory}: {files} files, at most {MOST_FILES}")),
    );
    violations
}

fn shown(tree: &SourceTree, arrow: &Arrow) -> String {
    let (from, to) = (&tree.files[arrow.from].path, &tree.files[arrow.target.file].path);
    format!("{from}:{} needs {to} ({})", arrow.line, arrow.path.join("::"))
}
