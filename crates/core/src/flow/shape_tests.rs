//! What is told of a source that changes, and that it is told once.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const MAPPED: [&str; 3] = ["email", "properties.city", "owner.name"];

fn learnt(records: &[Value]) -> Shape {
    let mut watch = Watch::new(Shape::default(), MAPPED, []);
    let noticed = watch.page(records);
    assert!(noticed.is_none_or(|noticed| noticed.drift.is_empty()), "what is learnt is no news");
    let mut shape = watch.shape().clone();
    shape.learn();
    shape
}

fn drift(shape: &Shape, records: &[Value]) -> Drift {
    let mut watch = Watch::new(shape.clone(), MAPPED, ["declared".to_owned()]);
    let drift = watch.page(records).map(|noticed| noticed.drift).unwrap_or_default();
    let again = watch.page(records).map(|noticed| noticed.drift).unwrap_or_default();
    assert!(again.is_empty(), "told twice: {again:?}");
    drift
}

fn base() -> Vec<Value> {
    vec![
        json!({"id": 1, "email": "a", "owner": {"name": "x"},
            "properties": {"city": "c", "id": "n", "zip": null}}),
        json!({"id": 2, "email": null, "owner": null, "properties": {"city": "d", "id": "n"}}),
    ]
}

#[test]
fn the_first_read_is_learnt_and_shown() {
    let shape = learnt(&base());
    let field = |name: &str| shape.fields().into_iter().find(|field| field.name == name).unwrap();
    assert_eq!(field("id").types, ["number"]);
    assert_eq!(field("properties.id").types, ["text"]);
    assert!(field("city").in_every_record && !field("zip").in_every_record);
    assert_eq!(field("zip").types, Vec::<&str>::new());
    assert!(!shape.fields().iter().any(|field| field.name == "properties"));
    let text = serde_json::to_string(&shape).unwrap();
    assert_eq!(serde_json::from_str::<Shape>(&text).unwrap(), shape);
}

#[test]
fn what_is_new_gone_or_of_another_type_is_named() {
    let shape = learnt(&base());
    assert!(drift(&shape, &base()).is_empty());
    let changed = vec![json!({"id": 3, "owner": ["x"], "mail": "m", "declared": 1,
        "properties": {"city": 5, "id": 7, "zip": "text", "email": "nested"}})];
    let found = drift(&shape, &changed);
    assert_eq!(found.added, ["mail", "properties.email"]);
    assert_eq!(found.vanished, ["email"]);
    let other: Vec<&str> = found.changed.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(other, ["owner", "city"], "what is not mapped may hold what it likes");
    let text = found.describe();
    for part in ["new: `mail`", "gone: `email`", "`city` (text, now number)"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_field_that_some_records_lack_does_not_vanish_and_few_fields_are_watched() {
    let shape = learnt(&[json!({"email": "a", "id": 1}), json!({"id": 2})]);
    assert!(drift(&shape, &[json!({"id": 3})]).is_empty());
    let many: serde_json::Map<String, Value> =
        (0..2 * MAX_SHAPE_FIELDS).map(|n| (format!("f{n}"), json!(n))).collect();
    assert_eq!(learnt(&[Value::Object(many)]).fields().len(), MAX_SHAPE_FIELDS);
    assert!(!learnt(&[]).is_learned() && !learnt(&[json!("text")]).is_learned());
}

proptest! {
    /// Whatever pages records come in, and wherever reading breaks off and goes on, what is learnt
    /// is the same and nothing that was learnt is news.
    #[test]
    fn pages_do_not_matter(
        records in prop::collection::vec(
            prop::collection::btree_map("[a-e]", prop_oneof![
                Just(json!(null)), Just(json!(1)), Just(json!("t")), Just(json!([]))], 0..5),
            1..20),
        cut in 0usize..20,
    ) {
        let records: Vec<Value> = records.into_iter().map(|fields| json!(fields)).collect();
        let whole = learnt(&records);
        let (one, two) = records.split_at(cut.min(records.len()));
        let mut first = Watch::new(Shape::default(), MAPPED, []);
        first.page(one);
        let stored = serde_json::to_string(first.shape()).unwrap();
        let mut second = Watch::new(serde_json::from_str(&stored).unwrap(), MAPPED, []);
        second.page(two);
        let mut parts = second.shape().clone();
        parts.learn();
        let sorted = |shape: &Shape| {
            let mut fields = shape.fields();
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            fields
        };
        prop_assert_eq!(sorted(&parts), sorted(&whole));
        prop_assert!(drift(&whole, &records).is_empty());
    }
}
