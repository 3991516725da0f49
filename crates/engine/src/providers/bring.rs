//! Takes in a provider that somebody brings.

use std::collections::BTreeMap;

use connectus_connect::{Plan, packs, plan::MAX_PACK_BYTES};
use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp, canonical,
    integration::{Category, MAX_NAME_CHARS},
};
use connectus_store::{
    Store, Tx,
    provider_versions::{Bringer, ProviderSource, ProviderVersion},
};
use futures::FutureExt;
use serde_json::{Value, json};

use super::read::{self, About, Format, Metadata};
use crate::actions;

/// Providers that one tenant brings, and those for all.
const MAX_PROVIDERS: usize = 200;
/// Versions of one provider.
const MAX_VERSIONS: u64 = 1_000;
/// Largest text, in bytes.
const MAX_TEXT_BYTES: usize = 4 * MAX_PACK_BYTES;

/// A provider that somebody brings.
#[derive(Clone, Debug, Default)]
pub struct NewProvider {
    /// The stable name. A pack says its own.
    pub name: Option<String>,
    /// How it is written; found out when not said.
    pub format: Option<Format>,
    /// The manifest, pack or document.
    pub text: String,
    /// What lies beside it: texts by path, `schemas/users.json` and `metadata.yaml` among them.
    pub files: BTreeMap<String, String>,
    /// The name people use.
    pub display_name: Option<String>,
    /// What kind of service it is.
    pub category: Option<Category>,
    /// Its licence, where whoever brings it knows.
    pub licence: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The newest version now.
    pub version: ProviderVersion,
    /// Whether it was made now; the same content makes no new version.
    pub added: bool,
    /// Streams of the version before that this one does not run.
    pub lost: Vec<String>,
}

/// Takes a provider in: its first version, or the next one.
///
/// # Errors
/// `invalid` and `too_large`, saying what is broken and where; `conflict` for a name that is taken
/// by a provider that comes with Connectus or is there for all, or that must be new
/// (`expect: Some(false)`); `not_found` for one that must not (`Some(true)`).
pub async fn bring(
    store: &Store,
    bringer: &Bringer,
    new: NewProvider,
    expect: Option<bool>,
) -> Result<Brought> {
    // Reading takes time that a hostile text makes long; others must not wait for it.
    let read = tokio::task::spawn_blocking(move || prepared(new));
    let (version, source) = read.await.map_err(Error::internal)??;
    let bringer = bringer.clone();
    store
        .write(move |tx| async move { put(tx, &bringer, version, source, expect).await }.boxed())
        .await
}

fn prepared(new: NewProvider) -> Result<(ProviderVersion, ProviderSource)> {
    if new.text.len() > MAX_TEXT_BYTES {
        let detail = format!("A provider has at most {MAX_TEXT_BYTES} bytes.");
        return Err(Error::new(Code::TooLarge, detail));
    }
    let format = new.format.unwrap_or_else(|| Format::of(&new.text));
    let pack = match format {
        Format::Pack => Some(Plan::parse(&new.text)?.pack.provider),
        Format::Manifest | Format::Openapi => None,
    };
    let name = new.name.or_else(|| pack.as_ref().map(|pack| pack.name.clone()));
    let name = name.ok_or_else(|| Error::invalid("name", "is needed."))?;
    read::check_name(&name)?;
    let metadata = Metadata::of(&new.files);
    let display_name = match &pack {
        Some(pack) => pack.display_name.clone(),
        None => new.display_name.or(metadata.display_name).unwrap_or_else(|| titled(&name)),
    };
    let count = display_name.chars().count();
    if count == 0 || count > MAX_NAME_CHARS || display_name.chars().any(char::is_control) {
        let message = format!("must be 1 to {MAX_NAME_CHARS} characters on one line.");
        return Err(Error::invalid("display_name", message));
    }
    let category = pack.as_ref().map(|pack| pack.category).or(new.category);
    let category = category.unwrap_or(Category::Other);
    let licence = new.licence.or(metadata.licence).unwrap_or_default();
    let about = About { format, name, display_name, category };
    let (plan, report) = read::compile(&about, &new.text, new.files.clone())?;
    let view = serde_json::to_value(plan.view()).map_err(Error::internal)?;
    let capabilities = serde_json::to_value(plan.capabilities()).map_err(Error::internal)?;
    let About { name, display_name, .. } = about;
    let digest = canonical::digest(&json!([
        format.name(),
        name,
        display_name,
        category,
        licence,
        new.text,
        new.files
    ]));
    let version = ProviderVersion {
        for_all: false,
        name,
        version: 1,
        format: format.name().to_owned(),
        digest: digest.to_string(),
        licence,
        display_name,
        category: category.name().to_owned(),
        auth_type: plan.pack.provider.auth_type.name().to_owned(),
        view,
        capabilities,
        report,
        created_by: None,
        created_at: Timestamp::default(),
    };
    Ok((version, ProviderSource { text: new.text, files: new.files }))
}

/// `acme_crm` as people write it.
fn titled(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(word).collect::<Vec<_>>().join(" ")
}

async fn put(
    tx: &mut Tx,
    bringer: &Bringer,
    mut new: ProviderVersion,
    source: ProviderSource,
    expect: Option<bool>,
) -> Result<Brought> {
    let taken = |detail: String| Err(Error::new(Code::Conflict, detail));
    let (name, prefix) = (new.name.clone(), format!("{}.", new.name));
    if packs::find(&name).is_ok() || actions::names().iter().any(|one| one.starts_with(&prefix)) {
        return taken(format!("`{name}` comes with Connectus. Choose another name."));
    }
    let before = tx.brought_by(bringer, &name).await?;
    match (&before, expect) {
        (Some(_), Some(false)) => {
            return taken(format!(
                "There is a provider `{name}` already. POST /api/v1/providers/{name}/versions adds \
                 a version to it."
            ));
        }
        (None, Some(true)) => return Err(Error::not_found("provider")),
        _ => {}
    }
    if before.is_none() {
        check_free(tx, bringer, &name).await?;
    }
    new.for_all = matches!(bringer, Bringer::Everybody);
    new.created_at = tx.env().now();
    if let Bringer::Tenant(ctx) = bringer {
        new.created_by = ctx.actor().user().cloned();
    }
    if let Some(before) = &before {
        if before.digest == new.digest {
            return Ok(Brought { version: before.clone(), added: false, lost: Vec::new() });
        }
        new.version = before.version + 1;
    }
    if new.version > MAX_VERSIONS {
        let detail = format!("A provider has at most {MAX_VERSIONS} versions.");
        return Err(Error::new(Code::QuotaExceeded, detail).with("limit", MAX_VERSIONS));
    }
    let lost = before.as_ref().map(|before| lost(&before.report, &new.report)).unwrap_or_default();
    tx.hold_provider_name(&name, &new.auth_type).await?;
    tx.insert_provider_version(bringer, &new, &source).await?;
    note(tx, bringer, &new).await?;
    Ok(Brought { version: new, added: true, lost })
}

/// Whether nobody else's provider would be meant by the name.
async fn check_free(tx: &mut Tx, bringer: &Bringer, name: &str) -> Result<()> {
    let others = match bringer {
        Bringer::Everybody => tx.count_bringers(name).await? > 0,
        Bringer::Tenant(_) => tx.brought_by(&Bringer::Everybody, name).await?.is_some(),
    };
    if others {
        let detail = format!("There is another provider `{name}`. Choose another name.");
        return Err(Error::new(Code::Conflict, detail));
    }
    if tx.brought_all(bringer).await?.len() >= MAX_PROVIDERS {
        let detail = format!("At most {MAX_PROVIDERS} providers can be added; remove one first.");
        return Err(Error::new(Code::QuotaExceeded, detail).with("limit", MAX_PROVIDERS));
    }
    Ok(())
}

fn native(report: &Value) -> Vec<&str> {
    let streams = report.get("streams").and_then(Value::as_array).into_iter().flatten();
    let native = streams.filter(|stream| stream.get("native") == Some(&Value::Bool(true)));
    native.filter_map(|stream| stream.get("name")?.as_str()).collect()
}

fn lost(before: &Value, after: &Value) -> Vec<String> {
    let after = native(after);
    native(before).into_iter().filter(|name| !after.contains(name)).map(str::to_owned).collect()
}

async fn note(tx: &mut Tx, bringer: &Bringer, new: &ProviderVersion) -> Result<()> {
    let detail = json!({"version": new.version, "format": new.format, "digest": new.digest});
    match bringer {
        Bringer::Tenant(ctx) => audit(tx, ctx, "provider.added", &new.name, detail).await,
        Bringer::Everybody => {
            let (name, version) = (&new.name, new.version);
            tracing::info!(action = "provider.added", provider = name, version);
            Ok(())
        }
    }
}

pub(super) async fn audit(
    tx: &mut Tx,
    ctx: &TenantCtx,
    what: &str,
    name: &str,
    detail: Value,
) -> Result<()> {
    tx.audit(ctx, what, name, detail).await
}
