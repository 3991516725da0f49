//! Records of a manifest, from a provider that costs next to nothing to a pipe that is emptied at
//! once. What is measured is the process that reads; beside it stands the Python CDK, if wanted.

mod cdk;
mod corpus;
mod provider;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    figure::{Figure, Target},
    meter::{self, Spent},
};
use crate::{command::Outcome, programs::Programs};

use cdk::Cdk;
use provider::Provider;

/// Records per second of processor time, as many times the reference's: plain, and with work.
const PLAIN: Target = Target::AtLeast(20.0);
const WORKED: Target = Target::AtLeast(40.0);
/// Megabytes at the highest: 40 MiB.
const PEAK: Target = Target::Below(41.94);
/// Milliseconds until the specification is said.
const START: Target = Target::Below(50.0);
/// Seconds to load and resolve the corpus.
const CORPUS: Target = Target::Below(5.0);
/// Records the reference reads: it takes its time.
const CDK_RECORDS: u64 = 100_000;
/// How often the start is tried; the quickest counts.
const STARTS: u32 = 10;
/// Manifests of the corpus.
const MANIFESTS: usize = 500;

/// Plain pages; and pages of which one record in three is kept, with three computed fields.
const KINDS: [(&str, &str); 2] = [
    ("plain", ""),
    (
        "worked",
        r#"
    transformations:
      - type: AddFields
        fields:
          - type: AddedFieldDefinition
            path: [full]
            value: "{{ record['first'] }} {{ record['last'] }}"
          - {type: AddedFieldDefinition, path: [city], value: "{{ record['address']['city'] }}"}
          - {type: AddedFieldDefinition, path: [year], value: "{{ record['updated_at'][:4] }}"}
"#,
    ),
];

/// Measures the reading of a manifest.
pub fn measure(programs: &Programs, records: u64, vs_cdk: bool) -> Outcome<Vec<Figure>> {
    let folder = Scratch::create()?;
    let mut figures = vec![start(programs, &folder)?, corpus(programs, &folder)?];
    let cdk = vs_cdk.then(Cdk::find).transpose()?;
    for (kind, more) in KINDS {
        let manifest = folder.put("manifest.yaml", &manifest(more))?;
        let few = run(&ours(programs, &folder, &manifest, records / 10)?)?;
        let read = run(&ours(programs, &folder, &manifest, records)?)?;
        let wanted = if more.is_empty() { records } else { provider::kept(records) };
        if read.records != wanted {
            let found = read.records;
            return Err(format!("{found} records came of {records}, and not {wanted}"));
        }
        let per_cpu = rate(records, read.spent.cpu);
        let name = |of: &str| -> &'static str { figure_name(kind, of) };
        figures.push(
            Figure::new(name("per_second"), rate(records, read.spent.wall), "records", read.spent)
                .beside("records", records),
        );
        figures.push(Figure::new(name("per_cpu_second"), per_cpu, "records", read.spent));
        figures.push(
            Figure::new(name("peak_rss"), read.peak_mb, "MB", read.spent)
                .target(PEAK)
                .beside("with_a_tenth", few.peak_mb),
        );
        if let Some(cdk) = &cdk {
            let theirs = run(&cdk.read(&folder.0, &manifest, &provider(CDK_RECORDS)?)?)?;
            let their_rate = rate(CDK_RECORDS, theirs.spent.cpu);
            let target = if more.is_empty() { PLAIN } else { WORKED };
            figures.push(
                Figure::new(name("times_the_cdk"), per_cpu / their_rate, "x", read.spent)
                    .target(target)
                    .beside("cdk_per_cpu_second", their_rate.round())
                    .beside("cdk_records", CDK_RECORDS)
                    .beside("cdk_peak_mb", theirs.peak_mb),
            );
        }
    }
    Ok(figures)
}

fn figure_name(kind: &str, of: &str) -> &'static str {
    match (kind, of) {
        ("plain", "per_second") => "read.per_second",
        ("plain", "per_cpu_second") => "read.per_cpu_second",
        ("plain", "peak_rss") => "read.peak_rss",
        ("plain", _) => "read.times_the_cdk",
        (_, "per_second") => "read.worked.per_second",
        (_, "per_cpu_second") => "read.worked.per_cpu_second",
        (_, "peak_rss") => "read.worked.peak_rss",
        _ => "read.worked.times_the_cdk",
    }
}

#[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 records")]
fn rate(records: u64, time: Duration) -> f64 {
    records as f64 / time.as_secs_f64().max(0.01)
}

fn manifest(more: &str) -> String {
    let filter = match more {
        "" => "",
        _ => ", record_filter: {type: RecordFilter, condition: \"{{ record['kind'] == 'b' }}\"}",
    };
    format!(
        r#"version: 6.0.0
type: DeclarativeSource
check: {{type: CheckStream, stream_names: [rows]}}
streams:
  - type: DeclarativeStream
    name: rows
    primary_key: id
    schema_loader: {{type: InlineSchemaLoader, schema: {{type: object, properties: {{}}}}}}
    retriever:
      type: SimpleRetriever
      requester: {{type: HttpRequester, url_base: "{{{{ config['base'] }}}}", path: rows}}
      record_selector:
        {{type: RecordSelector, extractor: {{type: DpathExtractor, field_path: [data]}}{filter}}}
      paginator:
        type: DefaultPaginator
        page_size_option:
          {{type: RequestOption, inject_into: request_parameter, field_name: per_page}}
        page_token_option:
          {{type: RequestOption, inject_into: request_parameter, field_name: page}}
        pagination_strategy: {{type: PageIncrement, page_size: 1000, start_from_page: 0}}
{more}
spec:
  type: Spec
  connection_specification:
    {{type: object, required: [base], properties: {{base: {{type: string}}}}}}
"#
    )
}

/// What is run, and the provider it reads, which ends with it.
struct Reading {
    program: PathBuf,
    arguments: Vec<String>,
    _provider: Provider,
}

fn provider(records: u64) -> Outcome<Provider> {
    Provider::start(records)
}

fn ours(programs: &Programs, folder: &Scratch, manifest: &Path, records: u64) -> Outcome<Reading> {
    let provider = provider(records)?;
    let config = folder.put("config.json", &provider.config())?;
    let mut arguments = ["connector", "read", "--manifest"].map(str::to_owned).to_vec();
    arguments.push(manifest.display().to_string());
    arguments.extend(["--config".to_owned(), config.display().to_string()]);
    arguments.extend(["--allow-private".to_owned(), provider.address.clone()]);
    Ok(Reading { program: programs.server.clone(), arguments, _provider: provider })
}

/// What came of a read.
struct Came {
    spent: Spent,
    records: u64,
    peak_mb: f64,
}

/// Runs a program to its end and counts the records it says.
fn run(reading: &Reading) -> Outcome<Came> {
    let load = meter::load();
    let (since, before) = (Instant::now(), meter::of_children()?);
    let mut child = Command::new(&reading.program)
        .args(&reading.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", reading.program.display()))?;
    let pid = child.id();
    let output = child.stdout.take().ok_or("no output")?;
    let counting = thread::spawn(move || count(output));
    let mut peak_mb = 0.0;
    let status = loop {
        if let Ok(memory) = meter::memory(pid) {
            peak_mb = memory.peak_mb;
        }
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        thread::sleep(Duration::from_millis(5));
    };
    let wall = since.elapsed();
    let records = counting.join().map_err(|_| "the output was not read")?;
    let cpu = meter::of_children()?.saturating_sub(before);
    if !status.success() {
        return Err(format!("{} ended with {status}", reading.program.display()));
    }
    Ok(Came { spent: Spent { load, wall, cpu }, records, peak_mb })
}

/// Lines that are records.
fn count(mut output: impl Read) -> u64 {
    const BEGIN: &[u8] = b"{\"type\":\"RECORD\"";
    let mut buffer = vec![0; 1 << 20];
    let (mut records, mut line) = (0, Vec::with_capacity(BEGIN.len()));
    while let Ok(read @ 1..) = output.read(&mut buffer) {
        for part in buffer.get(..read).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            let room = BEGIN.len().saturating_sub(line.len()).min(part.len());
            line.extend_from_slice(part.get(..room).unwrap_or_default());
            if part.ends_with(b"\n") {
                records += u64::from(line == BEGIN);
                line.clear();
            }
        }
    }
    records
}

/// From the start of the process until it has said a specification.
fn start(programs: &Programs, folder: &Scratch) -> Outcome<Figure> {
    let manifest = folder.put("manifest.yaml", &manifest(""))?;
    let load = meter::load();
    let (mut quickest, mut cpu) = (Duration::MAX, Duration::ZERO);
    for _ in 0..STARTS {
        let (since, before) = (Instant::now(), meter::of_children()?);
        let mut command = Command::new(&programs.server);
        command.args(["connector", "spec", "--manifest"]).arg(&manifest);
        crate::command::output(&mut command)?;
        if since.elapsed() < quickest {
            quickest = since.elapsed();
            cpu = meter::of_children()?.saturating_sub(before);
        }
    }
    let spent = Spent { load, wall: quickest, cpu };
    Ok(Figure::new("read.start", quickest.as_secs_f64() * 1e3, "ms", spent).target(START))
}

/// Very many manifests, loaded and resolved.
fn corpus(programs: &Programs, folder: &Scratch) -> Outcome<Figure> {
    let (files, bytes) = corpus::write(&folder.0.join("corpus"), MANIFESTS)?;
    let load = meter::load();
    let (since, before) = (Instant::now(), meter::of_children()?);
    let mut command = Command::new(&programs.server);
    command.args(["connector", "check-manifest", "--dir"]).arg(folder.0.join("corpus"));
    let said = crate::command::output(&mut command)?;
    let (wall, cpu) = (since.elapsed(), meter::of_children()?.saturating_sub(before));
    let whole = format!("{files} of {files} manifests read; {files} run whole");
    if !said.contains(&whole) {
        let end = said.lines().last().unwrap_or_default();
        return Err(format!("the corpus is not read whole: {end}"));
    }
    let spent = Spent { load, wall, cpu };
    Ok(Figure::new("read.manifests", wall.as_secs_f64(), "s", spent)
        .target(CORPUS)
        .beside("manifests", files)
        .beside("megabytes", bytes / 1_000_000))
}

/// A folder that goes with the bench.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Outcome<Self> {
        let folder =
            std::env::temp_dir().join(format!("connectus-bench-read-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    fn put(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_however_they_come() {
        let text =
            "{\"type\":\"RECORD\",\"record\":1}\n{\"type\":\"STATE\"}\n{\"type\":\"RECORD\"}\n";
        struct Slowly<'a>(&'a [u8]);
        impl Read for Slowly<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                buffer[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        assert_eq!(count(text.as_bytes()), 2);
        assert_eq!(count(Slowly(text.as_bytes())), 2);
    }
}
