//! `googleAds:search` in pages, `googleAds:searchStream` as a list of chunks.

use axum::response::Response;
use connectus_core::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    customer::{Customers, DIRECT, Row, shown},
    gaql::Query,
    gate,
    refusal::Refusal,
    said,
};
use crate::{asked::Asked, fault::PageFault};

fn find(
    customers: &Customers,
    asked: &Asked,
    customer: &str,
    now: Timestamp,
) -> Result<(Query, Vec<Row>), Refusal> {
    let text = asked.body.get("query").and_then(Value::as_str).unwrap_or_default();
    let query = Query::parse(text, now)?;
    // The managed customer is new and empty.
    let rows = if customer == DIRECT { customers.rows(&query, now) } else { Vec::new() };
    let rows = query.run(rows);
    Ok((query, rows))
}

/// A page token belongs to its query.
fn mark(asked: &Asked) -> String {
    let text = asked.body.get("query").and_then(Value::as_str).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..6])
}

pub(super) fn page(
    customers: &mut Customers,
    asked: &Asked,
    customer: &str,
    now: Timestamp,
) -> Result<Response, Refusal> {
    if asked.body.get("pageSize").is_some() {
        let message = "Setting the page size is not supported.";
        return Err(Refusal::invalid("requestError", "PAGE_SIZE_NOT_SUPPORTED", message));
    }
    let token = asked.body.get("pageToken").and_then(Value::as_str).filter(|text| !text.is_empty());
    let start = match token {
        // Further pages are free.
        None => {
            gate::spend(customers, 1, now)?;
            0
        }
        Some(token) => {
            let place = token.split_once('.').filter(|(known, _)| *known == mark(asked));
            place.and_then(|(_, place)| place.parse().ok()).ok_or_else(|| {
                let message = "Page token is invalid.";
                Refusal::invalid("requestError", "INVALID_PAGE_TOKEN", message)
            })?
        }
    };
    let (query, rows) = find(customers, asked, customer, now)?;
    let from: usize = match asked.fault {
        PageFault::Duplicate => start - start.min(customers.page),
        PageFault::None | PageFault::Stuck => start,
    };
    let items: Vec<_> = rows.iter().skip(from).take(customers.page).collect();
    let results: Vec<_> = items.into_iter().map(|row| shown(row, &query.fields)).collect();
    let end = start + customers.page;
    let mut body = json!({"fieldMask": query.fields.join(",")});
    // Protocol buffers leave out a list that is empty.
    if !results.is_empty() {
        body["results"] = results.into();
    }
    if end < rows.len() {
        let place = match asked.fault {
            PageFault::None => end.to_string(),
            PageFault::Stuck => start.to_string(),
            // The same place under another name, so that only the rows repeat and none is lost.
            PageFault::Duplicate => format!("0{start}"),
        };
        body["nextPageToken"] = format!("{}.{place}", mark(asked)).into();
    }
    Ok(said(&body))
}

pub(super) fn stream(
    customers: &mut Customers,
    asked: &Asked,
    customer: &str,
    now: Timestamp,
) -> Result<Response, Refusal> {
    gate::spend(customers, 1, now)?;
    let (query, rows) = find(customers, asked, customer, now)?;
    let chunk = |rows: &[Row]| {
        let results: Vec<_> = rows.iter().map(|row| shown(row, &query.fields)).collect();
        json!({
            "results": results,
            "fieldMask": query.fields.join(","),
            "requestId": "sandbox0000000000000000",
        })
    };
    let mut chunks: Vec<_> = rows.chunks(customers.page).map(chunk).collect();
    if chunks.is_empty() {
        // Protocol buffers leave out a list that is empty.
        chunks.push(json!({"fieldMask": query.fields.join(","), "requestId": "sandbox"}));
    }
    Ok(said(&Value::from(chunks)))
}
