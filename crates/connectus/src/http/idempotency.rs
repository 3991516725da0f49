//! `Idempotency-Key`: the same request sent twice has one effect and gets one answer.
//!
//! A key goes through three states, each a durable row. *Claimed*: someone is working on it.
//! *Applied*: the effect is durable; the mark was written in the transaction of the effect, by
//! [`Store::write`](connectus_store::Store::write), so no crash can come between. *Answered*: the
//! answer is kept for a day. A request that is refused before it had an effect frees its key.

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use connectus_core::{Code, Error, Result, TenantCtx};
use connectus_store::{
    Store, Tx,
    idempotency::Held,
    request::{self, Claim},
    seal::{Place, Sealer},
};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{body, caller::Caller, prefer, problem::Problem};
use crate::app::App;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// How long an answer is kept, in seconds.
pub const KEPT_SECS: i64 = 24 * 3600;
/// Largest answer that is kept, in bytes.
pub const MAX_ANSWER_BYTES: u64 = 256 * 1024;
/// After this time without an end, the one who claimed a key is taken to be gone, in seconds. It is
/// longer than a request may take.
const CLAIM_SECS: i64 = 60;
/// The same for a request that waits for a run.
const WAITING_CLAIM_SECS: i64 = 120;
/// The request header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Headers that are part of an answer. Cookies are not: they belong to one browser.
const KEPT_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::ETAG,
    HeaderName::from_static("x-error-code"),
    prefer::APPLIED,
];

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// What claiming a key came to.
enum Claimed {
    /// Ours: go on.
    Fresh,
    /// Answered before, sealed.
    Answered(String),
}

/// Whether a request asks for this.
pub fn wanted(request: &Request) -> bool {
    !request.method().is_safe() && request.headers().contains_key(KEY)
}

/// Runs a request under its key.
pub async fn run(
    app: App,
    operation: &'static str,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let outcome = async {
        let key = key(request.headers())?;
        let (parts, bytes) = take(request).await?;
        let claim = Claim {
            tenant: caller.ctx.tenant().clone(),
            principal: caller.ctx.actor().label(),
            route: operation.to_owned(),
            key,
            fence: hex::encode(app.env().random::<16>()),
        };
        let secs = if prefer::may_wait(&parts.headers) { WAITING_CLAIM_SECS } else { CLAIM_SECS };
        match claim_key(app.store(), &claim, hash(&parts, &bytes), secs).await? {
            Claimed::Answered(sealed) => replay(app.store(), &caller.ctx, &claim, &sealed).await,
            Claimed::Fresh => {
                let request = Request::from_parts(parts, Body::from(bytes));
                // A task of its own: who hangs up and asks again finds the answer waiting.
                let work = carry_out(app, caller.ctx, claim, request, next);
                tokio::spawn(work).await.map_err(Error::internal)?
            }
        }
    };
    outcome.await.unwrap_or_else(|error| Problem(error).into_response())
}

/// Lets go of the claims of an earlier process. Only the process that owns the database may do so.
///
/// # Errors
/// What the database says.
pub async fn recover(store: &Store) -> Result<()> {
    store.write(|tx| Box::pin(async move { Ok(tx.abandon_claims().await?) })).await
}

fn key(headers: &HeaderMap) -> Result<String> {
    let mut values = headers.get_all(KEY).iter();
    let text = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fits = (1..=MAX_KEY_BYTES).contains(&text.len());
    if fits && values.next().is_none() {
        return Ok(text.to_owned());
    }
    Err(Error::new(
        Code::BadRequest,
        format!("Send one `Idempotency-Key` of 1 to {MAX_KEY_BYTES} ASCII characters."),
    ))
}

async fn take(request: Request) -> Result<(Parts, Bytes)> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(Request::new(body)).await?;
    Ok((parts, bytes))
}

/// What makes two requests the same: all that a handler can see of them.
fn hash(parts: &Parts, body: &[u8]) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(bytes);
    };
    part(parts.method.as_str().as_bytes());
    part(parts.uri.path_and_query().map_or("", |path| path.as_str()).as_bytes());
    for name in [header::CONTENT_TYPE, header::IF_MATCH] {
        part(parts.headers.get(name).map_or(&[], HeaderValue::as_bytes));
    }
    part(body);
    hex::encode(hasher.finalize())
}

async fn claim_key(store: &Store, claim: &Claim, hash: String, secs: i64) -> Result<Claimed> {
    let claim = claim.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                let now = tx.env().now();
                tx.purge_keys(now.plus_secs(-KEPT_SECS)).await?;
                let until = now.plus_secs(secs);
                let Some(held) = tx.claim_key(&claim, &hash, until).await? else {
                    return Ok(Claimed::Fresh);
                };
                let claimed = judge(held, &hash, now.0)?;
                if matches!(claimed, Claimed::Fresh) {
                    tx.reclaim_key(&claim, until).await?;
                }
                Ok(claimed)
            })
        })
        .await
}

/// What to do about a key that was claimed before.
fn judge(held: Held, hash: &str, now: i64) -> Result<Claimed> {
    if held.request_hash != hash {
        return Err(Error::new(
            Code::IdempotencyMismatch,
            "This idempotency key came with another request before. Use a new key for a new \
             request.",
        ));
    }
    match (held.answer, held.state.as_str()) {
        (Some(sealed), _) => Ok(Claimed::Answered(sealed)),
        _ if held.claimed_until > now => Err(Error::new(
            Code::InFlight,
            "The first request with this key is still being worked on. Ask again shortly.",
        )
        .retry_after(1)),
        (None, "claimed") => Ok(Claimed::Fresh),
        _ => Err(Error::new(
            Code::Conflict,
            "The first request with this key took effect, but its answer was lost. Nothing was \
             done again; read the object named in `subject`.",
        )
        .with("subject", held.subject)),
    }
}

async fn carry_out(
    app: App,
    ctx: TenantCtx,
    claim: Claim,
    request: Request,
    next: Next,
) -> Result<Response> {
    let id = request::current().map_or_else(|| app.env().id(), |current| current.id);
    let scope = request::Request { id, claim: Some(claim.clone()) };
    let response = request::scope(scope, next.run(request)).await;
    let (response, answer) = keep(response).await?;
    let refused = !response.status().is_success();
    let sealer = app.store().sealer().clone();
    let ending = Ending { ctx, claim, answer, refused, sealer };
    app.store().write(move |tx| Box::pin(async move { settle(tx, ending).await })).await?;
    Ok(response)
}

/// A copy of the answer, where it is small and text.
async fn keep(response: Response) -> Result<(Response, Option<Answer>)> {
    let (parts, body) = response.into_parts();
    let size = axum::body::HttpBody::size_hint(&body).exact();
    if size.is_none_or(|size| size > MAX_ANSWER_BYTES) {
        return Ok((Response::from_parts(parts, body), None));
    }
    let bytes = body.collect().await.map_err(Error::internal)?.to_bytes();
    let answer = std::str::from_utf8(&bytes).ok().map(|text| Answer {
        status: parts.status.as_u16(),
        headers: KEPT_HEADERS
            .iter()
            .filter_map(|name| {
                let value = parts.headers.get(name)?.to_str().ok()?;
                Some((name.as_str().to_owned(), value.to_owned()))
            })
            .collect(),
        body: text.to_owned(),
    });
    Ok((Response::from_parts(parts, Body::from(bytes)), answer))
}

/// How a request under a key ended.
struct Ending {
    ctx: TenantCtx,
    claim: Claim,
    answer: Option<Answer>,
    refused: bool,
    sealer: Sealer,
}

async fn settle(tx: &mut Tx, ending: Ending) -> Result<()> {
    let Ending { ctx, claim, answer, refused, sealer } = ending;
    if refused && tx.forget_key(&claim).await? {
        return Ok(());
    }
    let Some(answer) = answer else { return Ok(tx.close_key(&claim).await?) };
    let text = SecretString::from(serde_json::to_string(&answer).map_err(Error::internal)?);
    let key = tx.sealing_key(&ctx, &sealer).await?;
    let sealed = sealer.seal(&key, ctx.tenant(), place(&row(&claim)), &text)?;
    Ok(tx.answer_key(&claim, &sealed).await?)
}

async fn replay(store: &Store, ctx: &TenantCtx, claim: &Claim, sealed: &str) -> Result<Response> {
    let key = store.read().await?.opening_key(ctx, store.sealer(), sealed).await?;
    let text = store.sealer().open(&key, ctx.tenant(), place(&row(claim)), sealed)?;
    let answer: Answer = serde_json::from_str(text.expose_secret()).map_err(Error::internal)?;
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(Error::internal)?;
        response.headers_mut().insert(name, HeaderValue::try_from(value).map_err(Error::internal)?);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The identity of the row an answer is sealed for.
fn row(claim: &Claim) -> String {
    let mut hasher = Sha256::new();
    for part in [&claim.principal, &claim.route, &claim.key] {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

fn place(row: &str) -> Place<'_> {
    Place { table: "idempotency", row, column: "answer" }
}

#[cfg(test)]
mod tests;
