//! A service that nobody at Connectus knows, and the manifest somebody wrote for it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The key that the service takes.
pub const KEY: &str = "acme-key-canary";
/// Users on a page.
const PAGE: usize = 2;

/// What the service holds.
#[derive(Default)]
pub struct Shop {
    /// Its orders.
    pub orders: Vec<Value>,
    /// Requests, as they came.
    pub asked: Vec<String>,
    /// The refresh token that works; each works once.
    pub refresh: u32,
    /// Whether its pages never end.
    pub endless: bool,
}

/// The service, running.
pub struct Acme {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it holds.
    pub shop: Arc<Mutex<Shop>>,
    task: JoinHandle<()>,
}

impl Drop for Acme {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Acme {
    pub async fn start() -> Self {
        let orders = (1..=3).map(|id| order(id, "2026-01-02T00:00:00Z")).collect();
        let shop = Arc::new(Mutex::new(Shop { orders, ..Shop::default() }));
        let routes = Router::new()
            .route("/users", get(users))
            .route("/orders", get(orders_since))
            .route("/renewed", get(renewed))
            .route("/token", post(token))
            .with_state(shop.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, shop, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn put(&self, order: Value) {
        let mut shop = self.shop.lock().unwrap();
        shop.orders.retain(|known| known["id"] != order["id"]);
        shop.orders.push(order);
    }

    /// Requests since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shop.lock().unwrap().asked)
    }
}

pub fn order(id: u32, updated_at: &str) -> Value {
    json!({"id": id, "total": id * 10, "note": null, "updated_at": updated_at})
}

type Shared = State<Arc<Mutex<Shop>>>;

fn refused(headers: &HeaderMap) -> Option<Response> {
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    let fits = sent == Some(&format!("Bearer {KEY}"));
    (!fits).then(|| StatusCode::UNAUTHORIZED.into_response())
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    page: usize,
}

async fn users(State(shop): Shared, headers: HeaderMap, Query(page): Query<Page>) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.asked.push(format!("/users {}", page.page));
    if let Some(no) = refused(&headers) {
        return no;
    }
    let all: Vec<_> = (1..=5).map(|id| json!({"id": id, "name": format!("User {id}")})).collect();
    let from = if shop.endless { 0 } else { page.page * PAGE };
    let items: Vec<_> = all.into_iter().skip(from).take(PAGE).collect();
    Json(json!({"items": items})).into_response()
}

#[derive(Deserialize)]
struct Since {
    since: String,
}

async fn orders_since(
    State(shop): Shared,
    headers: HeaderMap,
    Query(since): Query<Since>,
) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.asked.push(format!("/orders {}", since.since));
    if let Some(no) = refused(&headers) {
        return no;
    }
    let at = |order: &Value| order["updated_at"].as_str().unwrap().to_owned();
    let orders: Vec<_> = shop.orders.iter().filter(|order| at(order) >= since.since).collect();
    Json(json!({"items": orders})).into_response()
}

#[derive(Deserialize)]
struct Renewal {
    refresh_token: String,
}

/// Gives a new pair of tokens for a refresh token that was not used before.
async fn token(State(shop): Shared, form: axum::Form<Renewal>) -> Response {
    let mut shop = shop.lock().unwrap();
    let due = format!("refresh-canary-{}", shop.refresh);
    shop.asked.push("/token".to_owned());
    if form.refresh_token != due {
        let body = json!({"error": "invalid_grant"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    shop.refresh += 1;
    Json(json!({
        "access_token": format!("access-canary-{}", shop.refresh),
        "refresh_token": format!("refresh-canary-{}", shop.refresh),
        "expires_in": 600,
    }))
    .into_response()
}

async fn renewed(State(shop): Shared, headers: HeaderMap) -> Response {
    let shop = shop.lock().unwrap();
    let due = format!("Bearer access-canary-{}", shop.refresh);
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    if sent != Some(&due) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({"items": [{"id": 1, "name": "Renewed"}]})).into_response()
}

/// A stream of the manifest.
fn stream(name: &str, more: &Value) -> Value {
    let mut stream = json!({
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": "id",
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object",
            "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester",
                "url_base": "{{ config['host'] }}",
                "path": format!("/{name}"),
                "authenticator": {"type": "BearerAuthenticator",
                    "api_token": "{{ config['access']['api_key'] }}"},
            },
            "record_selector": {"type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["items"]}},
        },
    });
    for (path, value) in more.as_object().unwrap() {
        *stream.pointer_mut(path.rsplit_once('/').unwrap().0).unwrap() =
            match stream.pointer(path.rsplit_once('/').unwrap().0).cloned().unwrap() {
                Value::Object(mut members) => {
                    members.insert(path.rsplit_once('/').unwrap().1.to_owned(), value.clone());
                    Value::Object(members)
                }
                other => other,
            };
    }
    stream
}

/// The manifest; every version of it with a note of its own.
pub fn manifest(version: &str) -> Value {
    let pages = json!({"type": "DefaultPaginator",
        "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter",
            "field_name": "page"},
        "pagination_strategy": {"type": "PageIncrement", "page_size": PAGE}});
    let cursor = json!({"type": "DatetimeBasedCursor",
        "cursor_field": "updated_at",
        "start_datetime": "{{ config['start_date'] }}",
        "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
        "start_time_option": {"type": "RequestOption", "inject_into": "request_parameter",
            "field_name": "since"}});
    json!({
        "type": "DeclarativeSource",
        "version": version,
        "check": {"type": "CheckStream", "stream_names": ["users"]},
        "streams": [
            stream("users", &json!({"/retriever/paginator": pages})),
            stream("orders", &json!({"/incremental_sync": cursor})),
            stream("odd", &json!({"/retriever/record_selector":
                {"type": "CustomRecordSelector", "class_name": "source_acme.Odd"}})),
        ],
        "spec": {"type": "Spec", "connection_specification": {
            "type": "object",
            "required": ["host", "start_date", "access"],
            "properties": {
                "host": {"type": "string"},
                "start_date": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}T.*Z$"},
                "access": {"type": "object", "required": ["api_key"], "properties": {
                    "api_key": {"type": "string", "airbyte_secret": true, "title": "API key"}}},
            }}},
    })
}

/// A manifest whose token is renewed by a refresh token that is good once.
pub fn renewing() -> Value {
    let oauth = json!({
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "{{ config['host'] }}/token",
        "client_id": "{{ config['client_id'] }}",
        "client_secret": "{{ config['client_secret'] }}",
        "refresh_token": "{{ config['refresh_token'] }}",
        "refresh_token_updater": {
            "refresh_token_config_path": ["refresh_token"],
            "access_token_config_path": ["access_token"],
            "token_expiry_date_config_path": ["token_expiry_date"],
        },
    });
    let secret = || json!({"type": "string", "airbyte_secret": true});
    json!({
        "type": "DeclarativeSource",
        "version": "1",
        "check": {"type": "CheckStream", "stream_names": ["renewed"]},
        "streams": [stream("renewed", &json!({"/retriever/requester/authenticator": oauth}))],
        "spec": {"type": "Spec", "connection_specification": {
            "type": "object",
            "required": ["host", "client_id", "client_secret", "refresh_token"],
            "properties": {"host": {"type": "string"}, "client_id": secret(),
                "client_secret": secret(), "refresh_token": secret(),
                "access_token": secret(), "token_expiry_date": {"type": "string"}}}},
    })
}
