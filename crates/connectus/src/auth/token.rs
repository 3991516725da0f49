//! Access tokens: JWTs of at most ten minutes, signed with Ed25519 and nothing else.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use connectus_core::{Error, Result, TenantId, Timestamp, TokenFamilyId, UserId, access::Role};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long an access token is good.
pub const LIFETIME_SECS: i64 = 600;
/// The `aud` of our tokens.
pub const AUDIENCE: &str = "connectus";
/// The `iss` of our tokens.
pub const ISSUER: &str = "connectus";
/// The `typ` of our tokens (RFC 9068), so that no other kind of JWT passes for one.
const TYPE: &str = "at+jwt";
/// The PKCS#8 frame around an Ed25519 seed (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The person.
    pub sub: UserId,
    /// The person again, under the name the older API used.
    pub user_id: UserId,
    /// The person's tenant.
    pub tenant: TenantId,
    /// The tenant's plan when it was issued; for clients, never for decisions.
    pub plan: String,
    /// The person's role when it was issued; for clients, never for decisions.
    pub roles: Vec<Role>,
    /// The chain of refresh tokens it came with, and ends with.
    pub sid: TokenFamilyId,
    /// When issued, in seconds since the epoch.
    pub iat: i64,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
}

/// The header of a token as we accept it: a name we do not expect is refused, not ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrictHeader {
    pub alg: String,
    #[serde(default)]
    pub typ: Option<String>,
    #[serde(default)]
    pub kid: Option<String>,
}

/// Reads a token's header without believing it.
pub(super) fn header(token: &str) -> Option<StrictHeader> {
    let (header, _) = token.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}

/// Signs and checks access tokens.
pub struct AccessTokens {
    sign: EncodingKey,
    verify: DecodingKey,
    public: [u8; 32],
    validation: Validation,
}

impl AccessTokens {
    pub(super) fn new(seed: &SecretBox<[u8; 32]>) -> Self {
        let public = SigningKey::from_bytes(seed.expose_secret()).verifying_key().to_bytes();
        let pkcs8 = [PKCS8_PREFIX.as_slice(), seed.expose_secret()].concat();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked below, against the injected clock.
        validation.validate_exp = false;
        Self {
            sign: EncodingKey::from_ed_der(&pkcs8),
            verify: DecodingKey::from_ed_der(&public),
            public,
            validation,
        }
    }

    /// Signs claims.
    ///
    /// # Errors
    /// `internal` when signing fails.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        jsonwebtoken::encode(&header, claims, &self.sign).map_err(Error::internal)
    }

    /// The claims of a genuine token that is good at `now`.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let header = header(token)?;
        let ours = header.alg == "EdDSA" && header.typ.as_deref() == Some(TYPE);
        if !ours || header.kid.is_some() {
            return None;
        }
        let claims: Claims =
            jsonwebtoken::decode(token, &self.verify, &self.validation).ok()?.claims;
        let now = now.secs();
        let lived = claims.iat <= now && now < claims.exp;
        let short = claims.exp.checked_sub(claims.iat)? <= LIFETIME_SECS;
        (lived && short && claims.sub == claims.user_id).then_some(claims)
    }

    /// The public key as a JSON Web Key Set, for services that check our tokens themselves.
    pub fn jwks(&self) -> Value {
        json!({"keys": [{
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(self.public),
        }]})
    }
}
