//! A pack as the API shows it. Nothing here can hold a secret: packs have none.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{AuthMethod, AuthType, Category, Pack, Stream};

/// A provider as `GET /integrations/providers/{id}/` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderView {
    /// The stable name; also the provider's id.
    pub id: String,
    /// The stable name.
    pub name: String,
    /// The name people use.
    pub display_name: String,
    /// What kind of service it is.
    pub category: Category,
    /// One or two sentences.
    pub description: String,
    /// How most people connect it.
    pub auth_type: AuthType,
    /// OAuth addresses and scopes, without any client id or secret.
    pub oauth_config: Value,
    /// The base URL, the API version and every path called, by stream and action.
    pub api_endpoints: Value,
    /// Windows, concurrency and daily limit.
    pub rate_limits: Value,
    /// Whether it can tell us things by webhook.
    pub webhook_support: bool,
    /// Names of the events it tells.
    pub webhook_events: Vec<String>,
    /// Where the service documents its API.
    pub docs_url: String,
    /// The JSON Schema of an integration's settings.
    pub connection_specification: Value,
}

/// What Connectus can do with a provider today.
#[derive(Clone, Debug, Serialize)]
pub struct Capabilities {
    /// The provider.
    pub provider: String,
    /// Names of the sign-in methods, with the credential fields each needs.
    pub auth_methods: Value,
    /// What can be read.
    pub streams: Vec<StreamCapability>,
    /// What can be done, with how safe a repetition is and the input's schema.
    pub actions: Value,
    /// Events that can start a workflow.
    pub triggers: Vec<String>,
    /// The API version the pack is written for, and the day it ends where announced.
    pub api_version: Value,
    /// Whether any stream can be read by changes only.
    pub delta_sync: bool,
    /// Whether any stream can be a destination.
    pub outbound_sync: bool,
    /// Whether tokens are refreshed without a person.
    pub automatic_token_refresh: bool,
    /// Whether a connection can be tested without side effects.
    pub connection_test: bool,
}

/// What can be read from a provider.
#[derive(Clone, Debug, Serialize)]
pub struct StreamCapability {
    /// The stream.
    pub name: String,
    /// What identifies a record.
    pub primary_key: Vec<String>,
    /// Whether changes alone can be asked for.
    pub delta: bool,
    /// The action that writes records of this stream, where there is one.
    pub write_action: Option<String>,
}

impl Pack {
    /// The provider as the API shows it.
    pub fn view(&self) -> ProviderView {
        ProviderView {
            id: self.provider.name.clone(),
            name: self.provider.name.clone(),
            display_name: self.provider.display_name.clone(),
            category: self.provider.category,
            description: self.provider.description.clone(),
            auth_type: self.provider.auth_type,
            oauth_config: self.oauth_config(),
            api_endpoints: self.endpoints(),
            rate_limits: json!({
                "windows": self.limits.windows,
                "concurrency": self.limits.concurrency,
                "daily": self.limits.daily,
            }),
            webhook_support: self.triggers.is_some(),
            webhook_events: self.event_names(),
            docs_url: self.provider.docs_url.clone(),
            connection_specification: self.specification(),
        }
    }

    /// What Connectus can do with the provider today.
    pub fn capabilities(&self) -> Capabilities {
        let streams: Vec<_> = self.streams.iter().map(stream_capability).collect();
        Capabilities {
            provider: self.provider.name.clone(),
            auth_methods: self
                .auth
                .iter()
                .map(|method| json!({"name": method.name(), "fields": method.fields()}))
                .collect(),
            delta_sync: streams.iter().any(|stream| stream.delta),
            outbound_sync: streams.iter().any(|stream| stream.write_action.is_some()),
            streams,
            actions: self
                .actions
                .iter()
                .map(|action| {
                    json!({
                        "name": action.name,
                        "description": action.description,
                        "idempotency": action.idempotency.name(),
                        "batch_size": action.batch.as_ref().map(|batch| batch.max),
                        "input": action.input,
                    })
                })
                .collect(),
            triggers: self.event_names(),
            api_version: json!(self.provider.api_version),
            automatic_token_refresh: self
                .oauth2()
                .is_some_and(|oauth| oauth.refresh != super::RefreshShape::None),
            connection_test: self.check.is_some(),
        }
    }

    fn specification(&self) -> Value {
        let settings = &self.provider.settings;
        let property = |setting: &super::Setting| {
            let mut schema = json!({"type": "string", "description": setting.description});
            if let Some(default) = &setting.default {
                schema["default"] = default.as_str().into();
            }
            (setting.name.clone(), schema)
        };
        let properties: Map<String, Value> = settings.iter().map(property).collect();
        let needed = settings.iter().filter(|one| one.required && one.default.is_none());
        let required: Vec<_> = needed.map(|setting| setting.name.as_str()).collect();
        json!({"type": "object", "properties": properties, "required": required})
    }

    fn event_names(&self) -> Vec<String> {
        let events = self.triggers.iter().flat_map(|triggers| &triggers.events);
        events.map(|event| event.name.clone()).collect()
    }

    fn oauth_config(&self) -> Value {
        self.auth
            .iter()
            .find_map(|method| match method {
                AuthMethod::Oauth2(oauth) => Some(json!({
                    "authorize_url": oauth.authorize_url,
                    "token_url": oauth.token_url,
                    "revoke_url": oauth.revoke_url,
                    "scopes": oauth.scopes,
                    "pkce": oauth.pkce,
                    "refresh": oauth.refresh,
                })),
                _ => None,
            })
            .unwrap_or_else(|| json!({}))
    }

    fn endpoints(&self) -> Value {
        let path_of = |stream: &Stream| {
            let super::Retriever::SimpleRetriever(retriever) = &stream.full().retriever;
            let super::Requester::HttpRequester(request) = &retriever.requester;
            format!("{} {}", request.http_method.name(), request.path)
        };
        let streams: Map<String, Value> = self
            .streams
            .iter()
            .map(|stream| (stream.name().to_owned(), path_of(stream).into()))
            .collect();
        let actions: Map<String, Value> = self
            .actions
            .iter()
            .map(|action| {
                let request = &action.request;
                let line = format!("{} {}", request.method.name(), request.path);
                (action.name.clone(), line.into())
            })
            .collect();
        json!({
            "base_url": self.provider.base_url,
            "version": self.provider.api_version.name,
            "streams": streams,
            "actions": actions,
        })
    }
}

fn stream_capability(stream: &Stream) -> StreamCapability {
    let full = stream.full();
    StreamCapability {
        name: stream.name().to_owned(),
        primary_key: full.primary_key.fields().into_iter().map(str::to_owned).collect(),
        delta: stream.delta().is_some(),
        write_action: full.hints.write.as_ref().map(|write| write.upsert.action.clone()),
    }
}
