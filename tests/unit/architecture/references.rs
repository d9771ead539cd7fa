//! Every path that the code of a crate names, with the line it is on, and the files it leads to.

use super::source_tree::{
    Segments, SourceTree, Target, attributes, impl_attributes, imports, is_for_tests,
};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Path, Visibility};

/// A path as it is written, outside of tests.
pub struct Reference {
    /// The module that it is written in.
    module: Segments,
    path: Segments,
    line: usize,
    is_glob: bool,
}

/// A file that needs another one.
pub struct Arrow {
    /// Index of the file that needs the other.
    pub from: usize,
    pub line: usize,
    /// The module that needs it.
    pub module: Segments,
    /// The path as it is written.
    pub path: Segments,
    pub target: Target,
}

/// Every arrow between two files of the crate: one for each item that a file names,
/// where it is named first.
pub fn arrows(tree: &SourceTree) -> Vec<Arrow> {
    let mut arrows = BTreeMap::new();
    for (from, file) in tree.files.iter().enumerate() {
        let Some(module) = &file.module else { continue };
        let mut collector = Collector { tree, module: module.clone(), found: Vec::new() };
        collector.visit_file(&file.syntax);
        for Reference { module, path, line, is_glob } in collector.found {
            for mut target in tree.resolve(&module, &path) {
                // With `*` all items of a module are imported.
                if is_glob {
                    target.item.get_or_insert("*".to_owned());
                }
                if target.file != from {
                    let (module, path) = (module.clone(), path.clone());
                    let arrow = Arrow { from, line, module, path, target: target.clone() };
                    arrows.entry((from, target)).or_insert(arrow);
                }
            }
        }
    }
    arrows.into_values().collect()
}

struct Collector<'a> {
    tree: &'a SourceTree,
    module: Segments,
    found: Vec<Reference>,
}

impl Collector<'_> {
    fn add(&mut self, path: Segments, line: usize, is_glob: bool) {
        // A name alone is defined or imported in this module, and counted there, unless by `*`.
        if path.len() > 1 || is_glob || self.tree.has_globs(&self.module) {
            self.found.push(Reference { module: self.module.clone(), path, line, is_glob });
        }
    }

    /// The paths in tokens that are not parsed: what a macro or an attribute is given.
    fn scan(&mut self, tokens: TokenStream, has_paths_in_texts: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is_colons = |index: usize| {
            matches!(tokens.get(index), Some(TokenTree::Punct(colon))
                if colon.as_char() == ':' && colon.spacing() == Spacing::Joint)
                && matches!(tokens.get(index + 1), Some(TokenTree::Punct(colon))
                    if colon.as_char() == ':')
        };
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            index += 1;
            match token {
                TokenTree::Group(group) => self.scan(group.stream(), has_paths_in_texts),
                TokenTree::Ident(first) => {
                    let follows = index >= 3 && is_colons(index - 3);
                    let mut path = vec![first.to_string()];
                    while is_colons(index) {
                        let Some(TokenTree::Ident(next)) = tokens.get(index + 2) else { break };
                        path.push(next.to_string());
                        index += 3;
                    }
                    if path.len() > 1 && !follows {
                        self.add(path, first.span().start().line, false);
                    }
                    // `a::{b, c}` in a macro: what is in the braces is counted where it is used.
                    if matches!(tokens.get(index + 2), Some(TokenTree::Group(group))
                        if is_colons(index) && group.delimiter() == Delimiter::Brace)
                    {
                        index += 3;
                    }
                }
                TokenTree::Literal(text) if has_paths_in_texts => {
                    let line = text.span().start().line;
                    if let Ok(path) = syn::parse_str::<syn::LitStr>(&text.to_string())
                        .and_then(|text| syn::parse_str::<Path>(&text.value()))
                    {
                        self.add(segments(&path), line, false);
                    }
                }
                _ => {}
            }
        }
    }
}

fn segments(path: &Path) -> Segments {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !is_for_tests(impl_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            for import in imports(&item.tree) {
                self.add(import.path, import.line, import.name.is_none());
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if let Some(first) = path.segments.first().filter(|_| path.leading_colon.is_none()) {
            self.add(segments(path), first.ident.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.scan(call.tokens.clone(), false);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // serde's `with = "crate::x"` names a path in a text.
        if let syn::Meta::List(list) = &attribute.meta {
            self.scan(list.tokens.clone(), true);
        }
    }

    /// `pub(super)` and `pub(in crate::x)` import nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
