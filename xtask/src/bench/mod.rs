//! `cargo xtask bench`: figures of the release build, one line each.
//!
//! Nothing here is a test: a figure depends on the machine and on what else it does. Beside each
//! stands the load of the machine and the processor time the server used for it.

mod answers;
mod ceiling;
mod celery;
mod engine;
mod fairness;
mod figure;
mod footprint;
mod latency;
mod limits;
mod load;
mod message;
mod meter;
mod queue;
mod read;
mod respond;
mod start;
mod sync;
mod upstream;
mod workflow;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::{
    command::Outcome,
    installation::{Installation, Server},
    organisation::{Connected, Organisation, allow},
    programs::{Profile, Programs},
    sandbox::SandboxProcess,
};
use figure::Figure;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// What the machine itself can do right now.
    Limits,
    /// From the start of the process until it is ready.
    Start,
    /// Memory of a server that does nothing.
    Rss,
    /// Size of the program.
    Size,
    /// A first sync of very many contacts, and one that finds nothing new.
    Sync,
    /// Runs of a few steps within the engine, without HTTP.
    Engine,
    /// Records of a manifest, on the command line.
    Read,
    /// Webhooks that each start a workflow.
    Workflow,
    /// Webhooks that are answered with what their run made.
    Respond,
    /// Trivial tasks through a queue.
    Queue,
    /// The wait of other tenants while one floods a queue.
    Fairness,
    /// Reading one object through the API.
    Api,
    /// All of these.
    All,
}

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Bench {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    pub subject: Subject,
    /// One JSON object a line instead of text.
    #[arg(long)]
    pub json: bool,
    /// The server's program; by default the release build, which is made first.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// Contacts of the sync, 100,000 unless told; records of the manifest, 1,000,000.
    #[arg(long)]
    pub records: Option<u64>,
    /// The manifest beside the Python CDK, too, which is installed for it.
    #[arg(long)]
    pub vs_cdk: bool,
    /// Runs of the engine.
    #[arg(long, default_value_t = 20_000)]
    pub runs: u64,
    /// The engine beside a million runs that ended, and beside a million that rest, too.
    #[arg(long)]
    pub backlog: bool,
    /// Webhooks of the workflow.
    #[arg(long, default_value_t = 5_000)]
    pub webhooks: u64,
    /// Webhooks that are answered with what their run made.
    #[arg(long, default_value_t = 20_000)]
    pub calls: u64,
    /// The queue beside Celery on Redis, too, which is installed for it.
    #[arg(long)]
    pub vs_celery: bool,
}

/// Measures, and prints each figure as soon as it is there.
///
/// # Errors
/// When something could not be measured. A missed target is no error.
pub fn run(bench: &Bench) -> Outcome {
    let programs = Programs::find(bench.binary.as_deref(), Profile::Release)?;
    let wanted = |subject| bench.subject == subject || bench.subject == Subject::All;
    let say = |figures: Vec<Figure>| {
        for figure in figures {
            println!("{}", if bench.json { figure.json() } else { figure.text() });
        }
    };
    if wanted(Subject::Limits) {
        say(limits::measure()?);
    }
    if wanted(Subject::Size) {
        say(vec![footprint::size(&programs)?]);
    }
    if wanted(Subject::Start) {
        say(start::measure(&programs)?);
    }
    if wanted(Subject::Rss) {
        say(footprint::idle(&programs)?);
    }
    if wanted(Subject::Sync) {
        say(sync::measure(&programs, bench.records.unwrap_or(100_000))?);
    }
    if wanted(Subject::Read) {
        say(read::measure(&programs, bench.records.unwrap_or(1_000_000), bench.vs_cdk)?);
    }
    if wanted(Subject::Engine) {
        say(engine::measure(&programs, bench.runs, bench.backlog)?);
    }
    if wanted(Subject::Workflow) {
        say(workflow::measure(&programs, bench.webhooks)?);
    }
    if wanted(Subject::Respond) {
        say(respond::measure(&programs, bench.calls)?);
    }
    if wanted(Subject::Queue) {
        say(queue::measure(&programs, bench.runs, bench.vs_celery)?);
    }
    if wanted(Subject::Fairness) {
        say(fairness::measure(&programs)?);
    }
    if wanted(Subject::Api) {
        say(answers::measure(&programs)?);
    }
    Ok(())
}

/// A running server, a tenant, and providers that stand in.
struct World {
    // Dropped in this order: the server first, its files last.
    server: Server,
    sandbox: SandboxProcess,
    organisation: Organisation,
    connected: Connected,
    _installation: Installation,
}

impl World {
    fn start(programs: &Programs, name: &str, sandbox: &[&str]) -> Outcome<Self> {
        let sandbox = SandboxProcess::start(&programs.sandbox, sandbox)?;
        let mut installation = quiet(&programs.server, name)?;
        allow(&mut installation, &sandbox, &[]);
        let organisation = Organisation::create(&installation)?;
        let server = installation.serve()?;
        let mut api = organisation.api(&server.base_url);
        let connected = Connected::create(&mut api, &sandbox)?;
        Ok(Self { server, sandbox, organisation, connected, _installation: installation })
    }
}

/// An installation that logs what went wrong only.
fn quiet(binary: &Path, name: &str) -> Outcome<Installation> {
    let mut installation = Installation::create(binary, &format!("bench-{name}"))?;
    installation.set("CONNECTUS_LOG_LEVEL", "warn");
    Ok(installation)
}
