//! Data flows, cursors, collections, records and refused rows, on both databases.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use std::collections::BTreeSet;

use connectus_core::{
    FlowId, IntegrationId, Page, RejectedRowId, RunId, TenantCtx, TenantId, Timestamp,
    canonical::Digest,
    collection::{CollectionName, Filter},
    error::FieldError,
    flow::{DataFlow, Leg},
    integration::{Integration, IntegrationStatus},
};
use connectus_store::{
    flows::FlowFilter,
    providers::Provider,
    records::{NewRecord, RecordSearch, Sort, SortBy},
    rejected::NewRejectedRow,
    tenants::Tenant,
};
use connectus_testkit::{TestStore, both};
use serde_json::{Map, Value, json};

fn collection() -> CollectionName {
    "digisol_crm/contacts".parse().unwrap()
}

fn row(key: &str, data: &Value) -> NewRecord {
    NewRecord::of(key, data.as_object().unwrap()).unwrap()
}

fn flow(ctx: &TenantCtx, db: &TestStore, integration: &IntegrationId) -> DataFlow {
    serde_json::from_value(json!({
        "id": db.sim.env.id::<FlowId>(),
        "tenant": ctx.tenant(),
        "integration": integration,
        "name": "Contacts Sync",
        "direction": "inbound",
        "status": "active",
        "stream": "contacts",
        "destination": "digisol_crm/contacts",
        "source_fields": ["email"],
        "target_fields": ["email"],
        "transformation_rules": {"email": {"trim": true}},
        "conflict_policy": "newest",
        "sync_frequency": "hourly",
        "records_processed": 0,
        "records_failed": 0,
        "last_run": null,
        "last_synced_at": null,
        "next_due_at": null,
        "created_by": null,
        "created_at": db.sim.env.now(),
        "updated_at": db.sim.env.now(),
        "version": 1,
    }))
    .unwrap()
}

/// Runs a piece of work as one transaction.
macro_rules! write {
    ($db:expr, $tx:ident => $body:expr) => {
        $db.store.write(move |$tx| Box::pin(async move { Ok($body.await?) })).await
    };
}

/// A tenant with one HubSpot integration.
async fn tenant(db: &TestStore) -> (TenantCtx, IntegrationId) {
    let id: TenantId = db.sim.env.id();
    let ctx = TenantCtx::system(id.clone());
    let tenant: Tenant = Tenant {
        id,
        name: "Acme".into(),
        plan: "pro".into(),
        status: "active".into(),
        timezone: "UTC".into(),
        sandbox: false,
        weight: Default::default(),
        created_at: db.sim.env.now(),
        updated_at: db.sim.env.now(),
    };
    let sealer = db.store.sealer().clone();
    db.store
        .write(move |tx| Box::pin(async move { tx.insert_tenant(&tenant, &sealer).await }))
        .await
        .unwrap();
    let integration = integration(db, &ctx);
    let id = integration.id.clone();
    write!(db, tx => async {
        tx.put_provider(&hubspot()).await?;
        tx.insert_integration(&integration).await
    })
    .unwrap();
    (ctx, id)
}

fn hubspot() -> Provider {
    Provider {
        name: "hubspot".into(),
        display_name: "HubSpot".into(),
        category: "crm".into(),
        auth_type: "oauth2".into(),
        pack_hash: String::new(),
        view: json!({}),
        capabilities: json!({}),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    }
}

fn integration(db: &TestStore, ctx: &TenantCtx) -> Integration {
    Integration {
        id: db.sim.env.id(),
        tenant: ctx.tenant().clone(),
        provider: "hubspot".into(),
        provider_version: None,
        name: "HubSpot".into(),
        status: IntegrationStatus::Connected,
        settings: Map::new(),
        sync_config: Map::new(),
        health_score: 100,
        api_calls_today: 0,
        api_calls_limit: 0,
        last_error: None,
        created_by: None,
        created_at: db.sim.env.now(),
        updated_at: db.sim.env.now(),
        version: 1,
    }
}

/// Records that differ in the types, the letters and the presence of their fields.
fn of_every_kind() -> [Value; 6] {
    [
        json!({"email": "Ada@Example.com", "age": 36, "score": 7.5, "zip": "01234", "vip": true}),
        json!({
            "email": "bob@example.org", "age": 9, "score": -1, "zip": "9", "vip": false, "b.c": "x",
        }),
        json!({"email": null, "age": "36", "tags": ["a"], "vip": "true", "b": {"c": "x"}}),
        json!({"email": "100%_'\"\\", "age": 1e3, "zip": 1234}),
        json!({}),
        json!({"email": "éa", "age": 0.1, "score": 18446744073709551615_u64}),
    ]
}

both! {
    async fn a_batch_is_written_in_one_statement_and_read_back(db: TestStore) {
        let (ctx, integration) = tenant(&db).await;
        let odd = "quote\" back\\slash \u{1F600}\nline";
        let rows: Vec<NewRecord> = (0..2_500)
            .map(|n| {
                row(&format!("hubspot:{n}"), &json!({"email": format!("u{n}@example.com"), "n": n}))
            })
            .chain([row(
                odd,
                &json!({"note": "nul \\u0000 kept as text", "big": 18446744073709551615_u64}),
            )])
            .collect();
        let (who, name) = (ctx.clone(), collection());
        write!(db, tx => async {
            tx.ensure_collection(&who, &name).await?;
            tx.upsert_records(&who, &name, &rows, "flow_1", Some(&integration)).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let keys: Vec<String> = (2_000..3_000).map(|n| format!("hubspot:{n}")).collect();
        let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.push(odd);
        let states = conn.record_states(&ctx, &collection(), &keys).await.unwrap();
        assert_eq!(states.len(), 501);
        let expected = row("x", &json!({"email": "u2000@example.com", "n": 2000})).hash;
        let found = states.iter().find(|state| state.key == "hubspot:2000").unwrap();
        assert_eq!((found.hash, found.source.as_str()), (expected, "flow_1"));
        assert!(found.origin.is_some());
        let record = conn.record(&ctx, &collection(), odd).await.unwrap().unwrap();
        assert_eq!(record.data["big"], json!(18446744073709551615_u64));
        assert_eq!(record.data["note"], "nul \\u0000 kept as text");
        let by_keys =
            conn.records_by_keys(&ctx, &collection(), &[odd, "hubspot:7", "none"]).await.unwrap();
        assert_eq!(by_keys.len(), 2);
        assert_eq!(conn.collection(&ctx, &collection()).await.unwrap().unwrap().records, 2_501);
    }

    async fn writing_again_replaces_and_keeps_when_it_arrived(db: TestStore) {
        let (ctx, integration) = tenant(&db).await;
        let (who, name) = (ctx.clone(), collection());
        let first = [row("k", &json!({"a": 1}))];
        write!(db, tx => async {
            tx.ensure_collection(&who, &name).await?;
            tx.upsert_records(&who, &name, &first, "flow_1", Some(&integration)).await
        })
        .unwrap();
        let made = db.sim.env.now();
        db.sim.clock.advance_secs(60);
        let (who, name) = (ctx.clone(), collection());
        write!(db, tx => async {
            tx.put_record(&who, &name, &row("k", &json!({"a": 2})), "user:usr_1", None).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let record = conn.record(&ctx, &collection(), "k").await.unwrap().unwrap();
        assert_eq!(record.data["a"], 2);
        assert_eq!((record.created_at, record.updated_at), (made, made.plus_secs(60)));
        let state = &conn.record_states(&ctx, &collection(), &["k"]).await.unwrap()[0];
        assert_eq!(state.source, "user:usr_1");
        assert!(
            state.origin.is_some(),
            "a change by hand does not change where a record came from"
        );
    }

    async fn tenants_do_not_see_each_others_records(db: TestStore) {
        let (ctx, integration) = tenant(&db).await;
        let (other, _) = tenant(&db).await;
        let (who, name) = (ctx.clone(), collection());
        write!(db, tx => async {
            tx.ensure_collection(&who, &name).await?;
            let rows = [row("k", &json!({"a": 1}))];
            tx.upsert_records(&who, &name, &rows, "flow_1", Some(&integration)).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        assert!(conn.record(&other, &collection(), "k").await.unwrap().is_none());
        assert!(conn.record_states(&other, &collection(), &["k"]).await.unwrap().is_empty());
        let theirs = conn.collection(&other, &collection()).await.unwrap().unwrap();
        assert_eq!(theirs.records, 0, "everyone has the built-in collection, and it is their own");
        let search = RecordSearch::default();
        let found =
            conn.search_records(&other, &collection(), &search, Page::default()).await.unwrap();
        assert_eq!(found.total_count, 0);
        drop(conn);
        let gone = write!(db, tx => async { tx.delete_record(&other, &collection(), "k").await });
        assert!(!gone.unwrap());
    }

    async fn filters_answer_as_they_are_defined(db: TestStore) {
        let (ctx, _) = tenant(&db).await;
        let (who, name) = (ctx.clone(), collection());
        let rows: Vec<NewRecord> =
            of_every_kind().iter().enumerate().map(|(n, data)| row(&n.to_string(), data)).collect();
        write!(db, tx => async {
            tx.ensure_collection(&who, &name).await?;
            tx.upsert_records(&who, &name, &rows, "t", None).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let stored = conn.records_after(&ctx, &collection(), &[], "", 10).await.unwrap();
        let records: Vec<Value> = stored.into_iter().map(|record| record.data.into()).collect();
        let fields = ["email", "age", "score", "zip", "vip", "tags", "b", "b.c", "missing"];
        let values = [
            "",
            "36",
            "9",
            "01234",
            "1234",
            "true",
            "false",
            "x",
            "a",
            "E",
            "Ada@Example.com",
            "0.1",
            "-1",
            "é",
            "%",
            "'",
        ];
        let mut tried = 0;
        for field in fields {
            for op in ["eq", "ne", "contains", "gt", "gte", "lt", "lte"] {
                for value in values {
                    let name = format!("filter[{field}][{op}]");
                    let filters = Filter::parse_all([(name.as_str(), value)]).unwrap();
                    let expected: BTreeSet<String> = records
                        .iter()
                        .enumerate()
                        .filter(|(_, data)| filters[0].matches(data.as_object().unwrap()))
                        .map(|(n, _)| n.to_string())
                        .collect();
                    let search = RecordSearch { filters, sort: Sort::default() };
                    let found = conn
                        .search_records(&ctx, &collection(), &search, Page::default())
                        .await
                        .unwrap();
                    let got: BTreeSet<String> = found.items.into_iter().map(|r| r.key).collect();
                    assert_eq!(got, expected, "{name}={value}");
                    assert_eq!(found.total_count, expected.len() as u64);
                    tried += 1;
                }
            }
            for flag in ["true", "false"] {
                let name = format!("filter[{field}][is_null]");
                let filters = Filter::parse_all([(name.as_str(), flag)]).unwrap();
                let expected = records
                    .iter()
                    .filter(|data| filters[0].matches(data.as_object().unwrap()))
                    .count() as u64;
                let search = RecordSearch { filters, sort: Sort::default() };
                let found = conn
                    .search_records(&ctx, &collection(), &search, Page::default())
                    .await
                    .unwrap();
                assert_eq!(found.total_count, expected, "{name}={flag}");
            }
        }
        assert!(tried > 900);
    }

    async fn pages_sort_and_export_in_order(db: TestStore) {
        let (ctx, _) = tenant(&db).await;
        let (who, name) = (ctx.clone(), collection());
        let rows: Vec<NewRecord> = (0..25)
            .map(|n| {
                row(
                    &format!("k{n:02}"),
                    &json!({"n": (n * 7) % 25, "name": format!("p{}", 24 - n)}),
                )
            })
            .chain([row("k99", &json!({"name": "z"}))])
            .collect();
        write!(db, tx => async {
            tx.ensure_collection(&who, &name).await?;
            tx.upsert_records(&who, &name, &rows, "t", None).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let sort =
            |by, descending| RecordSearch { filters: Vec::new(), sort: Sort { by, descending } };
        let page = Page { limit: 3, offset: 1 };
        let numbers = |records: Vec<connectus_core::collection::Record>| -> Vec<Value> {
            records.into_iter().map(|r| r.data["n"].clone()).collect()
        };
        let up = conn
            .search_records(&ctx, &collection(), &sort(SortBy::Field("n".into()), false), page)
            .await
            .unwrap();
        assert_eq!(numbers(up.items), [1, 2, 3]);
        let down = conn
            .search_records(&ctx, &collection(), &sort(SortBy::Field("n".into()), true), page)
            .await
            .unwrap();
        assert_eq!(numbers(down.items), [23, 22, 21], "records without the field come last");
        assert_eq!(down.total_count, 26);
        let by_key =
            conn.search_records(&ctx, &collection(), &sort(SortBy::Key, true), page).await.unwrap();
        assert_eq!(by_key.items[0].key, "k24");
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let part = conn.records_after(&ctx, &collection(), &[], &after, 10).await.unwrap();
            let Some(last) = part.last() else { break };
            after.clone_from(&last.key);
            seen.extend(part.into_iter().map(|record| record.key));
        }
        assert_eq!(conn.record_fields(&ctx, &collection(), 10).await.unwrap(), ["n", "name"]);
        assert_eq!(conn.record_fields(&ctx, &collection(), 1).await.unwrap(), ["n"]);
        assert_eq!(seen.len(), 26);
        assert!(seen.is_sorted());
    }

    async fn flows_are_changed_by_version_and_counted(db: TestStore) {
        let (ctx, integration) = tenant(&db).await;
        let (other, _) = tenant(&db).await;
        let made = flow(&ctx, &db, &integration);
        let (id, copy) = (made.id.clone(), made.clone());
        write!(db, tx => async { tx.insert_flow(&copy).await }).unwrap();
        let mut conn = db.store.read().await.unwrap();
        let read = conn.flow(&ctx, &id).await.unwrap().unwrap();
        assert_eq!(read, made);
        assert!(conn.flow(&other, &id).await.unwrap().is_none());
        drop(conn);

        let mut newer = read.clone();
        newer.name = "Renamed".into();
        newer.next_due_at = Some(db.sim.env.now());
        let change = newer.clone();
        assert!(write!(db, tx => async { tx.update_flow(&change).await }).unwrap());
        let stale = newer.clone();
        assert!(!write!(db, tx => async { tx.update_flow(&stale).await }).unwrap());

        let (who, what, slot) = (ctx.clone(), id.clone(), db.sim.env.now());
        write!(db, tx => async {
            tx.add_flow_counts(&who, &what, 10, 2).await?;
            tx.add_flow_counts(&who, &what, 5, 0).await?;
            tx.note_flow_synced(&who, &what).await?;
            assert_eq!(tx.lock_flow(&who, &what).await?, Some(2));
            assert_eq!(tx.lock_flow(&who, &FlowId::trusted("flow_x")).await?, None);
            let due = tx.due_flows(slot, 10).await?;
            assert_eq!(due.len(), 1);
            assert!(tx.move_flow_due(&who, &what, slot, Some(slot.plus_secs(60))).await?);
            assert!(!tx.move_flow_due(&who, &what, slot, None).await?, "the slot is taken");
            assert!(tx.due_flows(slot, 10).await?.is_empty());
            tx.next_flow_due().await
        })
        .unwrap()
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let read = conn.flow(&ctx, &id).await.unwrap().unwrap();
        assert_eq!((read.records_processed, read.records_failed, read.version), (15, 2, 2));
        assert_eq!(read.name, "Renamed");
        let all = conn.flows(&ctx, &FlowFilter::default(), Page::default()).await.unwrap();
        assert_eq!(all.total_count, 1);
        let none = FlowFilter {
            integration: Some(IntegrationId::trusted("int_x")),
            ..FlowFilter::default()
        };
        assert_eq!(conn.flows(&ctx, &none, Page::default()).await.unwrap().total_count, 0);
    }

    async fn a_flow_takes_its_cursor_and_refused_rows_along(db: TestStore) {
        let (ctx, integration) = tenant(&db).await;
        let made = flow(&ctx, &db, &integration);
        let id = made.id.clone();
        let (who, what) = (ctx.clone(), id.clone());
        write!(db, tx => async {
            tx.insert_flow(&made).await?;
            tx.put_flow_cursor(&who, &what, &json!({"at": 1})).await?;
            tx.put_flow_cursor(&who, &what, &json!({"at": 2})).await?;
            let (run, rows) = (RunId::trusted("run_1"), [refused("rej_1", "1")]);
            tx.keep_rejected(&who, &what, Leg::Inbound, &run, &rows).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        assert_eq!(conn.flow_cursor(&ctx, &id).await.unwrap(), Some(json!({"at": 2})));
        drop(conn);
        let (who, what) = (ctx.clone(), id.clone());
        assert!(write!(db, tx => async { tx.delete_flow(&who, &what).await }).unwrap());
        let mut conn = db.store.read().await.unwrap();
        assert_eq!(conn.flow_cursor(&ctx, &id).await.unwrap(), None);
        assert_eq!(conn.count_rejected(&ctx, &id, true).await.unwrap(), 0);
    }

    async fn a_row_refused_twice_is_kept_once_and_resolved_by_its_key(db: TestStore) {
        let (ctx, integration) = tenant(&db).await;
        let made = flow(&ctx, &db, &integration);
        let id = made.id.clone();
        let (who, what) = (ctx.clone(), id.clone());
        write!(db, tx => async {
            tx.insert_flow(&made).await?;
            let first = [refused("rej_1", "1"), refused("rej_2", "2")];
            tx.keep_rejected(&who, &what, Leg::Inbound, &RunId::trusted("run_1"), &first).await?;
            let (run, rows) = (RunId::trusted("run_2"), [refused("rej_9", "1")]);
            tx.keep_rejected(&who, &what, Leg::Inbound, &run, &rows).await
        })
        .unwrap();
        let mut conn = db.store.read().await.unwrap();
        let rows = conn.rejected_rows(&ctx, &id, false, Page::default()).await.unwrap();
        assert_eq!(rows.total_count, 2);
        let first = rows.items.iter().find(|row| row.source_key == "1").unwrap();
        assert_eq!((first.id.as_str(), first.run.as_str()), ("rej_1", "run_2"));
        assert_eq!(first.source, json!({"id": "1", "nested": {"a": [1, "\""]}}));
        assert_eq!(first.errors, json!([{"field": "email", "message": "is required"}]));
        drop(conn);
        let (who, what) = (ctx.clone(), id.clone());
        let resolved =
            write!(db, tx => async {
                tx.resolve_rejected(&who, &what, Leg::Inbound, &["1", "7"]).await
            });
        assert_eq!(resolved.unwrap(), 1);
        let mut conn = db.store.read().await.unwrap();
        assert_eq!(conn.count_rejected(&ctx, &id, false).await.unwrap(), 1);
        assert_eq!(conn.count_rejected(&ctx, &id, true).await.unwrap(), 2);
        let row = conn.rejected_row(&ctx, &RejectedRowId::trusted("rej_1")).await.unwrap().unwrap();
        assert!(row.replayed_at.is_some());
    }
}

fn refused(id: &str, key: &str) -> NewRejectedRow {
    NewRejectedRow {
        id: RejectedRowId::trusted(id),
        source_key: key.into(),
        source: json!({"id": key, "nested": {"a": [1, "\""]}}),
        errors: vec![FieldError { field: "email".into(), message: "is required".into() }],
    }
}

#[test]
fn a_hash_is_as_long_as_the_batch_statement_cuts_it() {
    assert_eq!(Digest::default().to_string().len(), 64);
}
