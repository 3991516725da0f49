//! TLS as this process speaks it: the system's roots, ring, HTTP/2 where the server has it.

use std::sync::{Arc, OnceLock};

use connectus_core::{Code, Error, Result};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The TLS set-ups of one client.
#[derive(Debug, Default)]
pub(super) struct Tls(OnceLock<ClientConfig>);

impl Tls {
    /// For https. Reading the system's root certificates takes milliseconds, so it happens once
    /// and late.
    pub fn trusting(&self) -> Result<ClientConfig> {
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(provider.clone());
        let verifier = verifier.map_err(|error| {
            let detail = "No root certificates were found; install the package ca-certificates.";
            Error::new(Code::Unavailable, detail).caused_by(error)
        })?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(self.0.get_or_init(|| config).clone())
    }

    /// For plain http to a stand-in: trusts nobody, so it works on machines without certificates
    /// and could not be used for https by mistake.
    pub fn trusting_nobody() -> Result<ClientConfig> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Ok(config)
    }
}
