//! Where values go into a request: query, headers, form or JSON body.

use connectus_core::{Error, Result};
use serde_json::{Map, Value};

use crate::manifest::{
    document::{Component, Node},
    interpolation::{Nested, Scope, Types},
    text::{Text, Values, nested, plain},
};

/// A part of a request that takes values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// The query.
    Query,
    /// The headers.
    Header,
    /// A form in the body.
    Form,
    /// JSON in the body.
    Json,
}

/// The values of a request, by where they go.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Of the query.
    pub query: Map<String, Value>,
    /// Of the headers.
    pub headers: Map<String, Value>,
    /// Of a form.
    pub form: Map<String, Value>,
    /// Of a JSON body.
    pub json: Map<String, Value>,
    /// The body as it is, in place of a form.
    pub text: Option<String>,
}

impl Options {
    fn of(&mut self, into: Into) -> &mut Map<String, Value> {
        match into {
            Into::Query => &mut self.query,
            Into::Header => &mut self.headers,
            Into::Form => &mut self.form,
            Into::Json => &mut self.json,
        }
    }

    /// Adds the values of others.
    ///
    /// # Errors
    /// `invalid` when two set the same name, in a JSON body only when they differ.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        merge(&mut self.query, other.query, false)?;
        merge(&mut self.headers, other.headers, false)?;
        merge(&mut self.form, other.form, false)?;
        merge(&mut self.json, other.json, true)?;
        self.text = other.text.or(self.text.take());
        Ok(())
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, nested: bool) -> Result<()> {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (None, value) => {
                into.insert(name, value);
            }
            (Some(Value::Object(old)), Value::Object(new)) if nested => merge(old, new, true)?,
            (Some(old), new) if nested && *old == new => {}
            _ => return Err(Error::invalid(name, "is set twice in one request")),
        }
    }
    Ok(())
}

/// One value and where it goes.
#[derive(Debug)]
pub struct Slot {
    into: Into,
    path: Vec<String>,
}

impl Slot {
    /// Reads a `RequestOption`.
    ///
    /// # Errors
    /// `invalid` when it names no place.
    pub fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let into = match &*component.need_text("inject_into")? {
            "request_parameter" => Into::Query,
            "header" => Into::Header,
            "body_data" => Into::Form,
            "body_json" => Into::Json,
            other => return Err(component.wrong("inject_into", &format!("`{other}` is no place"))),
        };
        let path = match component.node("field_path").and_then(Node::as_list) {
            Some(parts) if into == Into::Json => strings(component, "field_path", parts, scope)?,
            Some(_) => return Err(component.wrong("field_path", "is for JSON bodies only")),
            None => vec![Text::need(component, "field_name")?.string(scope)?],
        };
        if path.is_empty() {
            return Err(component.wrong("field_path", "must name a field"));
        }
        Ok(Self { into, path })
    }

    /// In a header of this name.
    pub fn header(name: String) -> Self {
        Self { into: Into::Header, path: vec![name] }
    }

    /// Puts a value there.
    pub fn put(&self, options: &mut Options, value: Value) {
        let mut at = options.of(self.into);
        let Some((last, parents)) = self.path.split_last() else { return };
        for parent in parents {
            let inner = at.entry(parent.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            let Value::Object(inner) = inner else { return };
            at = inner;
        }
        at.insert(last.clone(), value);
    }
}

/// Fills in a list of texts.
///
/// # Errors
/// `invalid` when an item is no text.
pub fn strings(
    component: &Component,
    name: &str,
    items: &[Node],
    scope: &Scope<'_>,
) -> Result<Vec<String>> {
    let string = |node: &Node| match node {
        Node::Text(text) => Text::compile(component, name, text)?.string(scope),
        Node::Number(number) => Ok(number.to_string()),
        _ => Err(component.wrong(name, "must be a list of texts")),
    };
    items.iter().map(string).collect()
}

/// The values a requester itself sets.
#[derive(Debug, Default)]
pub struct Inputs {
    query: Option<Values>,
    headers: Option<Values>,
    form: Option<Values>,
    json: Option<Nested>,
}

impl Inputs {
    /// Those of a requester.
    ///
    /// # Errors
    /// `invalid` when they cannot be read or contradict each other.
    pub fn compile(requester: &Component) -> Result<Self> {
        let flat = Types::STR.or(Types::LIST);
        let mut inputs = Self {
            query: Values::read(requester, "request_parameters", flat)?,
            headers: Values::read(requester, "request_headers", Types::ANY)?,
            form: Values::read(requester, "request_body_data", flat)?,
            json: nested(requester, "request_body_json")?,
        };
        if let Some(body) = requester.component("request_body")? {
            match body.kind() {
                "RequestBodyUrlEncodedForm" | "RequestBodyPlainText" => {
                    inputs.form = Values::read(&body, "value", flat)?;
                }
                "RequestBodyJsonObject" | "RequestBodyGraphQL" => {
                    inputs.json = nested(&body, "value")?;
                }
                other => return Err(body.wrong("type", &format!("`{other}` is not supported"))),
            }
        }
        if inputs.form.is_some() && inputs.json.is_some() {
            let message = "cannot stand beside `request_body_json`";
            return Err(requester.wrong("request_body_data", message));
        }
        Ok(inputs)
    }

    /// Fills them in.
    ///
    /// # Errors
    /// `invalid` when a text reads what was not given.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Options> {
        let map = |values: &Option<Values>| {
            values.as_ref().map_or_else(|| Ok(Map::new()), |values| values.map(scope))
        };
        let mut options = Options {
            query: map(&self.query)?,
            headers: map(&self.headers)?,
            ..Options::default()
        };
        if let Some(json) = &self.json
            && let Value::Object(json) = json.render(scope)?
        {
            options.json = json;
        }
        match self.form.as_ref().map(|form| form.eval(scope)).transpose()? {
            Some(Value::Object(map)) => options.form = map,
            None | Some(Value::Null) => {}
            Some(text) => options.text = Some(plain(&text)),
        }
        Ok(options)
    }
}
