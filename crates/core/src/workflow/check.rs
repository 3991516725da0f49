//! Which names an expression of a step may use.

use std::collections::BTreeSet;

use crate::expr::{Expr, Path, Segment};

/// Names that are always there.
const ROOTS: [&str; 5] = ["trigger", "input", "steps", "vars", "run"];
/// Names that are there inside loops.
const LOOP_ROOTS: [&str; 2] = ["item", "index"];

/// Whether a loop may give its item this name.
pub(super) fn is_free_name(name: &str) -> bool {
    is_identifier(name) && !ROOTS.contains(&name) && !LOOP_ROOTS.contains(&name)
}

/// Whether a text can stand in an expression as a name.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 64
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The names in reach at one place of a workflow.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Steps that may have run before.
    pub(super) steps: BTreeSet<String>,
    /// Whether this is inside a loop.
    pub(super) in_loop: bool,
    /// The loops' own names for their items.
    pub(super) aliases: Vec<String>,
}

/// What exists anywhere in the workflow.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) steps: BTreeSet<String>,
    pub(super) vars: BTreeSet<String>,
}

/// The first reference of an expression that leads nowhere.
pub(super) fn reference_fault(expr: &Expr, reach: &Reach, known: &Known) -> Option<String> {
    expr.paths().into_iter().find_map(|path| path_fault(path, reach, known))
}

fn path_fault(path: &Path, reach: &Reach, known: &Known) -> Option<String> {
    let root = path.root();
    let first = match path.segments().first() {
        Some(Segment::Key(key)) => Some(&**key),
        _ => None,
    };
    match (root, first) {
        ("steps", None) => Some(format!("`{path}`: name the step, as in `steps.<id>.output`")),
        ("steps", Some(id)) if reach.steps.contains(id) => None,
        ("steps", Some(id)) if known.steps.contains(id) => Some(format!(
            "`{path}`: step `{id}` has not run here; it comes later, or in another branch or loop"
        )),
        ("steps", Some(id)) => {
            Some(format!("`{path}`: there is no step `{id}`{}", listed(reach.steps.iter())))
        }
        ("vars", Some(name)) if !known.vars.contains(name) => Some(format!(
            "`{path}`: no step sets the variable `{name}`{}",
            listed(known.vars.iter())
        )),
        _ if ROOTS.contains(&root) => None,
        _ if LOOP_ROOTS.contains(&root) && reach.in_loop => None,
        _ if LOOP_ROOTS.contains(&root) => {
            Some(format!("`{path}`: `{root}` exists only inside a `for_each`"))
        }
        _ if reach.aliases.iter().any(|alias| alias == root) => None,
        _ => {
            let loops: &[&str] = if reach.in_loop { &LOOP_ROOTS } else { &[] };
            let names = ROOTS.iter().chain(loops).map(|name| (*name).to_owned());
            let names: Vec<String> = names.chain(reach.aliases.iter().cloned()).collect();
            Some(format!("`{root}` is unknown{}", listed(names.iter())))
        }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}
