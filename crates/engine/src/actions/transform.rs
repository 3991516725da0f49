//! Values made of values, and news for whoever listens.

use async_trait::async_trait;
use connectus_core::{Error, Result, event::EventType};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Action, ActionCx, Foreseen, read};

/// Largest piece of news, in bytes of JSON.
const MAX_NEWS_BYTES: usize = 16 * 1024;
/// Longest name of a piece of news, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// The name of [`Transform`].
pub(super) const NAME: &str = "transform";

/// `transform`
pub(super) struct Transform;

#[async_trait]
impl Action for Transform {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "Gives its input back, filled in: a value for later steps, without a variable."
    }

    fn input(&self) -> Value {
        json!({ "description": "Any value; every text is a template." })
    }

    fn only_reads(&self) -> bool {
        true
    }

    async fn perform(&self, _cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        Ok(input.clone())
    }
}

/// `notify.webhook`
pub(super) struct Notify;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct News {
    name: String,
    #[serde(default)]
    data: Value,
}

impl News {
    fn checked(input: &Value) -> Result<Self> {
        let news: Self = read(input)?;
        if !(1..=MAX_NAME_BYTES).contains(&news.name.len()) {
            return Err(Error::invalid("name", format!("must be 1 to {MAX_NAME_BYTES} bytes")));
        }
        if news.data.to_string().len() > MAX_NEWS_BYTES {
            let message = format!("must be at most {MAX_NEWS_BYTES} bytes of JSON");
            return Err(Error::invalid("data", message));
        }
        Ok(news)
    }
}

#[async_trait]
impl Action for Notify {
    fn name(&self) -> &'static str {
        "notify.webhook"
    }

    fn summary(&self) -> &'static str {
        "Emits `workflow.notified`, which subscribed addresses get as a signed webhook."
    }

    fn input(&self) -> Value {
        json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {
                "name": { "type": "string", "description": "What happened, in your words." },
                "data": { "description": "What there is to say; never secrets." }
            }
        })
    }

    fn output(&self) -> Value {
        json!({ "type": "object", "properties": {
            "name": { "type": "string" },
        } })
    }

    async fn foresee(&self, _cx: &ActionCx<'_>, input: &Value) -> Result<Foreseen> {
        let News { name, .. } = News::checked(input)?;
        Ok(Foreseen::Simulated(json!({ "name": name })))
    }

    /// An attempt that nobody knows the outcome of is looked for in the log.
    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let News { name, data } = News::checked(input)?;
        let (ctx, subject) = (cx.ctx.clone(), cx.run.subject_id.clone());
        let (key, unsure) = (cx.key.to_owned(), cx.unsure);
        let told = json!({ "name": name, "data": data, "run": cx.run.id, "key": key });
        cx.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if !unsure || tx.told_with(&ctx, &subject, "key", &key).await?.is_none() {
                        tx.emit(&ctx, EventType::WorkflowNotified, subject, told).await?;
                    }
                    Ok(json!({ "name": name }))
                })
            })
            .await
    }
}
