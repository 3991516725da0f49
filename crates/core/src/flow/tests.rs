use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Code;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("not an object: {value}") };
    map
}

fn flow() -> DataFlow {
    let at = Timestamp::from_secs(0);
    DataFlow {
        id: FlowId::trusted("flow_1"),
        tenant: TenantId::trusted("ten_1"),
        integration: IntegrationId::trusted("int_1"),
        name: "Contacts Sync".into(),
        direction: Direction::Inbound,
        status: FlowStatus::Active,
        status_reason: None,
        stream: "contacts".into(),
        destination: "digisol_crm/contacts".parse().unwrap(),
        source_fields: ["email", "first_name", "last_name"].map(String::from).into(),
        target_fields: ["email", "firstName", "lastName"].map(String::from).into(),
        transformation_rules: Map::new(),
        conflict_policy: ConflictPolicy::Newest,
        options: Default::default(),
        sync_frequency: "hourly".into(),
        records_processed: 0,
        records_failed: 0,
        last_run: None,
        last_synced_at: None,
        next_due_at: None,
        created_by: None,
        created_at: at,
        updated_at: at,
        version: 1,
    }
}

#[test]
fn the_documented_example_is_a_valid_flow() {
    flow().check().unwrap();
    let row = flow()
        .mapping(Leg::Inbound)
        .unwrap()
        .apply(&json!({"email": "a@b.co", "first_name": "Ada", "last_name": "L"}))
        .unwrap();
    assert_eq!(Value::Object(row), json!({"email": "a@b.co", "firstName": "Ada", "lastName": "L"}));
}

#[test]
fn a_check_names_every_field_at_fault() {
    let rules = object(json!({"emial": {"trim": true}, "email": {"cast": "int"}}));
    let wrong = DataFlow {
        name: " ".into(),
        sync_frequency: "now and then".into(),
        transformation_rules: rules,
        ..flow()
    };
    let error = wrong.check().unwrap_err();
    assert_eq!(error.code, Code::Invalid);
    let fields: Vec<_> = error.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "/name",
            "sync_frequency",
            "/transformation_rules/email/cast",
            "/transformation_rules/emial"
        ]
    );
}

#[test]
fn unequal_lists_are_a_bad_request() {
    let wrong = DataFlow { target_fields: vec!["email".into()], ..flow() };
    assert_eq!(wrong.check().unwrap_err().code, Code::BadRequest);
}

#[test]
fn a_bidirectional_flow_maps_back_with_its_own_rules() {
    let both = DataFlow {
        direction: Direction::Bidirectional,
        transformation_rules: object(json!({
            "firstName": {"case": "title"},
            "inbound": {"email": {"case": "lower"}},
            "outbound": {"first_name": {"case": "upper"}},
        })),
        ..flow()
    };
    both.check().unwrap();
    let here = both
        .mapping(Leg::Inbound)
        .unwrap()
        .apply(&json!({"email": "A@B.CO", "first_name": "ada", "last_name": "l"}))
        .unwrap();
    assert_eq!(
        Value::Object(here.clone()),
        json!({"email": "a@b.co", "firstName": "Ada", "lastName": "l"})
    );
    let back = both.mapping(Leg::Outbound).unwrap().apply(&Value::Object(here)).unwrap();
    assert_eq!(
        Value::Object(back),
        json!({"email": "a@b.co", "first_name": "ADA", "last_name": "l"})
    );
}

#[test]
fn an_outbound_flow_uses_its_own_rules_forward() {
    let out = DataFlow {
        direction: Direction::Outbound,
        transformation_rules: object(json!({"outbound": {"email": {"case": "upper"}}})),
        ..flow()
    };
    let row = out.mapping(Leg::Outbound).unwrap().apply(&json!({"email": "a@b.co"})).unwrap();
    assert_eq!(Value::Object(row), json!({"email": "A@B.CO"}));
}

#[test]
fn conflicts_are_decided_by_policy() {
    let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
    for (policy, source, target, winner) in [
        (ConflictPolicy::SourceWins, early, late, Winner::Source),
        (ConflictPolicy::TargetWins, late, early, Winner::Target),
        (ConflictPolicy::Newest, late, early, Winner::Source),
        (ConflictPolicy::Newest, early, late, Winner::Target),
        (ConflictPolicy::Newest, early, early, Winner::Source),
        (ConflictPolicy::Manual, late, early, Winner::Undecided),
    ] {
        assert_eq!(policy.decide(source, target), winner, "{policy}");
    }
}

#[test]
fn a_diff_shows_what_writing_would_change() {
    let old = object(json!({"email": "a@b.co", "age": 36, "note": "kept", "old": 1}));
    let new = object(json!({"email": "a@b.co", "age": 37, "city": "Lyon", "gone": null}));
    assert_eq!(diff(None, &new), RowDiff::Create);
    assert_eq!(
        serde_json::to_value(diff(Some(&old), &new)).unwrap(),
        json!({"change": "update", "fields": [
            {"field": "age", "before": 36, "after": 37},
            {"field": "city", "before": null, "after": "Lyon"},
        ]})
    );
}

#[test]
fn equal_numbers_and_absent_nulls_are_no_change() {
    let old = object(json!({"a": 1, "b": {"c": [2]}}));
    let new = object(json!({"a": 1.0, "b": {"c": [2.0]}, "d": null}));
    assert_eq!(diff(Some(&old), &new), RowDiff::Unchanged);
    for (before, after) in
        [(json!("1"), json!(1)), (json!(true), json!(1)), (json!(""), json!(null))]
    {
        let (old, new) = (object(json!({"a": before})), object(json!({"a": after})));
        assert!(matches!(diff(Some(&old), &new), RowDiff::Update { .. }), "{before} -> {after}");
    }
}

#[test]
fn a_row_hash_ignores_order_and_sees_every_change() {
    let hash = |text: &str| row_hash(&object(serde_json::from_str(text).unwrap()));
    assert_eq!(hash(r#"{"a":1,"b":"x"}"#), hash(r#"{"b":"x","a":1.0}"#));
    for other in
        [r#"{"a":2,"b":"x"}"#, r#"{"a":1}"#, r#"{"a":"1","b":"x"}"#, r#"{"a":1,"b":"x","c":null}"#]
    {
        assert_ne!(hash(other), hash(r#"{"a":1,"b":"x"}"#), "{other}");
    }
    // Two neighbours beyond 2^53, which are one number to a double.
    assert_ne!(hash(r#"{"id":9007199254740992}"#), hash(r#"{"id":9007199254740993}"#));
}

proptest! {
    #[test]
    fn a_diff_of_equal_rows_is_empty_and_hashes_agree(
        row in prop::collection::hash_map("[a-c]{1,2}", "[x-z]{0,2}", 0..5),
        other in prop::collection::hash_map("[a-c]{1,2}", "[x-z]{0,2}", 0..5),
    ) {
        let map = |row: &std::collections::HashMap<String, String>| -> Map<String, Value> {
            row.iter().map(|(name, text)| (name.clone(), json!(text))).collect()
        };
        let (row, other) = (map(&row), map(&other));
        prop_assert_eq!(diff(Some(&row), &row), RowDiff::Unchanged);
        prop_assert_eq!(row_hash(&row) == row_hash(&other), row == other);
        // Writing the changes and comparing again leaves nothing to write.
        let mut written = other.clone();
        written.extend(row.clone());
        prop_assert_eq!(diff(Some(&written), &row), RowDiff::Unchanged);
    }
}
