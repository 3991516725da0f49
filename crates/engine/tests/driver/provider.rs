//! Steps that call a provider: retries, what the provider asks for, and unknown outcomes.

use connectus_core::run::{Run, RunStatus};
use connectus_sandbox::{Fault, FaultKind, Limits, ObjectType, Running, Sandbox, SandboxConfig};
use connectus_store::steps::StepRow;
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::{Rig, fakes};

const POST: &str = "/api/chat.postMessage";

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

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault::on("POST", POST, kind)
    }

    async fn step(&self, run: &Run, id: &str) -> StepRow {
        let mut conn = self.rig.parts.store.read().await.unwrap();
        let steps = conn.steps(&self.rig.ctx, &run.id).await.unwrap();
        steps.into_iter().find(|step| step.step_id == id).unwrap()
    }

    /// Lets time pass until the run ends; how many seconds that took, in steps of `by`.
    async fn finish(&self, db: &TestStore, run: &Run, by: i64) -> (Run, i64) {
        for passed in 0..200 {
            self.rig.settle().await;
            let now = self.rig.state(&run.id).await;
            if now.status.is_final() {
                return (now, passed * by);
            }
            db.sim.clock.advance_secs(by);
        }
        panic!("the run does not end");
    }

    async fn effect_state(&self, run: &Run, id: &str) -> String {
        let key = format!("{}/{}/{id}", run.tenant, run.id);
        let mut conn = self.rig.parts.store.read().await.unwrap();
        conn.effect(&self.rig.ctx, &key).await.unwrap().unwrap().state
    }
}

/// A step whose retries are spaced exactly.
fn patient(id: &str, retry: &Value) -> Value {
    let mut step = fakes::post(id, "hello");
    step["retry"] = retry.clone();
    step
}

both! {
    async fn a_wish_beyond_the_step_s_patience_ends_it(db: TestStore) {
        let shop = Shop::open(&db).await;
        shop.fake.handle.fault(shop.fault(FaultKind::Status429 { retry_after: Some(600) }));
        let retry = json!({ "attempts": 5, "backoff": "1s", "jitter": 0.0, "max_elapsed": "5m" });
        let run = shop.rig.start("no time", json!([patient("tell", &retry)]), json!({})).await;
        let (run, took) = shop.finish(&db, &run, 30).await;
        assert_eq!((run.status, took), (RunStatus::Failed, 0));
        assert_eq!(run.error.unwrap().code, "rate_limited");
    }

    async fn a_time_limit_ends_an_attempt(db: TestStore) {
        let shop = Shop::open(&db).await;
        shop.fake.handle.fault(shop.fault(FaultKind::Delay { millis: 60_000 }));
        let mut step = patient("tell", &json!({ "attempts": 2, "backoff": "1s", "jitter": 0.0 }));
        step["timeout"] = json!("1s");
        let run = shop.rig.start("late", json!([step]), json!({})).await;
        let (run, _) = shop.finish(&db, &run, 5).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        assert_eq!(shop.fake.handle.effect_summary().duplicates, 0);
    }

    /// The message may have been posted: posting it again could double it.
    async fn what_must_happen_once_is_not_repeated_when_nobody_knows(db: TestStore) {
        let shop = Shop::open(&db).await;
        let lost = Fault::on("POST", "/services/", FaultKind::Drop).after_effect();
        shop.fake.handle.fault(lost);
        let hook = json!({ "id": "tell", "type": "action", "action": "slack.send_webhook",
            "input": { "text": "once" } });
        let run = shop.rig.start("once", json!([hook]), json!({})).await;
        let (run, _) = shop.finish(&db, &run, 60).await;
        assert_eq!(run.status, RunStatus::Failed);
        assert_eq!(run.error.unwrap().code, "outcome_unknown");
        assert_eq!(shop.fake.handle.messages().len(), 1);
    }

    /// A refusal is known not to have happened: it may be repeated.
    async fn what_must_happen_once_is_repeated_when_it_was_refused(db: TestStore) {
        let shop = Shop::open(&db).await;
        let kind = FaultKind::Status429 { retry_after: Some(60) };
        shop.fake.handle.fault(Fault::on("POST", "/services/", kind));
        let hook = json!({ "id": "tell", "type": "action", "action": "slack.send_webhook",
            "input": { "text": "once" } });
        let run = shop.rig.start("later", json!([hook]), json!({})).await;
        let (run, took) = shop.finish(&db, &run, 30).await;
        assert_eq!((run.status, took), (RunStatus::Completed, 60), "{:?}", run.error);
        assert_eq!(shop.fake.handle.messages().len(), 1);
        assert_eq!(shop.effect_state(&run, "tell").await, "done");
    }

    /// The contact was made and the answer lost: it is looked for before it is made again.
    async fn what_can_be_looked_for_is_looked_for_before_it_is_repeated(db: TestStore) {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let config = SandboxConfig {
            contacts: 0,
            deduplicate: false,
            limits: Limits::NONE,
            ..SandboxConfig::new(db.sim.env.clone())
        };
        let fake = Sandbox::start(config).await.unwrap();
        let address = fake.hubspot_base_url.trim_start_matches("http://").to_owned();
        let rig = Rig::reaching(&db, ctx, &[&address]);
        fakes::connect_hubspot(&rig.parts, &rig.ctx, &fake).await;
        let steps = json!([{ "id": "make", "type": "action", "action": "hubspot.create_contact",
            "input": { "properties": { "email": "{{ trigger.email }}" } } }]);
        let shop = Shop { rig, fake };
        let lost = Fault::on("POST", "/crm/v3/objects/contacts", FaultKind::Drop);
        let cases = [(lost.clone().after_effect(), 1), (lost, 2)];
        for (number, (fault, posts)) in (1..).zip(cases) {
            shop.fake.handle.clear_calls();
            shop.fake.handle.fault(fault);
            let email = format!("ada{number}@example.com");
            let input = json!({ "email": email });
            let run = shop.rig.start(&email, steps.clone(), input).await;
            let (run, _) = shop.finish(&db, &run, 30).await;
            assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
            assert_eq!(shop.fake.handle.count(ObjectType::Contacts), number);
            assert_eq!(shop.fake.handle.calls_of("POST", "/crm/v3/objects/contacts"), posts);
            assert_eq!(shop.step(&run, "make").await.attempts, 2);
            let made = &run.output.unwrap().shown()["records"][0]["properties"]["email"];
            assert_eq!(made, &json!(email));
        }
    }
}
