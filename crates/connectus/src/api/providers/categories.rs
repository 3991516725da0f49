//! `GET /api/v1/providers/categories`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use connectus_core::provider::Category;
use connectus_engine::providers;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// All categories.
#[derive(Serialize, ToSchema)]
pub struct Categories {
    /// In the order shown to people.
    items: Vec<CategoryView>,
    /// How many there are.
    total_count: usize,
}

/// A category.
#[derive(Serialize, ToSchema)]
pub struct CategoryView {
    /// The stable word.
    #[schema(example = "crm")]
    name: &'static str,
    /// The words people read.
    #[schema(example = "CRM")]
    display_name: &'static str,
    /// Providers in it.
    providers: u64,
}

/// List categories, with how many providers each has.
#[utoipa::path(get, path = "/api/v1/providers/categories", tag = "providers",
    responses((status = 200, body = Categories)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Json<Categories>> {
    let mut counts = BTreeMap::<String, u64>::new();
    let mut conn = app.store().read().await?;
    for listed in providers::list(&mut conn, &caller.ctx, None).await? {
        *counts.entry(listed.provider.category).or_default() += 1;
    }
    let items: Vec<_> = Category::ALL
        .iter()
        .map(|category| CategoryView {
            name: category.name(),
            display_name: category.title(),
            providers: counts.get(category.name()).copied().unwrap_or_default(),
        })
        .collect();
    Ok(Json(Categories { total_count: items.len(), items }))
}
