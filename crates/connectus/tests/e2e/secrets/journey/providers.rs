//! The fakes with their own secrets: syncs, messages, webhooks.

use connectus_sandbox::{HubspotEvent, ObjectType, SignedWebhook};
use serde_json::{Value, json};

use super::Journey;
use crate::support::{Call, PUBLIC_URL, world::text};

/// Actions by the connection they use: the fakes take them, the echo says them back.
fn actions() -> [(&'static str, &'static str, Value); 5] {
    let hello = json!({"text": "hello"});
    let member = json!({"list_id": "1", "items": [{"email_address": "a@example.com"}]});
    [
        ("Our Slack", "slack.post_message", hello.clone()),
        ("Slack by address", "slack.send_webhook", hello.clone()),
        ("slack oauth2", "slack.post_message", hello.clone()),
        ("mailchimp api_key", "mailchimp.upsert_members", member),
        ("zapier catch_hook", "zapier.send", json!({"payload": hello})),
    ]
}

impl Journey {
    /// A sync, messages of a workflow, webhooks of every kind of signature.
    pub async fn real_providers(&mut self) {
        let hubspot = self.world.hubspot().await;
        let (keys, base_url) =
            (self.world.fakes.handle.keys().clone(), self.world.fakes.slack_base_url.clone());
        let slack = self
            .create(&json!({
                "provider": "slack", "name": "Our Slack", "settings": {"base_url": base_url},
                "auth_credentials": {
                    "access_token": keys.slack_token, "signing_secret": keys.slack_signing_secret,
                },
            }))
            .await;
        let address = format!("{base_url}{}", keys.slack_webhook_path);
        self.create(&json!({
            "provider": "slack", "name": "Slack by address", "settings": {"base_url": base_url},
            "auth_credentials": {"webhook_url": address},
        }))
        .await;
        self.flow(text(&hubspot, "id"), "contacts").await;
        self.messages(text(&hubspot, "webhook_url")).await;

        let event =
            json!({"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}});
        let url = text(&slack, "webhook_url");
        self.delivered(self.world.fakes.handle.slack_event(url, &event)).await;
        self.secret_address().await;
    }

    /// A workflow that a webhook starts and that sends something everywhere.
    async fn messages(&mut self, webhook_url: &str) {
        let step = |(at, (connection, action, input)): (usize, (&str, &str, Value))| {
            json!({
                "id": format!("s{at}"), "type": "action", "action": action, "input": input,
                "connection": connection, "continue_on_error": true, "retry": {"attempts": 2},
            })
        };
        let steps: Vec<Value> = actions().into_iter().enumerate().map(step).collect();
        let workflow = json!({"definition": {
            "version": 1, "name": "Tell everyone", "steps": steps,
            "trigger": {"type": "webhook", "config": {"event": "contact.creation"}},
        }});
        let create = Call::post("/api/v1/workflows").json(&workflow);
        self.owner("workflows.create", create).await.expect(201);
        let contact = self.world.fakes.handle.ids(ObjectType::Contacts)[0];
        let event = HubspotEvent::new("contact.creation", contact, 1);
        self.delivered(self.world.fakes.handle.hubspot_webhook(webhook_url, &[event])).await;
        for _ in 0..3 {
            self.world.settle_after(600).await;
        }
        let messages = self.world.fakes.handle.messages();
        assert_eq!(messages.len(), 2, "{messages:?}");
    }

    async fn delivered(&mut self, webhook: SignedWebhook) {
        let receipt = self.world.deliver(&webhook).await;
        self.keep("hooks.receive", receipt).expect(202);
    }

    /// A provider that cannot sign has its secret in the address it delivers to.
    async fn secret_address(&mut self) {
        let secret = self.marked.plant("secret of a webhook address");
        let zapier = self
            .create(&json!({
                "provider": "zapier", "name": "Zap", "settings": {"base_url": self.echo.url()},
                "auth_credentials": {
                    "webhook_url": format!("{}/hooks/x", self.echo.url()), "webhook_secret": secret,
                },
            }))
            .await;
        let path = text(&zapier, "webhook_url").trim_start_matches(PUBLIC_URL);
        let body = json!({"id": "1", "event": "zap.fired"});
        let guess = Call::post(&format!("{path}?secret={secret}x")).json(&body);
        self.bare("hooks.receive refused", guess).await.expect(401);
        let call = Call::post(&format!("{path}?secret={secret}")).json(&body);
        self.bare("hooks.receive", call).await.expect(202);
    }
}
