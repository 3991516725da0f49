//! `limit` and `offset` of a listing.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use connectus_core::{Code, Error, Page, page::Listing};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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

/// One page of a listing, as every list answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Paged<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// Rows that match in all.
    pub total_count: u64,
    /// Rows asked for.
    pub limit: u32,
    /// Rows skipped.
    pub offset: u64,
}

impl<T> Paged<T> {
    /// The answer for a listing, each row shown by `view`.
    pub fn of<R>(listing: Listing<R>, page: Page, view: impl FnMut(R) -> T) -> Self {
        Self {
            items: listing.items.into_iter().map(view).collect(),
            total_count: listing.total_count,
            limit: page.limit,
            offset: page.offset,
        }
    }
}

fn bad(detail: &str) -> Problem {
    Problem(Error::new(Code::BadRequest, detail))
}
