//! Schemas of the OpenAPI document as HTML.

use std::fmt::Write as _;

use serde_json::Value;

use super::{html::escape, operations::members};

/// Where references to named schemas begin.
const NAMED: &str = "#/components/schemas/";

/// All named schemas.
pub fn render_all(document: &Value) -> String {
    let mut page = String::from("<h2 id=\"schemas\">schemas</h2>\n");
    for (name, schema) in members(&document["components"], "schemas") {
        let name = escape(name);
        let description = escape(schema["description"].as_str().unwrap_or_default());
        let _ = writeln!(
            page,
            "<details id=\"schema-{name}\"><summary><code>{name}</code> \
             <span class=\"soft\">{description}</span></summary>\n<div>{}</div></details>",
            render(schema)
        );
    }
    page
}

/// A schema: its fields when it is an object, its type otherwise.
pub fn render(schema: &Value) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rows = String::new();
    let mut parts: Vec<&Value> = vec![schema];
    parts.extend(schema["allOf"].as_array().into_iter().flatten());
    for (name, field) in parts.into_iter().flat_map(|part| members(part, "properties")) {
        let mark = if required.contains(&name) { ", required" } else { "" };
        let _ = writeln!(
            rows,
            "<tr><td><code>{}</code></td><td>{}{mark}</td><td>{}</td></tr>",
            escape(name),
            kind(field),
            escape(field["description"].as_str().unwrap_or_default()),
        );
    }
    match rows.is_empty() {
        true => format!("<p>{}</p>\n", kind(schema)),
        false => format!("<table>\n{rows}</table>\n"),
    }
}

/// The type of a schema in a few words, with links to named ones.
pub fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix(NAMED)) {
        let name = escape(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(of) = schema[choice].as_array() {
            let kinds: Vec<String> = of.iter().map(kind).collect();
            return kinds.join(if choice == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("<code>{}</code>", escape(name.as_str().unwrap_or("null"))))
            .collect();
        return names.join(" or ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    let plain = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => "any value".to_owned(),
    };
    match schema["format"].as_str() {
        Some(format) => escape(&format!("{plain}, {format}")),
        None => escape(&plain),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_are_told_in_a_few_words() {
        for (schema, expected) in [
            (json!({"type": "string"}), "string"),
            (json!({"type": ["string", "null"]}), "string or null"),
            (json!({"type": "string", "format": "date-time"}), "string, date-time"),
            (json!({"type": "string", "enum": ["a", "b"]}), "<code>a</code> or <code>b</code>"),
            (json!({"type": "array", "items": {"type": "integer"}}), "list of integer"),
            (
                json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Run"}]}),
                "null or <a href=\"#schema-Run\">Run</a>",
            ),
            (json!({}), "any value"),
        ] {
            assert_eq!(kind(&schema), expected);
        }
    }

    #[test]
    fn fields_say_whether_they_are_required() {
        let page = render(&json!({
            "required": ["a"],
            "properties": {"a": {"type": "string", "description": "<A>"}, "b": {}},
        }));
        assert!(page.contains("<code>a</code></td><td>string, required</td><td>&lt;A&gt;"));
        assert!(page.contains("<code>b</code></td><td>any value</td>"));
    }
}
