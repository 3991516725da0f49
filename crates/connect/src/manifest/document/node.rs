//! The tree of a YAML document, shared where it repeats. Cloning a node copies a pointer.

use std::{cell::RefCell, fmt, sync::Arc};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map as JsonMap, Number, Value};

/// A value of the document.
#[derive(Clone, Debug)]
pub enum Node {
    /// `null`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(Arc<str>),
    /// A list.
    List(Arc<[Node]>),
    /// An object, in the order it was written.
    Map(Arc<NodeMap>),
}

/// The members of an object. The name of a member is there once.
#[derive(Debug, Default)]
pub struct NodeMap(Vec<(Arc<str>, Node)>);

impl NodeMap {
    /// From members with distinct names.
    pub fn new(members: Vec<(Arc<str>, Node)>) -> Self {
        Self(members)
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, node)| node)
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.0.iter().map(|(name, node)| (name, node))
    }

    /// Sets a member; the last one wins. Answers whether there was one.
    pub fn set(&mut self, name: Arc<str>, node: Node) -> bool {
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some((_, old)) => {
                *old = node;
                true
            }
            None => {
                self.0.push((name, node));
                false
            }
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Node {
    /// The text.
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object.
    pub fn as_map(&self) -> Option<&Arc<NodeMap>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_map()?.get(name)
    }

    /// What Python calls true.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(flag) => *flag,
            Self::Number(number) => number.as_f64() != Some(0.0),
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }

    /// The same as JSON, nothing shared any more.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.to_string()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Map(map) => Value::Object(
                map.iter()
                    .map(|(name, node)| (name.to_string(), node.to_value()))
                    .collect::<JsonMap<_, _>>(),
            ),
        }
    }

    /// From JSON.
    pub fn from_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(items) => Self::List(items.iter().map(Self::from_value).collect()),
            Value::Object(members) => {
                let members =
                    members.iter().map(|(name, v)| (name.as_str().into(), Self::from_value(v)));
                Self::Map(Arc::new(NodeMap::new(members.collect())))
            }
        }
    }
}

/// Reads a node and notes which keys were written twice.
pub(super) struct Reading<'a>(pub &'a RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Number::from_f64(number).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Reading(self.0))? {
            items.push(item);
        }
        Ok(Node::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = NodeMap::default();
        while let Some(name) = map.next_key::<Box<str>>()? {
            let node = map.next_value_seed(Reading(self.0))?;
            let name: Arc<str> = name.into();
            if members.set(name.clone(), node) {
                self.0.borrow_mut().push(name.to_string());
            }
        }
        Ok(Node::Map(Arc::new(members)))
    }
}
