//! Words that must not be left in the tree. They are written in halves here, so that this file
//! needs no exemption from its own rules.

use super::{Tree, Violation};

/// Marks of unfinished work.
const LEFTOVERS: &[(&str, &str)] =
    &[("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("to", "do!("), ("unimple", "mented!(")];

/// Paths of one machine and hosts of package registries. Mirrors are the machine's business, so
/// lock files and scripts must not name where packages came from.
const PLACES: &[(&str, &str)] = &[
    ("/work", "/main"),
    ("/work", "/shared"),
    ("/work", "/.library"),
    ("/ro", "ot/"),
    ("/tmp/bash", "_jobs"),
    ("registry.npm", "js.org"),
    ("registry.yarn", "pkg.com"),
    ("py", "pi.org"),
    ("python", "hosted.org"),
    ("deb.deb", "ian.org"),
    ("static.crates", ".io"),
    ("index.crates", ".io"),
];

/// Files cargo writes; they name the registry's index whatever the mirror.
const WRITTEN_BY_CARGO: &[&str] = &["Cargo.lock"];

/// No marks of unfinished work.
pub fn leftovers(tree: &Tree) -> Vec<Violation> {
    search(tree, LEFTOVERS, "finish it or file an issue")
}

/// No machine paths, no registry hosts.
pub fn places(tree: &Tree) -> Vec<Violation> {
    search(tree, PLACES, "it exists on one machine or network only")
}

fn search(tree: &Tree, words: &[(&str, &str)], advice: &str) -> Vec<Violation> {
    let words: Vec<String> = words.iter().map(|(head, tail)| format!("{head}{tail}")).collect();
    let mut found = Vec::new();
    for file in &tree.files {
        if WRITTEN_BY_CARGO.contains(&file.path.as_str()) {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| contains_word(line, word)) {
                let message = format!("`{word}`: {advice}");
                found.push(Violation::new(&file.path, index + 1, message));
            }
        }
    }
    found
}

/// Whether a line holds the word on its own, not as a part of a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let is_letter = |each: char| each.is_alphanumeric() || each == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        let goes_on = word.ends_with(is_letter) && after.is_some_and(is_letter);
        !goes_on && !before.is_some_and(is_letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_and_place_is_found() {
        for (rule, words) in [
            (leftovers as fn(&Tree) -> Vec<Violation>, LEFTOVERS),
            (places as fn(&Tree) -> Vec<Violation>, PLACES),
        ] {
            for (head, tail) in words {
                let text = format!("fine\nsee {head}{tail} there\n");
                let found = rule(&Tree::of(&[("a.md", &text)]));
                assert_eq!(found.len(), 1, "{text}");
                assert_eq!(found[0].line, 2);
            }
        }
    }

    #[test]
    fn longer_words_are_not_marks() {
        let text =
            format!("the {}T table, a {}s list", ["XX", "X"].concat(), ["TO", "DO"].concat());
        assert!(leftovers(&Tree::of(&[("a.rs", &text)])).is_empty());
    }

    #[test]
    fn the_lock_file_may_name_the_index() {
        let text = ["static.crates", ".io"].concat();
        assert!(places(&Tree::of(&[("Cargo.lock", &text)])).is_empty());
        assert_eq!(places(&Tree::of(&[("console/package-lock.json", &text)])).len(), 1);
    }
}
