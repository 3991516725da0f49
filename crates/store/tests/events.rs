//! Events that share a row are as good as events that lie alone.

use connectus_core::event::EventType;
use connectus_store::events::NewEvent;
use connectus_testkit::both;
use serde_json::{Value, json};

/// Of two runs and a collection, in the order they are told: four rows of which two hold several.
const TOLD: [(EventType, &str, u64); 8] = [
    (EventType::RunCreated, "run_a", 1),
    (EventType::RunStarted, "run_a", 2),
    (EventType::RunCompleted, "run_a", 3),
    (EventType::RecordsChanged, "crm/contacts", 4),
    (EventType::RecordsChanged, "crm/contacts", 5),
    (EventType::RunCreated, "run_b", 6),
    (EventType::RunStarted, "run_b", 7),
    (EventType::WebhookReceived, "run_b", 8),
];

both! {
    async fn whoever_stands_between_them_reads_on_from_there(db: TestStore) {
        let ctx = db.tenant("Packed").await.unwrap();
        let base = db.store.read().await.unwrap().last_event_seq(&ctx).await.unwrap();
        let told = TOLD.map(|(kind, subject, n)| NewEvent {
            tenant: ctx.tenant().clone(),
            kind,
            subject: subject.to_owned(),
            data: json!({ "n": n, "lines": "one\ntwo", "key": format!("k{n}") }).into(),
        });
        db.store
            .write(move |tx| Box::pin(async move { tx.emit_all(told.into()).await }))
            .await
            .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let count = u64::try_from(TOLD.len()).unwrap();
        for after in 0..=count {
            for limit in 1..=count {
                let (found, limit) = (base + after, u32::try_from(limit).unwrap());
                let events = conn.events_after(&ctx, found, limit).await.unwrap();
                let headings = conn.event_headings(&ctx, found, limit).await.unwrap();
                let seen: Vec<_> =
                    events.iter().map(|of| (of.kind, &*of.subject, of.seq - base)).collect();
                let due: Vec<_> = TOLD.into_iter().filter(|(_, _, n)| *n > after).collect();
                assert_eq!(seen, due[..due.len().min(limit as usize)], "{after} {limit}");
                let heads: Vec<_> = headings
                    .iter()
                    .map(|of| (of.kind.unwrap(), &*of.subject, of.seq - base))
                    .collect();
                assert_eq!(heads, seen, "{after} {limit}");
                for event in &events {
                    let data = event.data.value();
                    assert_eq!(data["n"], event.seq - base);
                    assert_eq!(data["lines"], "one\ntwo");
                }
                let page = conn.event_page(&ctx, found, limit).await.unwrap();
                let last = page.map(|page| page.last - base);
                assert_eq!(last, seen.last().map(|(_, _, n)| *n), "{after} {limit}");
            }
        }
        let ids: std::collections::HashSet<_> =
            conn.events_after(&ctx, base, 100).await.unwrap().into_iter().map(|of| of.id).collect();
        assert_eq!(ids.len(), TOLD.len(), "each has an identifier of its own");
        let told = conn.told_with(&ctx, "crm/contacts", "key", "k4").await.unwrap();
        assert_eq!(told.map(|told| told["n"].clone()), Some(Value::from(4)));
    }
}
