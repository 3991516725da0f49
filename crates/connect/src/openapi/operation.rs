//! One operation as an action.

use std::collections::BTreeMap;

use connectus_core::provider::{Action, Call, Encoding, Idempotency, Method, ResultShape};
use serde_json::{Map, Value, json};

use super::{references::References, security::Signing, short, snake, text_of};

/// The header under which every call that changes something carries its key.
const KEY_HEADER: &str = "idempotency-key";
/// Headers that requests have by themselves.
const OWN_HEADERS: [&str; 3] = ["accept", "content-type", "authorization"];
/// The input field of the body.
const BODY: &str = "body";

/// An operation of a document.
pub(super) struct Operation<'d, 'r> {
    pub path: &'d str,
    pub method: &'static str,
    pub item: &'d Value,
    pub body: &'d Value,
    pub references: &'r References<'d>,
    pub signing: &'r Signing,
}

/// The input of an action and where it goes.
struct Draft {
    call: Call,
    properties: Map<String, Value>,
    required: Vec<String>,
    keyed: bool,
}

impl<'d> Operation<'d, '_> {
    /// Its id, or method and path.
    pub fn id(&self) -> String {
        let id = text_of(self.body.get("operationId"));
        let usual = || format!("{} {}", self.method.to_ascii_uppercase(), self.path);
        if id.is_empty() { usual() } else { id }
    }

    /// The action, or why there is none.
    pub fn action(&self) -> Result<Action, String> {
        let method = match self.method {
            "get" => Method::Get,
            "post" => Method::Post,
            "put" => Method::Put,
            "patch" => Method::Patch,
            "delete" => Method::Delete,
            other => return Err(format!("uses the method {}", other.to_ascii_uppercase())),
        };
        if self.body.get("servers").is_some() || self.item.get("servers").is_some() {
            return Err("is on a server of its own".to_owned());
        }
        let mut name = snake(&self.id());
        if name.is_empty() {
            return Err("has no name".to_owned());
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert_str(0, "op_");
        }
        // What looks like a template of ours is not to be run as one.
        if ["{{", "{%", "{#"].iter().any(|mark| self.path.contains(mark)) {
            return Err(format!("has a path that cannot be filled in: {}", self.path));
        }
        let auth = self.signing.for_operation(self.body)?;
        let call = Call { method, path: self.path.to_owned(), ..Call::default() };
        let (properties, required) = (Map::new(), Vec::new());
        let mut draft = Draft { call, properties, required, keyed: false };
        for parameter in self.parameters() {
            self.parameter(parameter, &mut draft)?;
        }
        if draft.call.path.replace("{{", "").replace("}}", "").contains(['{', '}', '%', '?', '#']) {
            return Err(format!("has a path that cannot be filled in: {}", self.path));
        }
        self.content(&mut draft)?;
        let Draft { call, properties, required, keyed } = draft;
        Ok(Action {
            description: self.described(),
            input: json!({"type": "object", "properties": properties, "required": required,
                "additionalProperties": false}),
            request: call,
            derived: BTreeMap::new(),
            auth,
            batch: None,
            idempotency: match method {
                Method::Get | Method::Put | Method::Delete => Idempotency::Idempotent,
                // The key that every call carries makes a second one harmless.
                Method::Post | Method::Patch if keyed => Idempotency::Idempotent,
                Method::Post | Method::Patch => Idempotency::AtMostOnce,
            },
            result: ResultShape::default(),
            name,
        })
    }

    fn described(&self) -> String {
        let told = ["summary", "description"].map(|name| short(&text_of(self.body.get(name))));
        let told = told.into_iter().find(|text| !text.is_empty());
        told.unwrap_or_else(|| format!("{} {}.", self.method.to_ascii_uppercase(), self.path))
    }

    /// Its parameters; those of the operation itself stand for those of the path.
    fn parameters(&self) -> Vec<&'d Value> {
        let list = |of: &'d Value| of.get("parameters").and_then(Value::as_array);
        let own = list(self.body).into_iter().flatten();
        let mut all: Vec<&Value> = own.map(|one| self.references.follow(one)).collect();
        let same =
            |a: &Value, b: &Value| a.get("name") == b.get("name") && a.get("in") == b.get("in");
        for one in list(self.item).into_iter().flatten() {
            let one = self.references.follow(one);
            if !all.iter().any(|known| same(known, one)) {
                all.push(one);
            }
        }
        all
    }

    fn parameter(&self, parameter: &'d Value, draft: &mut Draft) -> Result<(), String> {
        let name = text_of(parameter.get("name"));
        let place = text_of(parameter.get("in"));
        let required = place == "path" || parameter.get("required") == Some(&Value::Bool(true));
        let lower = name.to_ascii_lowercase();
        if place == "header" && lower == KEY_HEADER {
            draft.keyed = true;
            return Ok(());
        }
        if place == "header" && OWN_HEADERS.contains(&lower.as_str()) {
            return Ok(());
        }
        let schema = parameter.get("schema").map(|schema| self.references.schema(schema));
        let fits = match (&schema, place.as_str()) {
            _ if !is_plain(&name) => Err(format!("has a parameter of an odd name, `{name}`")),
            (None, _) => Err(format!("has a parameter without a schema, `{name}`")),
            (Some(schema), "path" | "query" | "header") if is_single(schema) => Ok(()),
            (Some(_), "path" | "query" | "header") => {
                Err(format!("has a parameter that is a list or an object, `{name}`"))
            }
            (_, other) => Err(format!("has a parameter in the {other}, `{name}`")),
        };
        if let Err(reason) = fits {
            // What need not be sent is not.
            return if required { Err(reason) } else { Ok(()) };
        }
        let field = snake(&name);
        if field.is_empty() || field == BODY || draft.properties.contains_key(&field) {
            return Err(format!("has two parameters that would be called `{field}`"));
        }
        let hole = format!("{{{{ input.{field} }}}}");
        match place.as_str() {
            "path" => {
                let known = format!("{{{name}}}");
                if !draft.call.path.contains(&known) {
                    return Err(format!("has a parameter that its path does not hold, `{name}`"));
                }
                draft.call.path = draft.call.path.replace(&known, &hole);
            }
            "query" => drop(draft.call.query.insert(name, hole.into())),
            _ => drop(draft.call.headers.insert(name, hole)),
        }
        let mut schema = schema.unwrap_or_default();
        let about = short(&text_of(parameter.get("description")));
        if let (Value::Object(members), false) = (&mut schema, about.is_empty()) {
            members.insert("description".into(), about.into());
        }
        if required {
            draft.required.push(field.clone());
        }
        draft.properties.insert(field, schema);
        Ok(())
    }

    fn content(&self, draft: &mut Draft) -> Result<(), String> {
        let Some(body) = self.body.get("requestBody") else { return Ok(()) };
        let body = self.references.follow(body);
        let required = body.get("required") == Some(&Value::Bool(true));
        let content = body.get("content").and_then(Value::as_object);
        let kinds: Vec<&String> = content.into_iter().flat_map(Map::keys).collect();
        let essence = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_owned();
        let find = |wanted: &[&str]| {
            let mut all = content.into_iter().flatten();
            all.find(|(kind, _)| wanted.contains(&essence(kind).as_str())).map(|(_, media)| media)
        };
        let form = find(&["application/x-www-form-urlencoded"]);
        let (media, encoding) = match (find(&["application/json", "*/*", "application/*"]), form) {
            (Some(media), _) => (media, Encoding::Json),
            (None, Some(media)) => (media, Encoding::Form),
            (None, None) if !required => return Ok(()),
            (None, None) => {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
                return Err(format!("takes only bodies of {}", kinds.join(", ")));
            }
        };
        if draft.call.method == Method::Get {
            return Err("is a GET with a body".to_owned());
        }
        let schema = media.get("schema").map(|schema| self.references.schema(schema));
        draft.properties.insert(BODY.into(), schema.unwrap_or_else(|| json!({})));
        if required {
            draft.required.push(BODY.into());
        }
        draft.call.body = Some(format!("{{{{ input.{BODY} }}}}").into());
        draft.call.encoding = encoding;
        Ok(())
    }
}

/// Whether a value of it is one text, number or boolean.
fn is_single(schema: &Value) -> bool {
    let single = |kind: &Value| kind != "array" && kind != "object";
    let own = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| single(kind) && kind != "null"),
        Some(kind) => single(kind),
        None => schema.get("properties").is_none() && schema.get("items").is_none(),
    };
    let ways =
        ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|way| schema.get(way)?.as_array());
    own && ways.flatten().all(is_single)
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.[]$:@".contains(&b);
    !name.is_empty() && name.len() <= 100 && name.bytes().all(plain)
}
