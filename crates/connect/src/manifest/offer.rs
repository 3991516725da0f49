//! A manifest that people brought: what it offers, before anybody's settings open it.

use std::collections::{BTreeMap, HashMap, HashSet};

use connectus_core::{Code, Env, Error, Result, error::FieldError};
use serde_json::{Map, Value, json};

use super::{
    document::{Component, Document, Node, load},
    dynamic,
    schema::Files,
    secrets::{self, SecretField},
    settings,
    source::specification,
    stream::name_of,
    support::{Report, report},
};
use crate::{Secrets, StreamInfo};

/// Most values a manifest may hold once what it refers to stands in its places.
const MAX_EXPANDED: u64 = 2_000_000;
/// Members whose texts decide where requests go, and with them the secrets.
const WHERE: &[&str] = &[
    "url_base",
    "url",
    "path",
    "token_refresh_endpoint",
    "config_normalization_rules",
    "components_mapping",
];
/// Files that may lie beside a manifest.
pub const MAX_FILES: usize = 1_000;
/// Bytes of a manifest and all that lies beside it.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A manifest as it is offered to integrations.
pub struct Offer {
    pub(super) document: Document,
    pub(super) beside: Beside,
    /// The JSON Schema of its settings.
    pub specification: Value,
    /// Those of them that are secrets.
    pub secrets: Vec<SecretField>,
    /// What of it runs here.
    pub report: Report,
    /// Settings that decide where requests go.
    places: Vec<String>,
    streams: Vec<StreamInfo>,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Offer")
    }
}

/// The files that came with a manifest, by their paths below its folder.
#[derive(Clone, Debug, Default)]
pub struct Beside(BTreeMap<String, String>);

impl Beside {
    /// # Errors
    /// `too_large` for more than [`MAX_FILES`] files or [`MAX_BYTES`] bytes.
    pub fn new(files: BTreeMap<String, String>) -> Result<Self> {
        let bytes: usize = files.iter().map(|(path, text)| path.len() + text.len()).sum();
        if files.len() > MAX_FILES || bytes > MAX_BYTES {
            let detail = format!(
                "The files beside a manifest are more than {MAX_FILES} or {MAX_BYTES} bytes."
            );
            return Err(Error::new(Code::TooLarge, detail));
        }
        Ok(Self(files))
    }
}

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Option<String>> {
        let mut steps: Vec<&str> = Vec::new();
        for step in path.split('/') {
            match step {
                "" | "." => {}
                ".." => {
                    steps.pop().ok_or_else(|| {
                        Error::invalid("file_path", "leads out of the folder of the manifest")
                    })?;
                }
                step => steps.push(step),
            }
        }
        let path = steps.join("/");
        // Connectors name their files from the package: `./source_x/schemas/y.json`.
        let inner = path.split_once('/').map(|(_, inner)| inner);
        let found = self.0.get(&path).or_else(|| self.0.get(inner?));
        Ok(found.cloned())
    }
}

impl Offer {
    /// Reads a manifest and all that can be known of it without settings.
    ///
    /// # Errors
    /// `too_large`; `invalid`, saying where it is broken.
    pub fn read(text: &str, files: BTreeMap<String, String>) -> Result<Self> {
        let beside = Beside::new(files)?;
        let document = load(text)?;
        bounded(&document.root)?;
        let streams = dynamic::listed(&document.root, None)?;
        if streams.is_empty() && document.root.components("dynamic_streams")?.is_empty() {
            return Err(Error::invalid("streams", "is empty: there would be nothing to read"));
        }
        let mut names = HashSet::new();
        for stream in &streams {
            let name = name_of(stream);
            if name.is_empty() || !names.insert(name.clone()) {
                let message = "every stream needs a `name` of its own";
                return Err(Error::invalid("streams", message).with("stream", name));
            }
        }
        let specification = specification(&document);
        if !specification.is_object() {
            let message = "must be a JSON Schema of an object";
            return Err(Error::invalid("spec.connection_specification", message));
        }
        Ok(Self {
            secrets: secrets::secret_fields(&specification),
            places: places(&document.root, &specification),
            report: report(&document),
            streams: streams.iter().map(|stream| info(stream, &beside)).collect(),
            document,
            beside,
            specification,
        })
    }

    /// Its streams, as far as they are known without settings, those that run here.
    pub fn streams(&self) -> impl Iterator<Item = &StreamInfo> {
        let native = |name: &str| {
            self.report.streams.iter().any(|stream| stream.native && stream.name == name)
        };
        self.streams.iter().filter(move |stream| native(&stream.name))
    }

    /// Refuses a stream that cannot be read, naming what it needs.
    ///
    /// # Errors
    /// `invalid`.
    pub fn check_stream(&self, name: &str) -> Result<()> {
        let found = self.report.streams.iter().find(|stream| stream.name == name);
        let message = match found {
            Some(stream) if stream.native => return Ok(()),
            Some(stream) => {
                let needs: Vec<_> = stream
                    .needs
                    .iter()
                    .map(|need| format!("{} at {}", need.what, need.path))
                    .collect();
                format!("`{name}` needs what does not run here: {}.", needs.join(", "))
            }
            // Streams made of templates are known only to the provider.
            None if self.makes_streams() => return Ok(()),
            None => {
                let names: Vec<_> = self.streams().map(|stream| stream.name.as_str()).collect();
                format!("must be one of those the manifest has: {}.", names.join(", "))
            }
        };
        Err(Error::invalid("/stream", message))
    }

    fn makes_streams(&self) -> bool {
        self.document.root.components("dynamic_streams").is_ok_and(|all| !all.is_empty())
    }

    /// Checks settings and secrets together, as the source will see them. Faults name the half
    /// that they belong to; never a value.
    ///
    /// # Errors
    /// `invalid`.
    pub fn check(&self, open: &Map<String, Value>, secrets: &Secrets, env: &Env) -> Result<()> {
        let config = secrets::whole(open, secrets, &self.secrets);
        let Err(error) = settings::prepared(&self.document, config, env) else { return Ok(()) };
        let place = |field: &str| match field.strip_prefix("config.") {
            Some(path) if self.is_secret(path) => format!("auth_credentials.{path}"),
            Some(path) => format!("settings.{path}"),
            None => "settings".to_owned(),
        };
        let faults = error
            .fields
            .iter()
            .map(|fault| FieldError { field: place(&fault.field), message: fault.message.clone() });
        let faults: Vec<_> = faults.collect();
        Err(if faults.is_empty() { error } else { Error::invalid_fields(faults) })
    }

    /// Refuses secrets among the settings, which everybody may read.
    ///
    /// # Errors
    /// `invalid`, saying where to put them.
    pub fn check_open(&self, open: &Map<String, Value>) -> Result<()> {
        let misplaced =
            self.secrets.iter().filter(|field| secrets::at(open, &field.path).is_some());
        let faults: Vec<_> = misplaced
            .map(|field| FieldError {
                field: format!("settings.{}", field.path),
                message: format!(
                    "is a secret: send it in `auth_credentials` under the name `{}`.",
                    field.path
                ),
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults)) }
    }

    /// Whether the specification marks what stands at a path, or above it.
    pub fn is_secret(&self, path: &str) -> bool {
        self.secrets.iter().any(|field| {
            path.strip_prefix(field.path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The settings that decide where requests go, as one text: secrets stay with it.
    pub fn place(&self, open: &Map<String, Value>) -> Option<String> {
        let given: Map<String, Value> = self
            .places
            .iter()
            .filter_map(|name| Some((name.clone(), open.get(name)?.clone())))
            .collect();
        let digest = connectus_core::canonical::digest(&Value::Object(given.clone()));
        (!given.is_empty()).then(|| format!("settings:{digest}"))
    }
}

/// What is known of a stream from what is written.
fn info(stream: &Component, beside: &Beside) -> StreamInfo {
    let delegating = stream.kind() == "StateDelegatingStream";
    let part = |name: &str| stream.component(name).ok().flatten();
    let whole = if delegating { part("full_refresh_stream") } else { None };
    let changes = if delegating { part("incremental_stream") } else { None };
    let own = whole.as_ref().unwrap_or(stream);
    let changes = changes.as_ref().unwrap_or(stream);
    let key = own.node("primary_key").map(Node::to_value).unwrap_or_default();
    let name = name_of(stream);
    let schema = own.components("schema_loader").unwrap_or_default();
    let inline = schema.iter().find(|one| one.kind() == "InlineSchemaLoader");
    let schema = match inline {
        Some(inline) => inline.node("schema").map(Node::to_value),
        None => {
            let file = beside.read(&format!("schemas/{name}.json")).ok().flatten();
            file.and_then(|text| serde_json::from_str(&text).ok())
        }
    };
    StreamInfo {
        primary_key: key_fields(&key),
        delta: changes.node("incremental_sync").is_some_and(Node::is_truthy),
        schema: schema.unwrap_or_else(|| json!({})),
        name,
    }
}

fn key_fields(key: &Value) -> Vec<String> {
    let path = |one: &Value| match one {
        Value::String(text) => Some(text.clone()),
        Value::Array(steps) => {
            let steps: Vec<_> = steps.iter().filter_map(Value::as_str).collect();
            Some(steps.join("."))
        }
        _ => None,
    };
    match key {
        Value::Array(all) => all.iter().filter_map(path).collect(),
        one => path(one).into_iter().filter(|text| !text.is_empty()).collect(),
    }
}

/// Settings that texts about addresses mention.
fn places(root: &Component, specification: &Value) -> Vec<String> {
    let mut texts = String::new();
    let mut met = HashSet::new();
    for name in root.names() {
        if let Some(node) = root.node(name) {
            gather(node, WHERE.contains(&name), &mut met, &mut texts);
        }
    }
    let known = specification.get("properties").and_then(Value::as_object);
    let words: HashSet<&str> =
        texts.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).collect();
    let mentioned = |name: &&String| words.contains(name.as_str());
    known.into_iter().flat_map(Map::keys).filter(mentioned).cloned().collect()
}

fn gather(node: &Node, inside: bool, met: &mut HashSet<(usize, bool)>, texts: &mut String) {
    match node {
        Node::Text(text) if inside => {
            texts.push_str(text);
            texts.push(' ');
        }
        Node::Map(map) if met.insert((std::sync::Arc::as_ptr(map).addr(), inside)) => {
            for (name, inner) in map.iter() {
                gather(inner, inside || WHERE.contains(&&**name), met, texts);
            }
        }
        Node::List(items) if met.insert((items.as_ptr().addr(), inside)) => {
            items.iter().for_each(|item| gather(item, inside, met, texts));
        }
        _ => {}
    }
}

/// Refuses what grows beyond measure when references and aliases are written out.
fn bounded(root: &Component) -> Result<()> {
    let mut sizes = HashMap::new();
    let nodes = root.names().filter_map(|name| root.node(name));
    let all = nodes.fold(0u64, |sum, node| sum.saturating_add(size(node, &mut sizes)));
    if all <= MAX_EXPANDED {
        return Ok(());
    }
    let detail = format!(
        "The manifest holds more than {MAX_EXPANDED} values once its references are followed."
    );
    Err(Error::new(Code::TooLarge, detail))
}

fn size(node: &Node, known: &mut HashMap<usize, u64>) -> u64 {
    let (address, children): (usize, Vec<&Node>) = match node {
        Node::Map(map) => {
            (std::sync::Arc::as_ptr(map).addr(), map.iter().map(|(_, inner)| inner).collect())
        }
        Node::List(items) if !items.is_empty() => (items.as_ptr().addr(), items.iter().collect()),
        _ => return 1,
    };
    if let Some(size) = known.get(&address) {
        return *size;
    }
    let sum = children.into_iter().fold(1u64, |sum, one| sum.saturating_add(size(one, known)));
    known.insert(address, sum);
    sum
}
