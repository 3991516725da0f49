//! What may be entered for an integration, whichever way its provider is described.

use connectus_connect::{EgressPolicy, Plan, Secrets, Settings, plan::SETTINGS};
use connectus_core::{Env, Error, Result, error::FieldError};
use connectus_store::credentials::CredentialState;
use serde_json::{Map, Value};

use super::accept::{self, Accepted};

/// Largest settings of a manifest, in bytes of JSON.
const MAX_SETTINGS_BYTES: usize = 64 * 1024;

/// Checks settings by themselves.
pub(super) fn settings(
    plan: &Plan,
    policy: &EgressPolicy,
    settings: &Map<String, Value>,
) -> Result<()> {
    let Some(offer) = plan.offer() else {
        return accept::settings(&plan.pack, policy, settings);
    };
    let size = serde_json::to_string(settings).map_err(Error::internal)?.len();
    if size > MAX_SETTINGS_BYTES {
        let message = format!("are larger than {MAX_SETTINGS_BYTES} bytes.");
        return Err(Error::invalid("settings", message));
    }
    offer.check_open(settings)
}

/// Checks secrets, with the settings they belong to. `None` while there are none to be used yet.
pub(super) fn credential(
    plan: &Plan,
    policy: &EgressPolicy,
    env: &Env,
    settings: &Map<String, Value>,
    secrets: &Secrets,
) -> Result<Option<Accepted>> {
    let names = secrets.names();
    let Some(offer) = plan.offer() else {
        if names.is_empty() {
            return Ok(None);
        }
        return accept::credential(&plan.pack, policy, secrets, env.now()).map(Some);
    };
    let known: Vec<&str> = offer.secrets.iter().map(|field| field.path.as_str()).collect();
    let strange = names.iter().filter(|name| !offer.is_secret(name));
    let faults: Vec<_> = strange
        .map(|name| FieldError {
            field: format!("auth_credentials.{name}"),
            message: format!("is not a secret of this provider. Known: {}.", known.join(", ")),
        })
        .collect();
    if !faults.is_empty() {
        return Err(Error::invalid_fields(faults));
    }
    match offer.check(settings, secrets, env) {
        Ok(()) => {
            let (kind, state) = (SETTINGS.to_owned(), CredentialState::Active);
            Ok(Some(Accepted { kind, state, expires_at: None }))
        }
        // Only secrets are missing, and none was entered: they come later.
        Err(error) if names.is_empty() && only_secrets(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn only_secrets(error: &Error) -> bool {
    let mut fields = error.fields.iter();
    !error.fields.is_empty() && fields.all(|fault| fault.field.starts_with("auth_credentials."))
}

/// The place a credential is entered for: it never follows settings that lead elsewhere.
pub(super) fn place(plan: &Plan, settings: &Map<String, Value>) -> Result<Option<String>> {
    match plan.offer() {
        Some(offer) => Ok(offer.place(settings)),
        None => Ok(Settings::from_json(&Value::Object(settings.clone()))?.credential_origin()),
    }
}
