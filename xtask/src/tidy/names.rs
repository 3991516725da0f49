//! Names that say nothing.

use super::{Tree, Violation};

const FORBIDDEN: &[&str] =
    &["manager", "helper", "helpers", "util", "utils", "common", "misc", "stuff"];

/// Files, folders and modules say what they hold.
pub fn files_and_modules(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.is(&["rs", "ts", "tsx"])) {
        for part in file.path.split('/') {
            let stem = part.split('.').next().unwrap_or(part);
            if let Some(word) = empty_word(stem) {
                let message = format!("`{part}` says nothing (`{word}`): name what it holds");
                found.push(Violation::new(&file.path, 0, message));
            }
        }
    }
    for (file, rust) in tree.rust() {
        for (index, line) in rust.code.lines().enumerate() {
            let Some(name) = module_name(line) else { continue };
            if let Some(word) = empty_word(name) {
                let message = format!("module `{name}` says nothing (`{word}`)");
                found.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    found
}

/// The module a line declares, whatever its visibility.
fn module_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("mod ")?;
    let is_declaration = before.trim().is_empty() || before.trim_start().starts_with("pub");
    let end = after.find(|each: char| !each.is_alphanumeric() && each != '_')?;
    is_declaration.then(|| after.get(..end)).flatten()
}

/// The first forbidden word in a `snake_case`, `kebab-case` or `camelCase` name.
fn empty_word(name: &str) -> Option<&'static str> {
    let mut words = String::new();
    for each in name.chars() {
        if each.is_uppercase() {
            words.push(' ');
        }
        words.extend(each.to_lowercase());
    }
    let mut parts = words.split([' ', '_', '-']);
    parts.find_map(|part| FORBIDDEN.iter().copied().find(|word| *word == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_wherever_they_hide() {
        for path in ["a/util.rs", "a/common/mod.rs", "a/http_helpers.rs", "src/dateUtils.ts"] {
            assert_eq!(files_and_modules(&Tree::of(&[(path, "")])).len(), 1, "{path}");
        }
        for source in ["mod misc;", "pub mod common {", "pub(crate) mod task_manager;"] {
            assert_eq!(files_and_modules(&Tree::of(&[("a.rs", source)])).len(), 1, "{source}");
        }
    }

    #[test]
    fn other_names_are_left_alone() {
        let source = "mod commonwealth; // mod util;\nlet mod_helper = \"mod misc;\";\n";
        assert!(files_and_modules(&Tree::of(&[("a/utility.rs", source)])).is_empty());
        assert!(files_and_modules(&Tree::of(&[("docs/common.md", "")])).is_empty());
    }
}
