//! Folders and lists that must name the same things.

use std::collections::BTreeSet;

use super::{Tree, Violation, lexer::Lexed};

/// The file that compiles the provider packs in, and the macro call that lists them.
const PACK_LIST: &str = "crates/connect/src/packs.rs";
const PACK_MACRO: &str = "built_in! {";
/// The table of error codes.
const CODES: &str = "crates/core/src/error.rs";

/// Every folder in `providers/` is compiled in, and nothing else is.
pub fn providers(tree: &Tree) -> Vec<Violation> {
    let folders: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix("providers/")?.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    let listed: BTreeSet<&str> = tree
        .rust()
        .filter(|(file, _)| file.path == PACK_LIST)
        .flat_map(|(_, rust)| listed_packs(rust))
        .collect();
    let unlisted = folders.difference(&listed).map(|name| {
        let message = format!("`{name}` is not in the list of built-in packs of `connect`");
        Violation::new(&format!("providers/{name}"), 0, message)
    });
    let missing = listed.difference(&folders).map(|name| {
        Violation::new(PACK_LIST, 0, format!("lists the pack `{name}`, which has no folder"))
    });
    unlisted.chain(missing).collect()
}

/// The names inside the call of the listing macro.
fn listed_packs(rust: &Lexed) -> Vec<&str> {
    let Some(call) = rust.code.lines().position(|line| line.starts_with(PACK_MACRO)) else {
        return Vec::new();
    };
    let length = rust.code.lines().skip(call).position(|line| line.contains('}')).unwrap_or(0);
    let lines = call + 1..=call + 1 + length;
    let inside = rust.strings.iter().filter(|(line, _)| lines.contains(line));
    inside.map(|(_, name)| name.as_str()).collect()
}

/// Every error code has a page, and every page a code.
pub fn error_pages(tree: &Tree) -> Vec<Violation> {
    let Some(table) = tree.file(CODES) else {
        return vec![Violation::new(CODES, 0, "the table of error codes is gone")];
    };
    let codes: BTreeSet<&str> = table.text.lines().filter_map(code_name).collect();
    let pages: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .filter(|name| *name != "README")
        .collect();
    let without_page = codes.difference(&pages).map(|code| {
        Violation::new(CODES, 0, format!("`{code}` has no page docs/errors/{code}.md"))
    });
    let without_code = pages.difference(&codes).map(|page| {
        let path = format!("docs/errors/{page}.md");
        Violation::new(&path, 0, "no error has this code")
    });
    without_page.chain(without_code).collect()
}

/// The code of a table row: `NotFound = "not_found", 404, "Not found";`.
fn code_name(line: &str) -> Option<&str> {
    let (_, after) = line.trim().split_once(" = \"")?;
    let (code, rest) = after.split_once("\", ")?;
    rest.starts_with(|first: char| first.is_ascii_digit()).then_some(code)
}

/// Links between documents lead somewhere.
pub fn links(tree: &Tree) -> Vec<Violation> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for file in &tree.files {
        known.insert(&file.path);
        // Folders may be linked to as well.
        for (at, _) in file.path.match_indices('/') {
            known.extend(file.path.get(..at));
        }
    }
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.is(&["md"])) {
        for (index, line) in file.text.lines().enumerate() {
            for target in targets(line) {
                if !known.contains(resolve(&file.path, target).as_str()) {
                    let message = format!("links to `{target}`, which does not exist");
                    found.push(Violation::new(&file.path, index + 1, message));
                }
            }
        }
    }
    found
}

/// The relative link targets of a Markdown line, without their anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', ' ', '#']).next()?;
        let is_elsewhere = target.is_empty() || target.contains(':') || target.starts_with('/');
        (!is_elsewhere).then_some(target)
    })
}

fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "f(\"other\");\nbuilt_in! {\n    \"slack\",\n}\ng(\"other\");\n";

    #[test]
    fn a_folder_that_is_not_listed_and_a_list_without_a_folder_are_found() {
        let list = (PACK_LIST, LIST);
        let slack = ("providers/slack/provider.yaml", "");
        let zendesk = ("providers/zendesk/provider.yaml", "");
        assert!(providers(&Tree::of(&[list, slack])).is_empty());
        assert_eq!(providers(&Tree::of(&[list, slack, zendesk]))[0].path, "providers/zendesk");
        assert!(providers(&Tree::of(&[list]))[0].message.contains("slack"));
    }

    #[test]
    fn an_error_without_a_page_and_a_page_without_an_error_are_found() {
        let table = (CODES, "    NotFound = \"not_found\", 404, \"Not found\";\n");
        let page = ("docs/errors/not_found.md", "");
        let stale = ("docs/errors/gone.md", "");
        assert!(error_pages(&Tree::of(&[table, page])).is_empty());
        assert!(error_pages(&Tree::of(&[table]))[0].message.contains("not_found"));
        assert_eq!(error_pages(&Tree::of(&[table, page, stale]))[0].path, "docs/errors/gone.md");
        assert_eq!(error_pages(&Tree::of(&[])).len(), 1);
    }

    #[test]
    fn a_dead_link_is_found_and_others_are_left_alone() {
        let text = "[a](guides/a.md#part) [b](../README.md) [c](https://example.com) [d](#x)\n\
                    [dir](guides) [dead](guides/b.md)\n";
        let tree = Tree::of(&[("docs/x.md", text), ("docs/guides/a.md", ""), ("README.md", "")]);
        let found = links(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert!(found[0].message.contains("guides/b.md"));
    }
}
