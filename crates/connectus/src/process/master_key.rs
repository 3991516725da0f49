//! The master key: from the settings, from a file, or made at the first start.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use connectus_core::{Code, Env, Error, Result};
use connectus_store::seal::Key;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};

use super::data_dir::{DataDir, create_private};
use crate::config::Keys;

const KEY_BYTES: usize = 32;

/// The master key and whether it was made just now.
#[derive(Debug)]
pub struct MasterKey {
    /// The key.
    pub key: Key,
    /// Whether this start made it.
    pub is_new: bool,
}

/// Where the key of an installation comes from, in words for the operator.
pub fn describe(keys: &Keys, dir: &DataDir) -> String {
    match (&keys.master_key, &keys.master_key_file) {
        (Some(_), _) => "keys.master_key in the settings".to_owned(),
        (None, Some(file)) => file.display().to_string(),
        (None, None) => dir.master_key().display().to_string(),
    }
}

/// Finds the master key. Without one in the settings, the data directory's is used; the first
/// start makes it. An installation with data but without its key is refused: a new key would not
/// open what the lost one sealed.
///
/// # Errors
/// `invalid` saying what to restore or correct; `unavailable` when a file cannot be read.
pub fn find(keys: &Keys, dir: &DataDir, env: &Env) -> Result<MasterKey> {
    if keys.master_key.is_some() && keys.master_key_file.is_some() {
        let detail = "Both keys.master_key and keys.master_key_file are set. Set one of them.";
        return Err(Error::new(Code::Invalid, detail));
    }
    let known = |key| MasterKey { key, is_new: false };
    if let Some(text) = &keys.master_key {
        return parse(text, "keys.master_key").map(known);
    }
    if let Some(file) = &keys.master_key_file {
        return read(file)?.ok_or_else(|| no_such_file(file)).map(known);
    }
    let file = dir.master_key();
    if let Some(key) = read(&file)? {
        refuse_readable(&file)?;
        return Ok(known(key));
    }
    if dir.database().exists() {
        return Err(lost(&file));
    }
    make(&file, env).map(|key| MasterKey { key, is_new: true })
}

/// Takes back a key made just now that turned out not to belong to the database.
pub fn forget(dir: &DataDir) {
    // What cannot be removed does no harm: the next start says again that it does not fit.
    let _ = std::fs::remove_file(dir.master_key());
}

fn parse(text: &SecretString, place: &str) -> Result<Key> {
    let mut bytes = [0; KEY_BYTES];
    let text = text.expose_secret().trim();
    let read = hex::decode_to_slice(text, &mut bytes);
    let key = Key::new(bytes);
    bytes.zeroize();
    read.map(|()| key).map_err(|_| {
        let detail = format!(
            "{place} is not a master key: it must be 64 hexadecimal digits, as `openssl rand -hex \
             32` makes them."
        );
        Error::new(Code::Invalid, detail)
    })
}

fn read(file: &Path) -> Result<Option<Key>> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text.into(), &file.display().to_string()).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let detail = format!("The master key {} cannot be read: {error}.", file.display());
            Err(Error::new(Code::Unavailable, detail))
        }
    }
}

fn make(file: &Path, env: &Env) -> Result<Key> {
    let mut bytes: [u8; KEY_BYTES] = env.random();
    let text = SecretString::from(format!("{}\n", hex::encode(bytes)));
    let key = Key::new(bytes);
    bytes.zeroize();
    write_private(file, &text).map_err(|error| {
        let detail = format!("The master key {} cannot be written: {error}.", file.display());
        Error::new(Code::Unavailable, detail)
    })?;
    Ok(key)
}

/// Writes a file that exists as a whole, on disk and for its owner only, or not at all.
fn write_private(file: &Path, text: &SecretString) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        create_private(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file)?;
    out.write_all(text.expose_secret().as_bytes())?;
    out.sync_all()
}

#[cfg(unix)]
fn refuse_readable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_or(0, |found| found.permissions().mode());
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let place = file.display();
    let detail = format!("Others can read the master key {place}. Run: chmod 600 {place}");
    Err(Error::new(Code::Invalid, detail))
}

#[cfg(not(unix))]
fn refuse_readable(_: &Path) -> Result<()> {
    Ok(())
}

fn no_such_file(file: &Path) -> Error {
    let detail = format!("keys.master_key_file names {}, which does not exist.", file.display());
    Error::new(Code::Invalid, detail)
}

fn lost(file: &Path) -> Error {
    let detail = format!(
        "There is a database here, but its master key {} is gone. Restore the key file from your \
         copy, or name it with CONNECTUS_MASTER_KEY_FILE. Nothing was changed.",
        file.display()
    );
    Error::new(Code::Invalid, detail)
}

#[cfg(test)]
mod tests {
    use connectus_testkit::SimEnv;

    use super::*;

    const NONE: Keys = Keys { master_key: None, master_key_file: None };

    fn dir() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::create(&folder.path().join("data")).unwrap();
        (folder, dir)
    }

    #[test]
    fn the_first_start_makes_a_private_key_and_later_ones_find_it() {
        let (_folder, dir) = dir();
        let env = SimEnv::default().env;
        let first = find(&NONE, &dir, &env).unwrap();
        let second = find(&NONE, &dir, &env).unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.key.fingerprint(), second.key.fingerprint());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&dir.master_key()), 0o600);
            assert_eq!(mode(dir.master_key().parent().unwrap()), 0o700);
            std::fs::set_permissions(dir.master_key(), PermissionsExt::from_mode(0o644)).unwrap();
            let error = find(&NONE, &dir, &env).unwrap_err();
            assert!(error.detail.contains("chmod 600"), "{}", error.detail);
        }
    }

    #[test]
    fn a_lost_key_is_not_replaced() {
        let (_folder, dir) = dir();
        std::fs::write(dir.database(), "").unwrap();
        let error = find(&NONE, &dir, &SimEnv::default().env).unwrap_err();
        assert!(error.detail.contains("Restore"), "{}", error.detail);
        assert!(!dir.master_key().exists());
    }

    #[test]
    fn a_given_key_is_used_and_a_bad_one_is_not_repeated() {
        let (folder, dir) = dir();
        let env = SimEnv::default().env;
        let hex = "ab".repeat(KEY_BYTES);
        let given = Keys { master_key: Some(hex.clone().into()), master_key_file: None };
        let file = folder.path().join("key");
        let in_file = Keys { master_key: None, master_key_file: Some(file.clone()) };
        assert!(find(&in_file, &dir, &env).unwrap_err().detail.contains("does not exist"));
        std::fs::write(&file, format!("{hex}\n")).unwrap();
        let keys = [&given, &in_file].map(|keys| find(keys, &dir, &env).unwrap().key.fingerprint());
        assert_eq!(keys[0], keys[1]);
        let both = Keys { master_key_file: in_file.master_key_file, ..given };
        assert!(find(&both, &dir, &env).unwrap_err().detail.contains("Set one"));
        let bad = Keys { master_key: Some("s3cret".into()), master_key_file: None };
        let error = find(&bad, &dir, &env).unwrap_err();
        assert!(error.detail.contains("64 hexadecimal digits"), "{}", error.detail);
        assert!(!error.detail.contains("s3cret"));
        assert!(!dir.master_key().exists());
    }
}
