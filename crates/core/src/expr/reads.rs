//! The values an expression reads from its scope.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Path, Scope,
    path::{Segment, kind},
};
use crate::{Code, Error, Result};

/// The values an expression reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    mentions: Vec<Mention>,
    tree: BTreeMap<Box<str>, Node>,
}

/// One mention of a path.
#[derive(Debug)]
struct Mention {
    path: Path,
    /// It may be missing: it stands before `|default` or `is defined`.
    optional: bool,
    /// It must be a number: it is an operand of `*`.
    numeric: bool,
}

/// A level of the scope: read whole, or only walked through.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// How often the value itself is read; 0 when only parts of it are.
    pub(super) mentions: usize,
    pub(super) below: BTreeMap<Box<str>, Node>,
}

impl Reads {
    pub(super) fn is_empty(&self) -> bool {
        self.mentions.is_empty()
    }

    pub(super) fn tree(&self) -> &BTreeMap<Box<str>, Node> {
        &self.tree
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.mentions.iter().map(|mention| &mention.path)
    }

    /// The error for the first required path that is missing.
    pub(super) fn first_missing(&self, source: &str, scope: &dyn Scope) -> Option<Error> {
        let missing =
            |mention: &&Mention| !mention.optional && mention.path.resolve(scope).is_none();
        self.mentions.iter().find(missing).map(|mention| mention.path.unknown(scope, source))
    }

    /// Refuses operands of `*` that are not numbers: text times a number is how a short
    /// expression makes a long result.
    pub(super) fn check(&self, source: &str, scope: &dyn Scope) -> Result<()> {
        for mention in self.mentions.iter().filter(|mention| mention.numeric) {
            let path = &mention.path;
            match path.resolve(scope) {
                None | Some(Value::Number(_) | Value::Bool(_)) => {}
                Some(other) => {
                    let detail = format!(
                        "In `{source}`: `*` takes numbers, but `{path}` is {}; \
                         write `{path}|float`.",
                        kind(other)
                    );
                    return Err(Error::new(Code::Invalid, detail));
                }
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, path: Path, optional: bool, numeric: bool) {
        let mut node = self.tree.entry(path.root().into()).or_default();
        for segment in path.segments() {
            // Arrays are handed over whole: below an index nothing is left out.
            let Segment::Key(key) = segment else { break };
            node = node.below.entry(key.clone()).or_default();
        }
        node.mentions += 1;
        self.mentions.push(Mention { path, optional, numeric });
    }
}
