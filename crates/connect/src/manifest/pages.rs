//! One page of a slice: asked for, taken apart, and the way to the next.

use bytes::Bytes;
use connectus_core::{Code, Error, Result};
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    paging::{Page, Runaway},
    properties,
    reader::Now,
    records::{Batch, For, IsNew, Selected},
    request::{Answer, Ask, Options, Outcome, Site, token_value},
    slices::Cursor,
    stream::StreamPlan,
};
use crate::http::GuardedResponse;

/// How often the pages of one slice may begin anew.
const MAX_RESTARTS: u32 = 100;

/// What asking for a page brought.
enum Got {
    Page(Box<(Answer, Selected)>),
    Nothing,
    Restart,
}

/// Asks for a page and turns to the next.
pub(super) async fn turn(
    plan: &StreamPlan,
    site: &std::sync::Arc<Site>,
    cursor: &mut Cursor,
    now: &mut Now,
) -> Result<Batch> {
    let token = token_value(now.token.as_ref());
    let schema = match plan.selector.casts() {
        true => Some(plan.schema.get(site).await?),
        false => None,
    };
    let got = match &plan.properties {
        None => match fetched(plan, site, now, &token, None).await? {
            Outcome::Page(answer) => {
                let selected = select(plan, site, cursor, now, (&answer, &token, schema))?;
                Got::Page(Box::new((answer, selected)))
            }
            Outcome::Nothing => Got::Nothing,
            Outcome::Restart => Got::Restart,
        },
        Some(properties) => {
            let chunks = properties.chunks(site).await?;
            in_chunks(plan, site, cursor, now, (&token, schema, &chunks)).await?
        }
    };
    match got {
        Got::Page(got) => {
            let (answer, selected) = *got;
            advance(plan, site, cursor, now, (&answer, selected))
        }
        Got::Nothing => {
            now.ended = true;
            Ok(Batch::empty())
        }
        Got::Restart => {
            now.restarts += 1;
            if now.restarts > MAX_RESTARTS {
                let detail = format!("The pages of a slice began anew {MAX_RESTARTS} times.");
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            (now.token, now.runaway) = (plan.paginator.first(), Runaway::default());
            Ok(Batch::empty())
        }
    }
}

async fn fetched(
    plan: &StreamPlan,
    site: &Site,
    now: &mut Now,
    token: &Value,
    names: Option<&[String]>,
) -> Result<Outcome> {
    if let Some(given) = now.given.take() {
        let body: Bytes = serde_json::to_vec(&given).map_err(Error::internal)?.into();
        let response = GuardedResponse { status: 200, headers: HeaderMap::new(), body };
        return Ok(Outcome::Page(Answer { response, shown: "its parent".to_owned() }));
    }
    let mut extra: Options = plan.options(&now.asked, now.token.as_ref())?;
    let mut asked = now.asked.clone();
    if let Some(names) = names {
        asked = asked.with_extra([("query_properties", names.into())]);
        if let Some(parameter) = plan.properties.as_ref().and_then(|own| own.parameter.clone()) {
            extra.query.insert(parameter, names.join(",").into());
        }
    }
    let home = plan.job.as_ref().map(|job| job.home(site, &now.slice)).transpose()?;
    let path = plan.paginator.path(now.token.as_ref());
    let ask = Ask { slice: &asked, token, path, home: home.as_ref() };
    plan.requester.send(site, ask, extra).await
}

/// The same page as often as there are groups of fields; records that belong together are one.
async fn in_chunks(
    plan: &StreamPlan,
    site: &Site,
    cursor: &Cursor,
    now: &mut Now,
    (token, schema, chunks): (&Value, Option<&Value>, &[Vec<String>]),
) -> Result<Got> {
    let (mut records, mut merged) = (Vec::new(), Vec::<Map<String, Value>>::new());
    let mut places = std::collections::HashMap::new();
    let mut last = None;
    for names in chunks {
        let answer = match fetched(plan, site, now, token, Some(names)).await? {
            Outcome::Page(answer) => answer,
            Outcome::Nothing => return Ok(Got::Nothing),
            Outcome::Restart => return Ok(Got::Restart),
        };
        let selected = select(plan, site, cursor, now, (&answer, token, schema))?;
        let Selected { batch, found, response } = selected;
        for record in batch.into_built()? {
            let key = plan.properties.as_ref().and_then(|own| own.merge_key(&record));
            match key {
                None => records.push(record),
                Some(key) => match places.get(&key).and_then(|at: &usize| merged.get_mut(*at)) {
                    Some(into) => properties::merge(into, record),
                    None => {
                        places.insert(key, merged.len());
                        merged.push(record);
                    }
                },
            }
        }
        last = Some((answer, found, response));
    }
    let Some((answer, found, response)) = last else { return Ok(Got::Nothing) };
    records.extend(merged);
    let selected = Selected { batch: Batch::Built(records), found, response };
    Ok(Got::Page(Box::new((answer, selected))))
}

fn select(
    plan: &StreamPlan,
    site: &Site,
    cursor: &Cursor,
    now: &Now,
    (answer, token, schema): (&Answer, &Value, Option<&Value>),
) -> Result<Selected> {
    let (env, config) = (&site.wire.env, &*site.config);
    let of = For { env, config, slice: &now.slice, token, schema };
    let by_client = plan.range.as_ref().is_some_and(|range| range.client_side && !range.data_feed);
    let keep = plan.paginator.keep(plan.selector.first_step());
    let mut own =
        |batch: &Batch, index: usize| cursor.is_new(&now.slice, batch, index, env, config);
    let own: Option<&mut IsNew<'_>> = if by_client { Some(&mut own) } else { None };
    plan.selector.select(&answer.response, keep, of, own)
}

/// What a page says about the next.
fn advance(
    plan: &StreamPlan,
    site: &Site,
    cursor: &mut Cursor,
    now: &mut Now,
    (answer, selected): (&Answer, Selected),
) -> Result<Batch> {
    let (env, config) = (&site.wire.env, &*site.config);
    let feed = plan.range.as_ref().is_some_and(|range| range.data_feed);
    let is_new = |batch: &Batch, index: usize| cursor.is_new(&now.slice, batch, index, env, config);
    let mut batch = selected.batch;
    let last = batch.len().checked_sub(1);
    let last_record = match last.filter(|_| plan.paginator.needs_last_record()) {
        Some(index) => batch.read(index)?.map(Value::Object),
        None => None,
    };
    let reached_old = match last.filter(|_| feed) {
        Some(index) => !is_new(&batch, index)?,
        None => false,
    };
    let page = Page {
        answer,
        response: selected.response,
        last_record,
        size: batch.len(),
        found: selected.found,
        slice: &now.slice,
    };
    let next =
        if reached_old { None } else { plan.paginator.next(site, &page, now.token.as_ref())? };
    if let Some(next) = &next {
        now.runaway.check(&page, next)?;
    }
    if feed {
        batch.retain(is_new)?;
    }
    now.ended = next.is_none();
    now.token = next;
    cursor.observe(&now.slice, &batch);
    Ok(batch)
}
