//! A receiver of webhooks: batches of records, posted with signatures by the Standard Webhooks.
//!
//! A batch that is sent again has the same id, and each record its key, so that a receiver which
//! keeps either takes nothing twice. A receiver may refuse records one by one.

use std::sync::Arc;

use async_trait::async_trait;
use connectus_connect::{
    CursorState, Guarded, Pages, Sending, Sent, WriteKind, WriteOutcome,
    webhook::{self, Receipt},
};
use connectus_core::{
    Code, Env, Error, FlowId, Result, Timestamp,
    flow::{DataFlow, Direction, Fields},
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{End, Facts, Kind, Opening, unreadable};

/// Records of one batch.
const BATCH: usize = 200;
/// The credential field that signs.
const SECRET: &str = "signing_secret";

pub(super) const KIND: Kind =
    Kind { provider: "webhook", check, open: |opening| Box::pin(open(opening)) };

struct Receiver {
    url: String,
    secrets: Vec<SecretString>,
    http: Guarded,
    env: Env,
    flow: FlowId,
    topic: String,
    collection: String,
    facts: Facts,
}

/// The stream of such a flow is what the receiver knows the records by.
fn check(flow: &DataFlow) -> Result<()> {
    if flow.direction != Direction::Outbound {
        return Err(unreadable("a receiver of webhooks"));
    }
    Ok(())
}

async fn open(opening: Opening<'_>) -> Result<Arc<dyn End>> {
    check(opening.flow)?;
    let url = opening.text("base_url").map(str::to_owned).ok_or_else(|| {
        Error::invalid("settings.base_url", "is needed: where the batches are posted.")
    })?;
    let secret = opening.secrets.get(SECRET).cloned().ok_or_else(|| {
        let message = "is needed: `whsec_` and 24 to 64 bytes in base 64.";
        Error::invalid(format!("auth_credentials.{SECRET}"), message)
    })?;
    let Opening { parts, flow, .. } = opening;
    Ok(Arc::new(Receiver {
        url,
        secrets: vec![secret],
        http: parts.connections.http().clone(),
        env: parts.env().clone(),
        flow: flow.id.clone(),
        topic: flow.stream.clone(),
        collection: flow.destination.to_string(),
        facts: Facts::by_key(),
    }))
}

/// What a receiver may answer.
#[derive(Default, Deserialize)]
struct Verdict {
    #[serde(default)]
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    key: String,
    #[serde(default)]
    message: String,
}

#[async_trait]
impl End for Receiver {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn read(
        &self,
        _cursor: Option<&CursorState>,
        _fields: &Fields,
    ) -> Result<Box<dyn Pages>> {
        Err(unreadable("a receiver of webhooks"))
    }

    fn full_since(&self, _cursor: Option<&CursorState>, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    fn write_limit(&self, _kind: WriteKind) -> Option<usize> {
        Some(BATCH)
    }

    async fn write(
        &self,
        kind: WriteKind,
        _match_field: &str,
        rows: &[Sending],
        key: &str,
    ) -> Result<WriteOutcome> {
        let deletes = kind == WriteKind::Delete;
        let record = |row: &Sending| match (&row.id, deletes) {
            (Some(id), true) => json!({ "key": id }),
            _ => json!({ "key": row.matching, "data": row.row }),
        };
        let now = self.env.now();
        let body = json!({
            "type": if deletes { "records.deleted" } else { "records.upserted" },
            "timestamp": now,
            "flow": self.flow,
            "stream": self.topic,
            "collection": self.collection,
            "records": rows.iter().map(record).collect::<Vec<_>>(),
        })
        .to_string();
        // Ids of the standard hold no slashes.
        let id = format!("batch_{}", key.replace('/', "_"));
        let signed = webhook::sign(&self.secrets, &id, now, body.as_bytes())?;
        let receipt = webhook::deliver(&self.http, &self.url, &signed, body).await?;
        judge(&receipt)?;
        let verdict: Verdict = serde_json::from_str(&receipt.excerpt).unwrap_or_default();
        let fate = |row: &Sending| {
            let key = row.id.as_ref().filter(|_| deletes).unwrap_or(&row.matching);
            match verdict.rejected.iter().find(|rejected| rejected.key == *key) {
                Some(rejected) => Sent::Refused(format!("The receiver: {}", rejected.message)),
                None => Sent::Done(Some(key.clone())),
            }
        };
        Ok(WriteOutcome { rows: rows.iter().map(fate).collect(), calls: 1 })
    }
}

/// What a status means for the batch.
fn judge(receipt: &Receipt) -> Result<()> {
    let status = receipt.status;
    let detail = format!("The receiver answered {status}.");
    Err(match status {
        200..300 => return Ok(()),
        408 | 425 | 429 | 500.. => {
            let wait = receipt.retry_after.unwrap_or(30);
            let code = if status == 429 { Code::RateLimited } else { Code::ProviderUnavailable };
            Error::new(code, detail).retry_after(wait)
        }
        // Not for the sake of any record.
        300..=399 | 401 | 403 | 404 | 405 | 410 => {
            let hint = "Check the address and the secret of the integration.";
            Error::new(Code::Forbidden, format!("{detail} {hint}"))
        }
        _ => Error::new(Code::ProviderRefused, detail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_means() {
        let judged = |status| {
            let receipt = Receipt { status, excerpt: String::new(), retry_after: None };
            judge(&receipt).err().map(|error| error.code)
        };
        for (status, code) in [
            (204, None),
            (302, Some(Code::Forbidden)),
            (401, Some(Code::Forbidden)),
            (413, Some(Code::ProviderRefused)),
            (422, Some(Code::ProviderRefused)),
            (429, Some(Code::RateLimited)),
            (503, Some(Code::ProviderUnavailable)),
        ] {
            assert_eq!(judged(status), code, "{status}");
        }
        let verdict: Verdict = serde_json::from_str(r#"{"ok": true}"#).unwrap();
        assert!(verdict.rejected.is_empty());
    }
}
