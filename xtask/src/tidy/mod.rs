//! The rules of the house that a compiler does not check. Each rule is a function over the tree,
//! each has a planted violation in its tests, and a rule that is not in [`RULES`] does not exist.

use crate::command::{self, Outcome};

mod arrows;
mod borders;
mod lexer;
mod lists;
mod names;
mod sizes;
mod tree;
mod words;

use tree::Tree;

/// Something a rule does not accept.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the root.
    path: String,
    /// The line, from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong and what would be right.
    message: String,
}

impl Violation {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

type Rule = fn(&Tree) -> Vec<Violation>;

/// Every rule with the reason for it, which is printed with its violations.
const RULES: &[(Rule, &str)] = &[
    (sizes::files, "a file holds one concept and fits in a reader's head"),
    (sizes::functions, "a function that needs scrolling does more than one thing"),
    (sizes::widths, "two files fit beside each other on a screen"),
    (arrows::in_house, "arrows between crates point down, so each can be read without the next"),
    (arrows::outside, "one crate speaks to each outer world, so there is one place to guard"),
    (names::files_and_modules, "a name that fits everything collects everything"),
    (borders::tenant_contexts, "only who verified a credential may vouch for a tenant"),
    (borders::sql, "SQL lives in the store, where it is prepared on both databases"),
    (borders::sleeping_tests, "a test that sleeps is slow today and flaky tomorrow"),
    (lists::providers, "a provider folder that is not listed is dead, and the other way round"),
    (lists::error_pages, "every error a user can meet has a page that says what to do"),
    (lists::links, "a link that leads nowhere is worse than none"),
    (words::leftovers, "unfinished work belongs in the tracker, not in the tree"),
    (words::places, "the tree builds on every machine, from any mirror"),
];

/// Checks the whole checkout.
pub fn run() -> Outcome {
    let tree = Tree::load(command::root())?;
    let mut count = 0;
    for (rule, why) in RULES {
        let mut found = rule(&tree);
        found.sort();
        for violation in &found {
            eprintln!("{}:{}: {}", violation.path, violation.line, violation.message);
        }
        if !found.is_empty() {
            eprintln!("    because {why}\n");
        }
        count += found.len();
    }
    if count == 0 {
        println!("{} files follow all {} rules", tree.files.len(), RULES.len());
        return Ok(());
    }
    Err(format!("tidy found {count} violations (above)"))
}
