//! The two plain pages at the end of a round trip, for a browser that has nowhere else to go.

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use connectus_core::{Error, IntegrationId};

use crate::http::problem::help_path;

pub(super) fn connected(id: &IntegrationId) -> Response {
    let text = format!("The integration {id} is connected. You can close this page.");
    page(StatusCode::OK, "Connected", &text, None)
}

pub(super) fn failed(error: &Error) -> Response {
    let status =
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    page(status, "Not connected", &error.detail, Some(&help_path(error.code.name())))
}

fn page(status: StatusCode, title: &str, text: &str, help: Option<&str>) -> Response {
    let (title, text) = (escaped(title), escaped(text));
    let help = help.map_or_else(String::new, |path| {
        format!("<p><a href=\"{}\">What this means</a></p>", escaped(path))
    });
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         </head><body><main><h1>{title}</h1><p>{text}</p>{help}</main></body></html>"
    );
    (status, Html(body)).into_response()
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
        safe
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_becomes_markup() {
        assert_eq!(escaped("<a b='c' d=\"e\">&"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;");
    }
}
