//! Secrets we hand out: 256 random bits as text, kept as a hash.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use connectus_core::Env;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A fresh secret. It has full entropy, so a plain hash of it is safe to store.
pub fn fresh(env: &Env) -> String {
    URL_SAFE_NO_PAD.encode(env.random::<32>())
}

/// What is stored of a secret.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// Whether two secrets are equal, in time that tells nothing about either.
pub fn same(left: &str, right: &str) -> bool {
    // Hashes have one length, so not even the length of the secret shows.
    Sha256::digest(left.as_bytes()).ct_eq(&Sha256::digest(right.as_bytes())).into()
}
