//! `POST /hooks/{tenant}/{endpoint}`: a provider tells us something.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{Code, EndpointId, Error, TenantId};
use connectus_engine::webhooks::{self, Incoming, Received};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, body},
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
}

/// Receive a webhook.
///
/// The signature is checked on the raw bytes before anything is stored. The answer comes after
/// the runs it starts are durable. A delivery that was taken before is answered with 200 and
/// starts nothing.
#[utoipa::path(post, path = "/hooks/{tenant}/{endpoint}", tag = "hooks",
    params(("tenant" = String, Path), ("endpoint" = String, Path)),
    request_body(content = String, description = "As the provider documents it."),
    responses((status = 202, body = Receipt), (status = 200, body = Receipt)))]
pub async fn handle(
    State(app): State<App>,
    Path((tenant, endpoint)): Path<(String, String)>,
    request: Request,
) -> ApiResult<Response> {
    let (parts, rest) = request.into_parts();
    let url = public_url(&app, &parts.uri);
    let bytes = body::read(Request::new(rest)).await?;
    let incoming = Delivered { tenant, endpoint, method: "POST", url, headers: parts.headers };
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
                let receipt = Receipt { status: "accepted", events, runs };
                (StatusCode::ACCEPTED, Json(receipt)).into_response()
            }
            Received::Replayed => {
                Json(Receipt { status: "replayed", events: 0, runs: 0 }).into_response()
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
