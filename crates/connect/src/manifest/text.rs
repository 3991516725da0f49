//! The texts of a component, compiled with the parameters they may read.

use std::sync::Arc;

use connectus_core::Result;
use serde_json::{Map, Value};

use super::{
    document::{Component, Node},
    interpolation::{Condition, Mapping, Nested, Scope, Template, Types},
};

/// A text with holes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Text(Arc<Template>);

impl Text {
    /// Compiles a member; `None` when it is not there.
    ///
    /// # Errors
    /// `invalid`, naming the member.
    pub fn read(component: &Component, name: &str) -> Result<Option<Self>> {
        component.text(name).map(|text| Self::compile(component, name, &text)).transpose()
    }

    /// Compiles a member that must be there.
    ///
    /// # Errors
    /// `invalid`, naming the member.
    pub fn need(component: &Component, name: &str) -> Result<Self> {
        Self::compile(component, name, &component.need_text(name)?)
    }

    /// Compiles a text that stands in a member.
    ///
    /// # Errors
    /// `invalid`, naming the member.
    pub fn compile(component: &Component, name: &str, text: &str) -> Result<Self> {
        Template::compile(text, component.parameters().given())
            .map(|template| Self(Arc::new(template)))
            .map_err(|error| component.wrong(name, &error.detail))
    }

    /// Compiles a member whose value may be of these types only.
    ///
    /// # Errors
    /// `invalid`, naming the member.
    pub fn typed(component: &Component, name: &str, types: Types) -> Result<Option<Self>> {
        let Some(text) = component.text(name) else { return Ok(None) };
        let template = Template::compile(&text, component.parameters().given())
            .map_err(|error| component.wrong(name, &error.detail))?;
        Ok(Some(Self(Arc::new(template.only(types)))))
    }

    /// The text as it is written.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// Fills it in, typed as Python would.
    ///
    /// # Errors
    /// `invalid` when the text reads what was not given.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value> {
        self.0.render(scope)
    }

    /// Fills it in as text.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn string(&self, scope: &Scope<'_>) -> Result<String> {
        self.0.render_text(scope)
    }
}

/// Compiles a condition; `None` when it is not there or empty.
///
/// # Errors
/// `invalid`, naming the member.
pub fn condition(component: &Component, name: &str) -> Result<Option<Condition>> {
    match component.node(name) {
        Some(Node::Bool(holds)) => Ok(Some(Condition::always(*holds))),
        Some(Node::Text(text)) if !text.is_empty() => {
            Condition::compile(text, component.parameters().given())
                .map(Some)
                .map_err(|error| component.wrong(name, &error.detail))
        }
        _ => Ok(None),
    }
}

/// Named values of a request: a mapping, or one text that makes one.
#[derive(Debug)]
pub enum Values {
    /// A mapping of texts.
    Mapping(Mapping),
    /// A text.
    Text(Text),
}

impl Values {
    /// Compiles a member; `None` when it is not there.
    ///
    /// # Errors
    /// `invalid`, naming the member.
    pub fn read(component: &Component, name: &str, types: Types) -> Result<Option<Self>> {
        let Some(Node::Map(map)) = component.node(name) else {
            return Ok(Text::typed(component, name, types)?.map(Self::Text));
        };
        let is_text = |node: &Node| {
            let kind = node.get("type").and_then(Node::as_text);
            kind.is_none_or(|kind| **kind != *"QueryProperties")
        };
        let members = map.iter().filter(|(name, node)| !name.starts_with('$') && is_text(node));
        let members = members.map(|(name, node)| (name.to_string(), node.to_value()));
        let members: Map<String, Value> = members.collect();
        let mapping = Mapping::compile(&members, component.parameters().given());
        let mapping = mapping.map_err(|error| component.wrong(name, &error.detail))?;
        Ok(Some(Self::Mapping(mapping.values(types))))
    }

    /// Fills it in; nothing is null.
    ///
    /// # Errors
    /// As [`Text::eval`].
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value> {
        match self {
            Self::Mapping(mapping) => mapping.render_present(scope).map(Value::Object),
            Self::Text(text) => text.eval(scope),
        }
    }

    /// Fills it in; anything but a mapping counts as none.
    ///
    /// # Errors
    /// As [`Text::eval`].
    pub fn map(&self, scope: &Scope<'_>) -> Result<Map<String, Value>> {
        match self.eval(scope)? {
            Value::Object(map) => Ok(map),
            _ => Ok(Map::new()),
        }
    }
}

/// Compiles a structure with texts at any depth; `None` when it is not there.
///
/// # Errors
/// `invalid`, naming the member.
pub fn nested(component: &Component, name: &str) -> Result<Option<Nested>> {
    let Some(node) = component.node(name) else { return Ok(None) };
    let mut value = node.to_value();
    if let Value::Object(map) = &mut value {
        map.retain(|name, _| !name.starts_with('$'));
    }
    Nested::compile(&value, component.parameters().given())
        .map(Some)
        .map_err(|error| component.wrong(name, &error.detail))
}

/// A plain value as Python's `str` prints it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// The members of a variable that a text names; `None` when it may read all of it.
pub fn members_of(text: &str, variable: &str) -> Option<Vec<String>> {
    let mut members = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(variable) {
        rest = after;
        let quoted = ["['", "[\"", ".get('", ".get(\""].iter().find_map(|begin| {
            let name = after.strip_prefix(begin)?;
            let (name, after) = name.split_once(['\'', '"'])?;
            // What goes on is no name that is known.
            after.trim_start().starts_with([']', ')', ',']).then_some(name)
        });
        let plain = after.strip_prefix('.').map(|name| {
            let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            name.split_at(end.unwrap_or(name.len()))
        });
        match (quoted, plain) {
            (Some(name), _) => members.push(name.to_owned()),
            // A method reads all there is.
            (None, Some((name, after))) if !name.is_empty() && !after.starts_with('(') => {
                members.push(name.to_owned());
            }
            _ => return None,
        }
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_reads_of_an_answer_is_seen() {
        let members = |text| members_of(text, "response");
        assert_eq!(members("{{ response.meta.next }}"), Some(vec!["meta".into()]));
        assert_eq!(
            members("{{ response['a'] or response.get('b', {}).c }}"),
            Some(vec!["a".into(), "b".into()])
        );
        for all in [
            "{{ response }}",
            "{{ response|length }}",
            "{{ response.items() }}",
            "{{ response[key] }}",
            "{{ response['a' ~ key] }}",
        ] {
            assert_eq!(members(all), None, "{all}");
        }
    }
}
