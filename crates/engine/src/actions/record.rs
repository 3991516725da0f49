//! The record that a run's trigger is about.

use async_trait::async_trait;
use connectus_core::{Code, Error, IntegrationId, Result};
use serde_json::{Map, Value, json};

use super::{Action, ActionCx, Foreseen, provider};

/// `trigger.record`: webhooks often carry an id only; this loads what the id stands for.
pub(super) struct TriggerRecord;

#[async_trait]
impl Action for TriggerRecord {
    fn name(&self) -> &'static str {
        "trigger.record"
    }

    fn summary(&self) -> &'static str {
        "Loads the record a webhook event is about; a run started by hand uses its input as it is."
    }

    fn input(&self) -> Value {
        json!({ "type": ["object", "null"], "description": "Nothing: the trigger says it all." })
    }

    fn output(&self) -> Value {
        json!({ "type": "object" })
    }

    async fn foresee(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Foreseen> {
        self.perform(cx, input).await.map(Foreseen::Read)
    }

    async fn perform(&self, cx: &ActionCx<'_>, _input: &Value) -> Result<Value> {
        let trigger = cx.run.input.here()?;
        if let Some(record) = trigger.get("record").filter(|record| record.is_object()) {
            return Ok(record.clone());
        }
        let text = |name: &str| trigger.get(name).and_then(Value::as_str);
        let (Some(provider), Some(id)) = (text("provider"), text("object_id")) else {
            return Ok(trigger.clone());
        };
        let object = text("event").and_then(|event| event.split('.').next()).unwrap_or_default();
        let action = format!("get_{object}");
        if provider::find(&format!("{provider}.{action}")).is_err() {
            return Ok(trigger.get("body").cloned().unwrap_or_default());
        }
        let integration =
            text("integration_id").and_then(IntegrationId::parse).ok_or_else(|| {
                Error::new(
                    Code::Invalid,
                    "The trigger names no integration to load the record from.",
                )
            })?;
        let connection = cx.parts.connections.open(cx.ctx, &integration).await?;
        let outcome = connection.call(&action, &json!({ "id": id }), cx.key).await?;
        Ok(outcome.records.into_iter().next().map(flat).unwrap_or_default())
    }
}

/// A record with its fields at the top: CRM answers keep them under `properties`.
fn flat(record: Value) -> Value {
    let Value::Object(mut members) = record else { return record };
    let Some(Value::Object(properties)) = members.remove("properties") else {
        return Value::Object(members);
    };
    let id = members.remove("id");
    let mut fields: Map<String, Value> =
        properties.into_iter().filter(|(_, value)| !value.is_null()).collect();
    fields.extend(id.map(|id| ("id".to_owned(), id)));
    Value::Object(fields)
}
