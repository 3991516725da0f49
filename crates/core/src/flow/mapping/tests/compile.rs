//! What is refused when a mapping is written, and where the message points.

use super::*;

#[test]
fn lists_pair_up_by_position() {
    let mapping = Mapping::compile(
        &names(&["email", "first_name", "company.name", "missing"]),
        &names(&["email", "firstName", "company", "other"]),
        &Value::Null,
    )
    .unwrap();
    let record = json!({
        "id": "7",
        "properties": {"email": "a@b.co", "first_name": null},
        "company": {"name": "Acme"},
    });
    assert_eq!(
        Value::Object(mapping.apply(&record).unwrap()),
        json!({"email": "a@b.co", "firstName": null, "company": "Acme"})
    );
    let error = Mapping::compile(&names(&["a", "b"]), &names(&["a"]), &json!({})).unwrap_err();
    assert_eq!(error.code, Code::BadRequest);
    assert!(error.detail.contains('2') && error.detail.contains('1'), "{}", error.detail);
}

#[test]
fn field_lists_are_checked() {
    for (source, target, at) in [
        (vec!["a", ""], vec!["a", "b"], "/source_fields/1"),
        (vec!["a", "b"], vec!["a", " "], "/target_fields/1"),
        (vec!["a", "b"], vec!["x", "x"], "/target_fields/1"),
    ] {
        let error = Mapping::compile(&names(&source), &names(&target), &json!({})).unwrap_err();
        assert_eq!(error.fields[0].field, at);
    }
    let many: Vec<String> = (0..=MAX_FIELDS).map(|index| format!("f{index}")).collect();
    assert!(Mapping::compile(&many, &many, &json!({})).is_err());
    assert!(Mapping::compile(&many[1..], &many[1..], &json!({})).is_ok());
}

#[test]
fn every_mistake_is_named_by_its_place() {
    let error = Mapping::compile(
        &names(&["a", "b"]),
        &names(&["a/b", "c~d"]),
        &json!({
            "a/b": {"trim": 5, "upper": true},
            "c~d": [{"cast": "text"}, "trim"],
            "emial": {},
        }),
    )
    .unwrap_err();
    let mut places: Vec<_> = error.fields.iter().map(|field| field.field.as_str()).collect();
    places.sort_unstable();
    assert_eq!(
        places,
        [
            "/transformation_rules/a~1b/trim",
            "/transformation_rules/a~1b/upper",
            "/transformation_rules/c~0d/0/cast",
            "/transformation_rules/c~0d/1",
            "/transformation_rules/emial",
        ]
    );
    let unknown = error.fields.iter().find(|field| field.field.ends_with("emial")).unwrap();
    assert!(unknown.message.contains("a/b, c~d"), "{}", unknown.message);
}

#[test]
fn wrong_options_are_refused_where_they_stand() {
    for (rule, place, part) in [
        (json!(5), "", "object"),
        (json!({"rename": "x"}), "/rename", "rules are: expression"),
        (json!({"cast": 5}), "/cast", "one of: string"),
        (json!({"trim": "left"}), "/trim", "\"start\""),
        (json!({"case": "camel"}), "/case", "\"title\""),
        (json!({"split": ""}), "/split", "text to split at"),
        (json!({"split": {"at": 1}}), "/split", "text to split at"),
        (json!({"split": {"by": ",", "at": 1.5}}), "/split/at", "whole number"),
        (json!({"split": {"by": 1}}), "/split/by", "text"),
        (json!({"split": {"on": ","}}), "/split/on", "by, at"),
        (json!({"split": {"by": "x".repeat(101)}}), "/split/by", "at most"),
        (json!({"concat": {"fields": []}}), "/concat/fields", "1 to 50"),
        (json!({"concat": {"fields": [1]}}), "/concat/fields", "field names"),
        (json!({"concat": 1}), "/concat", "fields, by"),
        (json!({"lookup": {}}), "/lookup/table", "rows"),
        (json!({"lookup": {"table": {}}}), "/lookup/table", "rows"),
        (
            json!({"lookup": {"table": {"a": 1, "A": 2}, "ignore_case": true}}),
            "/lookup/table",
            "case",
        ),
        (
            json!({"lookup": {"table": {"a": 1}, "ignore_case": 1}}),
            "/lookup/ignore_case",
            "true or",
        ),
        (json!({"date": {"in": "dd/mm"}}), "/date/in", "pattern"),
        (json!({"date": {"in": "%Q%"}}), "/date/in", "pattern"),
        (json!({"date": {"in": "%H:%M"}}), "/date/in", "whole date"),
        (json!({"date": {"out": "auto"}}), "/date/out", "pattern"),
        (json!({"date": {"out": "%!"}}), "/date/out", "pattern"),
        (json!({"date": {"zone": "Paris"}}), "/date/zone", "Europe/Paris"),
        (json!({"date": "iso"}), "/date", "in, out, zone"),
        (json!({"hash": "md5"}), "/hash", "algorithm"),
        (json!({"hash": {"algorithm": "md5"}}), "/hash/algorithm", "sha256"),
        (json!({"hash": {"salt": "my secret value"}}), "/hash/salt", "name of a stored secret"),
        (json!({"validate": "mail"}), "/validate/mail", "email"),
        (json!({"validate": [1]}), "/validate", "names"),
        (json!({"validate": {"min": "1"}}), "/validate/min", "number"),
        (json!({"validate": {"min": 2, "max": 1}}), "/validate/min", "greater"),
        (json!({"validate": {"min_length": -1}}), "/validate/min_length", "whole number"),
        (
            json!({"validate": {"min_length": 2, "max_length": 1}}),
            "/validate/min_length",
            "greater",
        ),
        (json!({"validate": {"one_of": []}}), "/validate/one_of", "1 to"),
        (json!({"expression": 5}), "/expression", "text"),
        (json!({"expression": "1 +"}), "/expression", ""),
        (json!({"expression": "steps.a.output"}), "/expression", "`steps` is not known"),
        (json!(vec![json!({"trim": true}); MAX_STEPS + 1]), "", "at most 20"),
    ] {
        let (field, message) = mistake(&rule);
        assert_eq!(field, format!("/transformation_rules/out{place}"), "{rule}: {message}");
        assert!(message.contains(part), "{rule}: {message}");
    }
    for rules in [json!([]), json!("x"), json!({"inbound": []})] {
        assert!(Mapping::compile(&names(&["a"]), &names(&["a"]), &rules).is_err(), "{rules}");
    }
}

#[test]
fn rules_of_a_leg_win_over_common_ones() {
    let rules = json!({
        "a": {"case": "upper"},
        "b": {"case": "upper"},
        "inbound": {"a": {"case": "lower"}},
        "outbound": {"a": {"trim": true}},
    });
    let fields = names(&["a", "b"]);
    let record = json!({"a": " Xy ", "b": " Xy "});
    let apply = |leg| {
        let mapping = Mapping::forward(&fields, &fields, rules.as_object().unwrap(), leg).unwrap();
        Value::Object(mapping.apply(&record).unwrap())
    };
    assert_eq!(apply(Leg::Inbound), json!({"a": " xy ", "b": " XY "}));
    assert_eq!(apply(Leg::Outbound), json!({"a": "Xy", "b": " XY "}));
}

#[test]
fn a_field_may_be_called_inbound() {
    let mapping = Mapping::compile(
        &names(&["calls"]),
        &names(&["inbound"]),
        &json!({"inbound": {"cast": "integer"}}),
    )
    .unwrap();
    assert_eq!(mapping.apply(&json!({"calls": "5"})).unwrap()["inbound"], 5);
}

#[test]
fn a_test_shows_each_step_and_stops_at_the_failing_one() {
    let mapping = Mapping::compile(
        &names(&["email", "age", "gone"]),
        &names(&["email", "age", "gone"]),
        &json!({
            "email": {"trim": true, "case": "lower"},
            "age": [{"trim": true}, {"cast": "integer"}, {"validate": {"min": 0}}],
        }),
    )
    .unwrap();
    let results = mapping.test(&json!({"email": " A@B.co", "age": " old "}));
    assert_eq!(
        serde_json::to_value(&results).unwrap(),
        json!([
            {"source": "email", "target": "email", "input": " A@B.co", "output": "a@b.co",
             "error": null, "steps": [{"step": "trim", "output": "A@B.co"},
                                      {"step": "case", "output": "a@b.co"}]},
            {"source": "age", "target": "age", "input": " old ", "output": null,
             "error": "`old` is not a whole number.",
             "steps": [{"step": "trim", "output": "old"}, {"step": "cast", "output": null}]},
            {"source": "gone", "target": "gone", "input": null, "output": null,
             "error": null, "steps": []},
        ])
    );
}

#[test]
fn all_errors_of_a_row_come_together() {
    let mapping = Mapping::compile(
        &names(&["a", "b", "c"]),
        &names(&["a", "b", "c"]),
        &json!({"a": {"cast": "integer"}, "b": {"validate": "required"}}),
    )
    .unwrap();
    let errors = mapping.apply(&json!({"a": "x", "c": 1})).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["a", "b"]);
}
