//! `notify.email`: an e-mail, by the mail server of this installation.

use async_trait::async_trait;
use connectus_connect::mail::Letter;
use connectus_core::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Action, ActionCx, read};

/// `notify.email`
pub(super) struct Email;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    to: Receivers,
    subject: String,
    #[serde(default)]
    text: String,
    html: Option<String>,
    reply_to: Option<String>,
    #[serde(default, rename = "repeat")]
    _repeat: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Receivers {
    One(String),
    Some(Vec<String>),
}

/// How harmful it is to send one twice. A mail server does not tell letters apart: what it may have
/// taken is not sent again, unless the step says that it may be.
pub(super) fn effect_kind(input: &Value) -> &'static str {
    match input.get("repeat") {
        Some(Value::Bool(true)) => "keyed",
        _ => "at_most_once",
    }
}

#[async_trait]
impl Action for Email {
    fn name(&self) -> &'static str {
        "notify.email"
    }

    fn summary(&self) -> &'static str {
        "Sends an e-mail by the mail server of this installation."
    }

    fn input(&self) -> Value {
        json!({
            "type": "object",
            "required": ["to", "subject"],
            "additionalProperties": false,
            "properties": {
                "to": {
                    "oneOf": [
                        { "type": "string" },
                        { "type": "array", "items": { "type": "string" } }
                    ],
                    "description": "Who gets it: plain addresses, seen by each other."
                },
                "subject": { "type": "string", "description": "One line." },
                "text": { "type": "string", "description": "The text." },
                "html": { "type": "string", "description": "The same as HTML." },
                "reply_to": { "type": "string", "description": "Where answers go." },
                "repeat": {
                    "type": "boolean",
                    "description": "Send it again when it is not known whether the server took it. \
                                    Both have the same Message-ID."
                }
            }
        })
    }

    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let Input { to, subject, text, html, reply_to, .. } = read(input)?;
        let to = match to {
            Receivers::One(one) => vec![one],
            Receivers::Some(some) => some,
        };
        let receivers = to.len();
        let letter = Letter { to, subject, text, html, reply_to };
        let (env, tenant) = (cx.parts.env(), cx.ctx.tenant());
        let id = cx.parts.mailer.send(env, tenant, cx.key, &letter).await?;
        Ok(json!({ "message_id": id, "receivers": receivers }))
    }
}
