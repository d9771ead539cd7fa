//! The good cases of the corpus (`tests/specs/good`), rendered once for every test of a binary.

use super::{root, specs, transcript};
use redisguard::bundle::Bundle;
use redisguard::spec::{Source, Spec};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;
use tempfile::TempDir;

/// A good case of the corpus and what it is rendered to.
pub struct Case {
    pub name: String,
    /// Its folder, with the guides.
    pub folder: PathBuf,
    pub spec: Spec,
    pub bundle: Bundle,
}

/// Every good case.
pub static CORPUS: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let case = |path: &PathBuf| {
        let spec = spec(path);
        let bundle = Bundle::render(&spec).unwrap();
        let folder = path.parent().unwrap().to_path_buf();
        Case { name: super::case(path).to_owned(), folder, spec, bundle }
    };
    specs("good").iter().map(case).collect()
});

pub fn spec(path: &Path) -> Spec {
    let source =
        Source::from_bytes(&path.display().to_string(), std::fs::read(path).unwrap()).unwrap();
    Spec::parse(source).unwrap_or_else(|problems| panic!("{}", problems.render(false))).0
}

pub fn shipped() -> Bundle {
    Bundle::render(&spec(&root().join("redisguard.toml"))).unwrap()
}

/// One artifact as text.
pub fn text<'a>(bundle: &'a Bundle, path: &str) -> &'a str {
    let bytes = bundle.get(path).unwrap_or_else(|| panic!("there is no {path}"));
    std::str::from_utf8(bytes).unwrap()
}

/// A bundle in a folder of its own.
pub fn written(bundle: &Bundle) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in bundle.artifacts() {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    folder
}

/// Every good case's bundle in a folder of its own.
pub fn for_every_bundle(mut look: impl FnMut(&Case, &Path)) {
    CORPUS.iter().for_each(|case| look(case, written(&case.bundle).path()));
}

pub fn assert_accepted(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}:\n{}", transcript(output));
}

const UNITS: &str = "host/etc/systemd/system/";

/// Every unit of a bundle, by its name.
pub fn units(bundle: &Bundle) -> impl Iterator<Item = (&str, &str)> {
    bundle.artifacts().filter_map(|(path, bytes)| {
        Some((path.strip_prefix(UNITS)?, std::str::from_utf8(bytes).unwrap()))
    })
}
