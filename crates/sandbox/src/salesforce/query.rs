//! `/query` and `/queryAll`: a page, and the place of the next.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{object::SalesforceType, org::Org, refusal::Refusal, soql::Query};
use crate::{asked::Asked, fault::PageFault};

/// Queries whose further pages are held.
const MAX_CURSORS: usize = 100;

/// What a query found when it was asked: later changes move no page.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    kind: SalesforceType,
    fields: Vec<&'static str>,
    ids: Vec<String>,
}

pub(super) fn answer(
    org: &mut Org,
    asked: &Asked,
    (version, all): (&str, bool),
    rest: &[&str],
) -> Result<Response, Refusal> {
    let (locator, start): (String, usize) = match rest {
        [] => (locate(org, asked.param("q"), all)?, 0),
        [place] => {
            let gone = || Refusal::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
            let (locator, start) = place.rsplit_once('-').ok_or_else(gone)?;
            if !org.cursors.contains_key(locator) {
                return Err(gone());
            }
            (locator.to_owned(), start.parse().map_err(|_| gone())?)
        }
        _ => return Err(Refusal::no_such_path()),
    };
    let Some(located) = org.cursors.get(&locator) else { return Err(Refusal::no_such_path()) };
    let from = match asked.fault {
        PageFault::Duplicate => start.saturating_sub(org.page),
        PageFault::None | PageFault::Stuck => start,
    };
    let wanted = located.ids.iter().skip(from).take(org.page);
    // A record that was deleted meanwhile is left out, the others stay where they are.
    let records: Vec<_> = wanted
        .filter_map(|id| org.table(located.kind).find(|record| record.id == *id))
        .map(|record| record.show(located.kind, &located.fields, version))
        .collect();
    let end = start + org.page;
    let done = end >= located.ids.len();
    let mut body = json!({"totalSize": located.ids.len(), "done": done, "records": records});
    if !done {
        let next = match asked.fault {
            PageFault::None => end.to_string(),
            PageFault::Stuck => start.to_string(),
            // The same place under another name, so that only the rows repeat and none is lost.
            PageFault::Duplicate => format!("0{start}"),
        };
        let word = if all { "queryAll" } else { "query" };
        body["nextRecordsUrl"] = format!("/services/data/{version}/{word}/{locator}-{next}").into();
    }
    Ok(Json(body).into_response())
}

/// Runs a query and keeps what it found.
fn locate(org: &mut Org, text: &str, all: bool) -> Result<String, Refusal> {
    let query = Query::parse(text)?;
    let ids = query.run(org.table(query.kind).filter(|record| all || !record.deleted));
    if org.cursors.len() >= MAX_CURSORS {
        org.cursors.pop_first();
    }
    let number = org.cursors.last_key_value().and_then(|(last, _)| last.get(3..)?.parse().ok());
    let locator = format!("01g{:012}", number.map_or(0, |last: u64| last + 1));
    let located = Located { kind: query.kind, fields: query.fields, ids };
    org.cursors.insert(locator.clone(), located);
    Ok(locator)
}
