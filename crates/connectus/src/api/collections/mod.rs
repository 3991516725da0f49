//! Collections and their records. A name of two parts may be written as two path segments:
//! `/collections/digisol_crm/contacts/records` is `/collections/digisol_crm%2Fcontacts/records`.

pub mod delete_record;
pub mod export;
pub mod get;
pub mod get_record;
pub mod list;
pub mod put_record;
pub mod records;
mod wanted;

use std::collections::HashMap;

use axum::{
    Json,
    extract::{FromRequestParts, Path},
    http::{header, request::Parts},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error,
    access::Permission::{RecordsRead, RecordsWrite},
    collection::{Collection, CollectionName, Record},
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::{Access::Needs, Operation, Problem, etag, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "collections.list" = list, Needs(RecordsRead);
        "collections.get" = get, Needs(RecordsRead),
            aliases ["/api/v1/collections/{collection}/{part}"];
        "collections.records" = records, Needs(RecordsRead),
            aliases ["/api/v1/collections/{collection}/{part}/records"];
        "collections.export" = export, Needs(RecordsRead),
            aliases ["/api/v1/collections/{collection}/{part}/export"];
        "collections.get_record" = get_record, Needs(RecordsRead),
            aliases ["/api/v1/collections/{collection}/{part}/records/{key}"];
        "collections.put_record" = put_record, Needs(RecordsWrite),
            aliases ["/api/v1/collections/{collection}/{part}/records/{key}"];
        "collections.delete_record" = delete_record, Needs(RecordsWrite),
            aliases ["/api/v1/collections/{collection}/{part}/records/{key}"];
    }
}

/// A collection.
#[derive(Serialize, ToSchema)]
pub struct CollectionView {
    /// Its name.
    #[schema(example = "digisol_crm/contacts")]
    name: String,
    /// Records it holds.
    records: u64,
    /// When it came to be.
    created_at: String,
    /// When a record last changed.
    updated_at: String,
}

impl CollectionView {
    fn of(collection: &Collection) -> Self {
        Self {
            name: collection.name.to_string(),
            records: collection.records,
            created_at: collection.created_at.to_string(),
            updated_at: collection.updated_at.to_string(),
        }
    }
}

/// A record.
#[derive(Serialize, ToSchema)]
pub struct RecordView {
    /// What identifies it within its collection.
    #[schema(example = "hubspot:101")]
    key: String,
    /// Its fields.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    /// Who last wrote it: a data flow, a workflow, a person.
    #[schema(example = "flow_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    source: String,
    /// When it first arrived.
    created_at: String,
    /// When it last changed.
    updated_at: String,
}

impl RecordView {
    fn of(record: Record) -> Self {
        Self {
            key: record.key,
            data: record.data,
            source: record.source,
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
        }
    }
}

/// The version of a record for `ETag` and `If-Match`: when it last changed, and to what.
fn version(record: &Record) -> u64 {
    let content = record.hash.0.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
    content ^ u64::try_from(record.updated_at.0).unwrap_or_default()
}

/// A record as an answer, with its `ETag`.
fn answer(record: Record) -> Response {
    let tag = [(header::ETAG, etag::of(version(&record)))];
    (tag, Json(RecordView::of(record))).into_response()
}

/// The collection, and the record key, that a path names.
pub struct Named {
    collection: CollectionName,
    key: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let gone = || Problem(Error::not_found("collection"));
        let Path(mut path) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| gone())?;
        let mut name = path.remove("collection").unwrap_or_default();
        if let Some(part) = path.remove("part") {
            name = format!("{name}/{part}");
        }
        let collection = name.parse().map_err(|_| gone())?;
        Ok(Self { collection, key: path.remove("key").unwrap_or_default() })
    }
}
