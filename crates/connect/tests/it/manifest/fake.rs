//! A small API with pages of every kind, for both runners of a manifest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{jwt, packed};
use crate::server::{Answer, Request, Server};

/// Items of the API.
const ITEMS: u64 = 25;

/// Starts the API. Every address fails as often as it is asked to, per query.
pub async fn start() -> Server {
    let met: Arc<Mutex<HashMap<String, u32>>> = Arc::default();
    Server::start(move |_, request| answer(request, &met)).await
}

struct Query(HashMap<String, String>);

impl Query {
    fn of(request: &Request) -> Self {
        let url = url::Url::parse(&format!("http://fake{}", request.target)).unwrap();
        Self(url.query_pairs().into_owned().collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn number(&self, name: &str, usual: u64) -> u64 {
        self.text(name).parse().unwrap_or(usual)
    }
}

fn item(id: u64) -> Value {
    let day = id % 28 + 1;
    json!({
        "id": id,
        "name": format!("Item {id} – “{}”", if id.is_multiple_of(2) { "even" } else { "odd" }),
        "price": id as f64 * 1.25,
        "count": id.to_string(),
        "active": id.is_multiple_of(3),
        "note": null,
        "tags": ["a", format!("t{}", id % 4)],
        "nested": {"deep": {"value": id * 10, "gone": null}, "list": [{"k": id}]},
        "created_at": format!("2024-01-{day:02}T08:00:00Z"),
        "updated_at": format!("2024-0{}-{day:02}T10:30:{:02}Z", id % 3 + 1, id % 60),
    })
}

fn items(from: u64, count: u64) -> Vec<Value> {
    (from..(from + count).min(ITEMS)).map(item).collect()
}

fn answer(request: &Request, met: &Mutex<HashMap<String, u32>>) -> Answer {
    let query = Query::of(request);
    let path = request.target.split('?').next().unwrap().trim_matches('/').to_owned();
    let steps: Vec<&str> = path.split('/').collect();
    let times = {
        let mut met = met.lock().unwrap();
        let times = met.entry(request.target.clone()).or_insert(0);
        *times += 1;
        *times
    };
    let steps = steps.as_slice();
    paged(steps, &query, request)
        .or_else(|| partitioned(steps, &query, request))
        .or_else(|| answered(steps, times, request))
        .or_else(|| signed(steps, request, &query))
        .or_else(|| shaped(steps, &query))
        .or_else(|| told(steps, &query))
        .or_else(|| jobs(steps, times, request))
        .unwrap_or_else(|| Answer::json(&json!({"message": "unknown"})).with_status(404))
}

fn paged(steps: &[&str], query: &Query, request: &Request) -> Option<Answer> {
    Some(match steps {
        ["items"] => {
            let (page, size) = (query.number("page", 1), query.number("per_page", 10));
            Answer::json(&json!({"data": items((page - 1) * size, size), "page": page}))
        }
        ["zero"] => Answer::json(&json!(items(query.number("page", 0) * 10, 10))),
        ["offset"] => {
            let (from, size) = (query.number("offset", 0), query.number("limit", 10));
            Answer::json(&json!({"result": {"rows": items(from, size)}}))
        }
        ["cursor"] => {
            let from = query.number("after", 0);
            let next = (from + 10 < ITEMS).then(|| (from + 10).to_string());
            Answer::json(&json!({"results": items(from, 10), "paging": {"next": next}}))
        }
        ["link"] => {
            let page = query.number("page", 1);
            let base = format!("http://{}/link", request.header("host").unwrap());
            let answer = Answer::json(&json!(items((page - 1) * 10, 10)));
            if page < 3 {
                let next = page + 1;
                let link =
                    format!("<{base}?page=1>; rel=\"first\", <{base}?page={next}>; rel=\"next\"");
                return Some(answer.header("link", link));
            }
            answer
        }
        ["nexturl"] => {
            let page = query.number("p", 1);
            let base = format!("http://{}/nexturl", request.header("host").unwrap());
            let next =
                (page < 3).then(|| format!("{base}?p={}&keep={}", page + 1, query.text("keep")));
            Answer::json(&json!({"items": items((page - 1) * 10, 10), "links": {"next": next}}))
        }
        ["last"] => {
            let after = query.text("after_id").parse().map_or(0, |id: u64| id + 1);
            Answer::json(&json!({"list": items(after, 7)}))
        }
        _ => return None,
    })
}

fn partitioned(steps: &[&str], query: &Query, request: &Request) -> Option<Answer> {
    Some(match steps {
        ["changes"] => changes(query, request),
        ["feed"] => {
            let mut all = items(0, ITEMS);
            all.sort_by_key(|item| std::cmp::Reverse(item["updated_at"].to_string()));
            let from = query.number("offset", 0) as usize;
            let page: Vec<_> = all.into_iter().skip(from).take(6).collect();
            Answer::json(&json!({"data": page}))
        }
        ["teams"] => {
            let since = query.text("since").to_owned();
            let team = |n: u64| {
                json!({"id": format!("team-{n}"), "title": format!("Team {n}"),
                "meta": {"region": if n == 1 { Value::Null } else { json!("eu") }},
                "updated_at": format!("2024-02-0{n}T00:00:00Z")})
            };
            let teams: Vec<_> = (1..=3).map(team).collect();
            let fresh = |team: &Value| team["updated_at"].as_str().unwrap() >= since.as_str();
            Answer::json(&json!({"teams": teams.into_iter().filter(fresh).collect::<Vec<_>>()}))
        }
        ["teams", team, "members"] => {
            let n: u64 = team.rsplit('-').next().unwrap().parse().unwrap();
            let from = query.number("offset", 0);
            let since = query.text("since").to_owned();
            let members = items(n * 6 + from, 4.min(6 - from.min(6)));
            let fresh = |item: &Value| item["updated_at"].as_str().unwrap() >= since.as_str();
            Answer::json(&json!({"members": members.into_iter().filter(fresh).collect::<Vec<_>>()}))
        }
        ["kinds"] => {
            let (kind, region) = (query.text("kind"), query.text("region"));
            let rows: Vec<_> = (0..3)
                .map(|n| json!({"id": format!("{kind}-{region}-{n}"), "kind": kind, "n": n}))
                .collect();
            Answer::json(&json!({"rows": rows}))
        }
        _ => return None,
    })
}

fn answered(steps: &[&str], times: u32, request: &Request) -> Option<Answer> {
    Some(match steps {
        ["flaky", how] => flaky(how, times, request),
        ["missing"] => Answer::json(&json!({"message": "no such thing"})).with_status(404),
        ["forbidden"] => {
            Answer::json(&json!({"error": {"message": "not in your plan"}})).with_status(403)
        }
        ["soft"] => Answer::json(&json!({"error": "no_data", "data": items(0, 3)})),
        ["graph"] => graph(request),
        ["form"] => {
            let form: HashMap<String, String> =
                url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
            let page = form.get("page").and_then(|page| page.parse().ok()).unwrap_or(0);
            let mut rows = items(page * 10, 10);
            rows.iter_mut().for_each(|row| row["form"] = json!(form));
            Answer::json(&json!({"rows": rows}))
        }
        ["one"] => Answer::json(&json!({"data": item(7)})),
        ["tree"] => {
            Answer::json(&json!({"a": {"x": {"rows": items(0, 2)}, "y": {"rows": items(2, 1)}}}))
        }
        _ => return None,
    })
}

fn signed(steps: &[&str], request: &Request, query: &Query) -> Option<Answer> {
    Some(match steps {
        ["secret", how] => secret(how, request, query),
        ["token"] => {
            let form: HashMap<String, String> =
                url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
            let good = form.get("refresh_token").map(String::as_str) == Some("refresh-canary-1")
                && form.get("client_secret").map(String::as_str) == Some("client-canary-1");
            if !good {
                return Some(Answer::json(&json!({"error": "invalid_grant"})).with_status(400));
            }
            Answer::json(&json!({"access_token": "access-canary-1", "expires_in": 3600}))
        }
        ["oldlogin"] => {
            let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
            if body != json!({"username": "me", "password": "password-canary-1"}) {
                return Some(Answer::json(&json!({"message": "who?"})).with_status(401));
            }
            Answer::json(&json!({"id": "session-canary-1"}))
        }
        ["login"] => {
            let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
            if body["password"] != "password-canary-1" {
                return Some(Answer::json(&json!({"message": "who?"})).with_status(401));
            }
            Answer::json(&json!({"session": {"id": "session-canary-1"}}))
        }
        _ => return None,
    })
}

fn shaped(steps: &[&str], query: &Query) -> Option<Answer> {
    Some(match steps {
        ["packed", how] => packed::answer(how, query.number("page", 0)),
        ["counted"] => {
            let since = query.number("since", 0);
            Answer::json(&json!({"data": items(since, ITEMS)}))
        }
        ["shapes"] => Answer::json(&json!({"data": [
            {"FirstName": "a", "lastName": "b", "some-key": 1, "ID": 7,
                "innerPart": {"aValue": 1, "bValue": {"c-d": [1, 2]}}},
            {"FirstName": "ä", "Größe 2": 1, "2nd": true, "innerPart": {"aValue": 2}},
        ]})),
        _ => return None,
    })
}

fn told(steps: &[&str], query: &Query) -> Option<Answer> {
    Some(match steps {
        ["echo"] => {
            let mut row = json!({"updated_at": "2024-05-01T00:00:00Z"});
            for (name, value) in &query.0 {
                row[name] = json!(value);
            }
            Answer::json(&json!({"data": [row]}))
        }
        ["boxes"] => Answer::json(&json!({"data": [
            {"id": "a", "things": {"data": [{"id": 1}, {"id": 2}], "next": "2"}},
            {"id": "b", "things": {"data": [{"id": 9}], "next": null}},
        ]})),
        ["boxes", name] => {
            let after = query.number("after", 0);
            Answer::json(&json!({"data": [{"id": after + 1, "box": name}], "next": null}))
        }
        ["fieldnames"] => Answer::json(&json!({"data": [{"key": "name"}, {"key": "shape"}]})),
        ["fields"] => {
            let from = query.number("page", 0) * 3;
            let names: Vec<&str> = query.text("fields").split(',').collect();
            let row = |id: u64| {
                let mut row = json!({"id": format!("r{id}")});
                for name in &names {
                    row[*name] = match *name {
                        "id" => continue,
                        "nested" => json!({"of": id}),
                        other => json!(format!("{other} {id}")),
                    };
                }
                row
            };
            let rows: Vec<_> = (from..(from + 3).min(5)).map(row).collect();
            Answer::json(&json!({"data": rows}))
        }
        ["tables"] => Answer::json(&json!({"data": [{"name": "red"}, {"name": "blue"}]})),
        ["describe"] => Answer::json(&json!({"columns": [
            {"name": "id", "kind": "text"}, {"name": "count", "kind": "int"},
            {"name": "price", "kind": "money"}, {"name": "tags", "kind": "array"},
        ]})),
        _ => return None,
    })
}

/// Jobs that are queued, then done; what they made lies in files.
fn jobs(steps: &[&str], times: u32, request: &Request) -> Option<Answer> {
    let base = format!("http://{}", request.header("host").unwrap());
    Some(match (request.method.as_str(), steps) {
        ("POST", ["jobs"]) => {
            let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
            Answer::json(&json!({"id": body["kind"]}))
        }
        ("GET", ["jobs", kind]) => {
            let status = if times < 2 && *kind == "all" { "working" } else { "done" };
            let files: Vec<_> = (0..2).map(|n| format!("{base}/files/{kind}/{n}")).collect();
            let plain = format!("{base}/files/{kind}/plain");
            let job = json!({"status": status, "files": files, "plain": [plain]});
            Answer::json(&json!({"job": job}))
        }
        ("POST", ["jobs", _, "clear"]) => Answer::json(&json!({})),
        ("GET", ["files", kind, n]) => packed::file(kind, n),
        _ => return None,
    })
}

/// Items between two times, both of them in, a few to a page.
fn changes(query: &Query, request: &Request) -> Answer {
    let header = |name: &str| request.header(name).map(str::to_owned);
    let since = header("x-since").unwrap_or_else(|| query.text("since").to_owned());
    let until = query.text("until");
    let mut found = items(0, ITEMS);
    found.retain(|item| {
        let at = item["updated_at"].as_str().unwrap();
        at >= since.as_str() && (until.is_empty() || at <= until)
    });
    found.sort_by_key(|item| item["updated_at"].to_string());
    let from = query.number("offset", 0) as usize;
    let page: Vec<_> = found.into_iter().skip(from).take(4).collect();
    Answer::json(&json!({"data": page}))
}

fn flaky(how: &str, times: u32, request: &Request) -> Answer {
    let page = Query::of(request).number("page", 1);
    let good =
        || Answer::json(&json!({"data": items((page - 1) * 2, if page < 3 { 2 } else { 0 })}));
    match how {
        "busy" if times < 3 => Answer::status(503, "busy"),
        "limited" if times < 2 => Answer::status(429, "slow down").header("retry-after", "1"),
        "word" if times < 2 => {
            Answer::json(&json!({"error": {"message": "try again please"}})).with_status(400)
        }
        "body" if times < 2 => Answer::json(&json!({"status": "pending"})),
        _ => good(),
    }
}

fn graph(request: &Request) -> Answer {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let page = body.pointer("/variables/page").and_then(Value::as_u64).unwrap_or(0);
    let mut rows = items(page * 10, 10);
    rows.iter_mut().for_each(|row| row["asked"] = body.clone());
    let kind = request.header("content-type").unwrap_or_default().to_owned();
    Answer::json(&json!({"rows": rows, "kind": kind}))
}

fn secret(how: &str, request: &Request, query: &Query) -> Answer {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let good = match how {
        "bearer" => header("authorization") == "Bearer token-canary-1",
        "basic" => header("authorization") == "Basic dXNlcjpwYXNzd29yZC1jYW5hcnktMQ==",
        "key" => header("x-api-key") == "Key token-canary-1",
        "query" => query.text("api_key") == "token-canary-1",
        "oauth" => header("authorization") == "Bearer access-canary-1",
        "jwt" => jwt::good(header("authorization").strip_prefix("Bearer "), "HS256"),
        "jwtquery" => jwt::good(Some(query.text("signed")), "HS512"),
        "session" => header("x-session") == "session-canary-1",
        _ => false,
    };
    if !good {
        let seen = header("authorization");
        return Answer::json(&json!({"message": format!("not you: {seen}")})).with_status(401);
    }
    Answer::json(&json!({"data": items(0, 3)}))
}
