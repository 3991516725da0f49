//! `cargo xtask chaos kill`: ends the server as a power cut does, again and again, in the middle of
//! syncs and workflows, and then counts.
//!
//! The providers survive the kills: they are the sandbox in a process of its own, which writes down
//! every call and every effect. So does this task, with everything the server acknowledged. In the
//! end nothing acknowledged may be missing and nothing may have happened twice.

mod book;
mod crm;
mod round;
mod subscriber;
mod verdict;

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Subcommand;
use serde_json::json;

use crate::{
    api::{Api, text},
    command::Outcome,
    installation::{Installation, Server},
    organisation::{Connected, Organisation, allow},
    programs::{Profile, Programs},
    random::Random,
    sandbox::SandboxProcess,
};
use book::Book;
use crm::Crm;
use round::Round;
use subscriber::Subscriber;
use verdict::Verdict;

/// Contacts in the sandbox's HubSpot at the start.
const CONTACTS: &str = "300";
/// The latest moment of a kill, from when the work of a round begins.
const KILL_WITHIN_MS: u64 = 300;
/// Every so many rounds the server gets to finish what it began. A run that is under way at five
/// deaths in a row is given up as the likely cause of them; no run of the drill shall look like it.
const REST_EVERY: u32 = 3;
/// Every so many rounds the server is killed while it starts, too.
const START_KILL_EVERY: u32 = 10;
/// The latest moment of a kill of a server that starts.
const START_KILL_WITHIN_MS: u64 = 120;
/// Longest the server gets to finish what it acknowledged, once nobody kills it any more.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
const DRAIN_POLL: Duration = Duration::from_millis(100);
/// Longest from the start of the process to "ready" that is accepted, for 99 of 100 restarts.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// The drills.
#[derive(Debug, Subcommand)]
pub enum Drill {
    /// Kill the server in the middle of syncs and workflows; nothing may be lost or doubled.
    Kill(Kill),
}

/// How to kill.
#[derive(Clone, Debug, clap::Args)]
pub struct Kill {
    /// How often.
    #[arg(long, default_value_t = Self::default().rounds)]
    pub rounds: u32,
    /// Decides when and amid what; the machine's speed does, too.
    #[arg(long, default_value_t = Self::default().seed)]
    pub seed: u64,
    /// The server's program; by default it is built.
    #[arg(long)]
    pub binary: Option<PathBuf>,
    /// An empty PostgreSQL database in place of SQLite.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
}

impl Default for Kill {
    fn default() -> Self {
        Self { rounds: 100, seed: 8360, binary: None, database_url: None }
    }
}

/// What the server is set up to do.
struct Work {
    /// The data flow that keeps HubSpot's contacts.
    inbound: String,
    /// The one that sends them on to Salesforce.
    outbound: String,
    /// The workflow of new leads.
    workflow: String,
}

/// Runs a drill.
///
/// # Errors
/// When anything was lost, doubled or stuck, or a restart took too long.
pub fn run(drill: Drill) -> Outcome {
    let Drill::Kill(kill) = drill;
    run_with(&kill, &Programs::find(kill.binary.as_deref(), Profile::Debug)?)
}

/// Runs the kill drill with these programs.
///
/// # Errors
/// As [`run`].
pub fn run_with(kill: &Kill, programs: &Programs) -> Outcome {
    let sandbox = SandboxProcess::start(&programs.sandbox, &["--contacts", CONTACTS])?;
    let mut installation = Installation::create(&programs.server, "kill")?;
    let subscriber = Subscriber::start()?;
    allow(&mut installation, &sandbox, &[&subscriber.address]);
    installation.set("CONNECTUS_LOG_FORMAT", "json");
    if let Some(url) = &kill.database_url {
        installation.set("DATABASE_URL", url);
    }
    let begun = Instant::now();
    let played = play(kill, &installation, &sandbox, &subscriber);
    let verdict = played.inspect_err(|_| installation.keep());
    let verdict = verdict.map_err(|reason| {
        format!("{reason}\nthe data is kept in {}", installation.folder().display())
    })?;
    println!("{}", verdict.line(kill, begun.elapsed()));
    if verdict.faults().is_empty() {
        return Ok(());
    }
    installation.keep();
    let place = installation.folder().display();
    Err(format!("{}\nthe data is kept in {place}", verdict.faults().join("\n")))
}

fn play(
    kill: &Kill,
    installation: &Installation,
    sandbox: &SandboxProcess,
    subscriber: &Subscriber,
) -> Outcome<Verdict> {
    let organisation = Organisation::create(installation)?;
    let server = installation.serve()?;
    let mut api = organisation.api(&server.base_url);
    let connected = Connected::create(&mut api, sandbox)?;
    subscriber.subscribe(&mut api)?;
    let work = Work {
        inbound: connected.contacts_flow(&mut api)?,
        outbound: connected.salesforce_flow(&mut api, sandbox)?,
        workflow: connected.new_lead_alert(&mut api)?,
    };

    let mut random = Random::new(kill.seed);
    let mut crm = Crm::open(sandbox)?;
    let mut book = Book::default();
    let mut ready = Vec::new();
    let mut server = server;
    for number in 0..kill.rounds {
        crm.change(&mut random, &mut book)?;
        let round = Round::plan(number, &organisation, &connected, &work);
        let delay = Duration::from_micros(random.below(KILL_WITHIN_MS * 1_000));
        round.play(server, delay, &crm, &mut book, &mut random)?;
        if number % START_KILL_EVERY == START_KILL_EVERY - 1 {
            let starting = installation.start()?;
            thread::sleep(Duration::from_millis(random.below(START_KILL_WITHIN_MS)));
            starting.kill();
        }
        server = installation.serve()?;
        ready.push(server.ready_after);
        if number % REST_EVERY == REST_EVERY - 1 {
            drain(&mut organisation.api(&server.base_url))?;
        }
        progress(number + 1, kill.rounds);
    }
    let round = Round::plan(kill.rounds, &organisation, &connected, &work);
    round.finish(&server, &crm, &mut book)?;
    let mut api = organisation.api(&server.base_url);
    let stuck = drain(&mut api)?;
    wait_for_none(&mut api, &["/api/v1/deliveries?status=pending&limit=1"])?;
    let mut verdict = Verdict::new(ready, stuck);
    verdict.judge(&mut api, &mut crm, &book, &work)?;
    verdict.judge_told(&mut api, subscriber)?;
    verdict.judge_evidence(installation, &organisation, &server)?;
    end(server)?;
    Ok(verdict)
}

/// Waits until every run has ended; the number of those that do not.
fn drain(api: &mut Api) -> Outcome<u64> {
    let open = ["queued", "running", "waiting"];
    let open = open.map(|status| format!("/api/v1/runs?status={status}&limit=1"));
    wait_for_none(api, &open.each_ref().map(String::as_str))
}

/// Waits until these lists are empty; how much is left in them.
fn wait_for_none(api: &mut Api, lists: &[&str]) -> Outcome<u64> {
    let since = Instant::now();
    loop {
        let mut open = 0;
        for list in lists {
            let page = api.get(list)?;
            open += page.get("total_count").and_then(serde_json::Value::as_u64).unwrap_or(0);
        }
        if open == 0 || since.elapsed() > DRAIN_TIMEOUT {
            return Ok(open);
        }
        thread::sleep(DRAIN_POLL);
    }
}

/// A server that is asked to end must do so properly, even after all this.
fn end(server: Server) -> Outcome {
    server.stop().map_err(|reason| format!("after the drill, {reason}"))
}

fn progress(done: u32, of: u32) {
    if done.is_multiple_of(25) || done == of {
        println!("{done} of {of} kills");
    }
}

impl Verdict {
    /// The result as one line of JSON.
    fn line(&self, kill: &Kill, took: Duration) -> String {
        let database = if kill.database_url.is_some() { "postgres" } else { "sqlite" };
        let mut line = json!({
            "id": "T01",
            "rounds": kill.rounds,
            "seed": kill.seed,
            "database": database,
            "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
        });
        if let (Some(line), serde_json::Value::Object(counts)) =
            (line.as_object_mut(), self.counts())
        {
            line.extend(counts);
        }
        line.to_string()
    }
}

/// What went wrong with a row, for people.
fn named(row: &serde_json::Value) -> String {
    format!("{} ({})", text(row, "id"), text(row, "status"))
}
