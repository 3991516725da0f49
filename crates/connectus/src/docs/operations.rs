//! One operation of the OpenAPI document as HTML.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    html::{escape, markdown},
    schemas,
};

/// An operation as the document has it.
pub struct Operation<'d> {
    method: &'d str,
    path: &'d str,
    /// The resource it is about.
    pub tag: String,
    value: &'d Value,
}

impl<'d> Operation<'d> {
    /// All operations, in the order of the document.
    pub fn all(document: &'d Value) -> Vec<Self> {
        let mut all = Vec::new();
        for (path, item) in members(document, "paths") {
            for (method, value) in item.as_object().into_iter().flatten() {
                if !value.is_object() || value.get("responses").is_none() {
                    continue;
                }
                let tag = value["tags"][0].as_str().unwrap_or("other").to_owned();
                all.push(Self { method, path, tag, value });
            }
        }
        all
    }

    /// The operation, folded.
    pub fn render(&self) -> String {
        let (method, path) = (escape(self.method), escape(self.path));
        let id = escape(self.text("operationId"));
        let mut page = format!(
            "<details id=\"{id}\"><summary><span class=\"method {method}\">{}</span> \
             <code>{path}</code> <span class=\"soft\">{}</span></summary>\n<div>\n",
            method.to_uppercase(),
            escape(self.text("summary")),
        );
        page.push_str(&markdown(self.text("description")));
        page.push_str(&self.access());
        self.parameters(&mut page);
        self.body(&mut page);
        self.responses(&mut page);
        page.push_str("</div></details>\n");
        page
    }

    fn text(&self, name: &str) -> &'d str {
        self.value[name].as_str().unwrap_or_default()
    }

    fn access(&self) -> String {
        let mut lines = Vec::new();
        match self.value["x-permission"].as_str() {
            Some(permission) => {
                lines.push(format!("Needs <code>{}</code>.", escape(permission)));
            }
            None => lines.push("Open to anyone.".to_owned()),
        }
        let aliases = self.value["x-aliases"].as_array().into_iter().flatten();
        let aliases: Vec<String> = aliases
            .filter_map(Value::as_str)
            .map(|path| format!("<code>{}</code>", escape(path)))
            .collect();
        if !aliases.is_empty() {
            lines.push(format!("Also at {}.", aliases.join(", ")));
        }
        format!("<p class=\"soft\">{}</p>\n", lines.join(" "))
    }

    fn parameters(&self, page: &mut String) {
        let parameters = self.value["parameters"].as_array().into_iter().flatten();
        let mut rows = String::new();
        for parameter in parameters {
            let place = parameter["in"].as_str().unwrap_or_default();
            let required = if parameter["required"] == true { ", required" } else { "" };
            let _ = writeln!(
                rows,
                "<tr><td><code>{}</code></td><td>{}</td><td>{place}{required}</td><td>{}</td></tr>",
                escape(parameter["name"].as_str().unwrap_or_default()),
                schemas::kind(&parameter["schema"]),
                escape(parameter["description"].as_str().unwrap_or_default()),
            );
        }
        if !rows.is_empty() {
            let _ = writeln!(page, "<h3>Parameters</h3>\n<table>{rows}</table>");
        }
    }

    fn body(&self, page: &mut String) {
        for (kind, content) in members(&self.value["requestBody"], "content") {
            let _ = writeln!(page, "<h3>Body: {}</h3>", escape(kind));
            page.push_str(&schemas::render(&content["schema"]));
        }
    }

    fn responses(&self, page: &mut String) {
        page.push_str("<h3>Answers</h3>\n<table>\n");
        for (status, response) in members(self.value, "responses") {
            let kinds: Vec<String> = members(response, "content")
                .map(|(_, content)| schemas::kind(&content["schema"]))
                .collect();
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(status),
                kinds.join(", "),
                escape(response["description"].as_str().unwrap_or_default()),
            );
        }
        page.push_str("</table>\n");
    }
}

/// The members of an object within a value; none when there is no such object.
pub fn members<'d>(value: &'d Value, name: &str) -> impl Iterator<Item = (&'d str, &'d Value)> {
    let object = value.get(name).and_then(Value::as_object);
    object.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
