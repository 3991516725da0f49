//! What an operator can configure about authentication.

use connectus_core::{Error, Result};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

/// Shortest shared secret that is taken for one, in bytes.
pub const MIN_SECRET_BYTES: usize = 32;

/// Access tokens that another system signs with a shared secret (HS256).
#[derive(Clone, Debug)]
pub struct ExternalTokenSettings {
    /// The shared secret.
    pub secret: SecretString,
    /// The `aud` a token must name.
    pub audience: String,
    /// The `iss` a token must name, where one is configured.
    pub issuer: Option<String>,
}

/// Settings of authentication and of the HTTP edge. The default is the safe one for one machine.
#[derive(Clone, Debug, Default)]
pub struct AuthSettings {
    /// Whether people reach the console by HTTPS: cookies are then never sent without it.
    pub https: bool,
    /// The secret of partner services (`X-Service-Secret`); without it they are refused.
    pub service_secret: Option<SecretString>,
    /// Tokens signed elsewhere; without it they are refused.
    pub external_tokens: Option<ExternalTokenSettings>,
    /// Origins whose pages may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl AuthSettings {
    pub(super) fn check(&self) -> Result<()> {
        let external = self.external_tokens.as_ref().map(|external| &external.secret);
        for (name, secret) in
            [("service_secret", self.service_secret.as_ref()), ("jwt_secret", external)]
        {
            if secret.is_some_and(|secret| secret.expose_secret().len() < MIN_SECRET_BYTES) {
                return Err(Error::invalid(
                    name,
                    format!("must be at least {MIN_SECRET_BYTES} bytes; use a random one."),
                ));
            }
        }
        Ok(())
    }
}
