//! Paginators of the declarative dialect.

use serde::{Deserialize, Serialize};

/// How pages follow each other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Paginator {
    /// One request is the whole.
    #[default]
    NoPagination,
    /// Pages by token, number or offset.
    DefaultPaginator {
        /// Where the token goes.
        #[serde(default)]
        page_token_option: Option<PageToken>,
        /// Where the page size goes.
        #[serde(default)]
        page_size_option: Option<RequestOption>,
        /// How the next token is found.
        pagination_strategy: Strategy,
    },
}

/// Where a page token goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum PageToken {
    /// Into a part of the request.
    RequestOption(RequestOption),
    /// The token is the next URL or path itself.
    RequestPath,
}

/// A place in a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestOption {
    /// Which part.
    pub inject_into: Inject,
    /// The parameter, header or top-level body field.
    pub field_name: String,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inject {
    /// The query string.
    RequestParameter,
    /// A header.
    Header,
    /// The JSON body.
    BodyJson,
}

/// How the next page token is found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Strategy {
    /// The answer names it.
    CursorPagination {
        /// A template over `response`, `headers`, `last_record`, `last_page_size`.
        cursor_value: String,
        /// A template that is true on the last page. An empty token always ends.
        #[serde(default)]
        stop_condition: Option<String>,
        /// Records asked for per page.
        #[serde(default)]
        page_size: Option<u32>,
    },
    /// Page 1, 2, 3; ends at a page that is not full.
    PageIncrement {
        /// Records asked for per page.
        page_size: u32,
        /// The first page's number.
        #[serde(default)]
        start_from_page: u64,
        /// Whether the first request names its page.
        #[serde(default)]
        inject_on_first_request: bool,
    },
    /// Offset 0, n, 2n; ends at a page that is not full.
    OffsetIncrement {
        /// Records asked for per page.
        page_size: u32,
        /// Whether the first request names its offset.
        #[serde(default)]
        inject_on_first_request: bool,
    },
}
