//! The document: YAML with references, types left out and parameters handed down.
//!
//! [`load`] reads it and resolves references; a [`Component`] applies the rest while it is read.

mod component;
mod node;
mod references;
mod types;

use std::cell::RefCell;

use connectus_core::{Code, Error, Result};
use serde::de::DeserializeSeed;

pub use component::{Component, Member, Parameters, Place};
pub use node::{Node, NodeMap};

/// Largest manifest read, in bytes. The largest public one has 2 MB.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;
/// Most values in a manifest.
const MAX_NODES: usize = 2_000_000;

/// A manifest, references resolved.
#[derive(Debug)]
pub struct Document {
    /// The source itself.
    pub root: Component,
    /// What its author should know.
    pub warnings: Vec<String>,
}

/// Booleans of YAML 1.1 that the reference knows, besides `true` and `false`.
const WORDS: [&str; 4] = ["yes", "no", "on", "off"];
/// Those that it takes for texts, as almost everybody does.
const LETTERS: [&str; 2] = ["y", "n"];

/// Whether one of these words may stand somewhere as a value without quotes.
fn has_plain(text: &str, words: &[&str]) -> bool {
    text.lines().any(|line| {
        line.split([',', '[', ']', '{', '}']).any(|part| {
            let value = part.rsplit_once(": ").map_or(part, |(_, value)| value);
            let value = value.split_once(" #").map_or(value, |(value, _)| value);
            let value = value.trim().trim_start_matches("- ").trim();
            words.iter().any(|word| value.eq_ignore_ascii_case(word))
        })
    })
}

/// Reads a manifest, YAML or JSON.
///
/// # Errors
/// `invalid` when it cannot be read, naming the line, or is no source.
pub fn load(text: &str) -> Result<Document> {
    if text.len() > MAX_MANIFEST_BYTES {
        let detail = format!("The manifest is larger than {MAX_MANIFEST_BYTES} bytes.");
        return Err(Error::new(Code::TooLarge, detail));
    }
    let twice = RefCell::new(Vec::new());
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        budget: serde_saphyr::budget! { max_events: 3 * MAX_NODES, max_nodes: MAX_NODES },
        with_snippet: false,
        strict_booleans: has_plain(text, &LETTERS) && !has_plain(text, &WORDS),
    };
    let node = serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        node::Reading(&twice).deserialize(reader)
    });
    let node = node
        .map_err(|error| Error::new(Code::Invalid, format!("The manifest is not YAML: {error}")))?;
    let Node::Map(map) = references::resolve(&node)? else {
        return Err(Error::invalid("manifest", "must be an object"));
    };
    let root = Component::root(map);
    if root.kind() != "DeclarativeSource" {
        let message = format!("must be `DeclarativeSource`, not `{}`", root.kind());
        return Err(Error::invalid("type", message));
    }
    let twice = twice.into_inner().into_iter();
    let warnings =
        twice.map(|key| format!("The key `{key}` is written twice; the last one counts."));
    Ok(Document { root, warnings: warnings.collect() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn letters_are_texts_and_words_are_booleans() {
        let load = |text: &str| {
            let text = format!("type: DeclarativeSource\n{text}");
            super::load(&text).unwrap().root.whole()
        };
        let letters = load("a: y\nb: [n, N]\nc: {d: Y, e: \"yes\"}\nf:\n  - n # no\n");
        assert_eq!(letters["a"], "y");
        assert_eq!(letters["b"], serde_json::json!(["n", "N"]));
        assert_eq!(letters["c"], serde_json::json!({"d": "Y", "e": "yes"}));
        assert_eq!(letters["f"], serde_json::json!(["n"]));
        let words = load("a: yes\nb: Off\nc: \"no\"\n");
        assert_eq!((&words["a"], &words["b"]), (&true.into(), &false.into()));
        assert_eq!(words["c"], "no");
    }
}
