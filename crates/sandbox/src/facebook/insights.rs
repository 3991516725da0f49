//! Figures of campaigns by day: at once, or gathered by a report.

use axum::response::Response;
use connectus_core::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    account::{ACCOUNT, AdAccount},
    done, edges,
    refusal::Refusal,
    said,
};
use crate::asked::Asked;

const DAY_SECS: i64 = 86_400;
/// Furthest day one may ask for, in days: 37 months.
const MAX_DAYS_BACK: i64 = 37 * 30;
/// Campaigns that have figures.
const CAMPAIGNS: usize = 6;
/// Reports held.
const MAX_REPORTS: usize = 1_000;
/// Further first day at once, in days: more takes a report.
const MAX_AT_ONCE_DAYS: i64 = 31;

/// A report that is being gathered.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    params: Map<String, Value>,
    asked: u32,
    fails: bool,
}

pub(super) fn start(
    account: &mut AdAccount,
    asked: &Asked,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let params = asked.body.as_object().cloned().unwrap_or_else(|| asked.params.clone());
    range(&params, now)?;
    if account.reports.len() >= MAX_REPORTS {
        account.reports.pop_first();
    }
    let id = account.id();
    let fails = account.failing_reports > 0;
    account.failing_reports = account.failing_reports.saturating_sub(1);
    account.reports.insert(id.clone(), Report { params, asked: 0, fails });
    Ok(done(&json!({"report_run_id": id})))
}

/// How far a report is: it takes three questions.
pub(super) fn state(account: &mut AdAccount, id: &str) -> Result<Response, Refusal> {
    let report = account.reports.get_mut(id).ok_or_else(|| Refusal::unknown_object(id))?;
    report.asked += 1;
    let (state, percent) = match (report.asked, report.fails) {
        (1, _) => ("Job Not Started", 0),
        (2, _) => ("Job Running", 50),
        (_, true) => ("Job Failed", 50),
        (_, false) => ("Job Completed", 100),
    };
    Ok(said(&json!({
        "id": id,
        "account_id": ACCOUNT,
        "async_status": state,
        "async_percent_completion": percent,
    })))
}

pub(super) fn of_report(
    account: &AdAccount,
    asked: &Asked,
    id: &str,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let report = account.reports.get(id).ok_or_else(|| Refusal::unknown_object(id))?;
    if report.asked < 3 || report.fails {
        return Err(Refusal::new(2_601, "The report is not ready."));
    }
    edges::page(asked, &rows(account, &report.params, now)?)
}

pub(super) fn at_once(
    account: &AdAccount,
    asked: &Asked,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let (since, until) = range(&asked.params, now)?;
    if until - since > MAX_AT_ONCE_DAYS {
        return Err(Refusal::new(1, "Please reduce the amount of data you're asking for."));
    }
    edges::page(asked, &rows(account, &asked.params, now)?)
}

/// First and last day, as days since the epoch.
fn range(params: &Map<String, Value>, now: Timestamp) -> Result<(i64, i64), Refusal> {
    let given = match params.get("time_range") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
        Some(other) => other.clone(),
        None => Value::Null,
    };
    let day = |name: &str| {
        let at = given[name].as_str().filter(|text| text.len() == 10).and_then(Timestamp::parse);
        at.map(|at| at.secs().div_euclid(DAY_SECS))
            .ok_or_else(|| Refusal::parameter("time_range must be {since: YYYY-MM-DD, until: ...}"))
    };
    let (since, until) = (day("since")?, day("until")?);
    let today = now.secs().div_euclid(DAY_SECS);
    if since < today - MAX_DAYS_BACK {
        return Err(Refusal::new(
            3_018,
            "The start date of the time range cannot be beyond 37 months",
        ));
    }
    if since > until {
        return Err(Refusal::parameter("time_range: since is after until"));
    }
    Ok((since, until.min(today)))
}

fn rows(
    account: &AdAccount,
    params: &Map<String, Value>,
    now: Timestamp,
) -> Result<Vec<Value>, Refusal> {
    let (since, until) = range(params, now)?;
    let daily = params.get("time_increment").is_some_and(|n| *n == 1 || n == "1");
    if !daily || params.get("level").is_none_or(|level| level != "campaign") {
        return Err(Refusal::parameter("The sandbox gathers by campaign and day only."));
    }
    let mut rows = Vec::new();
    for day in since..=until {
        let date = Timestamp::from_secs(day * DAY_SECS).day();
        for campaign in account.campaigns().take(CAMPAIGNS) {
            let id = campaign["id"].as_str().unwrap_or_default();
            let digest = Sha256::digest(format!("{id} {date}"));
            let drawn = |index: usize| u32::from(digest.get(index).copied().unwrap_or(0));
            let late = account.late.get(&(id.to_owned(), date.clone())).copied().unwrap_or(0);
            rows.push(json!({
                "account_id": ACCOUNT,
                "campaign_id": id,
                "campaign_name": campaign["name"],
                "date_start": date,
                "date_stop": date,
                // Figures travel as text.
                "impressions": (1_000 + drawn(0) * 10).to_string(),
                "clicks": drawn(1).to_string(),
                "spend": format!("{}.{:02}", drawn(2), drawn(3) % 100),
                "actions": [{"action_type": "lead", "value": (drawn(4) % 9 + late).to_string()}],
            }));
        }
    }
    Ok(rows)
}
