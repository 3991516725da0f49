//! A component as its manifest means it: type inferred where it is left out, parameters of its
//! parents applied. Both happen when a member is looked at, so nothing is ever copied or expanded.

use std::sync::Arc;

use connectus_core::{Error, Result};
use serde_json::{Map as JsonMap, Value};

use super::{
    node::{Node, NodeMap},
    types,
};
use crate::manifest::interpolation;

const PARAMETERS: &str = "$parameters";

/// Values handed down from component to component.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Arc<Handed>);

#[derive(Debug, Default)]
struct Handed {
    members: Vec<(Arc<str>, Node)>,
    given: interpolation::Parameters,
}

impl Parameters {
    /// As templates read them, under `parameters`.
    pub fn given(&self) -> &interpolation::Parameters {
        &self.0.given
    }

    fn get(&self, name: &str) -> Option<&Node> {
        self.0.members.iter().find(|(own, _)| **own == *name).map(|(_, node)| node)
    }

    /// Without the one of this name, which would go round for ever, and with a component's own.
    fn handed_to(&self, except: &str, own: Option<&Arc<NodeMap>>) -> Self {
        let inherits = self.get(except).is_none();
        if inherits && own.is_none_or(|own| own.is_empty()) {
            return self.clone();
        }
        let kept = self.0.members.iter().filter(|(name, _)| **name != *except).cloned();
        let mut members = NodeMap::new(kept.collect());
        for (name, node) in own.into_iter().flat_map(|own| own.iter()) {
            members.set(name.clone(), node.clone());
        }
        let members: Vec<_> = members.iter().map(|(n, node)| (n.clone(), node.clone())).collect();
        let value = members.iter().map(|(name, node)| (name.to_string(), node.to_value()));
        let given = interpolation::Parameters::new(value.collect::<JsonMap<_, _>>());
        Self(Arc::new(Handed { members, given }))
    }
}

/// A component and where it stands.
#[derive(Clone, Debug)]
pub struct Component {
    kind: Option<Arc<str>>,
    map: Arc<NodeMap>,
    parameters: Parameters,
    path: Place,
}

/// Where a component stands, for messages: `streams/0/retriever`.
#[derive(Clone, Debug)]
pub struct Place(Option<Arc<(Place, Box<str>)>>);

impl Place {
    fn inside(&self, step: &str) -> Self {
        Self(Some(Arc::new((self.clone(), step.into()))))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        if step.0.0.is_some() {
            write!(f, "{}/", step.0)?;
        }
        f.write_str(&step.1)
    }
}

/// What a member of a component is.
#[derive(Clone, Debug)]
pub enum Member {
    /// A component of its own.
    Component(Component),
    /// A list, some of whose items may be components.
    List(Vec<Member>),
    /// Data.
    Plain(Node),
}

impl Component {
    /// The root of a document.
    pub fn root(map: Arc<NodeMap>) -> Self {
        Self::new("", map, &Parameters::default(), "", Place(None))
    }

    fn new(
        identifier: &str,
        map: Arc<NodeMap>,
        above: &Parameters,
        field: &str,
        path: Place,
    ) -> Self {
        let own = map.get(PARAMETERS).and_then(Node::as_map);
        let parameters = above.handed_to(field, own);
        let kind = match map.get("type") {
            Some(Node::Text(kind)) => Some(kind.clone()),
            Some(_) => None,
            None if map.get("class_name").is_some() => types::custom(identifier).map(Arc::from),
            None => types::inferred(identifier).map(Arc::from),
        };
        Self { kind, map, parameters, path }
    }

    /// Its type; empty when the manifest says none and none can be inferred.
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.path
    }

    /// What its templates read as `parameters`.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Tells components apart that are written once and used in many places.
    pub fn identity(&self) -> (usize, &str) {
        (Arc::as_ptr(&self.map).cast::<()>() as usize, self.kind())
    }

    /// Names of its members as written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.iter().map(|(name, _)| &**name).filter(|name| *name != PARAMETERS)
    }

    /// A member as data; a parameter of this name stands in for one that is absent or empty.
    pub fn node(&self, name: &str) -> Option<&Node> {
        let own = self.map.get(name);
        let handed = || self.kind.as_ref().and_then(|_| self.parameters.get(name));
        let found = match own {
            Some(own) if own.is_truthy() => Some(own),
            own => handed().or(own),
        };
        found.filter(|node| !matches!(node, Node::Null))
    }

    /// A member, as a component where it is one.
    pub fn member(&self, name: &str) -> Option<Member> {
        let node = self.node(name)?;
        Some(self.read(node, name, &self.path.inside(name)))
    }

    fn read(&self, node: &Node, field: &str, path: &Place) -> Member {
        match node {
            Node::Map(map) if is_schema(map) => Member::Plain(node.clone()),
            Node::Map(map) => {
                let identifier = format!("{}.{field}", self.kind());
                let found =
                    Self::new(&identifier, map.clone(), &self.parameters, field, path.clone());
                Member::Component(found)
            }
            Node::List(items) => Member::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.read(item, field, &path.inside(&index.to_string())))
                    .collect(),
            ),
            plain => Member::Plain(plain.clone()),
        }
    }

    /// A member that is a component.
    ///
    /// # Errors
    /// `invalid` when it is something else.
    pub fn component(&self, name: &str) -> Result<Option<Self>> {
        match self.member(name) {
            None => Ok(None),
            Some(Member::Component(component)) => Ok(Some(component)),
            Some(_) => Err(self.wrong(name, "must be an object")),
        }
    }

    /// A component that stands in for a member, such as one made of a template.
    pub fn made(&self, name: &str, node: &Node) -> Option<Self> {
        match self.read(node, name, &self.path.inside(name)) {
            Member::Component(component) => Some(component),
            _ => None,
        }
    }

    /// All of it as it is written.
    pub fn whole(&self) -> Value {
        Node::Map(self.map.clone()).to_value()
    }

    /// A member that is a component and must be there.
    ///
    /// # Errors
    /// `invalid` when it is not.
    pub fn need_component(&self, name: &str) -> Result<Self> {
        self.component(name)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// A member that is a list of components; one alone counts as a list of one.
    ///
    /// # Errors
    /// `invalid` when it is something else.
    pub fn components(&self, name: &str) -> Result<Vec<Self>> {
        match self.member(name) {
            None => Ok(Vec::new()),
            Some(Member::Component(component)) => Ok(vec![component]),
            Some(Member::List(items)) => items
                .into_iter()
                .map(|item| match item {
                    Member::Component(component) => Ok(component),
                    _ => Err(self.wrong(name, "must be a list of objects")),
                })
                .collect(),
            Some(Member::Plain(_)) => Err(self.wrong(name, "must be a list of objects")),
        }
    }

    /// A member as text; numbers and booleans as they are written.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        match self.node(name)? {
            Node::Text(text) => Some(text.clone()),
            Node::Number(number) => Some(number.to_string().into()),
            Node::Bool(true) => Some("True".into()),
            Node::Bool(false) => Some("False".into()),
            _ => None,
        }
    }

    /// A member that must be there as text.
    ///
    /// # Errors
    /// `invalid` when it is not.
    pub fn need_text(&self, name: &str) -> Result<Arc<str>> {
        self.text(name).ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// A flag; absent is false.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.node(name), Some(Node::Bool(true)))
    }

    /// An error about a member.
    pub fn wrong(&self, name: &str, message: &str) -> Error {
        let kind = if self.kind().is_empty() { "component" } else { self.kind() };
        Error::invalid(self.path.inside(name).to_string(), format!("{message} (in a {kind})"))
    }
}

/// JSON Schema is data, whatever its members are called.
fn is_schema(map: &NodeMap) -> bool {
    match map.get("type") {
        Some(Node::Text(kind)) => **kind == *"object",
        Some(Node::List(_) | Node::Map(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn root(value: &Value) -> Component {
        let Node::Map(map) = Node::from_value(value) else { panic!("an object") };
        Component::root(map)
    }

    #[test]
    fn types_are_inferred_and_parameters_go_down() {
        let root = root(&json!({"type": "DeclarativeSource", "streams": [{
            "$parameters": {"path": "/x", "name": "n"},
            "retriever": {"requester": {"url_base": "u", "$parameters": {"path": "/y"}}},
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object"}},
        }]}));
        let stream = root.components("streams").unwrap().remove(0);
        assert_eq!(stream.kind(), "DeclarativeStream");
        assert_eq!(stream.text("name").as_deref(), Some("n"));
        let retriever = stream.need_component("retriever").unwrap();
        assert_eq!(retriever.kind(), "SimpleRetriever");
        let requester = retriever.need_component("requester").unwrap();
        assert_eq!(requester.kind(), "HttpRequester");
        assert_eq!(requester.text("path").as_deref(), Some("/y"), "the nearest wins");
        let given = requester.parameters().given();
        assert_eq!(given.get("path"), Some(&json!("/y")));
        assert_eq!(given.get("name"), Some(&json!("n")));
        assert_eq!(requester.place().to_string(), "streams/0/retriever/requester");
        let loader = stream.need_component("schema_loader").unwrap();
        assert!(matches!(loader.member("schema"), Some(Member::Plain(_))));
    }

    #[test]
    fn a_class_without_a_type_is_a_custom_component() {
        let root =
            root(&json!({"type": "SimpleRetriever", "partition_router": {"class_name": "a.B"}}));
        let router = root.need_component("partition_router").unwrap();
        assert_eq!(router.kind(), "CustomPartitionRouter");
    }

    #[test]
    fn a_parameter_does_not_stand_in_for_itself() {
        let root = root(&json!({"type": "DeclarativeStream", "$parameters": {
            "retriever": {"type": "SimpleRetriever"}, "x": 1}}));
        let retriever = root.need_component("retriever").unwrap();
        assert_eq!(retriever.parameters().given().get("x"), Some(&json!(1)));
        assert_eq!(retriever.parameters().given().get("retriever"), None);
        assert!(retriever.node("retriever").is_none());
    }
}
