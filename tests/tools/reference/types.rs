//! What the types that `--json` prints say of themselves: the fields and doc comments in the source.
//!
//! The source is read, rather than a schema derived (schemars): that takes a derive on every such type,
//! and a feature to keep it out of the programs, for what only these pages need. It also keeps the
//! fields in alphabetical order, unless serde_json keeps the order of all that the programs print.

use super::markdown::prose;
use redisguard::report::AnswerKind;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use syn::{
    Attribute, Expr, ExprLit, Field, Fields, File, GenericArgument, Item, Lit, Meta, PathArguments,
    Type, UseTree,
};

/// What has a hand-written `Serialize`: numbers by the variants of an enum, in the order of both.
const COUNTS: &str = "AnswerCounts";
const COUNTED: &str = "AnswerKind";

/// One field of what is printed.
pub struct Described {
    /// `steps[].kind`
    pub path: String,
    /// `string or null`
    pub kind: String,
    /// The doc comment, as Markdown.
    pub meaning: String,
    /// Whether every object has it.
    pub always: bool,
}

/// All source files of the library, by their path from `src`.
pub struct Sources(BTreeMap<String, File>);

impl Sources {
    /// Reads and parses them.
    ///
    /// # Errors
    /// Names a file that cannot be read or parsed.
    pub fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut files = BTreeMap::new();
        for (path, bytes) in redisguard::files::read_tree(&root.join("src"))? {
            if path.ends_with(".rs") {
                let parsed = syn::parse_file(&String::from_utf8(bytes)?);
                files.insert(path.clone(), parsed.map_err(|error| format!("{path}: {error}"))?);
            }
        }
        Ok(Self(files))
    }

    /// The fields of a type and of those below it, in the order of the source.
    ///
    /// # Errors
    /// Names a type that is not found, or a field without a doc comment.
    pub fn fields(&self, file: &str, name: &str) -> Result<Vec<Described>, Box<dyn Error>> {
        let mut found = Vec::new();
        self.add_fields(file, name, "", &mut found)?;
        Ok(found)
    }

    fn add_fields(
        &self,
        file: &str,
        name: &str,
        prefix: &str,
        found: &mut Vec<Described>,
    ) -> Result<(), Box<dyn Error>> {
        if name == COUNTS {
            return self.add_counts(prefix, found);
        }
        let (file, fields) =
            self.definition(file, name).ok_or(format!("no type {name} in {file}"))?;
        for field in fields {
            let serde = serde_options(field);
            if serde.contains("skip)") {
                continue;
            }
            let ident = field.ident.as_ref().ok_or(format!("{name} has fields without names"))?;
            let renamed =
                serde.split_once("rename = \"").and_then(|(_, rest)| rest.split('"').next());
            let path = format!("{prefix}{}", renamed.unwrap_or(&ident.to_string()));
            let meaning = doc(&field.attrs);
            if meaning.is_empty() {
                return Err(format!("src/{file}: {name}.{ident} has no doc comment").into());
            }
            let always = !serde.contains("skip_serializing_if");
            let (inner, null) = match argument_of(&field.ty, "Option") {
                Some(inner) => (inner, always),
                None => (&field.ty, false),
            };
            let (element, list) = match argument_of(inner, "Vec") {
                Some(element) => (element, true),
                None => (inner, false),
            };
            let (json, below) = self.json_type(&file, element);
            let mut kind = if list { format!("array of {json}s") } else { json.to_owned() };
            kind.push_str(if null { " or null" } else { "" });
            kind.push_str(if always { "" } else { ", may be absent" });
            let prefix = format!("{path}{}.", if list { "[]" } else { "" });
            found.push(Described { path, kind, meaning, always });
            if let Some(below) = below {
                self.add_fields(&file, &below, &prefix, found)?;
            }
        }
        Ok(())
    }

    fn add_counts(&self, prefix: &str, found: &mut Vec<Described>) -> Result<(), Box<dyn Error>> {
        let mut items = self.0.values().flat_map(|file| &file.items);
        let variants = items.find_map(|item| match item {
            Item::Enum(item) if item.ident == COUNTED => Some(&item.variants),
            _ => None,
        });
        let variants = variants.ok_or(format!("no enum {COUNTED}"))?;
        found.extend(AnswerKind::ALL.iter().zip(variants).map(|(kind, variant)| Described {
            path: format!("{prefix}{}", kind.name()),
            kind: "integer".to_owned(),
            meaning: doc(&variant.attrs),
            always: true,
        }));
        Ok(())
    }

    /// The struct of that name that a file means: its own, or the one that it imports.
    fn definition(&self, file: &str, name: &str) -> Option<(String, &Fields)> {
        let own = self.0.get(file)?.items.iter().find_map(|item| match item {
            Item::Struct(item) if item.ident == name => Some(&item.fields),
            _ => None,
        });
        if let Some(fields) = own {
            return Some((file.to_owned(), fields));
        }
        let imported = self.0.get(file)?.items.iter().find_map(|item| match item {
            Item::Use(item) => module_of(&item.tree, name, &mut Vec::new()),
            _ => None,
        });
        let module = imported?;
        // A module may re-export what a file below it defines.
        self.0.keys().filter(|path| path.contains(&module)).find_map(|path| {
            let items = &self.0.get(path)?.items;
            items.iter().find_map(|item| match item {
                Item::Struct(item) if item.ident == name => Some((path.clone(), &item.fields)),
                _ => None,
            })
        })
    }

    /// What JSON has for a type of Rust, and the struct whose fields are below it.
    fn json_type(&self, file: &str, of: &Type) -> (&'static str, Option<String>) {
        let of = if let Type::Reference(reference) = of { &*reference.elem } else { of };
        let name = name_of(of).unwrap_or_default();
        match name.as_str() {
            "bool" => ("boolean", None),
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i64" => ("integer", None),
            name if name == COUNTS || self.definition(file, name).is_some() => {
                ("object", Some(name.to_owned()))
            }
            _ => ("string", None),
        }
    }
}

/// The last name of a path: `Vec` of `std::vec::Vec<u8>`.
fn name_of(of: &Type) -> Option<String> {
    let Type::Path(path) = of else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}

/// `T` of `Outer<T>`.
fn argument_of<'a>(of: &'a Type, outer: &str) -> Option<&'a Type> {
    let Type::Path(path) = of else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == outer)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

/// The path below `src` of the module that a name is imported from, without its ending.
fn module_of(tree: &UseTree, name: &str, above: &mut Vec<String>) -> Option<String> {
    match tree {
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            let found = module_of(&path.tree, name, above);
            above.pop();
            found
        }
        UseTree::Group(group) => group.items.iter().find_map(|tree| module_of(tree, name, above)),
        UseTree::Name(one) if one.ident == name => {
            let modules = above.iter().filter(|part| !matches!(part.as_str(), "crate" | "super"));
            Some(modules.cloned().collect::<Vec<_>>().join("/"))
        }
        _ => None,
    }
}

/// The options in a field's `#[serde(...)]`.
fn serde_options(field: &Field) -> String {
    let lists = field.attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("serde") => Some(format!("{})", list.tokens)),
        _ => None,
    });
    lists.collect()
}

/// A doc comment as running Markdown; links to items are their names.
fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join(" ");
    prose(text.replace("[`", "`").replace("`]", "`").trim_end_matches('.'))
}
