//! `GET /crm/v3/objects/{type}`

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use serde_json::{Value, json};

use super::{
    body::{OfType, Params},
    object::Record,
    refusal::Refusal,
};
use crate::{fault::PageFault, world::World};

/// Largest page.
pub(crate) const MAX_LIMIT: usize = 100;

/// Lists by id. The cursor is the last id given, so records added meanwhile move no page.
pub(crate) async fn list(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    params: Params,
    fault: Option<Extension<PageFault>>,
) -> Result<Json<Value>, Refusal> {
    let limit = params.limit(MAX_LIMIT)?;
    let (archived, wanted) = (params.flag("archived"), params.list("properties"));
    let after = cursor(params.get("after"))?;
    let fault = fault.map(|Extension(fault)| fault).unwrap_or_default();

    let portal = world.portal();
    let table = portal.table(object_type);
    let is_wanted = |record: &&Record| record.archived.is_some() == archived;
    let (page, next) = if fault == PageFault::Duplicate && after > 0 {
        let mut page: Vec<_> = table.backwards_from(after).filter(is_wanted).take(limit).collect();
        page.reverse();
        // The same place under another name, so that only the rows repeat and none is lost.
        (page, Some(format!("{after}-again")))
    } else {
        let page: Vec<_> = table.after(after).filter(is_wanted).take(limit).collect();
        let last = page.last().map_or(after, |record| record.id);
        let more = table.after(last).any(|record| is_wanted(&record));
        let next = if fault == PageFault::Stuck { after } else { last };
        (page, more.then(|| next.to_string()))
    };
    let results: Vec<_> = page.iter().map(|record| record.show(object_type, &wanted)).collect();
    let mut answer = json!({"results": results});
    if let (Some(next), Some(members)) = (next, answer.as_object_mut()) {
        let link = format!("/crm/v3/objects/{}?after={next}&limit={limit}", object_type.name());
        members.insert("paging".into(), json!({"next": {"after": next, "link": link}}));
    }
    Ok(Json(answer))
}

fn cursor(after: Option<&str>) -> Result<u64, Refusal> {
    let Some(after) = after.filter(|after| !after.is_empty()) else { return Ok(0) };
    let id = after.strip_suffix("-again").unwrap_or(after);
    id.parse().map_err(|_| Refusal::validation(format!("Invalid after: {after}")))
}
