//! The modules of a crate: their files, and the names that each defines or imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::{Attribute, ImplItem, Item, UseTree};

/// Segments of a path, or the path of a module from the crate's root.
pub type Segments = Vec<String>;

/// A file below src/.
pub struct SourceFile {
    /// Its path from the repository, with `/`.
    pub path: String,
    pub text: String,
    pub syntax: syn::File,
    /// The module that it is; `None` for a program in src/bin, which is a crate of its own.
    pub module: Option<Segments>,
}

/// What a name in a module stands for. One name may stand for several, in Rust's namespaces.
#[derive(Clone)]
enum Name {
    Module,
    Item,
    /// The path behind `use`.
    Import(Segments),
}

struct Module {
    /// Index of its file.
    file: usize,
    names: BTreeMap<String, Vec<Name>>,
    /// The modules whose names it imports with `*`.
    globs: Vec<Segments>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Index of the file that defines it.
    pub file: usize,
    /// The module that defines it, or that it is.
    pub module: Segments,
    /// The item; `None` for a module, of which only a path through it says which file is needed.
    pub item: Option<String>,
}

/// All files of src/.
pub struct SourceTree {
    pub files: Vec<SourceFile>,
    modules: BTreeMap<Segments, Module>,
}

impl SourceTree {
    /// Reads every `*.rs` below `src` of a repository.
    pub fn read(root: &Path) -> Self {
        let files = redisguard::files::read_tree(&root.join("src")).unwrap().into_iter();
        let sources = files.filter(|(path, _)| path.ends_with(".rs"));
        Self::new(
            sources.map(|(path, bytes)| (format!("src/{path}"), String::from_utf8(bytes).unwrap())),
        )
    }

    /// The tree of these files, each as path and text.
    pub fn new(sources: impl Iterator<Item = (String, String)>) -> Self {
        let parse = |(path, text): (String, String)| {
            let syntax = syn::parse_file(&text).unwrap_or_else(|why| panic!("{path}: {why}"));
            let module = module_path(&path);
            SourceFile { path, text, syntax, module }
        };
        let mut tree = Self { files: sources.map(parse).collect(), modules: BTreeMap::new() };
        let mut of_tests = BTreeSet::new();
        for (index, file) in tree.files.iter().enumerate() {
            if let Some(module) = &file.module {
                define(index, module, &file.syntax.items, &mut tree.modules, &mut of_tests);
            }
        }
        // A file that is declared for tests alone does not count, wherever it is.
        tree.files.iter_mut().filter(|file| of_tests.contains(&file.path)).for_each(|file| {
            tree.modules.remove(file.module.as_deref().unwrap_or_default());
            file.module = None;
        });
        tree
    }

    /// The modules that are declared directly in `module`.
    pub fn children(&self, module: &[String]) -> BTreeSet<&str> {
        let names = self.modules[module].names.iter();
        let is_module = |names: &[Name]| names.iter().any(|name| matches!(name, Name::Module));
        names.filter(|(_, names)| is_module(names)).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether names come into `module` by a `*` import.
    pub fn has_globs(&self, module: &[String]) -> bool {
        self.modules.get(module).is_some_and(|module| !module.globs.is_empty())
    }

    /// Where a path that is written in `module` leads in this crate: through re-exports to what
    /// defines the item. Empty where it leads into another crate.
    pub fn resolve(&self, module: &[String], path: &[String]) -> BTreeSet<Target> {
        self.resolve_within(module, path, 0)
    }

    fn resolve_within(&self, module: &[String], path: &[String], depth: usize) -> BTreeSet<Target> {
        let (mut module, mut rest) = (module.to_vec(), path);
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            rest = others;
        }
        self.look_up(&module, rest, depth)
    }

    fn look_up(&self, module: &[String], rest: &[String], depth: usize) -> BTreeSet<Target> {
        let mut found = BTreeSet::new();
        // Re-exports that lead to themselves do not compile; a path in a macro may.
        let Some(here) = self.modules.get(module).filter(|_| depth < 16) else { return found };
        let target = |item| Target { file: here.file, module: module.to_vec(), item };
        let Some((first, others)) = rest.split_first() else {
            return BTreeSet::from([target(None)]);
        };
        for name in here.names.get(first).into_iter().flatten() {
            match name {
                Name::Module => {
                    let child = [module, std::slice::from_ref(first)].concat();
                    found.extend(self.look_up(&child, others, depth + 1));
                }
                Name::Item => drop(found.insert(target(Some(first.clone())))),
                Name::Import(path) => {
                    let path = [path, others].concat();
                    found.extend(self.resolve_within(module, &path, depth + 1));
                }
            }
        }
        if found.is_empty() {
            for glob in &here.globs {
                found.extend(self.resolve_within(module, &[glob, rest].concat(), depth + 1));
            }
        }
        found
    }
}

/// The module that a file is.
fn module_path(path: &str) -> Option<Segments> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    if inner.starts_with("bin/") || inner == "main" {
        return None;
    }
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    Some(inner.split('/').filter(|part| *part != "lib").map(str::to_owned).collect())
}

/// Adds what the items of a module define, and of modules within it; `of_tests` gets the files of
/// modules that are declared for tests.
fn define(
    file: usize,
    module: &[String],
    items: &[Item],
    modules: &mut BTreeMap<Segments, Module>,
    of_tests: &mut BTreeSet<String>,
) {
    let mut here = Module { file, names: BTreeMap::new(), globs: Vec::new() };
    let mut add = |name: &syn::Ident, what| {
        here.names.entry(name.to_string()).or_default().push(what);
    };
    for item in items {
        if let Item::Mod(inner) = item {
            let child = [module, &[inner.ident.to_string()]].concat();
            match &inner.content {
                _ if is_for_tests(&inner.attrs) => {
                    of_tests.insert(format!("src/{}.rs", child.join("/")));
                    of_tests.insert(format!("src/{}/mod.rs", child.join("/")));
                    let directory = ["src".to_owned()].into_iter().chain(module.iter().cloned());
                    let directory = directory.collect::<Vec<_>>();
                    // `#[path]` is relative to the directory of the file that declares it.
                    for name in inner.attrs.iter().filter_map(path_attribute) {
                        of_tests.insert(format!("{}/{name}", directory.join("/")));
                        let above = &directory[..directory.len().saturating_sub(1)];
                        of_tests.insert(format!("{}/{name}", above.join("/")));
                    }
                    continue;
                }
                Some((_, items)) => define(file, &child, items, modules, of_tests),
                None => {}
            }
            add(&inner.ident, Name::Module);
            continue;
        }
        if is_for_tests(attributes(item)) {
            continue;
        }
        match item {
            Item::Const(item) => add(&item.ident, Name::Item),
            Item::Enum(item) => add(&item.ident, Name::Item),
            Item::Fn(item) => add(&item.sig.ident, Name::Item),
            Item::Macro(item) => item.ident.iter().for_each(|name| add(name, Name::Item)),
            Item::Static(item) => add(&item.ident, Name::Item),
            Item::Struct(item) => add(&item.ident, Name::Item),
            Item::Trait(item) => add(&item.ident, Name::Item),
            Item::Type(item) => add(&item.ident, Name::Item),
            Item::Union(item) => add(&item.ident, Name::Item),
            Item::Use(item) => {
                for import in imports(&item.tree) {
                    match import.name {
                        Some(name) => add(&name, Name::Import(import.path)),
                        None => here.globs.push(import.path),
                    }
                }
            }
            _ => {}
        }
    }
    modules.insert(module.to_vec(), here);
}

/// One leaf of a `use`.
pub struct Import {
    pub path: Segments,
    /// What it is called here; `None` for `*`.
    pub name: Option<syn::Ident>,
    pub line: usize,
}

/// The leaves of a `use`.
pub fn imports(tree: &UseTree) -> Vec<Import> {
    fn add(above: &[String], tree: &UseTree, imports: &mut Vec<Import>) {
        let with = |name: &syn::Ident| [above, &[name.to_string()]].concat();
        let line = |span: proc_macro2::Span| span.start().line;
        match tree {
            UseTree::Path(path) => add(&with(&path.ident), &path.tree, imports),
            UseTree::Group(group) => group.items.iter().for_each(|tree| add(above, tree, imports)),
            UseTree::Glob(glob) => imports.push(Import {
                path: above.to_vec(),
                name: None,
                line: line(glob.star_token.spans[0]),
            }),
            UseTree::Name(leaf) if leaf.ident == "self" => {
                let name = above.last().map(|name| syn::Ident::new(name, leaf.ident.span()));
                let line = line(leaf.ident.span());
                imports.push(Import { path: above.to_vec(), name, line });
            }
            UseTree::Name(leaf) => imports.push(Import {
                path: with(&leaf.ident),
                name: Some(leaf.ident.clone()),
                line: line(leaf.ident.span()),
            }),
            UseTree::Rename(leaf) => imports.push(Import {
                path: if leaf.ident == "self" { above.to_vec() } else { with(&leaf.ident) },
                name: Some(leaf.rename.clone()),
                line: line(leaf.ident.span()),
            }),
        }
    }
    let mut imports = Vec::new();
    add(&[], tree, &mut imports);
    imports
}

/// Whether something is compiled for tests alone: `#[cfg(test)]`, also within `all(…)`.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let condition = list.tokens.to_string();
        let words = condition.split(|character: char| !character.is_alphanumeric());
        !condition.contains("not") && words.into_iter().any(|word| word == "test")
    })
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. }) => Some(name.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of an item in an `impl`.
pub fn impl_attributes(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}
