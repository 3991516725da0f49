//! Secrets on their way to a provider. They are readable only inside this crate.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use connectus_core::{Code, Error, Result, Timestamp};
use secrecy::{ExposeSecret, SecretString};

/// Most fields of a credential.
pub const MAX_FIELDS: usize = 32;
/// Longest secret, in bytes. Tokens grow; keys in PEM form are about 4 KB.
pub const MAX_SECRET_BYTES: usize = 16 * 1024;

/// The fields of one credential: `access_token`, `client_secret`, ... `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

impl Secrets {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the opened form of a sealed credential: a JSON object of texts. Also what the API
    /// takes as `auth_credentials`.
    ///
    /// # Errors
    /// `invalid` naming the field when a value is not text or is too large.
    pub fn from_json(text: &SecretString) -> Result<Self> {
        let parsed: BTreeMap<String, SecretText> = serde_json::from_str(text.expose_secret())
            .map_err(|_| Error::invalid("auth_credentials", "must be an object of texts"))?;
        if parsed.len() > MAX_FIELDS {
            let message = format!("holds {} fields; the most is {MAX_FIELDS}", parsed.len());
            return Err(Error::invalid("auth_credentials", message));
        }
        let mut secrets = Self::new();
        for (name, SecretText(value)) in parsed {
            if value.expose_secret().len() > MAX_SECRET_BYTES {
                let message = format!("is longer than {MAX_SECRET_BYTES} bytes");
                return Err(Error::invalid(format!("auth_credentials.{name}"), message));
            }
            secrets.0.insert(name, value);
        }
        Ok(secrets)
    }

    /// The JSON form to seal. It never belongs anywhere but in the sealing call.
    pub fn to_json(&self) -> SecretString {
        let plain: BTreeMap<&str, &str> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        // A map of texts always has a JSON form.
        SecretString::from(serde_json::to_string(&plain).unwrap_or_default())
    }

    /// The value of a field; empty values count as absent.
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name).filter(|value| !value.expose_secret().is_empty())
    }

    /// The value of a field, or an error that says which one is missing.
    ///
    /// # Errors
    /// `reauth_required`.
    pub fn need(&self, name: &str) -> Result<&SecretString> {
        self.get(name).ok_or_else(|| {
            let detail = format!("The credential has no `{name}`. Connect the integration again.");
            Error::new(Code::ReauthRequired, detail)
        })
    }

    /// Sets a field.
    pub fn set(&mut self, name: impl Into<String>, value: SecretString) {
        self.0.insert(name.into(), value);
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Names of the fields that hold something.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).filter(|name| self.get(name).is_some()).collect()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Deserialises straight into a secret, so that no plain copy is left behind.
struct SecretText(SecretString);

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

/// A usable credential at one moment.
#[derive(Clone, Debug)]
pub struct Access {
    /// The pack's method it belongs to; `None` lets the pack choose by the fields present.
    pub method: Option<String>,
    /// The fields.
    pub secrets: Secrets,
    /// When the access token ends, where it does.
    pub expires_at: Option<Timestamp>,
    /// Grows with every refresh, so that "this one was refused" names the right one.
    pub generation: u64,
    /// The origin (`https://host[:port]`) it was entered for. A connection whose base URL has
    /// another origin refuses to send it. `None`: the provider's own hosts only.
    pub origin: Option<String>,
}

impl Access {
    /// A credential that does not end, for the provider's own hosts.
    pub fn lasting(secrets: Secrets) -> Self {
        Self { method: None, secrets, expires_at: None, generation: 0, origin: None }
    }
}

/// Where credentials come from. The engine implements it over the store, with a lock per
/// credential around re-read, refresh and persist.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The current credential, refreshed first when its end is near.
    async fn access(&self) -> Result<Access>;

    /// The provider refused generation `refused`. Returns a newer credential: refreshed now, or
    /// already refreshed by someone else meanwhile.
    ///
    /// # Errors
    /// `reauth_required` when there is none.
    async fn renew(&self, refused: u64) -> Result<Access>;

    /// Keeps secrets that whoever uses the credential has renewed, over those there are. Returns
    /// the generation that they are from now on.
    ///
    /// # Errors
    /// Whatever keeps them from being kept.
    async fn keep(&self, _secrets: Secrets) -> Result<u64> {
        Err(Error::internal("this credential cannot be changed by its use"))
    }
}

/// A credential that stays as it is: pasted tokens, tests.
#[derive(Clone, Debug)]
pub struct Fixed(pub Access);

#[async_trait]
impl CredentialSource for Fixed {
    async fn access(&self) -> Result<Access> {
        Ok(self.0.clone())
    }

    async fn renew(&self, _refused: u64) -> Result<Access> {
        Err(Error::new(
            Code::ReauthRequired,
            "The provider no longer accepts the credential. Connect the integration again.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(json: &str) -> Result<Secrets> {
        Secrets::from_json(&SecretString::from(json))
    }

    #[test]
    fn prints_names_and_never_values() {
        let access = Access::lasting(secrets(r#"{"access_token":"pat-canary-1"}"#).unwrap());
        let shown = format!("{access:?} {:?}", Fixed(access.clone()));
        assert!(shown.contains("access_token"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn survives_sealing_and_opening() {
        let mut before = secrets(r#"{"a":"1","b":""}"#).unwrap();
        before.set("c", SecretString::from("é\"\\\u{1}"));
        let after = Secrets::from_json(&before.to_json()).unwrap();
        assert_eq!(after.get("c").unwrap().expose_secret(), "é\"\\\u{1}");
        assert_eq!(after.names(), ["a", "c"], "an empty text is an absent field");
        assert_eq!(after.need("b").unwrap_err().code, Code::ReauthRequired);
    }

    #[test]
    fn refuses_what_is_not_an_object_of_texts() {
        for json in ["[]", "1", r#"{"a":1}"#, r#"{"a":{"b":"c"}}"#, "{"] {
            assert_eq!(secrets(json).unwrap_err().code, Code::Invalid, "{json}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_SECRET_BYTES + 1));
        let error = secrets(&long).unwrap_err();
        assert_eq!(error.fields[0].field, "auth_credentials.a");
        assert!(!error.detail.contains("xxx"));
    }
}
