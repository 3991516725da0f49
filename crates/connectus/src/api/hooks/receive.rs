//! `POST /hooks/{tenant}/{endpoint}`: a provider tells us something.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{Code, EndpointId, Error, TenantId, run::Run};
use connectus_engine::webhooks::{self, Incoming, Received};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::runs::answer,
    app::App,
    http::{ApiResult, Patience, body},
    telemetry::metrics,
};

/// What became of a delivery.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    /// `accepted`, or `replayed` when every event had been taken before.
    status: &'static str,
    /// Events not seen before.
    events: usize,
    /// Runs started.
    runs: usize,
    /// The run that the sender waits for, where it is still under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    /// Where that run is found, with a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_url: Option<String>,
}

impl Receipt {
    fn of(status: &'static str, events: usize, runs: usize) -> Self {
        Self { status, events, runs, run_id: None, status_url: None }
    }
}

/// Receive a webhook.
///
/// The signature is checked on the raw bytes before anything is stored. The answer comes after
/// the runs it starts are durable. A delivery that was taken before is answered with 200 and
/// starts nothing.
///
/// The address of a workflow whose trigger says `"respond": "at_end"` answers when its run has
/// ended: 200 and what the run made, 424 when it failed, or 202 and where the run is found when it
/// is still under way after the trigger's `timeout`. The same delivery sent again waits for the
/// same run.
#[utoipa::path(post, path = "/hooks/{tenant}/{endpoint}", tag = "hooks",
    params(("tenant" = String, Path), ("endpoint" = String, Path)),
    request_body(content = String, description = "As the provider documents it."),
    responses((status = 202, body = Receipt), (status = 200, body = Receipt),
        (status = 424, description = "The run that the sender waited for failed.")))]
pub async fn handle(
    State(app): State<App>,
    Path((tenant, endpoint)): Path<(String, String)>,
    Extension(patience): Extension<Patience>,
    request: Request,
) -> ApiResult<Response> {
    let (parts, rest) = request.into_parts();
    let url = public_url(&app, &parts.uri);
    let bytes = body::read(Request::new(rest)).await?;
    let headers = parts.headers;
    let incoming = Delivered { tenant, endpoint, method: "POST", url, headers, patience };
    incoming.take(&app, bytes).await
}

/// The URL that the sender used: what it was told, and what it signed.
pub(super) fn public_url(app: &App, uri: &axum::http::Uri) -> String {
    let path = uri.path_and_query().map_or("", axum::http::uri::PathAndQuery::as_str);
    format!("{}{path}", app.public_url)
}

pub(super) struct Delivered {
    pub tenant: String,
    pub endpoint: String,
    pub method: &'static str,
    pub url: String,
    pub headers: HeaderMap,
    pub patience: Patience,
}

impl Delivered {
    pub(super) async fn take(self, app: &App, body: Bytes) -> ApiResult<Response> {
        let unknown = || Error::not_found("webhook endpoint");
        let incoming = Incoming {
            tenant: TenantId::parse(&self.tenant).ok_or_else(unknown)?,
            endpoint: EndpointId::parse(&self.endpoint).ok_or_else(unknown)?,
            method: self.method,
            url: &self.url,
            headers: &self.headers,
            body: &body,
        };
        let received = webhooks::receive(&app.engine_parts, incoming).await;
        Ok(match received.inspect_err(|error| self.note_refusal(error))? {
            Received::Challenge(reply) => {
                ([(header::CONTENT_TYPE, reply.content_type)], reply.body).into_response()
            }
            Received::Accepted { events, runs } => {
                let receipt = Receipt::of("accepted", events, runs);
                (StatusCode::ACCEPTED, Json(receipt)).into_response()
            }
            Received::Replayed => Json(Receipt::of("replayed", 0, 0)).into_response(),
            Received::Awaited { ctx, awaited, within, is_new } => {
                let waits = answer::wait(app, &self.patience, &ctx, *awaited, within);
                let run = Box::pin(waits).await?;
                let under_way = |run: Run| {
                    let status = if is_new { "accepted" } else { "replayed" };
                    let new = usize::from(is_new);
                    Receipt {
                        status_url: Some(format!("{}{}", app.public_url, answer::location(&run))),
                        run_id: Some(run.id.to_string()),
                        ..Receipt::of(status, new, new)
                    }
                };
                answer::of(run, |run| run.output, under_way)
            }
        })
    }

    /// Counts and logs a delivery that a known endpoint refused. Nothing of it is stored.
    fn note_refusal(&self, error: &Error) {
        if !matches!(error.code, Code::BadSignature | Code::BadRequest) {
            return;
        }
        metrics::refused_webhook(error.code);
        tracing::warn!(
            action = "webhook.receive",
            service = "webhooks",
            status = "refused",
            code = error.code.name(),
            tenant = self.tenant,
            subject = self.endpoint,
            detail = error.detail,
            "a webhook was refused; nothing of it is stored"
        );
    }
}
