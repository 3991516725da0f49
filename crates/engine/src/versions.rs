//! API versions end on a calendar. Whose integration still uses one that ends soon is told in time,
//! by an entry in the health log that lowers the score a little every day.

use connectus_connect::plan::API_VERSION;
use connectus_core::{
    Code, Error, Page, Result, TenantCtx, integration::Integration, provider::ApiVersion,
};
use connectus_store::{Tx, health_logs::HealthLogFilter};
use serde_json::Value;

use crate::{
    health::{self, Problem},
    providers,
};

/// How long before its end a version is spoken of, in seconds: ninety days.
const NOTICE_SECS: i64 = 90 * 86_400;
/// The operation's name in the health log.
const OPERATION: &str = "api_version";

/// Looks at the version an integration uses. Most providers announce no end and cost nothing here.
///
/// # Errors
/// What the database says.
pub(crate) async fn watch(tx: &mut Tx, ctx: &TenantCtx, integration: &Integration) -> Result<()> {
    let Ok(plan) = providers::of(tx, ctx, integration).await else { return Ok(()) };
    let newest = &plan.pack.provider.api_version;
    let ends = |version: &ApiVersion| version.end_date.is_some();
    if !ends(newest) && !newest.others.iter().any(ends) {
        return Ok(());
    }
    let chosen = integration.settings.get(API_VERSION).and_then(Value::as_str);
    let used = chosen.and_then(|name| newest.named(name)).unwrap_or(newest);
    let now = tx.env().now();
    let Some(end) = used.ends_at().filter(|end| *end <= now.plus_secs(NOTICE_SECS)) else {
        return health::resolve_all(tx, ctx, &integration.id, Some(OPERATION)).await;
    };
    let (name, day) = (&used.name, end.day());
    let error = if end <= now {
        let detail = format!("The provider ended its API version {name} on {day}.");
        Error::new(Code::ProviderRefused, detail)
    } else {
        let detail = format!("The provider ends its API version {name} on {day}.");
        Error::new(Code::Invalid, detail)
    };
    if told_today(tx, ctx, integration, error.code).await? {
        return Ok(());
    }
    let problem = Problem {
        integration: Some(integration.id.clone()),
        operation: OPERATION.to_owned(),
        error,
        run: None,
    };
    health::report_in(tx, ctx, &problem).await.map(drop)
}

/// Whether this was said today already: every success comes by here.
async fn told_today(
    tx: &mut Tx,
    ctx: &TenantCtx,
    integration: &Integration,
    code: Code,
) -> Result<bool> {
    let filter = HealthLogFilter {
        integration: Some(integration.id.clone()),
        open: Some(true),
        severity: None,
    };
    let open = tx.health_logs(ctx, &filter, Page::default()).await?;
    let today = tx.env().now().day();
    Ok(open.items.iter().any(|log| {
        log.operation == OPERATION && log.code == code.name() && log.last_at.day() == today
    }))
}
