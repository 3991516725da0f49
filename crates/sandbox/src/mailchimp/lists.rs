//! `/lists/...`, `/campaigns` and `/reports`.

use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    audience::Audience,
    member::{Member, check_email, member_id},
    problem::Problem,
};
use crate::{asked::Asked, fault::PageFault, front::Applied, world::World};

const USUAL_COUNT: usize = 10;
/// Largest page.
const MAX_COUNT: usize = 1_000;

pub(super) fn answer(world: &World, asked: &Asked, path: &[&str]) -> Result<Response, Problem> {
    let now = world.now();
    let mut account = world.mailchimp();
    let [_, rest @ ..] = path else { return Err(Problem::not_found()) };
    let Some((id, rest)) = rest.split_first() else {
        let all: Vec<_> = account.audiences.iter().map(Audience::show).collect();
        return page(asked, "lists", &all);
    };
    let audience = account.audience(id).ok_or_else(Problem::not_found)?;
    match (asked.method.as_str(), rest) {
        ("GET", []) => Ok(Json(audience.show()).into_response()),
        ("POST", []) => audience.put_all(&asked.body, now).map(|body| done(&body)),
        ("GET", ["members"]) => members(asked, audience),
        ("POST", ["members"]) => add(audience, &asked.body, now),
        (_, ["members", id, rest @ ..]) => member(audience, asked, (id, rest), now),
        ("GET", ["segments"]) => page(asked, "segments", &tags(audience)),
        ("GET", ["merge-fields"]) => {
            let field = |(index, tag): (usize, &str)| {
                json!({
                    "merge_id": index + 1,
                    "tag": tag,
                    "name": tag,
                    "type": "text",
                    "required": false,
                    "list_id": audience.id,
                })
            };
            let all: Vec<_> =
                ["FNAME", "LNAME", "PHONE"].into_iter().enumerate().map(field).collect();
            page(asked, "merge_fields", &all)
        }
        ("POST", ["webhooks"]) => {
            let mut webhook = asked.body.clone();
            webhook["id"] = format!("hook{}", audience.webhooks.len()).into();
            webhook["list_id"] = audience.id.into();
            audience.webhooks.push(webhook.clone());
            Ok(done(&webhook))
        }
        ("GET", ["webhooks"]) => page(asked, "webhooks", &audience.webhooks),
        _ => Err(Problem::not_found()),
    }
}

/// Campaigns, and how they went.
pub(super) fn mailings(world: &World, asked: &Asked, path: &[&str]) -> Result<Response, Problem> {
    let account = world.mailchimp();
    if path == ["campaigns"] {
        return page(asked, "campaigns", &account.campaigns);
    }
    let report = |campaign: &Value| {
        json!({
            "id": campaign["id"],
            "campaign_title": campaign["settings"]["title"],
            "list_id": campaign["recipients"]["list_id"],
            "emails_sent": campaign["emails_sent"],
            "send_time": campaign["send_time"],
            "opens": {"opens_total": 120, "unique_opens": 80, "open_rate": 0.32},
            "clicks": {"clicks_total": 30, "unique_clicks": 20, "click_rate": 0.08},
            "bounces": {"hard_bounces": 1, "soft_bounces": 2},
        })
    };
    page(asked, "reports", &account.campaigns.iter().map(report).collect::<Vec<_>>())
}

/// One member: `rest` is what stands behind their id.
fn member(
    audience: &mut Audience,
    asked: &Asked,
    (id, rest): (&str, &[&str]),
    now: Timestamp,
) -> Result<Response, Problem> {
    // An address in place of its MD5 is accepted, too.
    let id = if id.contains('@') { member_id(id) } else { id.to_owned() };
    let list = audience.id;
    if (asked.method.as_str(), rest) == ("PUT", &[]) {
        return audience.put(&id, &asked.body, now).map(|shown| done(&shown));
    }
    let found = audience.members.get_mut(&id).ok_or_else(Problem::not_found)?;
    match (asked.method.as_str(), rest) {
        ("GET", []) => Ok(Json(found.show(&id, list)).into_response()),
        ("PATCH", []) => {
            found.change(&asked.body, now)?;
            Ok(done(&found.show(&id, list)))
        }
        ("DELETE", []) => {
            if found.status == "archived" {
                let detail = "This list member cannot be removed.";
                return Err(Problem::new(405, "Method Not Allowed", detail));
            }
            "archived".clone_into(&mut found.status);
            found.changed = now;
            Ok(nothing())
        }
        ("POST", ["tags"]) => {
            tag(found, &asked.body);
            found.changed = now;
            Ok(nothing())
        }
        _ => Err(Problem::not_found()),
    }
}

fn add(audience: &mut Audience, body: &Value, now: Timestamp) -> Result<Response, Problem> {
    let email = body.get("email_address").and_then(Value::as_str).unwrap_or_default();
    check_email(email)?;
    let id = member_id(email);
    let there = audience.members.get(&id).is_some_and(|member| member.status != "archived");
    if there {
        let detail = format!("{email} is already a list member. Use PUT to insert or update.");
        return Err(Problem::new(400, "Member Exists", detail));
    }
    audience.put(&id, body, now).map(|shown| done(&shown))
}

fn tag(member: &mut Member, body: &Value) {
    for tag in body.get("tags").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = tag.get("name").and_then(Value::as_str) else { continue };
        member.tags.retain(|known| known != name);
        if tag.get("status").and_then(Value::as_str) != Some("inactive") {
            member.tags.push(name.to_owned());
        }
    }
}

/// Tags are segments of the type `static`.
fn tags(audience: &Audience) -> Vec<Value> {
    let mut counts = std::collections::BTreeMap::new();
    for name in audience.members.values().flat_map(|member| &member.tags) {
        *counts.entry(name).or_insert(0_u32) += 1;
    }
    let show = |(id, (name, count)): (usize, (&String, u32))| {
        json!({
            "id": id + 1,
            "name": name,
            "member_count": count,
            "type": "static",
            "list_id": audience.id,
        })
    };
    counts.into_iter().enumerate().map(show).collect()
}

fn members(asked: &Asked, audience: &Audience) -> Result<Response, Problem> {
    let time = |name: &str| match asked.param(name) {
        "" => Ok(None),
        text => Timestamp::parse(text).map(Some).ok_or_else(|| {
            Problem::invalid(name, "This value should be an ISO 8601 date and time.")
        }),
    };
    let (since, before) = (time("since_last_changed")?, time("before_last_changed")?);
    let status = asked.param("status");
    let wanted = |member: &&(&String, &Member)| {
        let changed = Timestamp::from_secs(member.1.changed.secs());
        since.is_none_or(|since| changed > since)
            && before.is_none_or(|before| changed < before)
            && if status.is_empty() {
                member.1.status != "archived"
            } else {
                member.1.status == status
            }
    };
    let mut all: Vec<_> = audience.members.iter().collect();
    if asked.param("sort_field") == "last_changed" {
        all.sort_by_key(|(_, member)| member.changed.secs());
    }
    if asked.param("sort_dir") == "DESC" {
        all.reverse();
    }
    let shown: Vec<_> =
        all.iter().filter(wanted).map(|(id, member)| member.show(id, audience.id)).collect();
    page(asked, "members", &shown)
}

/// One page by `count` and `offset`.
pub(super) fn page(asked: &Asked, name: &str, all: &[Value]) -> Result<Response, Problem> {
    let number = |name: &str, usual: usize| match asked.param(name) {
        "" => Ok(usual),
        text => text.parse().map_err(|_| Problem::invalid(name, "Schema describes integer")),
    };
    let (count, offset) = (number("count", USUAL_COUNT)?, number("offset", 0)?);
    if count > MAX_COUNT {
        return Err(Problem::invalid("count", "This value should be 1000 or less."));
    }
    let start = match asked.fault {
        PageFault::None => offset,
        PageFault::Duplicate => offset.saturating_sub(count),
        PageFault::Stuck => 0,
    };
    let items: Vec<_> = all.iter().skip(start).take(count).cloned().collect();
    let mut body = Map::new();
    body.insert(name.to_owned(), items.into());
    body.insert("total_items".into(), all.len().into());
    Ok(Json(Value::Object(body)).into_response())
}

/// An answer to something that changed.
pub(super) fn done(body: &Value) -> Response {
    (Extension(Applied), Json(body)).into_response()
}

fn nothing() -> Response {
    (StatusCode::NO_CONTENT, Extension(Applied)).into_response()
}
