//! One process of a data directory works on runs. It holds a lock that the operating system takes
//! back when the process ends, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Seek, Write},
};

use connectus_core::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::data_dir::DataDir;

/// The process that holds the lock, as it introduced itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process number.
    pub pid: u32,
    /// What it does: `serve`, `sync`.
    pub command: String,
    /// Where its API is, when it has one.
    pub address: Option<String>,
}

/// The right to work on runs, held until dropped.
#[derive(Debug)]
pub struct ProcessLock(File);

impl ProcessLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `conflict` naming the process that holds it.
    pub fn take(dir: &DataDir, command: &str) -> Result<Self> {
        let file = open(dir).map_err(|error| unusable(dir, &error))?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Self(file);
                lock.introduce(command, None)?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => Err(taken(dir)),
            Err(TryLockError::Error(error)) => Err(unusable(dir, &error)),
        }
    }

    /// Says who holds the lock, for the commands of other processes.
    ///
    /// # Errors
    /// `unavailable` when the lock file cannot be written.
    pub fn introduce(&self, command: &str, address: Option<String>) -> Result<()> {
        let holder = Holder { pid: std::process::id(), command: command.to_owned(), address };
        let text = serde_json::to_vec(&holder).map_err(Error::internal)?;
        let mut file = &self.0;
        let written = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| {
            file.write_all(&text)?;
            file.flush()
        });
        written.map_err(|error| {
            Error::new(Code::Unavailable, format!("The lock file cannot be written: {error}."))
        })
    }
}

/// The process that holds the lock now.
pub fn holder(dir: &DataDir) -> Option<Holder> {
    // A lock that can be taken is held by nobody, whatever the file says.
    let file = File::open(dir.lock()).ok()?;
    if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let unknown = Holder { pid: 0, command: "another command".to_owned(), address: None };
    let text = std::fs::read_to_string(dir.lock()).ok();
    Some(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(unknown))
}

fn open(dir: &DataDir) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.lock())
}

fn unusable(dir: &DataDir, error: &std::io::Error) -> Error {
    let detail = format!("The lock {} cannot be used: {error}.", dir.lock().display());
    Error::new(Code::Unavailable, detail)
}

fn taken(dir: &DataDir) -> Error {
    let place = dir.path().display();
    let (who, address) = match holder(dir) {
        Some(Holder { pid, command, address }) => {
            (format!("`connectus {command}` (process {pid})"), address)
        }
        None => ("another process".to_owned(), None),
    };
    let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
    let detail = format!(
        "{who} is running on {place}{at}. One process owns the work of a data directory: use that \
         one, stop it, or choose another directory with --data-dir."
    );
    Error::new(Code::Conflict, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_it_and_others_learn_who() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::create(folder.path()).unwrap();
        assert_eq!(holder(&dir), None);
        let lock = ProcessLock::take(&dir, "serve").unwrap();
        lock.introduce("serve", Some("http://127.0.0.1:1".into())).unwrap();
        let error = ProcessLock::take(&dir, "serve").unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        for part in ["connectus serve", "http://127.0.0.1:1", "--data-dir"] {
            assert!(error.detail.contains(part), "{}", error.detail);
        }
        assert_eq!(holder(&dir).unwrap().pid, std::process::id());
        drop(lock);
        assert_eq!(holder(&dir), None, "what the file says does not count");
        ProcessLock::take(&dir, "sync").unwrap();
    }
}
