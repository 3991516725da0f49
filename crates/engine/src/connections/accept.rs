//! What a caller may enter for an integration, checked against the provider's pack.

use std::collections::BTreeSet;

use connectus_connect::{
    EgressPolicy, Secrets,
    credential::{MAX_FIELDS, MAX_SECRET_BYTES},
    plan::API_VERSION,
    webhook::VERIFY_TOKEN,
};
use connectus_core::{
    Error, Result, Timestamp,
    error::FieldError,
    integration::MAX_NAME_CHARS,
    provider::{AuthMethod, Challenge, Pack, RefreshShape},
};
use connectus_store::credentials::CredentialState;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

/// Longest value of a setting, in bytes.
const MAX_SETTING_BYTES: usize = 2048;
/// Largest `sync_config`, in bytes of JSON.
const MAX_SYNC_CONFIG_BYTES: usize = 16 * 1024;
/// The setting that lifts the limits of the provider, where something else stands in for it.
const RATE_LIMITS: &str = "rate_limits";
/// What an OAuth credential may hold.
const OAUTH_FIELDS: [&str; 4] = ["client_id", "client_secret", "access_token", "refresh_token"];
/// The kind of a credential that only verifies webhooks.
pub(super) const SIGNING: &str = "signing";

/// A credential that was found acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The pack's sign-in method it belongs to, or [`SIGNING`].
    pub kind: String,
    pub state: CredentialState,
    pub expires_at: Option<Timestamp>,
}

/// Checks the name of an integration.
pub(super) fn name(text: &str) -> Result<String> {
    let name = text.trim();
    let count = name.chars().count();
    if count == 0 || count > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let message = format!("must be 1 to {MAX_NAME_CHARS} characters on one line.");
        return Err(Error::invalid("name", message));
    }
    Ok(name.to_owned())
}

/// Checks settings: known names, plain values, an address that may be connected to.
pub(super) fn settings(
    pack: &Pack,
    policy: &EgressPolicy,
    settings: &Map<String, Value>,
) -> Result<()> {
    // What the sign-in itself fills in cannot be asked for before.
    let filled = |name: &str| {
        pack.oauth2().is_some_and(|oauth| {
            let about = oauth.about.as_ref();
            oauth.token.keep.contains_key(name)
                || about.is_some_and(|about| about.keep.contains_key(name))
        })
    };
    let version = &pack.provider.api_version;
    let mut faults = Vec::new();
    let declared = &pack.provider.settings;
    for (name, value) in settings {
        let known = name == "base_url"
            || name == RATE_LIMITS
            || (name == API_VERSION && !version.others.is_empty())
            || declared.iter().any(|setting| setting.name == *name)
            || filled(name);
        let field = format!("settings.{name}");
        if !known {
            let mut names: Vec<_> = declared.iter().map(|setting| setting.name.as_str()).collect();
            names.push("base_url");
            names.extend((!version.others.is_empty()).then_some(API_VERSION));
            let message =
                format!("is not a setting of this provider. Known: {}.", names.join(", "));
            faults.push(FieldError { field, message });
        } else if name == API_VERSION
            && value.as_str().is_none_or(|name| version.named(name).is_none())
        {
            let known = std::iter::once(version).chain(&version.others);
            let known: Vec<_> = known.map(|version| version.name.as_str()).collect();
            let message = format!("must be a version that works: {}.", known.join(", "));
            faults.push(FieldError { field, message });
        } else if name == RATE_LIMITS && (value != "off" || !settings.contains_key("base_url")) {
            let message = "can only be `off`, and only with a `base_url` of a stand-in.".to_owned();
            faults.push(FieldError { field, message });
        } else if let Some(message) = unacceptable(value) {
            faults.push(FieldError { field, message });
        }
    }
    for setting in declared {
        let given = settings.contains_key(&setting.name) || setting.default.is_some();
        if setting.required && !given && !filled(&setting.name) {
            let field = format!("settings.{}", setting.name);
            let message = format!("is required: {}", setting.description);
            faults.push(FieldError { field, message });
        }
    }
    if let Some(Value::String(url)) = settings.get("base_url")
        && let Err(error) = policy.target(url)
    {
        faults.push(FieldError { field: "settings.base_url".into(), message: error.detail });
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults)) }
}

fn unacceptable(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => Some("must not be empty.".to_owned()),
        Value::String(text) if text.len() > MAX_SETTING_BYTES => {
            Some(format!("is longer than {MAX_SETTING_BYTES} bytes."))
        }
        Value::String(text) if text.chars().any(char::is_control) => {
            Some("holds a line break or control character.".to_owned())
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => None,
        _ => Some("must be text, a number or true/false.".to_owned()),
    }
}

/// Checks the size of a `sync_config`.
pub(super) fn sync_config(config: &Map<String, Value>) -> Result<()> {
    let size = serde_json::to_string(config).map_err(Error::internal)?.len();
    if size > MAX_SYNC_CONFIG_BYTES {
        let message = format!("is larger than {MAX_SYNC_CONFIG_BYTES} bytes.");
        return Err(Error::invalid("sync_config", message));
    }
    Ok(())
}

/// Checks a credential and finds the sign-in method it belongs to. Messages name fields only.
pub(super) fn credential(
    pack: &Pack,
    policy: &EgressPolicy,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<Accepted> {
    let known = known_fields(pack);
    let names = secrets.names();
    if names.len() > MAX_FIELDS {
        let message = format!("holds {} fields; the most is {MAX_FIELDS}.", names.len());
        return Err(Error::invalid("auth_credentials", message));
    }
    let faults: Vec<_> =
        names.iter().filter_map(|name| field_fault(name, secrets, &known)).collect();
    if !faults.is_empty() {
        return Err(Error::invalid_fields(faults));
    }
    match method_of(pack, &names) {
        Some(AuthMethod::Oauth2(oauth)) => Ok(oauth_credential(oauth, &names, now)),
        Some(method) => {
            if let AuthMethod::WebhookUrl(webhook) = method
                && let Some(url) = secrets.get(&webhook.field)
            {
                let field = format!("auth_credentials.{}", webhook.field);
                policy
                    .target(url.expose_secret())
                    .map_err(|error| Error::invalid(field, error.detail))?;
            }
            let kind = method.name().to_owned();
            Ok(Accepted { kind, state: CredentialState::Active, expires_at: None })
        }
        None if !names.is_empty()
            && names.iter().all(|name| signing_fields(pack).contains(name)) =>
        {
            Ok(Accepted {
                kind: SIGNING.to_owned(),
                state: CredentialState::Pending,
                expires_at: None,
            })
        }
        None => {
            let ways: Vec<_> = pack
                .auth
                .iter()
                .map(|method| format!("{} ({})", method.fields().join(" + "), method.name()))
                .collect();
            let message = format!("must hold one of: {}.", ways.join("; "));
            Err(Error::invalid("auth_credentials", message))
        }
    }
}

fn oauth_credential(
    oauth: &connectus_core::provider::OAuth2,
    names: &[&str],
    now: Timestamp,
) -> Accepted {
    let has = |name| names.contains(&name);
    let renewable = has("refresh_token") && oauth.refresh != RefreshShape::None;
    let state = if has("access_token") || renewable {
        CredentialState::Active
    } else {
        CredentialState::Pending
    };
    // How long a pasted token still lives nobody said: the first use renews it.
    let expires_at = (renewable && state == CredentialState::Active).then_some(now);
    Accepted { kind: oauth.name.clone(), state, expires_at }
}

fn field_fault(name: &str, secrets: &Secrets, known: &BTreeSet<&str>) -> Option<FieldError> {
    let field = format!("auth_credentials.{name}");
    if !known.contains(name) {
        let known: Vec<_> = known.iter().copied().collect();
        let message = format!("is not a credential of this provider. Known: {}.", known.join(", "));
        return Some(FieldError { field, message });
    }
    let value = secrets.get(name)?.expose_secret();
    if value.len() > MAX_SECRET_BYTES {
        let message = format!("is longer than {MAX_SECRET_BYTES} bytes.");
        return Some(FieldError { field, message });
    }
    let odd = |c: char| c.is_control();
    (value.trim() != value || value.chars().any(odd)).then(|| FieldError {
        field,
        message: "starts or ends with a space, or holds a line break: paste it again.".to_owned(),
    })
}

/// The method of a set of fields. A pasted token that cannot be refreshed is a plain token, even
/// when the app's client id came with it.
fn method_of<'a>(pack: &'a Pack, names: &[&str]) -> Option<&'a AuthMethod> {
    let pasted = names.contains(&"access_token") && !names.contains(&"refresh_token");
    let plain = |method: &&AuthMethod| {
        matches!(method, AuthMethod::Token(_))
            && method.fields().iter().all(|field| names.contains(field))
    };
    let plain = pack.auth.iter().find(plain).filter(|_| pasted);
    plain.or_else(|| pack.method_for(names))
}

/// The credential fields that verify webhooks.
pub(super) fn signing_fields(pack: &Pack) -> BTreeSet<&str> {
    let signatures = pack.triggers.iter().flat_map(|triggers| &triggers.signatures);
    signatures.map(connectus_core::provider::SignatureScheme::secret).collect()
}

fn known_fields(pack: &Pack) -> BTreeSet<&str> {
    let mut known = signing_fields(pack);
    // The word that Meta says back when it checks the address.
    let checks = pack.triggers.as_ref().and_then(|triggers| triggers.challenge);
    known.extend((checks == Some(Challenge::MetaHub)).then_some(VERIFY_TOKEN));
    for method in &pack.auth {
        known.extend(method.fields());
        if let AuthMethod::Oauth2(oauth) = method {
            known.extend(OAUTH_FIELDS);
            known.extend(oauth.secret_headers.values().map(String::as_str));
        }
    }
    known
}
