//! `connectus connector spec | check | discover | read`.

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use connectus_connect::{
    EgressPolicy, Guarded,
    http::{Limits, SystemResolver},
    manifest::{
        Document, Messages, Selected, Source, Ways,
        auth::SecretBook,
        protocol::{configured, states},
        source::{spec_message, specification},
    },
};
use connectus_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::{Read, Run, Spec, files};
use crate::cli::Global;

/// Bytes gathered before they are written.
const BUFFER: usize = 256 * 1024;
/// Largest page read, in bytes.
const MAX_PAGE_BYTES: usize = 256 * 1024 * 1024;
/// Time a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(300);

type Out = Messages<io::BufWriter<io::StdoutLock<'static>>>;

fn messages() -> Out {
    let out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
    Messages::new(out, connectus_store::system::env())
}

pub fn spec(spec: &Spec) -> Result<ExitCode> {
    let document = files::manifest(&spec.manifest)?;
    let mut out = messages();
    out.write(&json!({"type": "SPEC", "spec": spec_message(&document)}))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub async fn check(check: &Run, global: &Global) -> Result<ExitCode> {
    let document = files::manifest(&check.manifest.manifest)?;
    let mut out = messages();
    let outcome = match source(check, &document, global).await {
        Ok(source) => source.check().await,
        Err(error) => Err(error),
    };
    let status = match &outcome {
        Ok(()) => json!({"status": "SUCCEEDED"}),
        Err(error) => json!({"status": "FAILED", "message": error.detail}),
    };
    out.write(&json!({"type": "CONNECTION_STATUS", "connectionStatus": status}))?;
    out.flush()?;
    // The check itself succeeded in finding out.
    Ok(ExitCode::SUCCESS)
}

pub async fn discover(discover: &Run, global: &Global) -> Result<ExitCode> {
    let document = files::manifest(&discover.manifest.manifest)?;
    let source = source(discover, &document, global).await?;
    let mut out = messages();
    told(&mut out, &document, &source)?;
    out.write(&json!({"type": "CATALOG", "catalog": source.catalog().await?}))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub async fn read(read: &Read, global: &Global) -> Result<ExitCode> {
    let document = files::manifest(&read.run.manifest.manifest)?;
    let source = source(&read.run, &document, global).await?;
    let streams = match &read.catalog {
        Some(path) => configured(&files::json(path)?)?,
        None => whole(&source),
    };
    let begin = match &read.state {
        Some(path) => states(&files::json(path)?)?,
        None => Map::new(),
    };
    let mut out = messages();
    told(&mut out, &document, &source)?;
    let outcome = out.read(&source, &streams, &begin).await;
    if let Err(error) = &outcome {
        out.error(error, None, source.book())?;
    }
    out.flush()?;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every stream that runs here.
fn whole(source: &Source) -> Vec<Selected> {
    let native = source.streams().iter().filter(|stream| stream.why_not().is_none());
    native.map(|stream| Selected { name: stream.name.clone(), incremental: false }).collect()
}

/// What the author of the manifest and its user should know.
fn told(out: &mut Out, document: &Document, source: &Source) -> Result<()> {
    for warning in &document.warnings {
        out.log("WARN", warning)?;
    }
    for error in source.streams().iter().filter_map(|stream| stream.why_not()) {
        out.log("WARN", &source.book().clean(&error.detail))?;
    }
    Ok(())
}

async fn source(run: &Run, document: &Document, global: &Global) -> Result<Source> {
    let config = match &run.config {
        Some(path) => files::json(path)?,
        None => Value::Object(Map::new()),
    };
    let limits = Limits { body_bytes: MAX_PAGE_BYTES, exchange: PAGE_WITHIN, ..Limits::default() };
    let http = Guarded::with(policy(run, global)?, Arc::new(SystemResolver), limits);
    let mut ways = Ways::alone(http, connectus_store::system::env());
    let kept = run.config.clone().map(files::Kept);
    ways.keep = kept.map(|kept| Arc::new(kept) as _);
    ways.files = Some(Arc::new(files::Folder::of(&run.manifest.manifest)));
    let book = SecretBook::of(&specification(document), &config);
    let source = Source::open(document, config, ways);
    let source = source.map_err(|error: Error| book.clean_error(error))?;
    source.with_dynamic(document).await
}

fn policy(run: &Run, global: &Global) -> Result<EgressPolicy> {
    let settings = global.load(&[])?.settings;
    let mut allow = settings.egress.allow.clone();
    for text in &run.allow_private {
        allow.push(text.parse()?);
    }
    Ok(EgressPolicy {
        allow,
        ports: settings.egress.ports.clone(),
        allow_insecure_http: settings.egress.allow_insecure_http,
        own_ports: Vec::new(),
    })
}
