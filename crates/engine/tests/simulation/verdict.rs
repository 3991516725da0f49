//! What must be true at the end of every play, whatever happened in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use connectus_core::{
    RunId, WorkflowId,
    event::{Event, EventType},
    run::{Run, RunStatus},
    workflow::{Cmd, Entry, Event as Learnt},
};
use connectus_engine::{history::History, workflows};
use connectus_store::steps::StepRow;

use crate::{
    generate::PUT,
    world::{Process, World},
};

/// Judges what is left; a number made of all of it, and how many runs there were.
pub async fn judge(
    world: &World,
    process: &Process,
    acknowledged: &BTreeMap<String, RunId>,
) -> (u64, usize) {
    let (runs, events) = (process.runs().await, process.events().await);
    let mut hash = DefaultHasher::new();
    let mut sent = 0;
    for run in &runs {
        let seen = Seen::of(process, run).await;
        seen.journal.hash(&mut hash);
        seen.agrees_with_its_rows();
        seen.has_undone_what_it_must(process).await;
        sent += seen.has_sent_each_message_once(world);
        told_once(run, &events);
    }
    started_once(process, &runs, acknowledged).await;
    let effects = world.handle().effects();
    assert!(effects.iter().all(|(.., count)| count.effects <= 1), "done twice: {effects:?}");
    assert!(sent <= world.messages().len(), "{sent} of {}", world.messages().len());
    let ends = [EventType::RunCompleted, EventType::RunFailed, EventType::RunCancelled];
    let ended = events.iter().filter(|event| ends.contains(&event.kind)).count();
    let received: BTreeSet<String> = world.received().into_iter().collect();
    assert_eq!(received.len(), ended, "deliveries");
    for event in &events {
        let text = (event.seq, event.kind.name(), &event.subject, event.data.text().to_owned());
        (text, event.at.0).hash(&mut hash);
    }
    world.messages().hash(&mut hash);
    world.clock.jump_secs(3_600);
    process.has_counted_all_once().await;
    (hash.finish(), runs.len())
}

/// What is known of a run.
struct Seen<'r> {
    run: &'r Run,
    journal: Vec<String>,
    rows: BTreeMap<String, StepRow>,
    /// What its machine commanded, over the whole journal.
    commands: Vec<Cmd>,
}

impl<'r> Seen<'r> {
    async fn of(process: &Process, run: &'r Run) -> Self {
        let mut conn = process.parts.store.read().await.unwrap();
        let journal = conn.journal(&process.ctx, &run.id).await.unwrap();
        drop(conn);
        let rows = process.rows(run).await.into_iter().map(|row| (row.step_id.clone(), row));
        let rows = rows.collect();
        let history = History::read(&process.parts, &process.ctx, run.clone()).await.unwrap();
        // A machine that goes on from any prefix commands what one does that replays it all.
        let (mut commands, mut machine) = (Vec::new(), history.at(0).unwrap().interp);
        for position in 1..=history.len() {
            let moment = history.at(position).unwrap();
            let went_on = machine.replay(moment.entry.clone().unwrap());
            assert_eq!(moment.commands, went_on, "run {}: position {position}", run.id);
            commands.extend(went_on);
        }
        Self { run, journal, rows, commands }
    }

    /// What the journal commands is what was done, with the same input; nothing else was done.
    fn agrees_with_its_rows(&self) {
        let mut commanded = BTreeSet::new();
        for command in &self.commands {
            let Cmd::Step { id, action, input, compensation, .. } = command else { continue };
            commanded.insert(id.as_str());
            if let Some(row) = self.rows.get(id) {
                let told = (&row.action, row.input.here().unwrap(), row.compensation);
                assert_eq!(told, (action, input, *compensation), "run {}: {id}", self.run.id);
            }
        }
        let rows: BTreeSet<&str> = self.rows.keys().map(String::as_str).collect();
        let of_nobody: Vec<_> = rows.difference(&commanded).collect();
        assert!(of_nobody.is_empty(), "run {}: {of_nobody:?}", self.run.id);
        let open = ["running", "retrying"];
        for row in self.rows.values() {
            assert!(!open.contains(&row.status.as_str()), "run {}: {row:?}", self.run.id);
        }
    }

    fn done(&self) -> BTreeSet<String> {
        let learnt = self.journal.iter().map(|line| Entry::shown(line).unwrap().event);
        learnt
            .filter_map(|event| match event {
                Learnt::Done { id, .. } => Some(id),
                _ => None,
            })
            .collect()
    }

    /// A record is there when its step was done and the run completed, and only then.
    async fn has_undone_what_it_must(&self, process: &Process) {
        let done = self.done();
        let completed = self.run.status == RunStatus::Completed;
        let last = |id: &str| id.rsplit('.').next().unwrap_or_default().to_owned();
        let puts = self
            .rows
            .values()
            .filter(|row| last(&row.step_id).starts_with(PUT) && !row.compensation);
        for row in puts {
            let was_done = done.contains(&row.step_id);
            let key = row.input.here().unwrap()["key"].as_str().unwrap();
            let there = process.record("digisol_crm/contacts", key).await.is_some();
            let about = format!(
                "run {} ({:?}): {row:?} in {}",
                self.run.id,
                self.run.status,
                self.journal.join("\n")
            );
            assert_eq!(there, was_done && completed, "{about}, done: {was_done}");
            let undo = self.rows.get(&format!("{}:undo", row.step_id));
            let undone = undo.is_some_and(|undo| undo.status == "completed");
            assert_eq!(undone, was_done && !completed, "{about}: undone");
        }
    }

    /// How many messages its steps have sent.
    fn has_sent_each_message_once(&self, world: &World) -> usize {
        let done = self.done();
        let mut sent = 0;
        for command in &self.commands {
            let Cmd::Step { id, action, key_suffix, .. } = command else { continue };
            if action != "slack.post_message" || !done.contains(id) {
                continue;
            }
            let key = format!("{}/{}/{key_suffix}", self.run.tenant, self.run.id);
            let effects = world.handle().effects();
            let own: Vec<_> = effects.iter().filter(|(_, one, _)| one.ends_with(&key)).collect();
            let count: u64 = own.iter().map(|(.., count)| count.effects).sum();
            assert_eq!(count, 1, "run {}: {id} under {key}: {own:?}", self.run.id);
            sent += 1;
        }
        sent
    }
}

/// A run begins once and ends once.
fn told_once(run: &Run, events: &[Event]) {
    let about = events.iter().filter(|event| event.subject == run.id.as_str());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in about {
        *kinds.entry(event.kind.name()).or_default() += 1;
    }
    let end = match run.status {
        RunStatus::Completed => "run.completed",
        RunStatus::Cancelled => "run.cancelled",
        _ => "run.failed",
    };
    let ends = ["run.completed", "run.cancelled", "run.failed"];
    let told: usize = ends.iter().filter_map(|kind| kinds.get(kind)).sum();
    assert_eq!((kinds.get(end), told), (Some(&1), 1), "run {}: {kinds:?}", run.id);
    let begun = kinds.get("run.started").copied().unwrap_or_default();
    assert_eq!(begun, 1, "run {}: {kinds:?}", run.id);
}

/// One run for each thing that was asked for, and for each slot; counted once.
async fn started_once(process: &Process, runs: &[Run], acknowledged: &BTreeMap<String, RunId>) {
    let mut by_key: BTreeMap<&str, Vec<&RunId>> = BTreeMap::new();
    let mut slots = BTreeSet::new();
    for run in runs {
        if let Some(slot) = run.input.here().unwrap().get("scheduled_at") {
            assert!(slots.insert((&run.subject_id, slot.to_string())), "slot {slot} came twice");
        } else if run.parent.is_none() {
            let key = run.input.here().unwrap()["k"].as_str().unwrap();
            by_key.entry(key).or_default().push(&run.id);
        }
    }
    for (key, run) in acknowledged {
        assert_eq!(by_key.get(key.as_str()), Some(&vec![run]), "{key}");
    }
    assert!(by_key.values().all(|runs| runs.len() == 1), "{by_key:?}");
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for run in runs {
        *counted.entry(&run.subject_id).or_default() += 1;
    }
    for (workflow, count) in counted {
        let id = WorkflowId::trusted(workflow);
        let row = workflows::find(&process.parts, &process.ctx, &id).await.unwrap();
        assert_eq!(row.execution_count, count, "{}", row.name);
    }
}
