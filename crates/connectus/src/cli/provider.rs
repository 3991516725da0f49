//! `connectus provider`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use connectus_core::{Code, Error, Result};
use connectus_engine::providers::{self, Brought, NewProvider};
use connectus_store::{
    Store,
    provider_versions::{Bringer, ProviderVersion},
};
use serde_json::{Value, json};

use super::{Global, connector::files, find, output};

/// Largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;
/// Most files beside a manifest.
const MAX_FILES: usize = 1_000;
/// Deepest folder below that of the manifest.
const MAX_DEPTH: usize = 3;
/// What a folder's description is called.
const NAMES: [&str; 4] = ["manifest.yaml", "manifest.yml", "manifest.json", "provider.yaml"];
/// Ends of files that manifests refer to.
const BESIDE: [&str; 3] = ["json", "yaml", "yml"];
/// What is said where nobody said a licence.
const UNKNOWN: &str = "unknown: yours to check";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a manifest, a pack or an OpenAPI document as a provider, or a new version of one.
    Add(Add),
    /// List the providers that were added.
    List {
        #[command(flatten)]
        whose: Whose,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show an added provider: versions, licence, what of it runs here.
    Show {
        /// The provider.
        name: String,
        #[command(flatten)]
        whose: Whose,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove an added provider. Refused while integrations use it.
    Remove {
        /// The provider.
        name: String,
        #[command(flatten)]
        whose: Whose,
    },
}

/// For whom a provider is.
#[derive(Debug, Args)]
pub struct Whose {
    /// The tenant, by identifier or name; not needed where there is only one.
    #[arg(long, short, conflicts_with = "for_all")]
    tenant: Option<String>,
    /// For all tenants.
    #[arg(long)]
    for_all: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Add {
    /// The manifest or pack, or the folder in which it lies.
    #[arg(value_name = "FILE|DIR", group = "what")]
    path: Option<PathBuf>,
    /// An OpenAPI document, whose operations become actions.
    #[arg(long, value_name = "FILE", group = "what")]
    openapi: Option<PathBuf>,
    /// The name integrations use; without it, that of the folder.
    #[arg(long)]
    name: Option<String>,
    /// The name people use.
    #[arg(long)]
    display_name: Option<String>,
    /// What kind of service it is: crm, communication, ..., other.
    #[arg(long)]
    category: Option<String>,
    /// Its licence; without it, metadata.yaml says.
    #[arg(long)]
    licence: Option<String>,
    #[command(flatten)]
    whose: Whose,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let (_, opened) = global.open().await?;
    let store = &opened.store;
    match command {
        Command::Add(add) => {
            let bringer = bringer(store, &add.whose).await?;
            let json = add.json;
            let brought = providers::bring(store, &bringer, read(add)?, None).await?;
            tell(&brought, json)?;
        }
        Command::List { whose, json } => {
            let bringer = bringer(store, &whose).await?;
            let mut conn = store.read().await?;
            let found = match &bringer {
                Bringer::Tenant(ctx) => conn.brought_providers(ctx).await?,
                Bringer::Everybody => conn.brought_all(&bringer).await?,
            };
            let shown: Vec<_> = found.iter().map(shown).collect();
            let head = ["provider", "version", "origin", "for", "licence", "name"];
            output::show(json, &shown, &output::table(head, found.iter().map(row)))?;
        }
        Command::Show { name, whose, json } => {
            let bringer = bringer(store, &whose).await?;
            let versions = versions(store, &bringer, &name).await?;
            let shown: Vec<_> = versions.iter().map(shown).collect();
            let text: Vec<_> = versions.iter().map(described).collect();
            output::show(json, &shown, &text.join("\n"))?;
        }
        Command::Remove { name, whose } => {
            let bringer = bringer(store, &whose).await?;
            providers::remove(store, &bringer, &name).await?;
            output::say(&format!("Provider {name} is removed."))?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn bringer(store: &Store, whose: &Whose) -> Result<Bringer> {
    if whose.for_all {
        return Ok(Bringer::Everybody);
    }
    Ok(Bringer::Tenant(find::tenant(store, whose.tenant.as_deref()).await?))
}

async fn versions(store: &Store, bringer: &Bringer, name: &str) -> Result<Vec<ProviderVersion>> {
    let mut conn = store.read().await?;
    let found = match bringer {
        Bringer::Tenant(ctx) => conn.provider_versions(ctx, name).await?,
        Bringer::Everybody => conn.brought_by(bringer, name).await?.into_iter().collect(),
    };
    if found.is_empty() { Err(Error::not_found("provider")) } else { Ok(found) }
}

/// Reads what is to be added from its files.
fn read(add: Add) -> Result<NewProvider> {
    let given = add.openapi.as_ref().or(add.path.as_ref());
    let given = given.ok_or_else(|| Error::invalid("FILE", "is missing"))?;
    let (file, folder) = if given.is_dir() {
        let found = NAMES.iter().map(|name| given.join(name)).find(|file| file.is_file());
        let file = found.ok_or_else(|| {
            let detail = format!("{} holds none of {}.", given.display(), NAMES.join(", "));
            Error::new(Code::BadRequest, detail)
        })?;
        (file, Some(given.clone()))
    } else {
        (given.clone(), None)
    };
    let text = files::text(&file, MAX_FILE_BYTES)?;
    let mut beside = BTreeMap::new();
    if let Some(folder) = &folder {
        gather(folder, folder, &file, 0, &mut beside)?;
    }
    let is_pack = providers::Format::of(&text) == providers::Format::Pack;
    let named = add.name.or_else(|| if is_pack { None } else { name_of(given) });
    Ok(NewProvider {
        name: named,
        format: add.openapi.is_some().then_some(providers::Format::Openapi),
        text,
        files: beside,
        display_name: add.display_name,
        category: add.category.as_deref().map(str::parse).transpose()?,
        licence: add.licence,
    })
}

/// `source-acme-crm` or `acme-crm.yaml` as the name of a provider.
fn name_of(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() }?.to_str()?;
    let stem = stem.strip_prefix("source-").unwrap_or(stem).to_ascii_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    Some(stem.chars().map(plain).collect())
}

fn gather(
    root: &Path,
    folder: &Path,
    but: &Path,
    depth: usize,
    found: &mut BTreeMap<String, String>,
) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        Error::new(Code::BadRequest, format!("{} cannot be read: {error}", folder.display()))
    };
    for entry in fs::read_dir(folder).map_err(unreadable)?.flatten() {
        let path = entry.path();
        // Links could lead anywhere.
        let kind = entry.file_type().map_err(unreadable)?;
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if kind.is_dir() && depth < MAX_DEPTH {
            gather(root, &path, but, depth + 1, found)?;
        } else if kind.is_file() && BESIDE.contains(&end) && path != but {
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = name.components().map(|step| step.as_os_str().to_string_lossy());
            let name: Vec<_> = name.collect();
            found.insert(name.join("/"), files::text(&path, MAX_FILE_BYTES)?);
        }
        if found.len() > MAX_FILES {
            let detail = format!("{} holds more than {MAX_FILES} files.", root.display());
            return Err(Error::new(Code::TooLarge, detail));
        }
    }
    Ok(())
}

fn tell(brought: &Brought, json: bool) -> Result<()> {
    let Brought { version, added, lost } = brought;
    let mut answer = shown(version);
    answer["added"] = (*added).into();
    answer["lost_streams"] = json!(lost);
    let state = if *added { "is added" } else { "was there already" };
    let mut text = format!("Version {} of {} {state}.\n", version.version, version.name);
    text.push_str(&described(version));
    for stream in lost {
        text.push_str(&format!("\n  {stream}: ran in the version before and does not any more"));
    }
    output::show(json, &answer, &text)
}

fn licence(version: &ProviderVersion) -> &str {
    if version.licence.is_empty() { UNKNOWN } else { &version.licence }
}

fn shown(version: &ProviderVersion) -> Value {
    json!({
        "provider": version.name,
        "display_name": version.display_name,
        "version": version.version,
        "format": version.format,
        "for_all": version.for_all,
        "licence": licence(version),
        "digest": version.digest,
        "report": version.report,
        "created_at": version.created_at.to_string(),
    })
}

fn row(version: &ProviderVersion) -> [String; 6] {
    [
        version.name.clone(),
        version.version.to_string(),
        version.format.clone(),
        if version.for_all { "all".to_owned() } else { "tenant".to_owned() },
        licence(version).to_owned(),
        version.display_name.clone(),
    ]
}

/// A version with what of it runs here.
fn described(version: &ProviderVersion) -> String {
    let mut lines = vec![format!(
        "{} {} ({}), licence {}, {}",
        version.name,
        version.version,
        version.format,
        licence(version),
        version.created_at
    )];
    let list = |value: &Value, name: &str| -> Vec<Value> {
        value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let text = |value: &Value, name: &str| -> String {
        value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    for stream in list(&version.report, "streams") {
        let native = stream.get("native") == Some(&Value::Bool(true));
        let verdict = if native { "runs natively" } else { "does not run here" };
        lines.push(format!("  {}: {verdict}", text(&stream, "name")));
        for need in list(&stream, "needs") {
            lines.push(format!("    needs {} at {}", text(&need, "what"), text(&need, "path")));
        }
    }
    for action in list(&version.report, "actions") {
        lines.push(format!("  {}.{}", version.name, action.as_str().unwrap_or_default()));
    }
    for other in list(&version.report, "unsupported") {
        let (operation, reason) = (text(&other, "operation"), text(&other, "reason"));
        lines.push(format!("  no action: {operation} {reason}"));
    }
    for warning in list(&version.report, "warnings") {
        lines.push(format!("  warning: {}", warning.as_str().unwrap_or_default()));
    }
    lines.join("\n")
}
