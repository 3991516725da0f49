//! Blobs: values of runs that are too large for a row, in files beside the database.
//!
//! A blob is written, and on the disk, before the transaction that refers to it commits; a process
//! that dies in between leaves a blob that nothing refers to, and the sweep takes it away. Its name
//! says its tenant, the day it was written and the hash of its text. A blob of a day that is over
//! is never written again, so that the sweep, which looks at such days only, takes nothing away
//! that a transaction under way is about to refer to.

mod refer;
mod sweep;

use std::{
    borrow::Cow,
    collections::{HashSet, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use connectus_core::{
    Code, Env, Error, Parked, Payload, Result, TenantId, Timestamp,
    drill::{Moment, Site},
    payload::{self, BlobName, USUAL_THRESHOLD},
    run::Run,
    workflow::Entry,
};
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, memory::InMemory,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::refer::{Part, ROWS, Referring, STATEMENTS};
pub use self::{refer::BlobTotals, sweep::Swept};

/// Blobs that this process knows to be written, so that they are not written twice.
const KNOWN: usize = 4_096;

/// The blobs of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    objects: Box<dyn ObjectStore>,
    folder: Option<PathBuf>,
    threshold: usize,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    names: HashSet<(TenantId, BlobName)>,
    /// Oldest first.
    order: VecDeque<(TenantId, BlobName)>,
}

impl Known {
    fn add(&mut self, tenant: &TenantId, name: &BlobName) {
        let key = (tenant.clone(), name.clone());
        if self.names.insert(key.clone()) {
            self.order.push_back(key);
        }
        while self.order.len() > KNOWN {
            let Some(oldest) = self.order.pop_front() else { return };
            self.names.remove(&oldest);
        }
    }
}

impl Blobs {
    /// Blobs in a folder, which is made for its owner only. Texts longer than `threshold` bytes
    /// become blobs.
    ///
    /// # Errors
    /// `unavailable` when the folder cannot be made or used.
    pub fn in_folder(folder: &Path, threshold: usize) -> Result<Self> {
        let unusable = |error: &dyn std::fmt::Display| {
            let detail = format!(
                "The folder for large values, {}, cannot be used. Check that it can be written, or \
                 set data.blobs to another one.",
                folder.display()
            );
            Error::new(Code::Unavailable, detail).caused_by(error)
        };
        make_private(folder).map_err(|error| unusable(&error))?;
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| unusable(&error))?;
        let objects = objects.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self::on(Box::new(objects), Some(folder.to_path_buf()), threshold))
    }

    /// Blobs in memory: for tests, which give the same ones to each process they play.
    pub fn in_memory(threshold: usize) -> Self {
        Self::on(Box::new(InMemory::new()), None, threshold)
    }

    fn on(objects: Box<dyn ObjectStore>, folder: Option<PathBuf>, threshold: usize) -> Self {
        Self(Arc::new(Inner { objects, folder, threshold, known: Mutex::default() }))
    }

    /// Where they are; `None` in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.0.folder.as_deref()
    }

    /// Texts longer than so many bytes become blobs.
    pub fn threshold(&self) -> usize {
        self.0.threshold
    }

    /// Writes a text, unless it is known to be written. It is on the disk when this returns.
    ///
    /// # Errors
    /// `storage_full` and `unavailable`, which pass; nothing refers to the blob then.
    pub async fn put(&self, env: &Env, tenant: &TenantId, text: &str) -> Result<Parked> {
        let parked = named(env, text)?;
        if !self.knows(tenant, &parked.blob) {
            env.pass(Site::Blob, Moment::Before).await?;
            self.write(tenant, &parked, text).await?;
            env.pass(Site::Blob, Moment::After).await?;
        }
        Ok(parked)
    }

    /// The same within a transaction, which has points of its own where a drill can reach in.
    pub(crate) async fn put_within(
        &self,
        env: &Env,
        tenant: &TenantId,
        text: &str,
    ) -> Result<Parked> {
        let parked = named(env, text)?;
        if !self.knows(tenant, &parked.blob) {
            self.write(tenant, &parked, text).await?;
        }
        Ok(parked)
    }

    async fn write(&self, tenant: &TenantId, parked: &Parked, text: &str) -> Result<()> {
        let (place, bytes) = (place(tenant, &parked.blob), PutPayload::from(text.to_owned()));
        self.0.objects.put(&place, bytes).await.map_err(unwritten)?;
        self.known().add(tenant, &parked.blob);
        Ok(())
    }

    /// Writes a value ahead of a transaction that will refer to it, if it is large.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    pub async fn put_value(&self, env: &Env, tenant: &TenantId, value: &Value) -> Result<()> {
        if !payload::is_larger(value, self.0.threshold) {
            return Ok(());
        }
        let text = value.to_string();
        if text.len() > self.0.threshold {
            self.put(env, tenant, &text).await?;
        }
        Ok(())
    }

    /// Writes the payload of a journal line ahead of a transaction that will refer to it, if it is
    /// large.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    pub async fn put_line(&self, env: &Env, tenant: &TenantId, line: &str) -> Result<()> {
        match Entry::payload(line).filter(|payload| payload.len() > self.0.threshold) {
            Some(payload) => self.put(env, tenant, payload).await.map(drop),
            None => Ok(()),
        }
    }

    /// The text of a blob, which is what was written.
    ///
    /// # Errors
    /// `internal` when it is gone or damaged, `unavailable` when it cannot be read for now.
    pub async fn get(&self, tenant: &TenantId, parked: &Parked) -> Result<String> {
        let read = self.0.objects.get(&place(tenant, &parked.blob)).await;
        let bytes = match read {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = bytes.map_err(|error| unread(&parked.blob, error))?;
        let hash = hex::encode(Sha256::digest(&bytes));
        if hash != parked.blob.hash() {
            return Err(damaged(&parked.blob, "is not what was written"));
        }
        String::from_utf8(bytes.into()).map_err(|_| damaged(&parked.blob, "is no text"))
    }

    /// The value of a payload, read where it is parked.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub async fn value(&self, tenant: &TenantId, payload: Payload) -> Result<Value> {
        match payload {
            Payload::Here(value) => Ok(value),
            Payload::Parked(parked) => {
                // Apart: it is rare, and large.
                let text = Box::pin(self.get(tenant, &parked)).await?;
                serde_json::from_str(&text).map_err(Error::internal)
            }
        }
    }

    /// A run whose input and output are here.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub async fn whole(&self, mut run: Run) -> Result<Run> {
        run.input = self.value(&run.tenant, run.input).await?.into();
        if let Some(output) = run.output.take() {
            run.output = Some(self.value(&run.tenant, output).await?.into());
        }
        Ok(run)
    }

    /// A journal line with its payload in it.
    ///
    /// # Errors
    /// As [`Blobs::get`].
    pub async fn line<'l>(&self, tenant: &TenantId, line: &'l str) -> Result<Cow<'l, str>> {
        match Entry::parked(line)? {
            None => Ok(Cow::Borrowed(line)),
            Some(parked) => {
                let payload = Box::pin(self.get(tenant, &parked)).await?;
                Entry::unpark(line, &payload).map(Cow::Owned)
            }
        }
    }

    /// Whether a blob is there; a missing one is a damage.
    ///
    /// # Errors
    /// `unavailable` when that cannot be told for now.
    pub async fn has(&self, tenant: &TenantId, blob: &BlobName) -> Result<bool> {
        match self.0.objects.head(&place(tenant, blob)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(unread(blob, error)),
        }
    }

    fn knows(&self, tenant: &TenantId, blob: &BlobName) -> bool {
        self.known().names.contains(&(tenant.clone(), blob.clone()))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // A poisoned list is still a list: names are added and taken whole.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Blobs {
    /// In memory, with the usual threshold.
    fn default() -> Self {
        Self::in_memory(USUAL_THRESHOLD)
    }
}

/// What a text is called that is written now.
fn named(env: &Env, text: &str) -> Result<Parked> {
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let blob = BlobName::new(&day(env.now()), &hash)?;
    Ok(Parked { blob, bytes: text.len() as u64 })
}

/// `2026-01-05`, in UTC.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take_while(|c| *c != 'T').collect()
}

fn place(tenant: &TenantId, blob: &BlobName) -> object_store::path::Path {
    object_store::path::Path::from_iter([tenant.as_str(), blob.day(), blob.hash()])
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Whether the disk is full, wherever in an error that is said.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let all = std::iter::successors(Some(error), |error| error.source());
    let kinds = all.filter_map(|error| error.downcast_ref::<std::io::Error>());
    kinds.into_iter().any(|error| {
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    })
}

fn unwritten(error: object_store::Error) -> Error {
    if is_full(&error) {
        let detail = "The disk that holds large values is full. Free some space; work resumes by \
                      itself.";
        return Error::new(Code::StorageFull, detail).retry_after(10).caused_by(error);
    }
    let detail = "A large value cannot be written; nothing was changed. Check the folder that \
                  data.blobs names.";
    Error::new(Code::Unavailable, detail).retry_after(2).caused_by(error)
}

fn unread(blob: &BlobName, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => damaged(blob, "is gone"),
        error => {
            let detail = format!("The large value {blob} cannot be read for now.");
            Error::new(Code::Unavailable, detail).retry_after(2).caused_by(error)
        }
    }
}

fn damaged(blob: &BlobName, what: &str) -> Error {
    let detail = format!(
        "The large value {blob} {what}. Restore the folder of large values from the newest backup."
    );
    Error::new(Code::Internal, detail)
}
