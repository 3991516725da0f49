//! The counting: what was lost, what happened twice, what never ended.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Display,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    READY_WITHIN, Work,
    book::Book,
    crm::{Contact, Crm},
    named,
    round::event_of,
    subscriber::Subscriber,
};
use crate::{
    api::{Api, text},
    command::Outcome,
    installation::{Installation, Server},
    organisation::{CONTACTS, Organisation},
};

/// Faults named one by one; the rest is counted.
const NAMED_FAULTS: usize = 20;

/// What was found.
#[derive(Debug)]
pub struct Verdict {
    ready: Vec<Duration>,
    acknowledged: usize,
    runs: usize,
    resumed: u64,
    repeated: u64,
    told: usize,
    sent: usize,
    lost: usize,
    doubled: usize,
    stuck: u64,
    faults: Vec<String>,
}

impl Verdict {
    /// Starts with what was measured on the way.
    pub fn new(mut ready: Vec<Duration>, stuck: u64) -> Self {
        ready.sort_unstable();
        let mut verdict = Self {
            ready,
            acknowledged: 0,
            runs: 0,
            resumed: 0,
            repeated: 0,
            told: 0,
            sent: 0,
            lost: 0,
            doubled: 0,
            stuck,
            faults: Vec::new(),
        };
        if stuck > 0 {
            verdict.faults.push(format!("{stuck} runs never end"));
        }
        let p99 = verdict.ready_p99();
        if p99 >= READY_WITHIN {
            verdict.faults.push(format!("a restart takes {} ms until ready", p99.as_millis()));
        }
        verdict
    }

    /// The faults, for people; none is the result wanted.
    pub fn faults(&self) -> &[String] {
        self.faults.get(..self.faults.len().min(NAMED_FAULTS)).unwrap_or_default()
    }

    /// The counts as JSON.
    pub fn counts(&self) -> Value {
        json!({
            "acknowledged": self.acknowledged,
            "runs": self.runs,
            "resumed": self.resumed,
            "repeated_calls": self.repeated,
            "told": self.told,
            "sent": self.sent,
            "lost": self.lost,
            "doubled": self.doubled,
            "stuck": self.stuck,
            "restart_ready_p50_ms": self.ready_at(50).as_millis(),
            "restart_ready_p99_ms": self.ready_p99().as_millis(),
        })
    }

    fn ready_p99(&self) -> Duration {
        self.ready_at(99)
    }

    fn ready_at(&self, percent: usize) -> Duration {
        let index = (self.ready.len() * percent / 100).min(self.ready.len().saturating_sub(1));
        self.ready.get(index).copied().unwrap_or_default()
    }

    fn lost(&mut self, what: impl Display) {
        self.lost += 1;
        self.faults.push(format!("lost: {what}"));
    }

    fn doubled(&mut self, what: impl Display) {
        self.doubled += 1;
        self.faults.push(format!("doubled: {what}"));
    }

    /// A thing of which there must be exactly one.
    fn once(&mut self, count: usize, what: impl FnOnce() -> String) {
        match count {
            0 => self.lost(what()),
            1 => {}
            more => self.doubled(format!("{} ({more} times)", what())),
        }
    }

    /// Compares what the server, HubSpot and Slack have with what was asked.
    ///
    /// # Errors
    /// When one of them does not answer.
    pub fn judge(&mut self, api: &mut Api, crm: &mut Crm, book: &Book, work: &Work) -> Outcome {
        self.acknowledged = book.acknowledged();
        let runs = api.all("/api/v1/runs")?;
        self.runs = runs.len();
        for run in runs.iter().filter(|run| text(run, "status") != "completed") {
            let why = run.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            self.lost(format!("the {} run {}: {why}", text(run, "kind"), named(run)));
        }
        self.judge_runs(&runs, book, &work.workflow);
        self.judge_counters(api, &runs, &work.workflow)?;
        self.judge_records(api, crm, book)?;
        self.judge_sent(api, crm)?;
        self.judge_messages(crm, book)?;
        for flow in [&work.inbound, &work.outbound] {
            let synced = api.get(&format!("/api/v1/data-flows/{flow}"))?;
            if synced.get("last_synced_at").is_none_or(Value::is_null) {
                self.lost(format!("the data flow {flow} never synced to its end"));
            }
        }
        Ok(())
    }

    /// One run for each thing that was asked for, and no other.
    fn judge_runs(&mut self, runs: &[Value], book: &Book, workflow: &str) {
        let known: HashMap<&str, &Value> = runs.iter().map(|run| (text(run, "id"), run)).collect();
        for id in book.syncs.iter().filter(|id| !known.contains_key(id.as_str())) {
            self.lost(format!("the acknowledged sync {id}"));
        }
        let of_workflow: Vec<_> =
            runs.iter().filter(|run| text(run, "subject_id") == workflow).collect();
        let mut by_email: HashMap<&str, usize> = HashMap::new();
        let mut by_event: HashMap<u64, usize> = HashMap::new();
        for run in &of_workflow {
            match event_of(run) {
                Some(event) => *by_event.entry(event).or_default() += 1,
                None => {
                    let email = run.pointer("/input/email").and_then(Value::as_str);
                    *by_email.entry(email.unwrap_or_default()).or_default() += 1;
                }
            }
        }
        for execution in &book.executions {
            let count = by_email.get(execution.email.as_str()).copied().unwrap_or(0);
            self.once(count, || format!("the run of the execution {}", execution.key));
            let id = execution.run.as_deref().unwrap_or_default();
            if !known.contains_key(id) {
                self.lost(format!("the acknowledged run {id} of {}", execution.key));
            }
        }
        for delivery in &book.deliveries {
            let count = by_event.get(&delivery.event).copied().unwrap_or(0);
            self.once(count, || format!("the run of the webhook {}", delivery.event));
        }
        let asked = book.executions.len() + book.deliveries.len();
        if of_workflow.len() > asked {
            self.doubled(format!("{} runs for {asked} causes", of_workflow.len()));
        }
    }

    /// Counters move with what they count.
    fn judge_counters(&mut self, api: &mut Api, runs: &[Value], workflow: &str) -> Outcome {
        let shown = api.get(&format!("/api/v1/workflows/{workflow}"))?;
        let ended = runs.iter().filter(|run| text(run, "subject_id") == workflow).count() as u64;
        for name in ["execution_count", "success_count"] {
            let count = shown.get(name).and_then(Value::as_u64).unwrap_or(0);
            match count.cmp(&ended) {
                Ordering::Less => self.lost(format!("{name} is {count} of {ended}")),
                Ordering::Equal => {}
                Ordering::Greater => self.doubled(format!("{name} is {count} of {ended}")),
            }
        }
        Ok(())
    }

    /// Every contact of HubSpot is there once, as it is there; so is everyone entered by hand.
    fn judge_records(&mut self, api: &mut Api, crm: &Crm, book: &Book) -> Outcome {
        let rows = api.all(CONTACTS)?;
        let field = |row: &Value, name: &str| {
            row.pointer(&format!("/data/{name}"))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let mut by_email: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for row in &rows {
            by_email.entry(field(row, "email")).or_default().push(row);
        }
        let contacts = crm.contacts()?;
        for (id, Contact { email, names }) in &contacts {
            let found = by_email.remove(email).unwrap_or_default();
            self.once(found.len(), || format!("the row of contact {id}, {email}"));
            let fresh = |row: &&Value| [field(row, "firstName"), field(row, "lastName")] == *names;
            if !found.is_empty() && !found.iter().any(fresh) {
                self.lost(format!("the last change of contact {id}, {email}"));
            }
        }
        for execution in &book.executions {
            let found = by_email.remove(&execution.email).unwrap_or_default();
            self.once(found.len(), || format!("the row of {}", execution.email));
        }
        for (email, rows) in by_email {
            self.doubled(format!("{} rows of {email}, who is nowhere else", rows.len()));
        }
        Ok(())
    }

    /// Salesforce has every record once, as it is here.
    fn judge_sent(&mut self, api: &mut Api, crm: &Crm) -> Outcome {
        let mut sent = crm.sent()?;
        self.sent = sent.len();
        for row in api.all(CONTACTS)? {
            let field = |name: &str| row.pointer(&format!("/data/{name}")).and_then(Value::as_str);
            let email = field("email").unwrap_or_default();
            let found = sent.remove(email).unwrap_or_default();
            self.once(found.len(), || format!("what Salesforce was sent of {email}"));
            let first = field("firstName").unwrap_or_default();
            if found.first().is_some_and(|there| there != first) {
                self.lost(format!("the last change of {email} in Salesforce"));
            }
        }
        for (email, found) in sent {
            self.doubled(format!("{} of {email} in Salesforce, who is not here", found.len()));
        }
        Ok(())
    }

    /// Slack got each message once, and every message under a key of its own.
    fn judge_messages(&mut self, crm: &Crm, book: &Book) -> Outcome {
        let messages = crm.sandbox.control("GET", "/_sandbox/messages", None)?;
        let messages = messages.as_array().cloned().unwrap_or_default();
        let mut by_email: HashMap<&str, usize> = HashMap::new();
        for message in &messages {
            let email = text(message, "text").rsplit(' ').next().unwrap_or_default();
            *by_email.entry(email).or_default() += 1;
        }
        let by_hand = book.executions.iter().map(|one| one.email.as_str());
        for email in by_hand.chain(book.deliveries.iter().map(|one| one.email.as_str())) {
            let count = by_email.remove(email).unwrap_or(0);
            self.once(count, || format!("the message about {email}"));
        }
        for (email, count) in by_email {
            self.doubled(format!("{count} messages about {email}, which nobody asked for"));
        }
        let effects = crm.sandbox.control("GET", "/_sandbox/effects", None)?;
        let of_slack: Vec<&Value> = effects
            .as_array()
            .into_iter()
            .flatten()
            .filter(|effect| text(effect, "provider") == "slack")
            .collect();
        let count = |effect: &Value| effect.get("effects").and_then(Value::as_u64).unwrap_or(0);
        for effect in of_slack.iter().filter(|effect| count(effect) > 1) {
            self.doubled(format!("the effect under the key {}", text(effect, "key")));
        }
        let calls = |effect: &Value| effect.get("calls").and_then(Value::as_u64).unwrap_or(0);
        self.repeated = of_slack.iter().map(|effect| calls(effect).saturating_sub(1)).sum();
        let keyed = of_slack.iter().filter(|effect| count(effect) == 1).count();
        if keyed < messages.len() {
            self.doubled(format!("{} messages under {keyed} keys", messages.len()));
        }
        Ok(())
    }

    /// The subscriber was told of each run that ended well, under one id however often.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn judge_told(&mut self, api: &mut Api, subscriber: &Subscriber) -> Outcome {
        let heard = subscriber.heard();
        for run in api.all("/api/v1/runs")?.iter().filter(|run| text(run, "status") == "completed")
        {
            let ids = heard.get(text(run, "id")).map_or(0, BTreeSet::len);
            self.once(ids, || format!("the delivery about the run {}", named(run)));
        }
        self.told = heard.len();
        Ok(())
    }

    /// The audit chain is whole, and kills met runs under way. (The server itself checks a database
    /// that was cut off, and does not start on a damaged one.)
    ///
    /// # Errors
    /// When the command fails or the drill proves nothing.
    pub fn judge_evidence(
        &mut self,
        installation: &Installation,
        organisation: &Organisation,
        server: &Server,
    ) -> Outcome {
        let chains = installation.ask(&["audit", "verify", "--tenant", &organisation.tenant])?;
        let broken = |chain: &&Value| chain.get("intact").and_then(Value::as_bool) != Some(true);
        let chains = chains.as_array().cloned().unwrap_or_default();
        if chains.is_empty() || chains.iter().any(|chain| broken(&chain)) {
            self.lost(format!("the audit chain at {}: {chains:?}", server.base_url));
        }
        let log = installation.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let recoveries = lines.filter(|line| text(line, "action") == "engine.recover");
        let runs = recoveries.filter_map(|line| line.get("runs").and_then(Value::as_u64));
        self.resumed = runs.sum();
        if self.resumed + self.repeated == 0 && !self.ready.is_empty() {
            self.faults.push("no kill met a run under way: the drill proves nothing".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::book::{Delivery, Execution};

    const WORKFLOW: &str = "wf_1";

    fn run(id: &str, input: &Value) -> Value {
        json!({ "id": id, "subject_id": WORKFLOW, "input": input })
    }

    fn book() -> Book {
        let mut book = Book { syncs: vec!["run_s".into()], ..Book::default() };
        let (key, email) = ("k".to_owned(), "by-hand@example.com".to_owned());
        book.executions.push(Execution { key, email, run: Some("run_1".into()) });
        let email = "lead@example.com".to_owned();
        book.deliveries.push(Delivery { event: 7, contact: 1, email, acknowledged: true });
        book
    }

    fn judged(runs: &[Value]) -> (usize, usize) {
        let mut verdict = Verdict::new(Vec::new(), 0);
        verdict.judge_runs(runs, &book(), WORKFLOW);
        (verdict.lost, verdict.doubled)
    }

    #[test]
    fn what_was_acknowledged_is_there_once() {
        let sync = json!({ "id": "run_s", "subject_id": "flow_1" });
        let by_hand = run("run_1", &json!({ "email": "by-hand@example.com" }));
        let hooked = run("run_2", &json!({ "event_id": "7" }));
        let all = [sync.clone(), by_hand.clone(), hooked.clone()];
        assert_eq!(judged(&all), (0, 0));
        assert_eq!(judged(&[by_hand.clone(), hooked.clone()]), (1, 0), "the sync is gone");
        assert_eq!(judged(&[sync.clone(), by_hand.clone()]), (1, 0), "the webhook's run is gone");
        assert_eq!(judged(&[sync, hooked.clone()]), (2, 0), "the run and what answers for it");
        let again = run("run_3", &json!({ "event_id": 7 }));
        let doubled = [all.as_slice(), &[again]].concat();
        assert_eq!(judged(&doubled), (0, 2), "twice for one event, and one more than asked for");
        let moved = run("run_9", &json!({ "email": "by-hand@example.com" }));
        assert_eq!(judged(&[all[0].clone(), moved, hooked]), (1, 0), "another run than was named");
    }

    #[test]
    fn a_slow_restart_and_a_run_without_an_end_are_faults() {
        assert!(Verdict::new(vec![Duration::from_millis(999)], 0).faults().is_empty());
        assert_eq!(Verdict::new(vec![Duration::from_millis(1_000)], 0).faults().len(), 1);
        assert_eq!(Verdict::new(Vec::new(), 1).faults().len(), 1);
        let one_slow_in_200 =
            (0..200).map(|n| Duration::from_millis(if n == 7 { 5_000 } else { 80 })).collect();
        assert!(Verdict::new(one_slow_in_200, 0).faults().is_empty());
    }
}
