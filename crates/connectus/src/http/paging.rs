//! `limit` and `offset` of a listing.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use connectus_core::{Code, Error, Page};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;

/// The page asked for, checked against its bounds.
pub struct Paging(pub Page);

/// The query parameters of a page, for the documentation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows wanted, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// Rows to skip.
    #[param(minimum = 0, default = 0)]
    pub offset: Option<u64>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<PageQuery>::from_request_parts(parts, state)
            .await
            .map_err(|_| bad("`limit` and `offset` must be whole numbers."))?;
        let page = Page {
            limit: query.limit.unwrap_or(Page::DEFAULT_LIMIT),
            offset: query.offset.unwrap_or(0),
        };
        if !(1..=Page::MAX_LIMIT).contains(&page.limit) {
            return Err(bad(&format!("`limit` must be from 1 to {}.", Page::MAX_LIMIT)));
        }
        Ok(Self(page))
    }
}

fn bad(detail: &str) -> Problem {
    Problem(Error::new(Code::BadRequest, detail))
}
