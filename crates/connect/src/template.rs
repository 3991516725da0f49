//! Requests with holes, parsed once. A plain path such as `{{ input.email }}` never reaches the
//! template engine, keeps the value's type, and leaves the member out where nothing is found.

use connectus_core::{
    Error, Result,
    expr::{Expr, Path, Scope, Template},
};
use serde_json::{Map, Value};

use crate::path::scalar_text;

/// A JSON value with templates in its texts.
#[derive(Debug)]
pub enum Node {
    /// Nothing to fill in.
    Fixed(Value),
    /// Exactly one path.
    Path(Path),
    /// Anything else.
    Template(Template),
    /// A list; items that find nothing are left out.
    List(Vec<Node>),
    /// An object; members that find nothing are left out.
    Object(Vec<(Key, Node)>),
}

/// The name of a member.
#[derive(Debug)]
pub enum Key {
    /// As it is.
    Fixed(Box<str>),
    /// A template.
    Template(Box<Node>),
    /// `...`: the members of the value stand in place of this one.
    Spread,
}

impl Key {
    fn compile(name: &str, at: &str) -> Result<Self> {
        Ok(match name {
            "..." => Self::Spread,
            _ if name.contains("{{") => Self::Template(Box::new(Node::text(name, at)?)),
            _ => Self::Fixed(name.into()),
        })
    }
}

impl Node {
    /// Compiles a value.
    ///
    /// # Errors
    /// `invalid`, naming the place below `at`.
    pub fn compile(value: &Value, at: &str) -> Result<Self> {
        Ok(match value {
            Value::String(text) if text.contains("{{") => Self::text(text, at)?,
            Value::Array(items) => Self::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::compile(item, &format!("{at}/{index}")))
                    .collect::<Result<_>>()?,
            ),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, member)| {
                        let at = format!("{at}/{key}");
                        Ok((Key::compile(key, &at)?, Self::compile(member, &at)?))
                    })
                    .collect::<Result<_>>()?,
            ),
            fixed => Self::Fixed(fixed.clone()),
        })
    }

    fn text(text: &str, at: &str) -> Result<Self> {
        let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(Ok(expr)) = inner.filter(|inner| !inner.contains("}}")).map(Expr::compile)
            && let Some(path) = expr.as_path()
        {
            return Ok(Self::Path(path.clone()));
        }
        let template = Template::compile(text).map_err(|error| Error::invalid(at, error.detail))?;
        Ok(Self::Template(template))
    }

    /// Fills it in; `None` when it is a path that leads nowhere.
    ///
    /// # Errors
    /// `invalid` when a template reads what is not there.
    pub fn render(&self, scope: &dyn Scope) -> Result<Option<Value>> {
        Ok(match self {
            Self::Fixed(value) => Some(value.clone()),
            Self::Path(path) => path.resolve(scope).cloned(),
            Self::Template(template) => Some(template.render(scope)?),
            Self::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(item.render(scope)?);
                }
                Some(Value::Array(list))
            }
            Self::Object(members) => {
                let mut map = Map::new();
                for (key, member) in members {
                    let Some(value) = member.render(scope)? else { continue };
                    match (key, value) {
                        (Key::Fixed(name), value) => drop(map.insert(name.to_string(), value)),
                        (Key::Template(name), value) => {
                            let name = name.render_text(scope)?.ok_or_else(|| {
                                Error::invalid("template", "the name of a member is empty")
                            })?;
                            map.insert(name, value);
                        }
                        (Key::Spread, Value::Object(inner)) => map.extend(inner),
                        (Key::Spread, Value::Null) => {}
                        (Key::Spread, _) => {
                            let message = "`...` needs an object to take members from";
                            return Err(Error::invalid("template", message));
                        }
                    }
                }
                Some(Value::Object(map))
            }
        })
    }

    /// Fills it in as text; `None` when nothing, null or the empty text comes out.
    ///
    /// # Errors
    /// As [`Self::render`]; also when a list or object comes out.
    pub fn render_text(&self, scope: &dyn Scope) -> Result<Option<String>> {
        match self.render(scope)? {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match scalar_text(&value) {
                Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                None => Err(Error::invalid("template", "must yield text, a number or a boolean")),
            },
        }
    }
}

/// A URL path with holes. What is filled in becomes one segment: slashes, dots and question marks
/// in a value cannot lead elsewhere.
#[derive(Debug)]
pub struct PathTemplate(Vec<PathPart>);

#[derive(Debug)]
enum PathPart {
    Text(Box<str>),
    Hole(Expr),
}

impl PathTemplate {
    /// Compiles a path.
    ///
    /// # Errors
    /// `invalid` for an unclosed or unreadable hole.
    pub fn compile(text: &str, at: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after
                .split_once("}}")
                .ok_or_else(|| Error::invalid(at, format!("`{text}` has an unclosed `{{{{`")))?;
            parts.push(PathPart::Text(before.into()));
            let expr = Expr::compile(inside).map_err(|error| Error::invalid(at, error.detail))?;
            parts.push(PathPart::Hole(expr));
            rest = after;
        }
        parts.push(PathPart::Text(rest.into()));
        Ok(Self(parts))
    }

    /// Fills it in.
    ///
    /// # Errors
    /// `invalid` when a value is missing, empty, or would change the path's shape.
    pub fn render(&self, scope: &dyn Scope) -> Result<String> {
        let mut path = String::new();
        for part in &self.0 {
            match part {
                PathPart::Text(text) => path.push_str(text),
                PathPart::Hole(expr) => {
                    let value = scalar_text(&expr.eval(scope)?).unwrap_or_default();
                    if value.is_empty() || value == "." || value == ".." {
                        let message = "must be text or a number that can stand in a path";
                        return Err(Error::invalid(expr.source(), message));
                    }
                    path.extend(percent_encoded(&value));
                }
            }
        }
        Ok(path)
    }
}

/// Encodes everything but unreserved characters (RFC 3986).
pub fn percent_encoded(text: &str) -> impl Iterator<Item = char> {
    text.bytes().flat_map(|byte| {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let hex = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        let encoded = if plain {
            [Some(char::from(byte)), None, None]
        } else {
            let (high, low) = (hex(byte >> 4), hex(byte & 15));
            [Some('%'), Some(high.to_ascii_uppercase()), Some(low.to_ascii_uppercase())]
        };
        encoded.into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_types_and_leaves_out_what_is_not_there() {
        let body = json!({
            "n": "{{ input.n }}", "gone": "{{ input.gone }}", "all": "{{ input.map }}",
            "list": ["{{ input.gone }}", 1], "mixed": "n={{ input.n }}", "same": true,
        });
        let node = Node::compile(&body, "/body").unwrap();
        let input = json!({"n": 3, "map": {"k": null}});
        let rendered = node.render(&[("input", &input)]).unwrap().unwrap();
        let expected = json!({
            "n": 3, "all": {"k": null}, "list": [1], "mixed": "n=3", "same": true,
        });
        assert_eq!(rendered, expected);
    }

    #[test]
    fn members_may_be_named_by_values_and_poured_in() {
        let body =
            json!({"...": "{{ input.fields }}", "{{ input.key }}": "{{ input.id }}", "a": 1});
        let node = Node::compile(&body, "/body").unwrap();
        let input = json!({"fields": {"b": 2, "a": 0}, "key": "ext", "id": "7"});
        let rendered = node.render(&[("input", &input)]).unwrap().unwrap();
        assert_eq!(rendered, json!({"a": 1, "b": 2, "ext": "7"}));
        let wrong = json!({"fields": [1], "key": "ext", "id": "7"});
        assert!(node.render(&[("input", &wrong)]).is_err());
        let nameless = json!({"fields": {}, "key": "", "id": "7"});
        assert!(node.render(&[("input", &nameless)]).is_err());
    }

    #[test]
    fn a_bad_template_names_its_place() {
        let error = Node::compile(&json!({"a": [{"b": "{{ x | }}"}]}), "/body").unwrap_err();
        assert_eq!(error.fields[0].field, "/body/a/0/b");
    }

    #[test]
    fn a_value_in_a_path_stays_one_segment() {
        let path = PathTemplate::compile("/v3/{{ input.id }}/x", "/path").unwrap();
        let render = |id: &str| path.render(&[("input", &json!({"id": id}))]);
        assert_eq!(render("a b/../c?d#é").unwrap(), "/v3/a%20b%2F..%2Fc%3Fd%23%C3%A9/x");
        for id in ["", ".", ".."] {
            assert!(render(id).is_err(), "{id:?}");
        }
        assert!(path.render(&[("input", &json!({}))]).is_err());
        assert!(PathTemplate::compile("/{{ x", "/path").is_err());
    }
}
