//! `$ref` and `#/path` texts become what they point to, once each, shared from then on.

use std::{collections::HashMap, sync::Arc};

use connectus_core::{Code, Error, Result};

use super::node::{Node, NodeMap};

const REF: &str = "$ref";
/// A member whose texts are settings of a connector, not references.
const VERBATIM: &str = "config_overrides";
/// Longest chain of references and nested values followed.
const MAX_DEPTH: usize = 128;

/// Resolves all references of a document.
///
/// # Errors
/// `invalid` for a reference to nothing, to itself, or nested too deeply.
pub(super) fn resolve(root: &Node) -> Result<Node> {
    let mut resolver = Resolver { root, known: HashMap::new(), under_way: Vec::new() };
    resolver.node(root, 0)
}

struct Resolver<'a> {
    root: &'a Node,
    known: HashMap<Arc<str>, Node>,
    under_way: Vec<Arc<str>>,
}

impl Resolver<'_> {
    fn node(&mut self, node: &Node, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(refused(&format!("nests deeper than {MAX_DEPTH} levels")));
        }
        match node {
            Node::Text(text) if text.starts_with("#/") => self.reference(text, depth),
            Node::List(items) => {
                let items = items.iter().map(|item| self.node(item, depth + 1));
                Ok(Node::List(items.collect::<Result<_>>()?))
            }
            Node::Map(map) => self.map(map, depth),
            plain => Ok(plain.clone()),
        }
    }

    fn map(&mut self, map: &NodeMap, depth: usize) -> Result<Node> {
        let mut own = Vec::new();
        for (name, node) in map.iter().filter(|(name, _)| ***name != *REF) {
            let verbatim = **name == *VERBATIM;
            let node = if verbatim { node.clone() } else { self.node(node, depth + 1)? };
            own.push((name.clone(), node));
        }
        let Some(target) = map.get(REF) else { return Ok(Node::Map(Arc::new(NodeMap::new(own)))) };
        match self.node(target, depth + 1)? {
            Node::Map(target) if own.is_empty() => Ok(Node::Map(target)),
            Node::Map(target) => {
                let mut merged = NodeMap::new(
                    target.iter().map(|(name, node)| (name.clone(), node.clone())).collect(),
                );
                for (name, node) in own {
                    merged.set(name, node);
                }
                Ok(Node::Map(Arc::new(merged)))
            }
            plain => Ok(plain),
        }
    }

    fn reference(&mut self, text: &Arc<str>, depth: usize) -> Result<Node> {
        if let Some(known) = self.known.get(text) {
            return Ok(known.clone());
        }
        if self.under_way.contains(text) {
            return Err(refused(&format!("`{text}` leads back to itself")));
        }
        let found = look_up(self.root, text.get(2..).unwrap_or_default())
            .ok_or_else(|| refused(&format!("`{text}` points to nothing")))?
            .clone();
        self.under_way.push(text.clone());
        let resolved = self.node(&found, depth + 1)?;
        self.under_way.pop();
        self.known.insert(text.clone(), resolved.clone());
        Ok(resolved)
    }
}

/// A key may hold slashes, so the whole rest is tried as a key before its first part.
fn look_up<'a>(mut node: &'a Node, mut path: &str) -> Option<&'a Node> {
    while !path.is_empty() {
        if let Some(found) = node.get(path) {
            return Some(found);
        }
        let (head, rest) = path.split_once('/').unwrap_or((path, ""));
        node = match node {
            Node::List(items) => items.get(head.parse::<usize>().ok()?)?,
            other => other.get(head)?,
        };
        path = rest;
    }
    Some(node)
}

fn refused(what: &str) -> Error {
    Error::new(Code::Invalid, format!("A reference of the manifest {what}."))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resolved(value: &Value) -> Value {
        resolve(&Node::from_value(value)).unwrap().to_value()
    }

    #[test]
    fn siblings_override_and_slashes_are_ambiguous() {
        let found = resolved(&json!({
            "base": {"a": 1, "b": 2}, "over": {"$ref": "#/base", "b": 3, "c": 4},
            "nested": {"path": "inner"}, "nested/path": "outer", "which": "#/nested/path",
            "list": [{"x": "#/base/a"}], "item": {"$ref": "#/list/0/x"},
            "config_overrides": {"keep": "#/base"},
        }));
        assert_eq!(found["over"], json!({"a": 1, "b": 3, "c": 4}));
        assert_eq!(found["which"], "outer");
        assert_eq!(found["item"], 1);
        assert_eq!(found["config_overrides"], json!({"keep": "#/base"}));
    }

    #[test]
    fn circles_and_gaps_are_refused() {
        for bad in [
            json!({"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}),
            json!({"a": "#/a"}),
            json!({"a": {"$ref": "#/gone"}}),
        ] {
            assert!(resolve(&Node::from_value(&bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_used_often_is_kept_once() {
        let mut members = vec![("d0".to_owned(), json!({"leaf": true}))];
        // Without sharing this has 2^40 leaves.
        for level in 1..40 {
            let reference = json!({"$ref": format!("#/d{}", level - 1)});
            members.push((format!("d{level}"), json!({"l": reference, "r": reference})));
        }
        let root = Node::from_value(&Value::Object(members.into_iter().collect()));
        let resolved = resolve(&root).unwrap();
        let top = resolved.get("d39").unwrap();
        let (Some(Node::Map(left)), Some(Node::Map(right))) = (top.get("l"), top.get("r")) else {
            panic!("both are objects");
        };
        assert!(Arc::ptr_eq(left, right));
    }
}
