//! The API for readers: the OpenAPI document as one page.

use std::{fmt::Write as _, sync::OnceLock};

use serde_json::Value;

use super::{
    html::{Page, escape},
    operations::Operation,
    schemas,
};
use crate::http::router;

/// The page, made once.
pub fn page() -> Page {
    static PAGE: OnceLock<Page> = OnceLock::new();
    PAGE.get_or_init(|| {
        // The document is made of plain values; one that fails to serialise would fail its test.
        render(&serde_json::to_value(router::document()).unwrap_or(Value::Null))
    })
    .clone()
}

fn render(document: &Value) -> Page {
    let operations = Operation::all(document);
    let mut tags: Vec<&str> = operations.iter().map(|operation| operation.tag.as_str()).collect();
    tags.sort_unstable();
    tags.dedup();
    let mut body = String::from(INTRODUCTION);
    body.push_str("<ul class=\"toc\">\n");
    for tag in &tags {
        let tag = escape(tag);
        let _ = writeln!(body, "<li><a href=\"#{tag}\">{tag}</a></li>");
    }
    body.push_str("<li><a href=\"#schemas\">schemas</a></li>\n</ul>\n");
    for tag in tags {
        let _ = writeln!(body, "<h2 id=\"{0}\">{0}</h2>", escape(tag));
        for operation in operations.iter().filter(|operation| operation.tag == tag) {
            body.push_str(&operation.render());
        }
    }
    body.push_str(&schemas::render_all(document));
    Page::new("API", body)
}

const INTRODUCTION: &str = "<h1>The API</h1>
<p>JSON over HTTP. Send <code>Authorization: Bearer &lt;key or access token&gt;</code>; make a key
with <code>connectus token create</code>. Every path also works with a trailing slash.</p>
<ul>
<li>Errors are problem documents with a stable <code>code</code>: see
<a href=\"/docs/errors\">errors</a>.</li>
<li>Lists take <code>limit</code> (1 to 200) and <code>offset</code> and tell
<code>total_count</code>.</li>
<li>Changes take an <code>Idempotency-Key</code>: the same key has one effect, for 24 hours.</li>
<li>Updates take <code>If-Match</code> with the <code>ETag</code> of what you read, and then never
overwrite someone else's change.</li>
<li>Something of another tenant is answered as something that does not exist.</li>
</ul>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_schema_is_on_the_page() {
        let document = serde_json::to_value(router::document()).unwrap();
        let page = page();
        let operations = router::table();
        assert!(operations.len() > 5);
        for operation in operations {
            let anchor = format!("id=\"{}\"", operation.id);
            assert!(page.body.contains(&anchor), "{}", operation.id);
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.body.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        // A link within the page must lead somewhere.
        for link in page.body.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert!(page.body.contains(&format!("id=\"{target}\"")), "#{target}");
        }
    }
}
