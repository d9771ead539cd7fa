//! The page about JSON: each field with the doc comment of the type that is printed, and an example.

use super::markdown::{fenced, table};
use super::types::{Described, Sources};
use serde_json::Value;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

/// What one verb prints, or several print alike.
struct Output {
    verbs: &'static [&'static str],
    /// What it is, as Markdown.
    about: &'static str,
    /// The file below `src` that has the type of the whole object, and the type's name.
    of: (&'static str, &'static str),
    /// It as it is printed, with every field that is always there.
    example: &'static str,
}

const OUTPUTS: &[Output] = &[
    Output {
        verbs: &["redisguard-gen"],
        about: "With or without `--check`. The names of `problems` are what an annotation on GitHub \
                takes. Where the TOML or a guide's markers cannot be read nothing is printed.",
        of: ("cli/generator/json.rs", "Output"),
        example: include_str!("examples/generator.json"),
    },
    Output {
        verbs: &["plan", "apply", "revert", "remove"],
        about: "What would be done, or was. `remove --dry-run` prints what `remove` would.",
        of: ("cli/installer/output.rs", "Steps"),
        example: include_str!("examples/steps.json"),
    },
    Output {
        verbs: &["confirm"],
        about: "That the change is kept.",
        of: ("cli/installer/confirm.rs", "Confirmed"),
        example: include_str!("examples/confirm.json"),
    },
    Output {
        verbs: &["status"],
        about: "What is in place. What the kinds of findings mean is in \
                [architecture.md](../architecture.md#what-status-finds); they stay.",
        of: ("status/types.rs", "HostStatus"),
        example: include_str!("examples/status.json"),
    },
    Output {
        verbs: &["report"],
        about: "Who still knocks. `answers` are named as in the \
                [overview of answers](../architecture.md#the-report). Lists of steps begin with the \
                first one of `timeline`, and have as many numbers.",
        of: ("report/summary.rs", "Summary"),
        example: include_str!("examples/report.json"),
    },
    Output {
        verbs: &["rules load", "rules save", "rules unload"],
        about: "What was done to the rules in the kernel.",
        of: ("cli/installer/rules.rs", "RulesChange"),
        example: include_str!("examples/rules.json"),
    },
    Output {
        verbs: &["rehearse"],
        about: "What was tried and met.",
        of: ("rehearse/report.rs", "Report"),
        example: include_str!("examples/rehearse.json"),
    },
    Output {
        verbs: &["probe"],
        about: "What a user of each host meets, from where the program runs. A host that nothing \
                follows from, for all of it is silent or its name is unknown, is not as promised.",
        of: ("cli/installer/probe.rs", "Answer"),
        example: include_str!("examples/probe.json"),
    },
];

/// The page.
///
/// # Errors
/// Names a field without a doc comment, one that the example lacks, or one of the example that no type has.
pub fn page(root: &Path) -> Result<String, Box<dyn Error>> {
    let sources = Sources::read(root)?;
    let mut page = String::from(
        "# JSON\n\n\
         `--json` prints one object on standard output, and everything else on standard error. With exit\n\
         status 2 there is none, and standard error says why; only `redisguard-gen` prints the problems of a\n\
         TOML then, too. Fields may be added later: pass over what you do not know. Moments are UTC in the\n\
         form of RFC 3339.\n\n",
    );
    for output in OUTPUTS {
        let fields = sources.fields(output.of.0, output.of.1)?;
        agree(&fields, &serde_json::from_str(output.example)?)
            .map_err(|why| format!("{}: {why}", output.verbs.join(", ")))?;
        let verbs: Vec<String> = output.verbs.iter().map(|verb| format!("`{verb}`")).collect();
        let row = |field: Described| vec![format!("`{}`", field.path), field.kind, field.meaning];
        page.push_str(&format!(
            "## {}\n\n{}\n\n{}\n{}\n",
            verbs.join(", "),
            output.about,
            table(&["Field", "Type", "Meaning"], fields.into_iter().map(row)),
            fenced("json", output.example)
        ));
    }
    Ok(page)
}

/// Whether an example has the fields of its type, no more and no less.
fn agree(fields: &[Described], example: &Value) -> Result<(), String> {
    let mut shown = BTreeSet::new();
    paths("", example, &mut shown);
    let known = |path: &str| fields.iter().any(|field| field.path == path);
    if let Some(path) = shown.iter().find(|path| !known(path)) {
        return Err(format!("the example has `{path}`, which is no field"));
    }
    // Below what may be absent, fields may be absent too.
    let missing = fields.iter().find(|field| field.always && !shown.contains(&field.path));
    missing.map_or(Ok(()), |field| Err(format!("the example lacks `{}`", field.path)))
}

/// The paths of all fields of a value: `steps[].kind`.
fn paths(above: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if above.is_empty() { "" } else { "." };
                let path = format!("{above}{dot}{name}");
                paths(&path, value, found);
                found.insert(path);
            }
        }
        Value::Array(array) => {
            array.iter().for_each(|value| paths(&format!("{above}[]"), value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn described(path: &str, always: bool) -> Described {
        Described { path: path.to_owned(), kind: String::new(), meaning: String::new(), always }
    }

    #[test]
    fn an_example_has_the_fields_of_its_type_no_more_and_no_less() {
        let fields = [described("a", true), described("a[].b", true), described("c", false)];
        assert_eq!(agree(&fields, &json!({ "a": [{ "b": 1 }] })), Ok(()));
        assert_eq!(agree(&fields, &json!({ "a": [{ "b": 1 }], "c": 2 })), Ok(()));
        let less = agree(&fields, &json!({ "a": [] })).unwrap_err();
        assert_eq!(less, "the example lacks `a[].b`");
        let more = agree(&fields, &json!({ "a": [{ "b": 1, "d": 2 }] })).unwrap_err();
        assert_eq!(more, "the example has `a[].d`, which is no field");
    }
}
