use serde_json::json;

use super::*;

fn filter(name: &str, value: &str) -> Filter {
    Filter::parse_all([(name, value)]).unwrap().remove(0)
}

fn holds(name: &str, value: &str, record: &Value) -> bool {
    filter(name, value).matches(record.as_object().unwrap())
}

#[test]
fn every_operator_compares() {
    let record = json!({
        "email": "Ada@Example.com", "age": 36, "score": 7.5, "zip": "01234",
        "vip": true, "gone": null, "tags": ["a"],
    });
    for (name, value, expected) in [
        ("filter[email]", "Ada@Example.com", true),
        ("filter[email]", "ada@example.com", false),
        ("filter[email][contains]", "@example", true),
        ("filter[email][contains]", "bob", false),
        ("filter[email][ne]", "bob@example.com", true),
        ("filter[email][ne]", "Ada@Example.com", false),
        ("filter[age][eq]", "36", true),
        ("filter[age][eq]", "36.0", true),
        ("filter[age][gt]", "5", true),
        ("filter[age][gt]", "36", false),
        ("filter[age][gte]", "36", true),
        ("filter[age][lt]", "100", true),
        ("filter[age][lte]", "35", false),
        ("filter[age][gt]", "abc", false),
        ("filter[age][ne]", "abc", true),
        ("filter[score][gt]", "7", true),
        ("filter[zip]", "1234", false),
        ("filter[zip]", "01234", true),
        ("filter[zip][lt]", "1", true),
        ("filter[vip]", "true", true),
        ("filter[vip]", "false", false),
        ("filter[vip][ne]", "false", true),
        ("filter[gone][is_null]", "true", true),
        ("filter[missing][is_null]", "", true),
        ("filter[email][is_null]", "false", true),
        ("filter[gone]", "x", false),
        ("filter[gone][ne]", "x", true),
        ("filter[gone][lt]", "x", false),
        ("filter[tags][contains]", "a", false),
    ] {
        assert_eq!(holds(name, value, &record), expected, "{name}={value}");
    }
}

#[test]
fn other_parameters_are_left_alone() {
    let filters = Filter::parse_all([
        ("limit", "5"),
        ("filter[a]", "1"),
        ("filters", "x"),
        ("filter[b.c][gte]", "2"),
    ])
    .unwrap();
    assert_eq!(filters.len(), 2);
    assert_eq!(filters[1].field, "b.c");
    assert_eq!(filters[1].op, Op::Gte);
}

#[test]
fn each_wrong_filter_is_named() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    for (name, value) in [
        ("filter[", "1"),
        ("filter[a", "1"),
        ("filter[]", "1"),
        ("filter[a][like]", "1"),
        ("filter[a][EQ]", "1"),
        ("filter[a][eq][b]", "1"),
        ("filter[a'b]", "1"),
        ("filter[a\"b]", "1"),
        ("filter[$a]", "1"),
        ("filter[a b]", "1"),
        ("filter[a][is_null]", "maybe"),
        ("filter[a]", long.as_str()),
        ("filter[a]", "a\0b"),
    ] {
        let error = Filter::parse_all([(name, value)]).unwrap_err();
        assert_eq!(error.fields.len(), 1, "{name}");
        assert_eq!(error.fields[0].field, name);
    }
    let two = Filter::parse_all([("filter[]", "1"), ("filter[a][x]", "1")]).unwrap_err();
    assert_eq!(two.fields.len(), 2);
    let many = vec![("filter[a]", "1"); MAX_FILTERS + 1];
    assert!(Filter::parse_all(many).is_err());
}
