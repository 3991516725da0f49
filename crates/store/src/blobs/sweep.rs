//! Takes away blobs that nothing refers to: those of runs that are forgotten, and those of
//! transactions that never committed.

use connectus_core::{Code, Error, Result, TenantId, payload::BlobName};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, path::Path};

use super::{Blobs, day, place, unwritten};
use crate::store::Store;

/// Blobs written within so many days are left alone: a transaction under way may be about to refer
/// to them, and nothing takes that long.
const GRACE_DAYS: i64 = 2;
const DAY_SECS: i64 = 24 * 3_600;
/// Blobs forgotten in one transaction, so that others get their turn.
const AT_ONCE: usize = 100;

/// What a sweep took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl Store {
    /// Takes away blobs that nothing refers to and that are older than two days. What is referred
    /// to is decided by the database: a blob goes after its row, and a row that is referred to
    /// stays.
    ///
    /// # Errors
    /// What the database and the folder say; what was taken away until then stays so.
    pub async fn sweep_blobs(&self) -> Result<Swept> {
        let before = day(self.env().now().plus_secs(-GRACE_DAYS * DAY_SECS));
        let (objects, mut swept) = (self.blobs().objects(), Swept::default());
        let tenants = objects.list_with_delimiter(None).await.map_err(unwritten)?;
        for folder in tenants.common_prefixes {
            let Some(tenant) = last(&folder).and_then(TenantId::parse) else { continue };
            let days = objects.list_with_delimiter(Some(&folder)).await.map_err(unwritten)?;
            for folder in days.common_prefixes {
                match last(&folder) {
                    Some(day) if day < before.as_str() => {
                        self.sweep_day(&tenant, day, &folder, &mut swept).await?;
                    }
                    _ => {}
                }
            }
        }
        Ok(swept)
    }

    async fn sweep_day(
        &self,
        tenant: &TenantId,
        day: &str,
        folder: &Path,
        swept: &mut Swept,
    ) -> Result<()> {
        let all = self.blobs().objects().list(Some(folder)).map_err(unwritten);
        let mut groups = all.try_chunks(AT_ONCE);
        while let Some(group) = groups.next().await {
            let mut loose = Vec::new();
            for object in group.map_err(|stopped| stopped.1)? {
                let hash = object.location.filename().unwrap_or_default();
                // What is not ours is left alone.
                let Ok(blob) = BlobName::new(day, hash) else { continue };
                if !self.read().await?.is_blob_needed(tenant, &blob).await? {
                    loose.push((blob, object.size));
                }
            }
            for (blob, size) in self.forgotten(tenant, loose).await? {
                self.blobs().remove(tenant, &blob).await?;
                swept.blobs += 1;
                swept.bytes += size;
            }
        }
        self.blobs().remove_unfinished(tenant, day).await
    }

    /// Those of these blobs that nothing can refer to any more.
    async fn forgotten(
        &self,
        tenant: &TenantId,
        loose: Vec<(BlobName, u64)>,
    ) -> Result<Vec<(BlobName, u64)>> {
        if loose.is_empty() {
            return Ok(loose);
        }
        let tenant = tenant.clone();
        self.write(move |tx| {
            Box::pin(async move {
                let mut gone = Vec::new();
                for (blob, size) in loose {
                    if tx.forget_blob(&tenant, &blob).await? {
                        gone.push((blob, size));
                    }
                }
                Ok(gone)
            })
        })
        .await
    }
}

impl Blobs {
    fn objects(&self) -> &dyn object_store::ObjectStore {
        &*self.0.objects
    }

    /// Takes away what a process that died had begun to write on a day that is over. The library
    /// does not list these files: until they are whole they have a number behind their name.
    async fn remove_unfinished(&self, tenant: &TenantId, day: &str) -> Result<()> {
        let Some(folder) = self.folder() else { return Ok(()) };
        let folder = folder.join(tenant.as_str()).join(day);
        let unswept = |error: std::io::Error| {
            let detail = format!("The folder {} cannot be swept.", folder.display());
            Error::new(Code::Unavailable, detail).caused_by(error)
        };
        let mut files = match tokio::fs::read_dir(&folder).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(unswept)?,
        };
        while let Some(file) = files.next_entry().await.map_err(unswept)? {
            if file.file_name().to_string_lossy().contains('#') {
                tokio::fs::remove_file(file.path()).await.map_err(unswept)?;
            }
        }
        Ok(())
    }

    async fn remove(&self, tenant: &TenantId, blob: &BlobName) -> Result<()> {
        match self.0.objects.delete(&place(tenant, blob)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unwritten(error)),
        }
    }
}

fn last(folder: &Path) -> Option<&str> {
    folder.as_ref().rsplit('/').next()
}
