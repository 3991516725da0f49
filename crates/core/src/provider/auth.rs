//! How one signs in: OAuth with its four refresh shapes, pasted keys, secret URLs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One way to sign in. Field names are those of `auth_credentials` in the API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuthMethod {
    /// OAuth 2.0 authorization code.
    Oauth2(Box<OAuth2>),
    /// A token or key in a header or query parameter.
    Token(TokenAuth),
    /// A user name and password or key.
    Basic(BasicAuth),
    /// A secret URL; knowing it is the whole credential.
    WebhookUrl(WebhookUrl),
}

impl AuthMethod {
    /// The method's name within its pack.
    pub fn name(&self) -> &str {
        match self {
            Self::Oauth2(method) => &method.name,
            Self::Token(method) => &method.name,
            Self::Basic(method) => &method.name,
            Self::WebhookUrl(method) => &method.name,
        }
    }

    /// The credential fields this method cannot work without.
    pub fn fields(&self) -> Vec<&str> {
        match self {
            // The token itself arrives through the callback; until then the app's id suffices.
            Self::Oauth2(_) => vec!["client_id"],
            Self::Token(method) => vec![&method.field],
            Self::Basic(method) => method
                .username_field
                .iter()
                .chain([&method.password_field])
                .map(String::as_str)
                .collect(),
            Self::WebhookUrl(method) => vec![&method.field],
        }
    }
}

/// OAuth 2.0 authorization code. An URL that starts with `/` is relative to the base URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// The method's name within its pack.
    pub name: String,
    /// Where the person says yes.
    pub authorize_url: String,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: String,
    /// Where a token is given back by POST, if anywhere.
    #[serde(default)]
    pub revoke_url: Option<String>,
    /// The form field that carries the token to `revoke_url`; none: bearer only.
    #[serde(default)]
    pub revoke_field: Option<String>,
    /// Scopes asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What stands between scopes.
    #[serde(default = "space")]
    pub scope_separator: String,
    /// Whether the provider takes a PKCE challenge (S256).
    #[serde(default)]
    pub pkce: bool,
    /// How the app identifies itself at the token URL.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Further query parameters of the authorize URL.
    #[serde(default)]
    pub authorize_params: BTreeMap<String, String>,
    /// What a refresh does.
    pub refresh: RefreshShape,
    /// How many seconds before its end a token is refreshed.
    #[serde(default = "five_minutes")]
    pub refresh_before_secs: u32,
    /// What a 401 means.
    #[serde(default)]
    pub on_unauthorized: OnUnauthorized,
    /// Where things stand in the token answer.
    #[serde(default)]
    pub token: TokenShape,
    /// Where the access token goes in a call.
    #[serde(default)]
    pub placement: TokenPlacement,
    /// Further headers that hold secrets: header -> credential field.
    #[serde(default)]
    pub secret_headers: BTreeMap<String, String>,
    /// A call after the code exchange that tells what the token answer does not.
    #[serde(default)]
    pub about: Option<About>,
    /// A proof that the caller knows the app's secret.
    #[serde(default)]
    pub proof: Option<Proof>,
}

/// A call that tells what the token answer does not: where the account lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The address, asked by GET.
    pub url: String,
    /// The word before the access token in the `Authorization` header.
    #[serde(default = "bearer")]
    pub scheme: String,
    /// Values to keep as settings of the integration: setting name -> path.
    pub keep: BTreeMap<String, String>,
}

/// hex HMAC-SHA256 of the access token, in the query, where the credential holds the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The query parameter.
    pub parameter: String,
    /// The credential field with the key.
    pub key: String,
}

/// What a refresh does to the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshShape {
    /// The refresh token stays the same.
    Stable,
    /// Every refresh kills the refresh token it used and returns the next.
    Rotating,
    /// There is no refresh token: a living access token is exchanged for a longer one.
    Exchange,
    /// The access token does not end.
    None,
}

/// How the app identifies itself at the token URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// HTTP Basic.
    Basic,
}

/// What a 401 means for a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnauthorized {
    /// The credential is dead: a person must connect again.
    #[default]
    Reauth,
    /// The token may simply have ended: refresh once, then try again.
    Refresh,
}

/// Where things stand in a token answer, as dotted paths.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenShape {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// Seconds until the access token ends. Absent, null or 0 means it does not say.
    pub expires_in: String,
    /// The scopes granted.
    pub scope: String,
    /// A boolean that must be true for the answer to count.
    pub ok: Option<String>,
    /// Lifetime to assume when the answer does not say, in seconds. None: it does not end.
    pub default_ttl_secs: Option<u32>,
    /// Values to keep as settings of the integration: setting name -> path.
    pub keep: BTreeMap<String, String>,
}

impl Default for TokenShape {
    fn default() -> Self {
        Self {
            access_token: "access_token".into(),
            refresh_token: "refresh_token".into(),
            expires_in: "expires_in".into(),
            scope: "scope".into(),
            ok: None,
            default_ttl_secs: None,
            keep: BTreeMap::new(),
        }
    }
}

/// A pasted token or key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenAuth {
    /// The method's name within its pack.
    pub name: String,
    /// What it is and where to find it.
    pub description: String,
    /// The credential field that holds it.
    pub field: String,
    /// Where it goes in a call.
    #[serde(default)]
    pub placement: TokenPlacement,
    /// A proof that the caller knows the app's secret.
    #[serde(default)]
    pub proof: Option<Proof>,
}

/// Where a token goes in a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenPlacement {
    /// `Authorization: Bearer <token>`.
    #[default]
    Bearer,
    /// A header of its own.
    Header {
        /// The header's name.
        name: String,
    },
}

/// A user name and a password or key, sent as HTTP Basic.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The method's name within its pack.
    pub name: String,
    /// What it is and where to find it.
    pub description: String,
    /// The credential field of the user name; none when the service ignores it.
    #[serde(default)]
    pub username_field: Option<String>,
    /// The credential field of the password or key.
    pub password_field: String,
}

/// A secret URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookUrl {
    /// The method's name within its pack.
    pub name: String,
    /// What it is and where to find it.
    pub description: String,
    /// The credential field that holds the URL.
    pub field: String,
}

fn bearer() -> String {
    "Bearer".into()
}

fn space() -> String {
    " ".into()
}

const fn five_minutes() -> u32 {
    300
}
