//! Webhooks as the providers sign them. The sandbox makes them; its caller delivers them.

use base64::{Engine, engine::general_purpose::STANDARD};
use connectus_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct SignedWebhook {
    /// Always `POST`.
    pub method: &'static str,
    /// The address it was signed for.
    pub url: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The exact bytes that were signed.
    pub body: String,
}

/// One fact HubSpot tells about.
#[derive(Clone, Debug)]
pub struct HubspotEvent {
    /// `contact.creation`, `contact.propertyChange`, `contact.deletion`, `company.creation`, ...
    pub subscription_type: String,
    /// The object it is about.
    pub object_id: u64,
    /// Property and new value, for `*.propertyChange`.
    pub property: Option<(String, String)>,
    /// Distinguishes deliveries; a repeated id is a repeated event.
    pub event_id: u64,
    /// Number of earlier tries to deliver it.
    pub attempt: u32,
}

impl HubspotEvent {
    /// A first delivery without a property.
    pub fn new(subscription_type: &str, object_id: u64, event_id: u64) -> Self {
        Self {
            subscription_type: subscription_type.into(),
            object_id,
            property: None,
            event_id,
            attempt: 0,
        }
    }

    fn payload(&self, portal_id: u64, now: Timestamp) -> Value {
        let mut payload = json!({
            "appId": APP_ID,
            "eventId": self.event_id,
            "subscriptionId": 2_001,
            "portalId": portal_id,
            "occurredAt": now.millis(),
            "subscriptionType": self.subscription_type,
            "attemptNumber": self.attempt,
            "objectId": self.object_id,
            "changeSource": "CRM_UI",
        });
        if let (Some((name, value)), Some(members)) = (&self.property, payload.as_object_mut()) {
            members.insert("propertyName".into(), name.as_str().into());
            members.insert("propertyValue".into(), value.as_str().into());
        } else if let Some(members) = payload.as_object_mut() {
            members.insert("changeFlag".into(), "CREATED".into());
        }
        payload
    }
}

/// Id of the OAuth app, the same everywhere in the sandbox.
pub(crate) const APP_ID: u64 = 8_360;

/// A HubSpot delivery with the v3 and v1 signatures, as HubSpot sends both.
pub(crate) fn hubspot(
    events: &[HubspotEvent],
    portal_id: u64,
    url: &str,
    client_secret: &str,
    now: Timestamp,
) -> SignedWebhook {
    let payload: Vec<_> = events.iter().map(|event| event.payload(portal_id, now)).collect();
    let body = Value::from(payload).to_string();
    let at = now.millis().to_string();
    let v3 = STANDARD.encode(hmac(client_secret, &["POST", url, &body, &at]));
    let v1 = hex::encode(Sha256::digest(format!("{client_secret}{body}")));
    SignedWebhook {
        method: "POST",
        url: url.into(),
        headers: vec![
            ("content-type", "application/json".into()),
            ("x-hubspot-signature-v3", v3),
            ("x-hubspot-request-timestamp", at),
            ("x-hubspot-signature", v1),
            ("x-hubspot-signature-version", "v1".into()),
            (crate::LABEL_HEADER, "1".into()),
        ],
        body,
    }
}

/// A Slack Events API delivery.
pub(crate) fn slack(
    payload: &Value,
    url: &str,
    signing_secret: &str,
    now: Timestamp,
) -> SignedWebhook {
    let body = payload.to_string();
    let at = now.secs().to_string();
    let signature = hex::encode(hmac(signing_secret, &["v0:", &at, ":", &body]));
    SignedWebhook {
        method: "POST",
        url: url.into(),
        headers: vec![
            ("content-type", "application/json".into()),
            ("x-slack-request-timestamp", at),
            ("x-slack-signature", format!("v0={signature}")),
            (crate::LABEL_HEADER, "1".into()),
        ],
        body,
    }
}

/// A Mailchimp delivery: a form, and no signature.
pub(crate) fn mailchimp(
    kind: &str,
    data: &[(&str, &str)],
    url: &str,
    now: Timestamp,
) -> SignedWebhook {
    let fired_at = now.to_jiff().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("type", kind).append_pair("fired_at", &fired_at);
    for (name, value) in data {
        form.append_pair(&format!("data[{name}]"), value);
    }
    SignedWebhook {
        method: "POST",
        url: url.into(),
        headers: vec![
            ("content-type", "application/x-www-form-urlencoded".into()),
            (crate::LABEL_HEADER, "1".into()),
        ],
        body: form.finish(),
    }
}

/// A delivery of Meta: several leads in an entry, several entries.
pub(crate) fn facebook(
    entries: &[&[&str]],
    url: &str,
    app_secret: &str,
    now: Timestamp,
) -> SignedWebhook {
    let change = |lead: &&str| {
        json!({
            "field": "leadgen",
            "value": {
                "leadgen_id": lead,
                "page_id": "836000002",
                "form_id": "836000003",
                "created_time": now.secs(),
            },
        })
    };
    let entry = |leads: &&[&str]| {
        let changes: Vec<_> = leads.iter().map(change).collect();
        json!({"id": "836000002", "time": now.secs(), "changes": changes})
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    let body = json!({"object": "page", "entry": entries}).to_string();
    let signature = hex::encode(hmac(app_secret, &[&body]));
    SignedWebhook {
        method: "POST",
        url: url.into(),
        headers: vec![
            ("content-type", "application/json".into()),
            ("x-hub-signature-256", format!("sha256={signature}")),
            (crate::LABEL_HEADER, "1".into()),
        ],
        body,
    }
}

fn hmac(secret: &str, parts: &[&str]) -> Vec<u8> {
    // HMAC takes a key of any length; the branch cannot be reached.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_signature_matches_the_vector_in_its_documentation() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
                    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA\
                    &user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J\
                    %2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let mac = hmac("8f742231b10e8888abcd99yyyzzz85a5", &["v0:", "1531420618", ":", body]);
        assert_eq!(
            hex::encode(mac),
            "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }

    #[test]
    fn a_hubspot_delivery_signs_method_address_body_and_time() {
        let event = HubspotEvent::new("contact.creation", 501, 7);
        let now = Timestamp::from_millis(1_700_000_000_123);
        let sign =
            |url: &str, secret: &str| hubspot(std::slice::from_ref(&event), 1, url, secret, now);
        let base = sign("https://a.example.com/hooks/1", "secret");
        assert!(base.body.contains("\"subscriptionType\":\"contact.creation\""));
        assert!(base.headers.contains(&("x-hubspot-request-timestamp", "1700000000123".into())));
        let signature = |webhook: &SignedWebhook| webhook.headers[1].1.clone();
        assert_ne!(signature(&base), signature(&sign("https://a.example.com/hooks/2", "secret")));
        assert_ne!(signature(&base), signature(&sign("https://a.example.com/hooks/1", "other")));
        assert_eq!(signature(&base), signature(&sign("https://a.example.com/hooks/1", "secret")));
    }
}
