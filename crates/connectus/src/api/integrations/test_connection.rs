//! `POST /api/v1/integrations/{id}/test_connection`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::{Error, health::suggestion};
use connectus_engine::connections::TestOutcome;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// How a connection test ended.
#[derive(Serialize, ToSchema)]
pub struct TestReport {
    /// Whether provider and credential work.
    success: bool,
    /// Where the integration stands now.
    #[schema(example = "connected")]
    status: &'static str,
    /// Milliseconds the provider took.
    latency_ms: Option<u64>,
    /// What the provider says about the account.
    #[schema(value_type = Option<Object>)]
    account: Value,
    /// Why it failed, if it did.
    error: Option<TestFailure>,
}

/// Why a connection test failed.
#[derive(Serialize, ToSchema)]
pub struct TestFailure {
    /// A stable code.
    #[schema(example = "reauth_required")]
    code: &'static str,
    /// What happened.
    message: String,
    /// What to do about it.
    suggestion: &'static str,
    /// Whether trying again can help.
    transient: bool,
}

impl TestFailure {
    fn of(error: Error) -> Self {
        Self {
            code: error.code.name(),
            suggestion: suggestion(error.code, "test_connection"),
            transient: error.is_transient(),
            message: error.detail,
        }
    }
}

/// Test a connection with a real call that changes nothing.
///
/// A test that fails is answered with 200 and `"success": false`: the test itself was made.
#[utoipa::path(post, path = "/api/v1/integrations/{id}/test_connection", tag = "integrations",
    params(("id" = String, Path)), responses((status = 200, body = TestReport)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<TestReport>> {
    let outcome = super::connections(&app).test(&caller.ctx, &super::id(&id)?).await?;
    let TestOutcome { latency_ms, account, error, status } = outcome;
    Ok(Json(TestReport {
        success: error.is_none(),
        status: status.name(),
        latency_ms,
        account,
        error: error.map(TestFailure::of),
    }))
}
