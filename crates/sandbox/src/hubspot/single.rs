//! One record: `POST /crm/v3/objects/{type}`, `GET|PATCH|DELETE /crm/v3/objects/{type}/{id}`

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    body::{Body, Named, OfType, Params, values},
    object::Values,
    refusal::Refusal,
};
use crate::{front::Applied, world::World};

#[derive(Debug, Deserialize)]
pub(crate) struct Write {
    #[serde(deserialize_with = "values")]
    properties: Values,
}

pub(crate) async fn create(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    Body(write): Body<Write>,
) -> Result<Response, Refusal> {
    let mut portal = world.portal();
    let record = portal.table_mut(object_type).create(write.properties, world.now())?;
    let shown = record.show(object_type, &names(record.values.keys()));
    Ok((StatusCode::CREATED, Extension(Applied), Json(shown)).into_response())
}

pub(crate) async fn read(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    Named(id): Named,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let portal = world.portal();
    let found =
        portal.table(object_type).find(&id, params.get("idProperty"), params.flag("archived"))?;
    let record = found.ok_or_else(|| Refusal::not_found(object_type, &id))?;
    Ok(Json(record.show(object_type, &params.list("properties"))))
}

pub(crate) async fn update(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    Named(id): Named,
    params: Params,
    Body(write): Body<Write>,
) -> Result<Response, Refusal> {
    let mut portal = world.portal();
    let table = portal.table_mut(object_type);
    let found = table.find(&id, params.get("idProperty"), false)?.map(|record| record.id);
    let key = found.ok_or_else(|| Refusal::not_found(object_type, &id))?;
    let changed = names(write.properties.keys());
    let shown = table.update(key, write.properties, world.now())?.show(object_type, &changed);
    Ok((Extension(Applied), Json(shown)).into_response())
}

/// Archiving what is not there succeeds too: HubSpot answers 204 either way.
pub(crate) async fn archive(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    Named(id): Named,
) -> Response {
    let key = id.parse().unwrap_or(0);
    if world.portal().table_mut(object_type).archive(key, world.now()) {
        return (StatusCode::NO_CONTENT, Extension(Applied)).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

/// A write answers with the properties it wrote, beside the usual ones.
pub(crate) fn names<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<String> {
    keys.cloned().collect()
}
