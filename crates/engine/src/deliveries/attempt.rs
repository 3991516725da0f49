//! One attempt: the event is read, signed with every secret in force and posted.

use connectus_connect::webhook::{self, Receipt, SignedHeaders};
use connectus_core::{
    Code, Error, Result, TenantCtx,
    delivery::{Attempt, body},
    drill::{Moment, Site},
};
use connectus_store::deliveries::DeliveryClaim;
use tokio::time::Instant;

use super::{outcome, subscriptions};
use crate::parts::Parts;

/// Makes the attempt that was claimed and writes down what became of it.
pub(super) async fn make(parts: &Parts, ctx: &TenantCtx, claim: DeliveryClaim) {
    let (at, begun) = (parts.env().now(), Instant::now());
    let posted = match prepare(parts, ctx, &claim).await {
        Ok(letter) => post(parts, letter).await,
        // Not the receiver's fault: the delivery is due again when the lease is over.
        Err(error) if error.is_transient() => return warn(&claim, &error),
        Err(error) => Err(error),
    };
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, response) = match &posted {
        Ok(receipt) => (Some(receipt.status), receipt.excerpt.clone()),
        Err(_) => (None, String::new()),
    };
    let wish = posted.as_ref().ok().and_then(|receipt| receipt.retry_after);
    let failed = posted.as_ref().map_err(Clone::clone).and_then(verdict).err();
    let attempt = Attempt {
        number: claim.delivery.total_attempts.saturating_add(1),
        at,
        millis,
        status,
        error: failed.as_ref().map(|error| error.code.name().to_owned()),
        message: failed.map(|error| error.detail).unwrap_or_default(),
        response,
    };
    let outcome = if attempt.error.is_none() { "delivered" } else { "failed" };
    metrics::counter!("connectus_delivery_attempts_total", "outcome" => outcome).increment(1);
    if let Err(error) = outcome::record(parts, ctx, &claim, (attempt, wish)).await {
        warn(&claim, &error);
    }
}

struct Letter {
    url: String,
    signed: SignedHeaders,
    body: String,
}

async fn prepare(parts: &Parts, ctx: &TenantCtx, claim: &DeliveryClaim) -> Result<Letter> {
    let delivery = &claim.delivery;
    let mut conn = parts.store.read().await?;
    let subscription = conn.subscription(ctx, &delivery.subscription).await?;
    let subscription = subscription.ok_or_else(subscriptions::unknown)?;
    let event = conn.event_at(ctx, delivery.event_seq).await?;
    let event = event.ok_or_else(|| Error::not_found("event"))?;
    let secrets = subscriptions::secrets(&mut conn, &parts.store, ctx, &subscription.id).await?;
    let body = body(&event);
    let now = parts.env().now();
    let signed = webhook::sign(&secrets, delivery.id.as_str(), now, body.as_bytes())?;
    Ok(Letter { url: subscription.url, signed, body })
}

async fn post(parts: &Parts, letter: Letter) -> Result<Receipt> {
    let Letter { url, signed, body } = letter;
    let deliver = async {
        parts.env().pass(Site::Delivery, Moment::Before).await?;
        let receipt = webhook::deliver(parts.connections.http(), &url, &signed, body).await?;
        parts.env().pass(Site::Delivery, Moment::After).await?;
        Ok(receipt)
    };
    deliver.await.map_err(|error: Error| {
        // The client speaks of providers; here it is someone's own server.
        let detail = match error.code {
            Code::Timeout => {
                let within = webhook::TIMEOUT.as_secs();
                format!("The receiver did not answer within {within} seconds.")
            }
            Code::ProviderUnavailable => {
                "The receiver cannot be reached, or it broke off the connection.".to_owned()
            }
            _ => error.detail.clone(),
        };
        Error { detail, ..error }
    })
}

/// What an answer means: 2xx is a success and nothing else is.
fn verdict(receipt: &Receipt) -> Result<()> {
    let status = receipt.status;
    let detail = match status {
        _ if receipt.is_taken() => return Ok(()),
        300..400 => format!(
            "The receiver answered {status}. Redirects are not followed: give the address that it \
             leads to."
        ),
        _ => format!("The receiver answered {status}."),
    };
    Err(Error::new(Code::ProviderRefused, detail))
}

fn warn(claim: &DeliveryClaim, error: &Error) {
    tracing::warn!(
        action = "delivery.attempt",
        service = "deliveries",
        status = "failure",
        delivery = %claim.delivery.id,
        error = %error,
        cause = error.cause.as_deref(),
        "what became of a delivery cannot be written down; it will be sent again"
    );
}
