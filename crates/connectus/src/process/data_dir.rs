//! The data directory: where the database, the keys and the lock of one installation are.

use std::path::{Path, PathBuf};

use connectus_core::{Code, Error, Result};

/// A data directory that exists and can be written.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory, readable by its owner only, unless it exists.
    ///
    /// # Errors
    /// `unavailable` when it cannot be made or is no directory.
    pub fn create(path: &Path) -> Result<Self> {
        create_private(path).map_err(|error| {
            let place = path.display();
            let detail = format!(
                "The data directory {place} cannot be made: {error}. Choose another one with \
                 --data-dir or CONNECTUS_DATA_DIR."
            );
            Error::new(Code::Unavailable, detail)
        })?;
        Ok(Self(path.to_path_buf()))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The SQLite database.
    pub fn database(&self) -> PathBuf {
        self.0.join("connectus.db")
    }

    /// The master key of an installation that was not given one. It is outside the database, so
    /// that a copy of the database alone reveals no credential.
    pub fn master_key(&self) -> PathBuf {
        self.0.join("keys").join("master.key")
    }

    /// Large values of runs, unless they are to be elsewhere.
    pub fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// Held by the one process that works on runs.
    pub fn lock(&self) -> PathBuf {
        self.0.join("connectus.lock")
    }
}

/// Makes a directory that only its owner can read. One that exists stays as it is.
///
/// # Errors
/// What the file system says.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
