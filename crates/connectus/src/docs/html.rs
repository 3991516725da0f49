//! The frame of a page, and the headers that keep it harmless.

use std::sync::OnceLock;

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// The look of all pages.
const STYLE: &str = include_str!("style.css");

/// A page: a title and the content of its body, escaped where it must be.
#[derive(Clone, Debug)]
pub struct Page {
    /// What the browser calls it.
    pub title: String,
    /// HTML.
    pub body: String,
    /// Whether it holds a form, which may then be sent to this server.
    pub has_form: bool,
}

impl Page {
    /// A page to read.
    pub fn new(title: impl Into<String>, body: String) -> Self {
        Self { title: title.into(), body, has_form: false }
    }

    /// The whole document.
    pub fn render(&self) -> String {
        let title = escape(&self.title);
        let body = &self.body;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} - Connectus</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <header><a href=\"/\">Connectus</a><nav><a href=\"/docs\">API</a> \
             <a href=\"/docs/errors\">Errors</a> <a href=\"/openapi.json\">openapi.json</a></nav>\
             </header>\n<main>\n{body}</main>\n</body>\n</html>\n"
        )
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Html(self.render()).into_response();
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy(self.has_form));
        response
    }
}

/// Nothing but the one style: no scripts, no images, no frames, no other server.
fn policy(has_form: bool) -> HeaderValue {
    static HASH: OnceLock<String> = OnceLock::new();
    let hash = HASH.get_or_init(|| STANDARD.encode(Sha256::digest(STYLE.as_bytes())));
    let form = if has_form { "'self'" } else { "'none'" };
    let text = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {form}; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for each in text.chars() {
        match each {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            each => safe.push(each),
        }
    }
    safe
}

/// Markdown of ours as HTML. Raw HTML in it is shown, not obeyed.
pub fn markdown(text: &str) -> String {
    use pulldown_cmark::{Event, Options, Parser, html};
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        other => other,
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_not_obeyed() {
        assert_eq!(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
        let page = markdown("# A\n\n<script>alert(1)</script> `b<c`\n");
        assert!(page.contains("<h1>A</h1>") && page.contains("b&lt;c"), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn the_policy_allows_exactly_the_style() {
        let page = Page::new("<t>", String::new());
        let text = page.render();
        let start = text.find("<style>").unwrap() + "<style>".len();
        let style = &text[start..text.find("</style>").unwrap()];
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        let response = page.into_response();
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains(&hash) && policy.starts_with("default-src 'none'"), "{policy}");
        assert!(text.contains("<title>&lt;t&gt;"));
        for outside in ["src=", "url(", "@import", "style=\""] {
            assert!(!text.contains(outside), "{outside}");
        }
    }
}
