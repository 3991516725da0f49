//! The files a connector is run with.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use connectus_connect::manifest::{Document, auth::ConfigSink, document, load, schema::Files};
use connectus_core::{Code, Error, Result};
use serde_json::Value;

/// Largest settings, catalogue or state read, in bytes.
const MAX_JSON_BYTES: u64 = 256 * 1024 * 1024;

/// Largest file read that lies beside a manifest, in bytes.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a text, never more of it than fits.
pub fn text(path: &Path, most: u64) -> Result<String> {
    let shown = path.display();
    let bad = |error: std::io::Error| {
        Error::new(Code::BadRequest, format!("{shown} cannot be read: {error}"))
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(bad)?;
    let read = file.take(most + 1).read_to_string(&mut text).map_err(bad)?;
    if read as u64 > most {
        return Err(Error::new(Code::TooLarge, format!("{shown} is larger than {most} bytes.")));
    }
    Ok(text)
}

/// Reads a manifest.
pub fn manifest(path: &Path) -> Result<Document> {
    load(&text(path, document::MAX_MANIFEST_BYTES as u64)?)
}

/// Reads JSON.
pub fn json(path: &Path) -> Result<Value> {
    serde_json::from_str(&text(path, MAX_JSON_BYTES)?).map_err(|error| {
        Error::new(Code::BadRequest, format!("{} is not JSON: {error}", path.display()))
    })
}

/// The folder of a manifest, and what lies below it.
pub struct Folder(PathBuf);

impl Folder {
    /// That of this manifest.
    pub fn of(manifest: &Path) -> Self {
        let folder = manifest.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self(folder.unwrap_or(Path::new(".")).to_owned())
    }
}

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Option<String>> {
        let wrong = || Error::invalid("file_path", "leads out of the folder of the manifest");
        let Ok(found) = self.0.join(path).canonicalize() else { return Ok(None) };
        let folder = self.0.canonicalize().map_err(|_| wrong())?;
        if !found.starts_with(folder) {
            return Err(wrong());
        }
        if found.is_file() { text(&found, MAX_FILE_BYTES).map(Some) } else { Ok(None) }
    }
}

/// Writes settings that changed back to where they were read from. They hold secrets, so they go
/// nowhere else.
pub struct Kept(pub PathBuf);

#[async_trait::async_trait]
impl ConfigSink for Kept {
    async fn changed(&self, config: &Value) -> Result<()> {
        self.migrated(config);
        Ok(())
    }

    fn migrated(&self, config: &Value) {
        if let Err(error) = self.write(config) {
            tracing::error!(%error, "a renewed token was not kept; sign in again");
        }
    }
}

impl Kept {
    fn write(&self, config: &Value) -> std::io::Result<()> {
        // Complete beside the old one first: a token that is good once must not be lost halfway.
        let mut beside = self.0.clone().into_os_string();
        beside.push(".new");
        let mut file = fs::File::create(&beside)?;
        serde_json::to_writer_pretty(&mut file, config)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, &self.0)
    }
}
