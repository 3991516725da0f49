//! Runs that repeat another one: forks from every position, runs from a step on.

use connectus_core::{
    Code,
    run::{Run, RunStatus},
    workflow::Event,
};
use connectus_engine::{driver::Rerun, history::History};
use connectus_sandbox::{Fault, FaultKind, Running};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::{Rig, fakes};

struct Shop {
    rig: Rig,
    fake: Running,
}

impl Shop {
    async fn open(db: &TestStore) -> Self {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let fake = fakes::start(db).await;
        let rig = Rig::reaching(db, ctx, &[&fakes::address(&fake)]);
        fakes::connect(&rig.parts, &rig.ctx, &fake).await;
        Self { rig, fake }
    }

    /// What was posted after the first `seen` messages, sorted.
    fn posted(&self, seen: usize) -> Vec<String> {
        let messages = self.fake.handle.messages();
        let mut texts: Vec<String> =
            messages.into_iter().skip(seen).map(|message| message.text).collect();
        texts.sort();
        texts
    }

    fn count(&self) -> usize {
        self.fake.handle.messages().len()
    }

    async fn history(&self, run: &Run) -> History {
        let run = self.rig.state(&run.id).await;
        History::read(&self.rig.parts, &self.rig.ctx, run).await.unwrap()
    }

    /// Says `go`, lets two hours pass and expects the run to complete.
    async fn complete(&self, db: &TestStore, run: &Run, signal: bool) -> Run {
        if signal {
            self.rig.engine.signal(&self.rig.ctx, &run.id, "go", json!({ "n": 1 })).await.unwrap();
        }
        self.rig.settle().await;
        db.sim.clock.advance_secs(7_200);
        self.rig.settle().await;
        let run = self.rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        run
    }

    async fn reused(&self, run: &Run) -> Vec<String> {
        let mut conn = self.rig.parts.store.read().await.unwrap();
        let steps = conn.steps(&self.rig.ctx, &run.id).await.unwrap();
        steps.into_iter().filter(|step| step.reused).map(|step| step.step_id).collect()
    }
}

/// Everything a history can hold: chains, branches beside each other, loops, a child, a signal, a
/// timer, variables.
fn varied() -> Value {
    json!([
        fakes::post("one", "one"),
        { "id": "both", "type": "parallel", "branches": [
            [fakes::post("left", "left"), fakes::post("more", "more")],
            [fakes::post("right", "right")],
            [{ "id": "sub", "type": "workflow", "workflow": "child", "input": {} }],
        ] },
        { "id": "each", "type": "for_each", "items": "[1, 2, 3]", "concurrency": 2,
          "steps": [fakes::post("tell", "item {{ item }}")] },
        { "id": "ask", "type": "wait", "signal": "go" },
        { "id": "nap", "type": "wait", "for": "1h" },
        fakes::post("last", "last"),
        { "id": "sum", "type": "set", "vars": {
            "sub": "{{ steps.sub.output.said }}", "asked": "{{ steps.ask.output.n }}",
            "seed": "{{ run.seed }}",
        } },
    ])
}

/// What a step of [`varied`] posts.
fn text_of(step: &str) -> Option<String> {
    Some(match step {
        "one" | "left" | "more" | "right" | "last" => step.to_owned(),
        "sub" => "from the child".to_owned(),
        "each[0].tell" => "item 1".to_owned(),
        "each[1].tell" => "item 2".to_owned(),
        "each[2].tell" => "item 3".to_owned(),
        _ => return None,
    })
}

/// What is posted by the steps that have no answer in a history up to a position.
fn still_to_post(history: &History, position: usize) -> Vec<String> {
    let moment = history.at(position).unwrap();
    assert_eq!(moment.position, position);
    let mut texts = Vec::new();
    for step in ["one", "left", "more", "right", "sub", "last"].into_iter().chain([
        "each[0].tell",
        "each[1].tell",
        "each[2].tell",
    ]) {
        let answered = (1..=position).any(|place| {
            let entry = history.at(place).unwrap().entry.unwrap();
            matches!(&entry.event, Event::Done { id, .. } | Event::ChildDone { id, .. }
                if id == step)
        });
        if !answered {
            texts.extend(text_of(step));
        }
    }
    texts.sort();
    texts
}

both! {
    /// Whatever the position: the fork ends as the original did, and sends exactly what the
    /// original had not been told of by then.
    async fn a_fork_at_every_position_ends_as_the_original_did(db: TestStore) {
        let shop = Shop::open(&db).await;
        let child = json!([
            fakes::post("say", "from the child"),
            { "id": "said", "type": "set", "vars": { "said": "hello" } },
        ]);
        let child = shop.rig.start("child", child, json!({})).await;
        shop.rig.settle().await;
        assert_eq!(shop.rig.state(&child.id).await.status, RunStatus::Completed);
        let seen = shop.count();
        let original = shop.rig.start("varied", varied(), json!({})).await;
        let original = shop.complete(&db, &original, true).await;
        let history = shop.history(&original).await;
        assert_eq!(shop.posted(seen), still_to_post(&history, 0), "each message once");
        assert!(history.len() > 10, "{}", history.len());
        for position in 0..history.len() {
            let seen = shop.count();
            let fork = shop.rig.engine.fork(&shop.rig.ctx, &original, position).await.unwrap();
            let origin = fork.origin.clone().unwrap();
            assert_eq!((origin.run, origin.position), (original.id.clone(), Some(position as u64)));
            let told = |place: usize| history.at(place).unwrap().entry.unwrap().event;
            let asked = (1..=position).any(|at| matches!(told(at), Event::Signalled { .. }));
            let fork = shop.complete(&db, &fork, !asked).await;
            assert_eq!(shop.posted(seen), still_to_post(&history, position), "at {position}");
            let outputs = [&fork, &original].map(|run| run.output.clone().unwrap().shown());
            let [mut made, mut expected] = outputs;
            if position == 0 {
                // It began anew, so it drew its own number.
                (made["seed"], expected["seed"]) = (json!(0), json!(0));
            }
            assert_eq!(made, expected, "at {position}");
            // The past is the same, entry by entry.
            let again = shop.history(&fork).await;
            for place in 1..=position {
                let entry = |history: &History| history.at(place).unwrap().entry;
                assert_eq!(entry(&again), entry(&history), "at {position}");
            }
            let reused = shop.reused(&fork).await;
            let mut conn = shop.rig.parts.store.read().await.unwrap();
            for step in &reused {
                let key = format!("{}/{}/{step}", fork.tenant, fork.id);
                let sent = conn.effect(&shop.rig.ctx, &key).await.unwrap();
                assert!(sent.is_none(), "{step} was sent");
            }
            let steps = conn.steps(&shop.rig.ctx, &fork.id).await.unwrap();
            assert_eq!(steps.len(), 8, "every step is shown, taken over or not");
        }
        let end = shop.rig.engine.fork(&shop.rig.ctx, &original, history.len()).await.unwrap_err();
        assert_eq!(end.code, Code::Conflict);
        let far = shop.rig.engine.fork(&shop.rig.ctx, &original, history.len() + 1).await;
        assert_eq!(far.unwrap_err().code, Code::Invalid);
    }

    async fn from_a_step_on_only_what_comes_after_it_is_done_again(db: TestStore) {
        let shop = Shop::open(&db).await;
        let steps = json!([
            fakes::post("one", "one"),
            { "id": "both", "type": "parallel", "branches": [
                [fakes::post("left", "left")],
                [fakes::post("right", "right"), fakes::post("more", "more")],
            ] },
            { "id": "nap", "type": "wait", "for": "1h" },
            fakes::post("last", "last"),
        ]);
        let run = shop.rig.start("steps", steps, json!({})).await;
        let early = shop.rig.engine
            .rerun(&shop.rig.ctx, &run, Rerun::FromStep("one".into())).await.unwrap_err();
        assert_eq!(early.code, Code::Conflict, "it has not ended");
        let run = shop.complete(&db, &run, false).await;
        let all = ["last", "left", "more", "one", "right"];
        for (step, sent) in [
            ("one", &all[..]),
            ("left", &["last", "left"]),
            ("right", &["last", "more", "right"]),
            ("more", &["last", "more"]),
            ("both", &["last", "left", "more", "right"]),
            ("nap", &["last"]),
            ("last", &["last"]),
        ] {
            let seen = shop.count();
            let how = Rerun::FromStep(step.to_owned());
            let again = shop.rig.engine.rerun(&shop.rig.ctx, &run, how).await.unwrap();
            assert_eq!(again.origin.clone().unwrap().step.as_deref(), Some(step));
            let again = shop.complete(&db, &again, false).await;
            assert_eq!(shop.posted(seen), sent, "from {step}");
            let reused: Vec<String> = shop.reused(&again).await;
            assert_eq!(reused.len(), all.len() - sent.len(), "from {step}: {reused:?}");
        }
        let how = Rerun::FromStep("nowhere".into());
        let unknown = shop.rig.engine.rerun(&shop.rig.ctx, &run, how).await.unwrap_err();
        assert_eq!(unknown.code, Code::Invalid);
        assert!(unknown.fields[0].message.contains("`last`, `left`, `more`"), "{unknown:?}");
    }

    async fn a_failed_run_goes_on_from_the_step_that_failed(db: TestStore) {
        let shop = Shop::open(&db).await;
        let mut second = fakes::post("second", "second");
        second["retry"] = json!({ "attempts": 1 });
        let steps = json!([fakes::post("first", "first"), second, fakes::post("third", "third")]);
        let fault = Fault::on("POST", "/api/chat.postMessage", FaultKind::Status { status: 500 });
        let run = shop.rig.start("fails", steps, json!({})).await;
        shop.fake.handle.fault(fault.skip(1));
        shop.rig.settle().await;
        let run = shop.rig.state(&run.id).await;
        assert_eq!((run.status, shop.posted(0)), (RunStatus::Failed, vec!["first".to_owned()]));
        let how = Rerun::FromStep("second".into());
        let again = shop.rig.engine.rerun(&shop.rig.ctx, &run, how).await.unwrap();
        shop.complete(&db, &again, false).await;
        assert_eq!(shop.posted(0), ["first", "second", "third"]);
    }

    /// A run that starts over counts its generations: what a fork sends later must not be taken
    /// for something sent before.
    async fn a_fork_of_a_later_generation_goes_on_counting(db: TestStore) {
        let shop = Shop::open(&db).await;
        let steps = json!([
            fakes::post("tick", "tick {{ trigger.n }}"),
            { "id": "nap", "type": "wait", "for": "1h" },
            { "id": "again", "type": "restart", "when": "trigger.n < 3",
              "input": { "n": "{{ trigger.n + 1 }}" } },
        ]);
        let run = shop.rig.start("ticks", steps, json!({ "n": 0 })).await;
        shop.rig.settle().await;
        db.sim.clock.advance_secs(3_600);
        shop.rig.settle().await;
        assert_eq!(shop.posted(0), ["tick 0", "tick 1"]);
        for (position, sent) in [
            (0, &["tick 1", "tick 2", "tick 3"][..]),
            (1, &["tick 1", "tick 2", "tick 3"]),
            (2, &["tick 2", "tick 3"]),
        ] {
            let seen = shop.count();
            let fork = shop.rig.engine.fork(&shop.rig.ctx, &run, position).await.unwrap();
            // The original stands still meanwhile.
            shop.rig.engine.cancel(&shop.rig.ctx, &run.id).await.ok();
            for _ in 0..4 {
                shop.rig.settle().await;
                db.sim.clock.advance_secs(3_600);
            }
            shop.rig.settle().await;
            assert_eq!(shop.rig.state(&fork.id).await.status, RunStatus::Completed);
            assert_eq!(shop.posted(seen), sent, "at {position}");
        }
    }

    async fn the_definition_stays_pinned_unless_asked_otherwise(db: TestStore) {
        let shop = Shop::open(&db).await;
        let old = json!([{ "id": "say", "type": "set", "vars": { "v": "old {{ trigger.n }}" } }]);
        let run = shop.rig.start("edited", old, json!({ "n": 1 })).await;
        let run = shop.complete(&db, &run, false).await;
        let id = connectus_core::WorkflowId::parse(&run.subject_id).unwrap();
        let (parts, ctx) = (&shop.rig.parts, &shop.rig.ctx);
        let row = connectus_engine::workflows::find(parts, ctx, &id).await.unwrap();
        let new = json!({
            "version": 1, "name": "edited", "trigger": { "type": "manual" },
            "steps": [{ "id": "say", "type": "set", "vars": { "v": "new {{ trigger.n }}" } }],
        });
        let draft = connectus_engine::workflows::Draft {
            definition: Some(new),
            ..connectus_engine::workflows::Draft::default()
        };
        connectus_engine::workflows::update(parts, ctx, &row, draft).await.unwrap();
        for (current, said) in [(false, "old 2"), (true, "new 2")] {
            let how = Rerun::WithInput { input: json!({ "n": 2 }), current };
            let again = shop.rig.engine.rerun(ctx, &run, how).await.unwrap();
            assert_eq!(again.trigger, "rerun");
            let again = shop.complete(&db, &again, false).await;
            assert_eq!(again.output.unwrap().here().unwrap()["v"], said);
        }
    }
}
