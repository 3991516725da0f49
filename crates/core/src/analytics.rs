//! Figures made of events, and of nothing else: whoever reads the same events comes to the same
//! figures. Each projection says what an event adds; adding up is left to whoever keeps the sums.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    Timestamp,
    event::{Event, EventType},
};

/// Label of durations; `count` of them took `total` milliseconds, the longest of them `most`.
pub const TOOK: &str = "took";
/// Labels of durations of at most so many milliseconds begin so; the number has ten digits, so that
/// labels sort as their numbers do.
pub const TOOK_AT_MOST: &str = "took<=";
/// The longest bound, in milliseconds: about 50 days.
const LONGEST: u64 = 1 << 32;
const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// What a figure is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The day in UTC, `YYYY-MM-DD`.
    pub day: String,
    /// A workflow, a data flow or a type of events.
    pub subject: String,
    /// What is counted; `''` where there is only one thing to count.
    pub label: String,
}

/// A sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// What they come to together.
    pub total: u64,
    /// The largest of them.
    pub most: u64,
}

impl Sum {
    /// This sum with another one added.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            total: self.total.saturating_add(other.total),
            most: self.most.max(other.most),
        }
    }
}

/// What is counted, as it is added up: a text is made of it once, not for each event.
type Label = (&'static str, Option<u64>);

/// Sums by what they are about.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// By day, as its number since 1970, then by subject.
    days: BTreeMap<i64, BTreeMap<String, BTreeMap<Label, Sum>>>,
}

impl Sheet {
    /// The sums, in a fixed order.
    pub fn sums(&self) -> BTreeMap<Place, Sum> {
        let mut sums = BTreeMap::new();
        for (day, subjects) in &self.days {
            let day = Timestamp::from_secs(day.saturating_mul(SECS_PER_DAY)).day();
            for (subject, labels) in subjects {
                for ((label, bound), sum) in labels {
                    let label = match bound {
                        Some(bound) => format!("{label}{bound:010}"),
                        None => (*label).to_owned(),
                    };
                    let (day, subject) = (day.clone(), subject.clone());
                    sums.insert(Place { day, subject, label }, *sum);
                }
            }
        }
        sums
    }

    fn add(&mut self, event: &Event, subject: &str, label: Label, sum: Sum) {
        let day = self.days.entry(event.at.secs().div_euclid(SECS_PER_DAY)).or_default();
        let labels = match day.get_mut(subject) {
            Some(labels) => labels,
            None => day.entry(subject.to_owned()).or_default(),
        };
        let kept = labels.entry(label).or_default();
        *kept = kept.plus(sum);
    }

    fn count(&mut self, event: &Event, subject: &str, label: &'static str, count: u64) {
        if count > 0 {
            self.add(event, subject, (label, None), Sum { count, ..Sum::default() });
        }
    }

    fn took(&mut self, event: &Event, subject: &str, millis: Option<u64>) {
        // Events of before durations were told have none.
        let Some(millis) = millis else { return };
        let sum = Sum { count: 1, total: millis, most: millis };
        self.add(event, subject, (TOOK, None), sum);
        let bound = millis.clamp(1, LONGEST).next_power_of_two();
        let one = Sum { count: 1, ..Sum::default() };
        self.add(event, subject, (TOOK_AT_MOST, Some(bound)), one);
    }
}

/// A kind of figures.
pub struct Projection {
    /// Its name; also that of the handler that keeps it, after `analytics.`.
    pub name: &'static str,
    /// What it holds, in one sentence.
    pub about: &'static str,
    /// Which events it is made of.
    pub wants: &'static [&'static str],
    fold: fn(&Event, &mut Sheet),
}

impl Projection {
    /// Adds what an event adds.
    pub fn fold(&self, event: &Event, sheet: &mut Sheet) {
        if self.wants.iter().any(|pattern| event.kind.matches(pattern)) {
            (self.fold)(event, sheet);
        }
    }

    /// The projection of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROJECTIONS.iter().find(|projection| projection.name == name)
    }
}

/// All projections. Adding one is a function and a line here; what happened before is counted by
/// rebuilding it.
pub const PROJECTIONS: &[Projection] = &[RUNS, SYNCS, EVENTS];

/// Runs by day and workflow.
pub const RUNS: Projection = Projection {
    name: "runs",
    about: "runs of workflows by day, workflow and outcome, and how long they took",
    wants: &["run.started", "run.completed", "run.failed", "run.cancelled"],
    fold: runs,
};

/// Syncs and their records by day and data flow.
pub const SYNCS: Projection = Projection {
    name: "syncs",
    about: "syncs by day, data flow and outcome, their records, and how long they took",
    wants: &["flow.sync.*"],
    fold: syncs,
};

/// Events by day and type.
pub const EVENTS: Projection =
    Projection { name: "events", about: "events by day and type", wants: &["*"], fold: events };

/// What events about runs say of them, as far as it is counted.
#[derive(Deserialize)]
struct OfRun<'a> {
    #[serde(borrow)]
    subject_id: Cow<'a, str>,
    took_ms: Option<u64>,
}

fn runs(event: &Event, sheet: &mut Sheet) {
    let Some(OfRun { subject_id, took_ms }) = event.data.read() else { return };
    let label = match event.kind {
        EventType::RunStarted => "started",
        EventType::RunCompleted => "completed",
        EventType::RunFailed => "failed",
        EventType::RunCancelled => "cancelled",
        _ => return,
    };
    sheet.count(event, &subject_id, label, 1);
    sheet.took(event, &subject_id, took_ms);
}

/// What a sync can do with a record, as its events call it.
pub const RECORD_OUTCOMES: [&str; 5] = ["created", "updated", "unchanged", "kept", "rejected"];
/// The labels under which they are counted.
const RECORD_LABELS: [&str; 5] =
    ["records.created", "records.updated", "records.unchanged", "records.kept", "records.rejected"];

/// What the progress of a sync says.
#[derive(Deserialize)]
struct Progress {
    flow: String,
    added: Value,
}

fn syncs(event: &Event, sheet: &mut Sheet) {
    if event.kind == EventType::SyncProgressed {
        let Some(Progress { flow, added }) = event.data.read() else { return };
        for (outcome, label) in RECORD_OUTCOMES.into_iter().zip(RECORD_LABELS) {
            let count = added.get(outcome).and_then(Value::as_u64).unwrap_or(0);
            sheet.count(event, &flow, label, count);
        }
        return;
    }
    let Some(OfRun { subject_id, took_ms }) = event.data.read() else { return };
    let label = match event.kind {
        EventType::SyncStarted => "started",
        EventType::SyncCompleted => "completed",
        EventType::SyncFailed => "failed",
        EventType::SyncCancelled => "cancelled",
        _ => return,
    };
    sheet.count(event, &subject_id, label, 1);
    sheet.took(event, &subject_id, took_ms);
}

fn events(event: &Event, sheet: &mut Sheet) {
    sheet.count(event, event.kind.name(), "", 1);
}

/// The bound below which a share of durations lies: the smallest one that at least `share` of them
/// do not exceed, and never more than the longest. `None` without durations.
pub fn quantile(bounds: &[(u64, u64)], longest: u64, share: f64) -> Option<u64> {
    let all: u64 = bounds.iter().map(|(_, count)| count).sum();
    #[expect(clippy::cast_precision_loss, reason = "a share of a count needs no more")]
    let wanted = all as f64 * share;
    let mut seen = 0_u64;
    for (bound, count) in bounds {
        seen = seen.saturating_add(*count);
        #[expect(clippy::cast_precision_loss, reason = "a share of a count needs no more")]
        if seen > 0 && seen as f64 >= wanted {
            return Some((*bound).min(longest));
        }
    }
    None
}

/// The bound that a label of durations names.
pub fn bound(label: &str) -> Option<u64> {
    label.strip_prefix(TOOK_AT_MOST)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{EventId, TenantId};

    fn event(kind: EventType, at: i64, data: Value) -> Event {
        Event {
            seq: 1,
            id: EventId::trusted("evt_1"),
            tenant: TenantId::trusted("ten_1"),
            kind,
            subject: "run_1".to_owned(),
            data: data.into(),
            at: Timestamp::from_secs(at),
        }
    }

    fn folded(projection: &Projection, events: &[Event]) -> Vec<(String, u64, u64, u64)> {
        let mut sheet = Sheet::default();
        events.iter().for_each(|event| projection.fold(event, &mut sheet));
        let row = |(place, sum): (Place, Sum)| {
            let name = format!("{} {} {}", place.day, place.subject, place.label);
            (name, sum.count, sum.total, sum.most)
        };
        sheet.sums().into_iter().map(row).collect()
    }

    #[test]
    fn runs_are_counted_by_day_workflow_and_outcome() {
        let about = |took: u64| json!({"subject_id": "wf_1", "took_ms": took});
        let events = [
            event(EventType::RunStarted, 86_399, json!({"subject_id": "wf_1"})),
            event(EventType::RunCompleted, 86_400, about(100)),
            event(EventType::RunCompleted, 86_401, about(0)),
            event(EventType::RunFailed, 86_402, about(129)),
            event(EventType::RunWaiting, 86_403, about(1)),
            event(EventType::SyncCompleted, 86_404, about(1)),
        ];
        let row = |name: &str, count, total, most| (name.to_owned(), count, total, most);
        assert_eq!(
            folded(&RUNS, &events),
            [
                row("1970-01-01 wf_1 started", 1, 0, 0),
                row("1970-01-02 wf_1 completed", 2, 0, 0),
                row("1970-01-02 wf_1 failed", 1, 0, 0),
                row("1970-01-02 wf_1 took", 3, 229, 129),
                row("1970-01-02 wf_1 took<=0000000001", 1, 0, 0),
                row("1970-01-02 wf_1 took<=0000000128", 1, 0, 0),
                row("1970-01-02 wf_1 took<=0000000256", 1, 0, 0),
            ]
        );
    }

    #[test]
    fn records_of_syncs_are_what_checkpoints_added() {
        let added = json!({"flow": "flow_1", "counts": {"created": 9}, "added": {"created": 2}});
        let events = [
            event(EventType::SyncProgressed, 0, added.clone()),
            event(EventType::SyncProgressed, 0, added),
            // Of before it was told what a checkpoint added.
            event(EventType::SyncProgressed, 0, json!({"flow": "flow_1", "counts": {}})),
        ];
        let row = ("1970-01-01 flow_1 records.created".to_owned(), 4, 0, 0);
        assert_eq!(folded(&SYNCS, &events), [row]);
    }

    #[test]
    fn adding_up_in_parts_is_adding_up_at_once() {
        let events: Vec<Event> = (0..40_u64)
            .map(|n| {
                let kind = EventType::ALL[usize::try_from(n).unwrap() % EventType::ALL.len()];
                event(kind, 86_000 + 20 * i64::try_from(n).unwrap(), json!({"took_ms": n}))
            })
            .collect();
        for projection in PROJECTIONS {
            let mut whole = Sheet::default();
            events.iter().for_each(|event| projection.fold(event, &mut whole));
            let mut parts: BTreeMap<Place, Sum> = BTreeMap::new();
            for page in events.chunks(7) {
                let mut part = Sheet::default();
                page.iter().for_each(|event| projection.fold(event, &mut part));
                for (place, sum) in part.sums() {
                    let kept = parts.entry(place).or_default();
                    *kept = kept.plus(sum);
                }
            }
            assert_eq!(parts, whole.sums(), "{}", projection.name);
        }
    }

    #[test]
    fn quantiles_are_bounds_and_never_beyond_the_longest() {
        let bounds = [(1, 50), (128, 45), (256, 5)];
        assert_eq!(quantile(&bounds, 200, 0.5), Some(1));
        assert_eq!(quantile(&bounds, 200, 0.95), Some(128));
        assert_eq!(quantile(&bounds, 200, 0.99), Some(200));
        assert_eq!(quantile(&[], 0, 0.5), None);
        assert_eq!(bound("took<=0000000128"), Some(128));
        assert_eq!(bound("took"), None);
    }
}
