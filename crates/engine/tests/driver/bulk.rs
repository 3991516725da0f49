//! Many runs at once: how many one call changes, which ones, and that a second call adds nothing.

use connectus_core::{
    Code, Page,
    run::{RunKind, RunStatus},
};
use connectus_engine::driver::{Bulk, MAX_AT_ONCE, Many};
use connectus_store::{
    audit::AuditFilter,
    runs::{NewRun, Only, RunFilter},
};
use connectus_testkit::both;
use serde_json::json;

use crate::support::Rig;

/// Runs that wait in a queue that nobody works on, in one transaction.
async fn parked(rig: &Rig, count: u32) {
    let ctx = rig.ctx.clone();
    let inserted = rig.parts.store.write(move |tx| {
        Box::pin(async move {
            for _ in 0..count {
                let new = NewRun::new(RunKind::Workflow, "wf_parked", "manual", json!({}));
                tx.insert_run(&ctx, new).await?;
            }
            Ok(())
        })
    });
    inserted.await.unwrap();
}

fn of(subject: &str) -> RunFilter {
    RunFilter { subject_id: Some(subject.to_owned()), ..RunFilter::default() }
}

impl Rig {
    async fn bulk(&self, bulk: Bulk, filter: &RunFilter, dry_run: bool) -> Many {
        self.engine.change_many(&self.ctx, bulk, filter.clone(), dry_run).await.unwrap()
    }

    async fn count(&self, filter: &RunFilter) -> u64 {
        let mut conn = self.parts.store.read().await.unwrap();
        conn.runs_matching(&self.ctx, filter).await.unwrap()
    }

    async fn audited(&self, action: &str) -> u64 {
        let filter = AuditFilter { action: action.to_owned(), ..AuditFilter::default() };
        let mut conn = self.parts.store.read().await.unwrap();
        conn.audit_page(&self.ctx, &filter, Page::default()).await.unwrap().total_count
    }
}

both! {
    async fn a_call_stops_so_many_and_the_same_call_goes_on_with_the_rest(db: TestStore) {
        let rig = Rig::new(&db).await;
        parked(&rig, MAX_AT_ONCE + 3).await;
        let other = db.tenant("Other").await.unwrap();
        let theirs = rig.engine.change_many(&other, Bulk::Cancel, of("wf_parked"), false).await;
        assert_eq!(theirs.unwrap().matched, 0);
        let filter = of("wf_parked");
        let dry = rig.bulk(Bulk::Cancel, &filter, true).await;
        let all = u64::from(MAX_AT_ONCE) + 3;
        assert_eq!((dry.matched, dry.left(), dry.runs.len()), (all, 3, 500));
        assert_eq!(rig.audited("runs.cancel_requested").await, 0);
        let done = rig.bulk(Bulk::Cancel, &filter, false).await;
        assert_eq!(done, dry, "what the dry run told is what is done");
        let rest = rig.bulk(Bulk::Cancel, &filter, false).await;
        assert_eq!((rest.matched, rest.left(), rest.runs.len()), (3, 0, 3));
        assert_eq!(rig.bulk(Bulk::Cancel, &filter, false).await.matched, 0);
        assert_eq!(rig.audited("runs.cancel_requested").await, 2, "what did nothing leaves no row");
        assert_eq!(rig.audited("run.cancel_requested").await, all);
    }

    async fn what_failed_is_repeated_once_however_often_it_is_asked_for(db: TestStore) {
        let rig = Rig::new(&db).await;
        let bad = json!([{ "id": "no", "type": "fail", "message": "no paper" }]);
        let first = rig.start("bad", bad, json!({})).await;
        let outer = json!([{ "id": "sub", "type": "workflow", "workflow": "bad", "input": {} }]);
        let outer = rig.start("outer", outer, json!({})).await;
        let fine = json!([{ "id": "note", "type": "set", "vars": { "a": 1 } }]);
        rig.start("fine", fine, json!({})).await;
        rig.settle().await;
        let failed = RunFilter { status: vec![RunStatus::Failed], ..RunFilter::default() };
        assert_eq!(rig.count(&failed).await, 3, "the inner run failed as well");
        let dead = RunFilter { only: Some(Only::DeadLetters), ..RunFilter::default() };
        let dry = rig.bulk(Bulk::Retry, &failed, true).await;
        let mut meant: Vec<_> = dry.runs.into_iter().map(|one| one.run).collect();
        meant.sort();
        let mut expected = [first.id.clone(), outer.id.clone()];
        expected.sort();
        assert_eq!(meant, expected, "a run that another one waited for is repeated by that one");
        // Two callers at once.
        let both = futures::future::join(
            rig.bulk(Bulk::Retry, &failed, false),
            rig.bulk(Bulk::Retry, &failed, false),
        );
        both.await;
        assert_eq!(rig.count(&dead).await, 0);
        let again = RunFilter { trigger: Some("retry".into()), ..RunFilter::default() };
        assert_eq!(rig.count(&again).await, 2, "each once");
        assert_eq!(rig.bulk(Bulk::Retry, &failed, false).await.matched, 0);
        rig.settle().await;
        assert_eq!(rig.count(&dead).await, 2, "they failed again, so they are dead letters again");
    }

    async fn a_filter_must_say_something_that_can_be_done(db: TestStore) {
        let rig = Rig::new(&db).await;
        let done = RunFilter { status: vec![RunStatus::Completed], ..RunFilter::default() };
        for (bulk, filter) in [
            (Bulk::Cancel, RunFilter::default()),
            (Bulk::Retry, RunFilter::default()),
            (Bulk::Cancel, done.clone()),
            (Bulk::Retry, done),
        ] {
            let refused = rig.engine.change_many(&rig.ctx, bulk, filter, true).await.unwrap_err();
            assert_eq!(refused.code, Code::Invalid);
        }
    }
}
