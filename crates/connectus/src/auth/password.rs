//! Passwords: Argon2id on the blocking pool, a few at a time.

use std::sync::{Arc, OnceLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use connectus_core::{Env, Error, Result};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// Shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 10;
/// Longest password, in bytes: beyond it hashing would only serve an attacker.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// Passwords hashed at a time. Each takes 19 MiB.
const CONCURRENT: usize = 4;

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    env: Env,
    slots: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new(env: Env) -> Self {
        Self { env, slots: Arc::new(Semaphore::new(CONCURRENT)) }
    }

    /// The hash to store for a new password.
    ///
    /// # Errors
    /// `invalid` when the password is too short or too long.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        check(&password)?;
        let salt: [u8; 16] = self.env.random();
        self.blocking(move || hash_with(&password, &salt)).await?
    }

    /// Whether a password matches a stored hash. Without a hash - no such account - it takes the
    /// same time and says no.
    ///
    /// # Errors
    /// `internal` when the process is ending.
    pub async fn matches(&self, password: SecretString, stored: Option<String>) -> Result<bool> {
        self.blocking(move || {
            let known = stored.is_some();
            let stored = stored.unwrap_or_else(stand_in);
            let matches = password.expose_secret().len() <= MAX_PASSWORD_BYTES
                && Argon2::default()
                    .verify_password(password.expose_secret().as_bytes(), stored.as_str())
                    .is_ok();
            matches && known
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let _slot = self.slots.acquire().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

/// Says what is wrong with a new password.
///
/// # Errors
/// `invalid` naming the rule.
pub fn check(password: &SecretString) -> Result<()> {
    let text = password.expose_secret();
    if text.chars().count() < MIN_PASSWORD_CHARS {
        let rule = format!("must have at least {MIN_PASSWORD_CHARS} characters.");
        return Err(Error::invalid("password", rule));
    }
    if text.len() > MAX_PASSWORD_BYTES {
        let rule = format!("must have at most {MAX_PASSWORD_BYTES} bytes.");
        return Err(Error::invalid("password", rule));
    }
    Ok(())
}

fn hash_with(password: &SecretString, salt: &[u8]) -> Result<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.expose_secret().as_bytes(), salt)
        .map_err(|error| Error::internal(format!("hashing a password failed: {error}")))?;
    Ok(hash.to_string())
}

/// A hash that belongs to nobody, made with the parameters of all others.
fn stand_in() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        hash_with(&SecretString::from("belongs to nobody"), &[0; 16]).unwrap_or_default()
    })
    .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_length_in_characters_and_bounds_it_in_bytes() {
        let ok = |text: String| check(&SecretString::from(text)).is_ok();
        assert!(!ok("ninechars".into()));
        assert!(ok("tencharsss".into()));
        assert!(ok("ääääääääää".into()));
        assert!(ok("x".repeat(MAX_PASSWORD_BYTES)));
        assert!(!ok("x".repeat(MAX_PASSWORD_BYTES + 1)));
    }

    #[test]
    fn a_hash_is_argon2id_and_matches_its_password_only() {
        let hash = hash_with(&SecretString::from("correct horse"), &[7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let matches =
            |text: &str| Argon2::default().verify_password(text.as_bytes(), hash.as_str());
        assert!(matches("correct horse").is_ok());
        assert!(matches("correct horsf").is_err());
        assert!(matches("").is_err());
    }
}
