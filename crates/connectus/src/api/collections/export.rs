//! `GET /api/v1/collections/{collection}/export`.

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, Result, TenantCtx,
    collection::{CollectionName, Csv, Filter, Record, write_jsonl},
};
use connectus_engine::collections;
use connectus_store::Store;
use futures::{Stream, stream};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    Named,
    wanted::{Wanted, WantedQuery},
};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Records read and sent at once: what an export holds in memory.
const PAGE: u32 = 500;
/// Columns of a CSV file at most.
const MAX_COLUMNS: u32 = 500;

/// How records are written.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated: the key, then one column per field. Texts that a spreadsheet would run are
    /// disarmed.
    #[default]
    Csv,
    /// One JSON object per line: `key`, and the fields as `data`.
    Jsonl,
}

/// How to write.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Written {
    /// `csv` (the default) or `jsonl`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    format: Format,
}

/// Export a collection as it is now, by key, with the same filters as the list of records.
///
/// As JSON lines, a record is `{"data": {...}, "key": "..."}`. As CSV, its key is the first column,
/// `key` (`_key` where a field is called `key`), and each field is a column.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/export", tag = "collections",
    params(("collection" = String, Path), Written, WantedQuery),
    responses((status = 200, content(
        (String = "text/csv"), (String = "application/x-ndjson")))))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    named: Named,
    wanted: Wanted,
    Query(written): Query<Written>,
) -> ApiResult<Response> {
    let (name, extension, kind) = match written.format {
        Format::Csv => ("csv", "csv", "text/csv; charset=utf-8"),
        Format::Jsonl => ("jsonl", "jsonl", "application/x-ndjson"),
    };
    let mut conn = app.store().read().await?;
    if conn.collection(&caller.ctx, &named.collection).await?.is_none() {
        return Err(Error::not_found("collection").into());
    }
    let columns = if wanted.fields.is_empty() {
        conn.record_fields(&caller.ctx, &named.collection, MAX_COLUMNS).await?
    } else {
        wanted.fields.clone()
    };
    drop(conn);
    collections::note_export(&app.engine_parts, &caller.ctx, &named.collection, name).await?;
    let file = format!("{}.{extension}", named.collection.as_str().replace('/', "-"));
    let export = Export {
        store: app.store().clone(),
        ctx: caller.ctx,
        collection: named.collection,
        filters: wanted.search.filters.clone(),
        writer: match written.format {
            Format::Csv => Writer::Csv { csv: Csv::new(columns), begun: false },
            Format::Jsonl => Writer::Jsonl(wanted),
        },
        after: Some(String::new()),
    };
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{file}\""))
        .map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, Body::from_stream(export.pages())).into_response())
}

/// An export under way. It holds no transaction and no connection between pages.
struct Export {
    store: Store,
    ctx: TenantCtx,
    collection: CollectionName,
    filters: Vec<Filter>,
    writer: Writer,
    /// The last key sent; none at the end.
    after: Option<String>,
}

enum Writer {
    Csv { csv: Csv, begun: bool },
    Jsonl(Wanted),
}

impl Export {
    fn pages(self) -> impl Stream<Item = Result<Bytes>> {
        stream::try_unfold(self, |mut export| async move {
            let page = export.next().await?;
            Ok(page.map(|bytes| (bytes, export)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let mut conn = self.store.read().await?;
        let records =
            conn.records_after(&self.ctx, &self.collection, &self.filters, &after, PAGE).await?;
        drop(conn);
        self.after = records.last().map(|record| record.key.clone());
        let bytes = self.writer.write(records);
        Ok((!bytes.is_empty()).then(|| bytes.into()))
    }
}

impl Writer {
    fn write(&mut self, records: Vec<Record>) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Csv { csv, begun } => {
                if !std::mem::replace(begun, true) {
                    csv.write_header(&mut out);
                }
                for record in &records {
                    csv.write_row(&record.key, &record.data, &mut out);
                }
            }
            Self::Jsonl(wanted) => {
                for mut record in records {
                    wanted.cut(&mut record.data);
                    write_jsonl(&record.key, record.data, &mut out);
                }
            }
        }
        out
    }
}
