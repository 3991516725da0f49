//! Webhooks that each start a workflow.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    World,
    ceiling::Ceiling,
    figure::{Figure, Target},
    latency::Latencies,
    load::{Answers, drive},
    meter::{Meter, Spent},
};
use crate::{
    api::{Api, text},
    command::Outcome,
    http::{Connection, Request},
    organisation::hubspot_contacts,
    programs::Programs,
};

/// Callers of a burst, as in the figures of other products.
const CALLERS: usize = 32;
/// Webhooks a second where the server is not to be filled up.
const PACE: u64 = 200;
/// How many of those.
const PACED: u64 = 1_000;
/// Times as many webhooks, where nobody does anything about them.
const INTAKE: u64 = 4;
/// A share of the webhooks, where each calls two providers.
const CALLING_SHARE: u64 = 5;
/// How often it is asked whether all runs have ended.
const POLL: Duration = Duration::from_millis(10);
/// Longest wait for that.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Two steps within the server as a burst and at a pace, then the alert that calls HubSpot and
/// Slack.
pub fn measure(programs: &Programs, webhooks: u64) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    let ceiling = Ceiling::find()?;
    let world = World::start(programs, "workflow", &["--contacts", "300"])?;
    let api = world.organisation.api(&world.server.base_url);
    let mut stage = Stage { world: &world, api, workflow: String::new(), next_event: 1, ended: 0 };
    figures.extend(stage.take_in(webhooks * INTAKE, &ceiling)?);
    stage.workflow = two_steps(&mut stage.api)?;
    let burst = stage.play(webhooks, None)?;
    figures.push(burst.rate("workflow.burst"));
    figures.push(burst.acknowledged("workflow.burst_accepted"));
    let paced = stage.play(PACED, Some(PACE))?;
    figures.push(paced.end_to_end("workflow.paced"));
    drop(stage);
    drop(world);

    let world = World::start(programs, "alert", &["--contacts", "300"])?;
    let mut api = world.organisation.api(&world.server.base_url);
    let workflow = world.connected.new_lead_alert(&mut api)?;
    let mut stage = Stage { world: &world, api, workflow, next_event: 1, ended: 0 };
    let burst = stage.play(webhooks / CALLING_SHARE, None)?;
    figures.push(burst.rate("workflow.new_lead_alert"));
    Ok(figures)
}

/// Keeps a record and reads it back: a write and a read that stay within the server.
fn two_steps(api: &mut Api) -> Outcome<String> {
    let made = api.create(
        "/api/v1/workflows",
        &json!({ "definition": {
            "version": 1,
            "name": "Keep and read",
            "trigger": { "type": "webhook", "config": { "event": "contact.creation" } },
            "steps": [
                { "id": "keep", "type": "action", "action": "collection.upsert", "input": {
                    "collection": "bench/leads",
                    "record": {
                        "id": "{{ trigger.object_id }}",
                        "event": "{{ trigger.event_id }}",
                        "note": "from {{ trigger.provider|upper }}",
                    },
                } },
                { "id": "read", "type": "action", "action": "collection.get", "input": {
                    "collection": "bench/leads", "key": "{{ trigger.object_id }}",
                } },
            ],
        } }),
    )?;
    Ok(text(&made, "id").to_owned())
}

/// A workflow that waits for webhooks.
struct Stage<'a> {
    world: &'a World,
    api: Api,
    workflow: String,
    next_event: u64,
    ended: u64,
}

/// What was seen.
struct Played {
    runs: u64,
    /// Until the last run had ended.
    spent: Spent,
    answers: Answers,
    /// From the acceptance of each run to its end.
    end_to_end: Latencies,
}

impl Stage<'_> {
    /// Delivers so many webhooks, as fast as they are taken or so many a second, and waits until
    /// their runs have ended.
    fn play(&mut self, webhooks: u64, pace: Option<u64>) -> Outcome<Played> {
        let deliveries = self.deliveries(webhooks)?;
        let mut given = deliveries.iter().map(Vec::as_slice);
        let meter = Meter::start(self.world.server.pid())?;
        let url = &self.world.server.base_url;
        let answers = drive(url, (CALLERS, pace), 202, || given.next())?;
        self.ended += webhooks;
        self.wait()?;
        let spent = meter.read()?;
        let end_to_end = self.end_to_end(webhooks)?;
        Ok(Played { runs: webhooks, spent, answers, end_to_end })
    }

    /// Delivers so many webhooks as fast as they are taken, that no workflow waits for: each is
    /// verified, told from those before and written down.
    #[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 webhooks")]
    fn take_in(&mut self, webhooks: u64, ceiling: &Ceiling) -> Outcome<[Figure; 4]> {
        let deliveries = self.deliveries(webhooks)?;
        let best = ceiling.ingest(deliveries.first().ok_or("no webhooks")?)?;
        let mut given = deliveries.iter().map(Vec::as_slice);
        let meter = Meter::start(self.world.server.pid())?;
        let url = &self.world.server.base_url;
        let answers = drive(url, (CALLERS, None), 202, || given.next())?;
        let spent = meter.read()?;
        let each = spent.cpu.as_secs_f64() * 1e6 / webhooks as f64;
        let beside = |figure: Figure| {
            figure.beside("webhooks", webhooks).beside("cpu_us_each", each.round())
        };
        let rate = Figure::new("webhook.intake", answers.rate(), "answers/s", spent);
        let late = Figure::new("webhook.intake_p99", answers.latencies.p99_ms(), "ms p99", spent);
        let share = answers.rate() / best.value();
        let share = Figure::new("webhook.intake_of_ceiling", share, "of the ceiling", spent);
        let (least, longest) = (Target::AtLeast(45_000.0), Target::Below(20.0));
        let share = share.target(Target::AtLeast(0.5));
        Ok([best, beside(rate.target(least)), share, beside(late.target(longest))])
    }

    /// Signed before the clock runs: what signing costs is the sender's.
    fn deliveries(&mut self, webhooks: u64) -> Outcome<Vec<Vec<u8>>> {
        let World { server, sandbox, connected, .. } = self.world;
        let connection = Connection::open(&server.base_url).map_err(|error| error.to_string())?;
        let rows = hubspot_contacts(sandbox)?;
        let contacts: Vec<u64> =
            rows.iter().filter_map(|row| text(row, "id").parse().ok()).collect();
        let mut rendered = Vec::new();
        for contact in contacts.iter().cycle().take(usize::try_from(webhooks).unwrap_or(0)) {
            let request: Request = connected.delivery(sandbox, self.next_event, *contact)?;
            self.next_event += 1;
            rendered.push(connection.render(&request));
        }
        Ok(rendered)
    }

    fn wait(&mut self) -> Outcome {
        let since = Instant::now();
        loop {
            let workflow = self.api.get(&format!("/api/v1/workflows/{}", self.workflow))?;
            let count = |name| workflow.get(name).and_then(Value::as_u64).unwrap_or(0);
            if count("execution_count") >= self.ended {
                let bad = count("execution_count") - count("success_count");
                return if bad == 0 { Ok(()) } else { Err(format!("{bad} runs ended badly")) };
            }
            if since.elapsed() > TIMEOUT {
                return Err(format!("the runs do not end: {workflow}"));
            }
            thread::sleep(POLL);
        }
    }

    /// The newest runs, from acceptance to end.
    fn end_to_end(&mut self, webhooks: u64) -> Outcome<Latencies> {
        let runs = self.api.all(&format!("/api/v1/workflows/{}/executions", self.workflow))?;
        let took = |run: &Value| {
            let micros = |name| micros_of_day(text(run, name));
            let (from, to) = (micros("created_at")?, micros("finished_at")?);
            // A run may end after midnight.
            Some(Duration::from_micros((to + MICROS_PER_DAY - from) % MICROS_PER_DAY))
        };
        let newest = runs.iter().take(usize::try_from(webhooks).unwrap_or(0));
        let times: Option<Vec<_>> = newest.map(took).collect();
        times.map(Latencies::of).ok_or_else(|| "a run without times".to_owned())
    }
}

#[expect(clippy::cast_precision_loss, reason = "no bench has 2^52 runs")]
impl Played {
    fn rate(&self, name: &'static str) -> Figure {
        let rate = self.runs as f64 / self.spent.wall.as_secs_f64();
        self.costs(Figure::new(name, rate, "runs/s", self.spent))
            .beside("p50_ms", self.end_to_end.p50_ms())
            .beside("p99_ms", self.end_to_end.p99_ms())
    }

    fn acknowledged(&self, name: &'static str) -> Figure {
        Figure::new(name, self.answers.rate(), "answers/s", self.spent)
            .beside("p50_ms", self.answers.latencies.p50_ms())
            .beside("p99_ms", self.answers.latencies.p99_ms())
    }

    fn end_to_end(&self, name: &'static str) -> Figure {
        let figure = Figure::new(name, self.end_to_end.p99_ms(), "ms p99", self.spent);
        self.costs(figure).beside("p50_ms", self.end_to_end.p50_ms()).beside("per_second", PACE)
    }

    fn costs(&self, figure: Figure) -> Figure {
        let each = self.spent.cpu.as_secs_f64() * 1e3 / self.runs as f64;
        figure.beside("runs", self.runs).beside("cpu_ms_each", (each * 1e3).round() / 1e3)
    }
}

const MICROS_PER_DAY: u64 = 86_400_000_000;

/// The time of day in `2026-11-21T04:31:07.123456Z`.
fn micros_of_day(time: &str) -> Option<u64> {
    let clock = time.split_once('T')?.1.strip_suffix('Z')?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':').map(str::parse::<u64>);
    let mut part = || parts.next()?.ok();
    let secs = part()? * 3_600 + part()? * 60 + part()?;
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(secs * 1_000_000 + micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_of_day() {
        assert_eq!(micros_of_day("2026-11-21T00:01:02.5Z"), Some(62_500_000));
        assert_eq!(micros_of_day("2026-11-21T23:59:59.999999Z"), Some(MICROS_PER_DAY - 1));
        assert_eq!(micros_of_day("2026-11-21T01:00:00Z"), Some(3_600_000_000));
        assert_eq!(micros_of_day("yesterday"), None);
    }
}
