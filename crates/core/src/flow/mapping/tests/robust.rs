//! No rule and no record can make the mapping panic, and both ways of running it agree.

use proptest::prelude::*;

use super::*;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9./:+TZ -]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn good_rule() -> impl Strategy<Value = Value> {
    let step = prop::sample::select(vec![
        json!({"trim": true}),
        json!({"case": "title"}),
        json!({"split": {"by": "a", "at": -2}}),
        json!({"split": "."}),
        json!({"concat": "-"}),
        json!({"concat": {"fields": ["in", "x.y"], "by": "+"}}),
        json!({"lookup": {"table": {"a": [1]}, "default": {"b": 2}}}),
        json!({"date": {"in": "%d/%m/%Y", "out": "unix_ms", "zone": "Africa/Cairo"}}),
        json!({"date": {"out": "%A %e %B"}}),
        json!({"cast": "string"}),
        json!({"cast": "integer"}),
        json!({"cast": "number"}),
        json!({"cast": "boolean"}),
        json!({"cast": "date"}),
        json!({"cast": "datetime"}),
        json!({"cast": "json"}),
        json!({"default": "2026-01-01"}),
        json!({"hash": "sha256"}),
        json!({"validate": {"email": true, "min": 0, "max_length": 5}}),
        json!({"validate": ["url", "phone"]}),
        json!({"expression": "value"}),
    ]);
    prop::collection::vec(step, 0..5).prop_map(Value::from)
}

proptest! {
    #[test]
    fn any_record_maps_or_fails_cleanly(
        rule in good_rule(),
        record in json_value(),
        value in json_value(),
    ) {
        let mapping = one(&rule);
        for record in [record.clone(), json!({"in": value, "x": record})] {
            let applied = mapping.apply(&record);
            let tested = mapping.test(&record);
            match applied {
                Ok(row) => {
                    prop_assert_eq!(row.get("out"), tested[0].output.as_ref());
                    prop_assert!(tested[0].error.is_none());
                }
                Err(errors) => {
                    prop_assert_eq!(Some(&errors[0].message), tested[0].error.as_ref());
                    prop_assert!(errors[0].message.len() < 2_000);
                }
            }
        }
    }

    #[test]
    fn any_rule_compiles_or_is_refused_by_place(rule in json_value(), name in "[a-z]{3,10}") {
        for rule in [rule.clone(), json!({name: rule})] {
            let rules = json!({"out": rule});
            if let Err(error) = Mapping::compile(&names(&["in"]), &names(&["out"]), &rules) {
                prop_assert_eq!(error.code, Code::Invalid);
                let placed = |field: &str| field.starts_with("/transformation_rules");
                prop_assert!(error.fields.iter().all(|f| placed(&f.field)));
            }
        }
    }

    #[test]
    fn any_option_of_any_rule_is_refused_or_taken(
        name in prop::sample::select(step::Step::NAMES.to_vec()),
        member in prop::sample::select(
            vec!["by", "at", "in", "out", "zone", "table", "min", "salt"]
        ),
        options in json_value(),
        input in json_value(),
    ) {
        for options in [options.clone(), json!({member: options})] {
            let rules = json!({"out": {name: options}});
            if let Ok(mapping) = Mapping::compile(&names(&["in"]), &names(&["out"]), &rules) {
                let _ = mapping.apply(&json!({"in": input}));
            }
        }
    }

    #[test]
    fn any_field_names_are_refused_or_taken(
        source in prop::collection::vec(".{0,6}", 0..4),
        target in prop::collection::vec(".{0,6}", 0..4),
        record in json_value(),
    ) {
        if let Ok(mapping) = Mapping::compile(&source, &target, &json!({})) {
            let row = mapping.apply(&record).unwrap();
            prop_assert!(row.len() <= target.len());
        }
    }
}

#[test]
fn nothing_of_the_record_is_lost_or_rounded_on_the_way() {
    let mapping = Mapping::compile(&names(&["v"]), &names(&["v"]), &json!({})).unwrap();
    for text in ["18446744073709551615", "-9223372036854775808", "0.1", "1e-7", "[1,{\"a\":null}]"]
    {
        let value: Value = serde_json::from_str(text).unwrap();
        let record = Value::Object(Map::from_iter([("v".to_owned(), value.clone())]));
        assert_eq!(mapping.apply(&record).unwrap()["v"], value, "{text}");
    }
}
