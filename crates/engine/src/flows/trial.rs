//! Trying a mapping on one record.

use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    flow::{DataFlow, Direction, Leg, Selection, mapping::FieldResult},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{ends, parts::Parts, providers, sync::fields};

/// Where the record of a trial came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// From the caller.
    Given,
    /// The first record the provider returned just now; the collection's, where it is sent.
    Live,
}

/// What a mapping makes of one record.
#[derive(Clone, Debug, Serialize)]
pub struct MappingTrial {
    /// Where the record came from.
    pub sample: Sample,
    /// The record.
    pub record: Value,
    /// Whether the row would be taken.
    pub accepted: bool,
    /// The row that would be written; none when it would be refused.
    pub row: Option<Map<String, Value>>,
    /// What happened to each field.
    pub fields: Vec<FieldResult>,
}

/// Tries a flow's mapping on `sample`, or on the first record the provider returns.
///
/// # Errors
/// What is wrong with the mapping; `conflict` when the provider has no record to try it on.
pub async fn test_mapping(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: &DataFlow,
    sample: Option<Value>,
) -> Result<MappingTrial> {
    let mut conn = parts.store.read().await?;
    let integration = conn.integration(ctx, &flow.integration).await?;
    let integration = integration.ok_or_else(|| Error::not_found("integration"))?;
    let provider = providers::of(&mut conn, ctx, &integration).await?;
    drop(conn);
    let leg = if flow.direction == Direction::Outbound { Leg::Outbound } else { Leg::Inbound };
    let (sample, record) = match (sample, leg) {
        (Some(record), _) => (Sample::Given, record),
        (None, Leg::Inbound) => {
            (Sample::Live, live(parts, ctx, flow, &integration.provider).await?)
        }
        (None, Leg::Outbound) => (Sample::Live, first(parts, ctx, flow).await?),
    };
    let theirs = (leg == Leg::Inbound).then_some(&record);
    let mut mapping = fields::mapping(flow, &provider, leg, theirs)?;
    let mut conn = parts.store.read().await?;
    fields::bind_key(&mut conn, ctx, parts.store.sealer(), &mut mapping).await?;
    drop(conn);
    let row = mapping.apply(&record).ok();
    let fields = mapping.test(&record);
    let mut record = record;
    // What is wrong with it stands beside the fields.
    drop(mapping.redact(&mut record));
    Ok(MappingTrial { sample, record, accepted: row.is_some(), row, fields })
}

/// The first record of the collection.
async fn first(parts: &Parts, ctx: &TenantCtx, flow: &DataFlow) -> Result<Value> {
    let (mut conn, to) = (parts.store.read().await?, &flow.destination);
    let first = conn.changed_records(ctx, to, "", Timestamp(0), 1).await?.into_iter().next();
    first.map(|record| Value::Object(record.data)).ok_or_else(|| {
        let detail = format!("The collection `{to}` holds no record. Send one as `sample`.");
        Error::new(Code::Conflict, detail)
    })
}

async fn live(parts: &Parts, ctx: &TenantCtx, flow: &DataFlow, provider: &str) -> Result<Value> {
    let end = ends::open(parts, ctx, flow, provider).await?;
    let mut reader = end.read(None, &flow.options.fields).await?;
    let needed = end.facts().needed.iter().map(String::as_str);
    let selection = Selection::of(&flow.options.fields, needed);
    // Some providers begin with an empty page; beyond a few there is nothing to show.
    for _ in 0..3 {
        match reader.next_page().await? {
            Some(page) => {
                if let Some(mut record) = page.records.into_iter().next() {
                    if let Some(selection) = &selection {
                        selection.prune(&mut record);
                    }
                    return Ok(record);
                }
            }
            None => break,
        }
    }
    let detail = format!("The stream `{}` holds no record. Send one as `sample`.", flow.stream);
    Err(Error::new(Code::Conflict, detail))
}
