//! `connectus connector check-manifest`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use clap::Args;
use connectus_connect::manifest::{Report, report};
use connectus_core::{Error, Result};
use serde_json::json;

use super::files;
use crate::cli::output;

/// Most files looked at in a folder, its folders included.
const MAX_FILES: usize = 10_000;
/// Most threads that look at files.
const MAX_THREADS: usize = 16;
/// Deepest folder looked into.
const MAX_DEPTH: usize = 6;

/// Which manifests to look at.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct CheckManifest {
    /// The manifest, YAML or JSON.
    #[arg(value_name = "FILE", group = "which")]
    file: Option<PathBuf>,
    /// A folder: every YAML file in it and below.
    #[arg(long, value_name = "DIR", group = "which")]
    dir: Option<PathBuf>,
    /// One line of JSON for each manifest.
    #[arg(long)]
    json: bool,
}

pub fn run(check: &CheckManifest) -> Result<ExitCode> {
    let (files, many) = match (&check.file, &check.dir) {
        (Some(file), _) => (vec![file.clone()], false),
        (None, Some(dir)) => (below(dir)?, true),
        (None, None) => return Err(Error::invalid("FILE", "is missing")),
    };
    let mut totals = Totals::default();
    let mut bad = false;
    if many && !check.json {
        output::say("native / streams  manifest")?;
    }
    for (file, looked) in files.iter().zip(looked_at(&files)) {
        bad |= looked.is_err();
        match (&looked, check.json, many) {
            (_, true, _) => output::say(&line(file, &looked))?,
            (Ok(report), false, true) => output::say(&row(file, report))?,
            (Ok(report), false, false) => tell(report)?,
            (Err(error), false, _) => {
                output::say(&format!("{}: {}", file.display(), error.detail))?;
            }
        }
        if let Ok(report) = &looked {
            totals.add(report);
        }
    }
    if many && !check.json {
        output::say(&totals.text(files.len()))?;
    }
    Ok(if bad && !many { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Looks at all files, on as many threads as there are processors; answers in their order.
fn looked_at(files: &[PathBuf]) -> Vec<Result<Report>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let share = files.len().div_ceil(threads).max(1);
    let look = |file: &PathBuf| files::manifest(file).map(|document| report(&document));
    thread::scope(|scope| {
        let shares = files.chunks(share);
        let shares: Vec<_> = shares
            .map(|share| (share, scope.spawn(move || share.iter().map(look).collect::<Vec<_>>())))
            .collect();
        let looked = shares.into_iter().flat_map(|(share, thread)| {
            // A thread that broke down leaves its files to this one, which then says why.
            thread.join().unwrap_or_else(|_| share.iter().map(look).collect())
        });
        looked.collect()
    })
}

fn line(file: &Path, looked: &Result<Report>) -> String {
    let file = file.display().to_string();
    match looked {
        Ok(report) => {
            json!({"file": file, "streams": report.streams, "warnings": report.warnings})
        }
        Err(error) => json!({"file": file, "streams": [], "error": error.detail}),
    }
    .to_string()
}

fn row(file: &Path, report: &Report) -> String {
    let native = report.streams.iter().filter(|stream| stream.native).count();
    format!("{native:>6} / {:<7}  {}", report.streams.len(), file.display())
}

fn tell(report: &Report) -> Result<()> {
    for stream in &report.streams {
        let verdict = if stream.native { "runs natively" } else { "does not run here" };
        output::say(&format!("{}: {verdict}", stream.name))?;
        for need in &stream.needs {
            output::say(&format!("  needs {} at {}", need.what, need.path))?;
        }
    }
    report.warnings.iter().try_for_each(|warning| output::say(&format!("warning: {warning}")))
}

#[derive(Default)]
struct Totals {
    read: usize,
    whole: usize,
    streams: usize,
    native: usize,
}

impl Totals {
    fn add(&mut self, report: &Report) {
        let native = report.streams.iter().filter(|stream| stream.native).count();
        self.read += 1;
        self.whole += usize::from(native == report.streams.len());
        self.streams += report.streams.len();
        self.native += native;
    }

    fn text(&self, files: usize) -> String {
        let Self { read, whole, streams, native } = self;
        format!(
            "{read} of {files} manifests read; {whole} run whole; {native} of {streams} streams run"
        )
    }
}

/// The YAML files of a folder and the folders in it, sorted.
fn below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(dir.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            Error::invalid("--dir", format!("{} cannot be read: {error}", folder.display()))
        })?;
        for entry in entries.flatten() {
            let path = entry.path();
            let kind = entry.file_type().map_err(Error::internal)?;
            let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            if kind.is_dir() && depth < MAX_DEPTH {
                folders.push((path, depth + 1));
            } else if kind.is_file() && yaml {
                files.push(path);
            }
            if files.len() > MAX_FILES {
                let message = format!("holds more than {MAX_FILES} manifests");
                return Err(Error::invalid("--dir", message));
            }
        }
    }
    files.sort();
    Ok(files)
}
