//! The help page of every error, compiled in.

use std::fmt::Write as _;

use connectus_core::Code;

use super::html::{Page, escape, markdown};

/// Declares the pages: one file per code.
macro_rules! pages {
    ($($code:literal)*) => {
        /// Every help page by code, in Markdown.
        const PAGES: &[(&str, &str)] =
            &[$(($code, include_str!(concat!("../../../../docs/errors/", $code, ".md")))),*];
    };
}

pages! {
    "bad_request" "unauthenticated" "bad_signature" "forbidden" "quota_exceeded" "csrf_failed"
    "not_found" "method_not_allowed" "conflict" "idempotency_in_flight" "precondition_failed"
    "too_large" "unsupported_media_type" "invalid" "idempotency_mismatch" "rate_limited" "internal"
    "provider_refused" "provider_unavailable" "reauth_required" "egress_denied" "unavailable"
    "timeout" "storage_full" "run_failed"
}

/// The help page of a code. Every code has one; a test sees to it.
pub fn page(code: Code) -> Option<Page> {
    let (_, text) = PAGES.iter().find(|(name, _)| *name == code.name())?;
    Some(Page::new(code.title(), markdown(text)))
}

/// All codes with their statuses.
pub fn index() -> Page {
    let mut rows = String::new();
    for code in Code::ALL {
        let (name, title) = (code.name(), escape(code.title()));
        let status = code.status();
        let link = format!("<a href=\"/docs/errors/{name}\"><code>{name}</code></a>");
        // Writing to a text cannot fail.
        let _ = writeln!(rows, "<tr><td>{status}</td><td>{link}</td><td>{title}</td></tr>");
    }
    let body = format!(
        "<h1>Errors</h1>\n<p>Errors are problem documents (RFC 9457, \
         <code>application/problem+json</code>). Match on <code>code</code>: it never changes. \
         <code>detail</code> says what happened and what to do.</p>\n<table>\n<tr><th>Status</th>\
         <th>Code</th><th>Meaning</th></tr>\n{rows}</table>\n"
    );
    Page::new("Errors", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_helps_and_every_page_a_code() {
        for code in Code::ALL {
            let page = page(*code).unwrap_or_else(|| panic!("{} has no page", code.name()));
            for part in [code.title(), code.name(), &code.status().to_string(), "What to do"] {
                assert!(page.body.contains(&escape(part)), "{}: {part}", code.name());
            }
        }
        assert_eq!(PAGES.len(), Code::ALL.len());
        assert!(index().body.contains("/docs/errors/invalid"));
    }
}
