//! `GET /docs/errors/{code}`: what an error means and what to do.

use axum::extract::Path;
use connectus_core::{Code, Error};

use crate::{
    docs::{Page, errors},
    http::{ApiResult, Problem},
};

/// What an error means.
///
/// The page that the `type` of a problem document names.
#[utoipa::path(get, path = "/docs/errors/{code}", tag = "system",
    params(("code" = String, Path, description = "The `code` of a problem document")),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 404, description = "No such code")))]
pub async fn handle(Path(code): Path<String>) -> ApiResult<Page> {
    let known = Code::ALL.iter().find(|known| known.name() == code);
    let page = known.and_then(|code| errors::page(*code));
    page.ok_or_else(|| {
        let detail = "There is no such error code. All of them are at /docs/errors.";
        Problem(Error::new(Code::NotFound, detail))
    })
}
