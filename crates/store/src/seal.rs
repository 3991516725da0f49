//! Envelope encryption. The master key wraps one data key per tenant; the data key seals secrets.
//! The associated data binds a sealed value to its tenant, table, row and column, so that a value
//! moved elsewhere does not open.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use connectus_core::{Code, Env, Error, Result, TenantId};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// Version of the sealed format, its first field.
const FORMAT: &str = "s1";

/// The place a sealed value belongs to. It opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The row's identifier.
    pub row: &'a str,
    /// The column's name.
    pub column: &'a str,
}

/// A symmetric key that prints nothing.
#[derive(Clone)]
pub struct Key(Arc<SecretBox<[u8; KEY_BYTES]>>);

impl Key {
    /// Takes 32 bytes as a key.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    /// A short public name of the key: a hash that tells keys apart and reveals nothing.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::new_with_prefix(b"connectus key fingerprint")
            .chain_update(self.0.expose_secret())
            .finalize();
        hex::encode(digest.get(..8).unwrap_or_default())
    }

    fn seal(&self, env: &Env, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = env.random();
        let cipher = XChaCha20Poly1305::new(self.0.expose_secret().into());
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
            .map_err(|_| Error::internal("sealing failed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let cipher = XChaCha20Poly1305::new(self.0.expose_secret().into());
        cipher.decrypt(&XNonce::from(*nonce), Payload { msg: body, aad }).ok()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// A tenant's data key, opened.
#[derive(Clone, Debug)]
pub struct DataKey {
    /// The key's identifier, part of every value it seals.
    pub id: String,
    key: Key,
}

impl DataKey {
    /// A key for one other purpose. Knowing it tells nothing of this key or of keys for other
    /// purposes.
    pub(crate) fn derive(&self, purpose: &str) -> SecretBox<[u8; KEY_BYTES]> {
        let digest = Sha256::new_with_prefix(b"connectus tenant key|")
            .chain_update(self.key.0.expose_secret())
            .chain_update(purpose)
            .finalize();
        SecretBox::new(Box::new(digest.into()))
    }
}

/// Holds the master key and does all sealing.
#[derive(Clone, Debug)]
pub struct Sealer {
    master: Key,
    env: Env,
}

impl Sealer {
    /// A sealer with this master key.
    pub fn new(master: Key, env: Env) -> Self {
        Self { master, env }
    }

    /// The public name of the master key.
    pub fn master_id(&self) -> String {
        self.master.fingerprint()
    }

    /// A key for one other purpose, such as signing tokens. Knowing it tells nothing of the master
    /// key or of keys for other purposes.
    pub fn derive(&self, purpose: &str) -> SecretBox<[u8; KEY_BYTES]> {
        let digest = Sha256::new_with_prefix(b"connectus derived key|")
            .chain_update(self.master.0.expose_secret())
            .chain_update(purpose)
            .finalize();
        SecretBox::new(Box::new(digest.into()))
    }

    /// Makes a data key for a tenant: the opened key, and its wrapped form for the table.
    ///
    /// # Errors
    /// `internal` when the cipher fails, which it does not for 32 bytes.
    pub fn new_data_key(&self, tenant: &TenantId) -> Result<(DataKey, String)> {
        let bytes: [u8; KEY_BYTES] = self.env.random();
        let id = hex::encode(self.env.random::<8>());
        let wrapped = self.master.seal(&self.env, wrap_aad(tenant, &id).as_bytes(), &bytes)?;
        Ok((DataKey { id, key: Key::new(bytes) }, URL_SAFE_NO_PAD.encode(wrapped)))
    }

    /// Opens a wrapped data key.
    ///
    /// # Errors
    /// `internal` when it was wrapped by another master key, for another tenant, or was altered.
    pub fn open_data_key(&self, tenant: &TenantId, id: &str, wrapped: &str) -> Result<DataKey> {
        let bytes = URL_SAFE_NO_PAD
            .decode(wrapped)
            .ok()
            .and_then(|sealed| self.master.open(wrap_aad(tenant, id).as_bytes(), &sealed))
            .and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok())
            .ok_or_else(|| Error::internal(format!("data key {id} of {tenant} does not open")))?;
        Ok(DataKey { id: id.to_owned(), key: Key::new(bytes) })
    }

    /// Seals a secret for its place.
    ///
    /// # Errors
    /// `internal` when the cipher fails.
    pub fn seal(
        &self,
        key: &DataKey,
        tenant: &TenantId,
        place: Place<'_>,
        secret: &SecretString,
    ) -> Result<String> {
        let aad = place_aad(tenant, place, &key.id);
        let sealed = key.key.seal(&self.env, aad.as_bytes(), secret.expose_secret().as_bytes())?;
        Ok(format!("{FORMAT}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens a sealed secret at its place.
    ///
    /// # Errors
    /// `internal` when the value was altered, moved, or sealed by another key.
    pub fn open(
        &self,
        key: &DataKey,
        tenant: &TenantId,
        place: Place<'_>,
        sealed: &str,
    ) -> Result<SecretString> {
        let refused = || {
            Error::internal(format!(
                "sealed value in {}.{} row {} does not open",
                place.table, place.column, place.row
            ))
        };
        let body = sealed
            .strip_prefix(FORMAT)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_prefix(key.id.as_str()))
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or_else(refused)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| refused())?;
        let aad = place_aad(tenant, place, &key.id);
        let plain = key.key.open(aad.as_bytes(), &bytes).ok_or_else(refused)?;
        String::from_utf8(plain).map(SecretString::from).map_err(|_| refused())
    }

    /// The data key a sealed value names.
    pub fn key_id(sealed: &str) -> Option<&str> {
        sealed.strip_prefix(FORMAT)?.strip_prefix('.')?.split('.').next()
    }

    /// A value that only this master key opens, kept in the database to recognise a wrong key.
    ///
    /// # Errors
    /// `internal` when the cipher fails.
    pub fn check_value(&self) -> Result<String> {
        let sealed = self.master.seal(&self.env, b"connectus master key check", b"ok")?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Whether a check value was made by this master key.
    ///
    /// # Errors
    /// `invalid` with what to do when it was not.
    pub fn verify_check_value(&self, value: &str) -> Result<()> {
        let opened = URL_SAFE_NO_PAD
            .decode(value)
            .ok()
            .and_then(|sealed| self.master.open(b"connectus master key check", &sealed));
        if opened.is_some() {
            return Ok(());
        }
        Err(Error::new(
            Code::Invalid,
            "This master key is not the one that sealed the secrets in this database. Restore the \
             original key file, or name it with CONNECTUS_MASTER_KEY_FILE. Nothing was changed.",
        ))
    }
}

fn wrap_aad(tenant: &TenantId, id: &str) -> String {
    format!("connectus|data_key|{tenant}|{id}")
}

fn place_aad(tenant: &TenantId, place: Place<'_>, key: &str) -> String {
    format!("{FORMAT}|{tenant}|{}|{}|{}|{key}", place.table, place.column, place.row)
}

#[cfg(test)]
mod tests;
