//! Every rule, with values it takes and values it refuses.

use super::*;

/// Checks one rule on values: `Ok` outputs must match, `Err` texts must be part of the message.
fn table(rule: &Value, rows: &[(Value, Result<Value, &str>)]) {
    for (input, expected) in rows {
        let found = run(rule, input);
        match (&found, expected) {
            (Ok(output), Ok(wanted)) => assert_eq!(output, wanted, "{rule} of {input}"),
            (Err(message), Err(part)) => {
                assert!(message.contains(part), "{rule} of {input}: {message}");
            }
            _ => panic!("{rule} of {input}: expected {expected:?}, found {found:?}"),
        }
    }
}

#[test]
fn cast_to_string_integer_number() {
    table(
        &json!({"cast": "string"}),
        &[
            (json!("a"), Ok(json!("a"))),
            (json!(""), Ok(json!(""))),
            (json!(5), Ok(json!("5"))),
            (json!(5.0), Ok(json!("5"))),
            (json!(18_446_744_073_709_551_615_u64), Ok(json!("18446744073709551615"))),
            (json!(true), Ok(json!("true"))),
            (json!(null), Ok(json!(null))),
            (json!([1]), Err("a list is not")),
            (json!({}), Err("an object is not")),
        ],
    );
    table(
        &json!({"cast": "integer"}),
        &[
            (json!(5), Ok(json!(5))),
            (json!(5.0), Ok(json!(5))),
            (json!(" -12 "), Ok(json!(-12))),
            (json!("12.0"), Ok(json!(12))),
            (json!("007"), Ok(json!(7))),
            (json!("9007199254740993"), Ok(json!(9_007_199_254_740_993_i64))),
            (json!("18446744073709551615"), Ok(json!(18_446_744_073_709_551_615_u64))),
            (json!(""), Ok(json!(null))),
            (json!(5.5), Err("`5.5` is not a whole number")),
            (json!("12x"), Err("`12x` is not a whole number")),
            (json!("1e300"), Err("not a whole number")),
            (json!(true), Err("not a whole number")),
            (json!([5]), Err("not a whole number")),
        ],
    );
    table(
        &json!({"cast": "number"}),
        &[
            (json!(5), Ok(json!(5))),
            (json!("1.50"), Ok(json!(1.5))),
            (json!("+.5"), Ok(json!(0.5))),
            (json!("1e3"), Ok(json!(1000.0))),
            (json!("  "), Ok(json!(null))),
            (json!("inf"), Err("not a number")),
            (json!("NaN"), Err("not a number")),
            (json!("1,5"), Err("not a number")),
            (json!("1e999"), Err("not a number")),
            (json!(false), Err("not a number")),
        ],
    );
}

#[test]
fn cast_to_boolean_and_json() {
    table(
        &json!({"cast": "boolean"}),
        &[
            (json!(true), Ok(json!(true))),
            (json!("Yes"), Ok(json!(true))),
            (json!(" off "), Ok(json!(false))),
            (json!(0), Ok(json!(false))),
            (json!(1.0), Ok(json!(true))),
            (json!(""), Ok(json!(null))),
            (json!(2), Err("not true or false")),
            (json!("maybe"), Err("not true or false")),
        ],
    );
    table(
        &json!({"cast": "json"}),
        &[
            (json!("{\"a\":[1]}"), Ok(json!({"a": [1]}))),
            (json!("5"), Ok(json!(5))),
            (json!([1]), Ok(json!([1]))),
            (json!(""), Ok(json!(null))),
            (json!("{"), Err("not JSON")),
            (json!("[".repeat(500)), Err("...` is not JSON")),
        ],
    );
}

#[test]
fn cast_to_date_and_datetime() {
    table(
        &json!({"cast": "date"}),
        &[
            (json!("2026-03-01"), Ok(json!("2026-03-01"))),
            (json!("20260301"), Ok(json!("2026-03-01"))),
            (json!("2026-03-01T23:30:00-05:00"), Ok(json!("2026-03-02"))),
            (json!(1_772_323_200_000_i64), Ok(json!("2026-03-01"))),
            (json!("1772323200000"), Ok(json!("2026-03-01"))),
            (json!(1_772_323_200), Ok(json!("2026-03-01"))),
            (json!(""), Ok(json!(null))),
            (json!("01/03/2026"), Err("not a date")),
            (json!("2026-02-30"), Err("not a date")),
            (json!(i64::MAX), Err("not a date")),
            (json!(true), Err("not a date")),
        ],
    );
    table(
        &json!({"cast": "datetime"}),
        &[
            (json!("2026-03-01"), Ok(json!("2026-03-01T00:00:00Z"))),
            (json!("2026-03-01 10:20:30"), Ok(json!("2026-03-01T10:20:30Z"))),
            (json!("2026-03-01T10:20:30.5+02:00"), Ok(json!("2026-03-01T08:20:30.5Z"))),
            (json!(0), Ok(json!("1970-01-01T00:00:00Z"))),
            (json!("soon"), Err("not a date and time")),
        ],
    );
}

#[test]
fn date_rewrites_between_forms() {
    table(
        &json!({"date": {"in": "%d/%m/%Y", "out": "date"}}),
        &[
            (json!("01/03/2026"), Ok(json!("2026-03-01"))),
            (json!(" "), Ok(json!(null))),
            (json!("31/02/2026"), Err("`%d/%m/%Y`")),
            (json!("2026-03-01"), Err("not a date of the form")),
            (json!(5), Err("not a date of the form")),
        ],
    );
    table(
        &json!({"date": {"in": "%Y-%m-%d %H:%M", "out": "iso", "zone": "Europe/Paris"}}),
        &[
            (json!("2026-07-01 12:00"), Ok(json!("2026-07-01T10:00:00Z"))),
            (json!("2026-01-01 12:00"), Ok(json!("2026-01-01T11:00:00Z"))),
        ],
    );
    table(
        &json!({"date": {"out": "%d %B %Y", "zone": "America/New_York"}}),
        &[
            (json!("2026-03-01T02:00:00Z"), Ok(json!("28 February 2026"))),
            (json!("2026-03-01"), Ok(json!("01 March 2026"))),
        ],
    );
    for (out, expected) in
        [("unix", json!(1_772_323_200)), ("unix_ms", json!(1_772_323_200_000_i64))]
    {
        table(&json!({"date": {"out": out}}), &[(json!("2026-03-01"), Ok(expected))]);
    }
    table(
        &json!({"date": {"in": "unix_ms", "out": "date"}}),
        &[
            (json!("1772323200000"), Ok(json!("2026-03-01"))),
            (json!("2026-03-01"), Err("not a date")),
            (json!(i64::MIN), Err("not a date")),
        ],
    );
    let offset = json!({"date": {"in": "%Y-%m-%dT%H:%M:%S%z"}});
    table(&offset, &[(json!("2026-03-01T12:00:00+0200"), Ok(json!("2026-03-01T10:00:00Z")))]);
}

#[test]
fn default_stands_in_for_nothing() {
    table(
        &json!({"default": "n/a"}),
        &[
            (json!(null), Ok(json!("n/a"))),
            (json!(""), Ok(json!("n/a"))),
            (json!("  "), Ok(json!("n/a"))),
            (json!(0), Ok(json!(0))),
            (json!(false), Ok(json!(false))),
            (json!([]), Ok(json!([]))),
        ],
    );
    let row = one(&json!({"default": 0})).apply(&json!({})).unwrap();
    assert_eq!(Value::Object(row), json!({"out": 0}));
}

#[test]
fn trim_and_case() {
    table(
        &json!({"trim": true}),
        &[
            (json!(" a b\t\n"), Ok(json!("a b"))),
            (json!("\u{a0}é\u{2003}"), Ok(json!("é"))),
            (json!(null), Ok(json!(null))),
            (json!(5), Err("`5` is not text")),
        ],
    );
    table(&json!({"trim": "start"}), &[(json!(" a "), Ok(json!("a ")))]);
    table(&json!({"trim": "end"}), &[(json!(" a "), Ok(json!(" a")))]);
    table(&json!({"trim": false}), &[(json!(" a "), Ok(json!(" a "))), (json!(5), Ok(json!(5)))]);
    table(
        &json!({"case": "lower"}),
        &[
            (json!("Ada@Example.COM"), Ok(json!("ada@example.com"))),
            (json!("ÉCOLE"), Ok(json!("école"))),
            (json!("same"), Ok(json!("same"))),
            (json!([]), Err("not text")),
        ],
    );
    table(&json!({"case": "upper"}), &[(json!("straße"), Ok(json!("STRASSE")))]);
    table(
        &json!({"case": "title"}),
        &[
            (json!("ada LOVELACE-king"), Ok(json!("Ada Lovelace-King"))),
            (json!("o'neill élan"), Ok(json!("O'neill Élan"))),
            (json!("  x"), Ok(json!("  X"))),
        ],
    );
}

#[test]
fn split_takes_a_part_or_all() {
    table(
        &json!({"split": {"by": " ", "at": 0}}),
        &[
            (json!("Ada King Lovelace"), Ok(json!("Ada"))),
            (json!("Ada"), Ok(json!("Ada"))),
            (json!(null), Ok(json!(null))),
            (json!({}), Err("not text")),
        ],
    );
    table(&json!({"split": {"by": " ", "at": -1}}), &[(json!("Ada King"), Ok(json!("King")))]);
    for at in [5, -5, i64::MAX, i64::MIN] {
        table(&json!({"split": {"by": " ", "at": at}}), &[(json!("a b"), Ok(json!(null)))]);
    }
    table(
        &json!({"split": ";"}),
        &[(json!("a;b;"), Ok(json!(["a", "b", ""]))), (json!(12), Ok(json!(["12"])))],
    );
}

#[test]
fn concat_joins_what_is_there() {
    let rule = json!({"concat": {"fields": ["first", "middle", "last"], "by": " "}});
    let mapping = one(&rule);
    for (record, expected) in [
        (json!({"first": "Ada", "middle": "K", "last": "L"}), json!({"out": "Ada K L"})),
        (json!({"first": "Ada", "middle": "", "last": "L"}), json!({"out": "Ada L"})),
        (json!({"properties": {"first": "Ada", "last": 5}}), json!({"out": "Ada 5"})),
        (json!({}), json!({})),
        (json!({"in": "x"}), json!({"out": null})),
    ] {
        assert_eq!(Value::Object(mapping.apply(&record).unwrap()), expected, "{record}");
    }
    assert!(mapping.apply(&json!({"first": ["a"]})).is_err());
    table(
        &json!({"concat": ", "}),
        &[
            (json!(["a", null, 2]), Ok(json!("a, 2"))),
            (json!([]), Ok(json!(null))),
            (json!("a"), Err("not a list")),
            (json!([["a"]]), Err("a list is not text")),
        ],
    );
    let long = "x".repeat(600_000);
    table(&json!({"concat": ""}), &[(json!([long, long]), Err("longer than"))]);
}

#[test]
fn lookup_replaces_by_a_table() {
    let table_rule = json!({"lookup": {"table": {"fr": "France", "1": true}}});
    table(
        &table_rule,
        &[
            (json!("fr"), Ok(json!("France"))),
            (json!(1), Ok(json!(true))),
            (json!(1.0), Ok(json!(true))),
            (json!("FR"), Err("`FR` is not in the lookup table")),
            (json!(null), Ok(json!(null))),
            (json!([]), Err("is no key")),
        ],
    );
    table(
        &json!({"lookup": {"table": {"Fr": 1}, "default": null, "ignore_case": true}}),
        &[(json!("fR"), Ok(json!(1))), (json!("de"), Ok(json!(null)))],
    );
}

#[test]
fn hash_gives_known_digests() {
    // The published SHA-256 of "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    table(
        &json!({"hash": "sha256"}),
        &[
            (json!("abc"), Ok(json!(abc))),
            (json!(null), Ok(json!(null))),
            (json!([]), Err("cannot be hashed")),
        ],
    );
    let mut salted = one(&json!({"hash": {"salt": "crm-salt"}}));
    assert_eq!(salted.salts(), ["crm-salt"]);
    let record = json!({"in": "what do ya want for nothing?"});
    let unset = salted.apply(&record).unwrap_err();
    assert!(unset[0].message.contains("`crm-salt` is not set"), "{unset:?}");
    salted.bind_salts(|name| (name == "crm-salt").then(|| b"Jefe".to_vec()));
    // RFC 4231, test case 2.
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(salted.apply(&record).unwrap()["out"], expected);
    assert!(!format!("{salted:?}").contains("74, 101"), "the salt shows in debug output");
}

#[test]
fn validate_refuses_rows() {
    let required = json!({"validate": "required"});
    table(
        &required,
        &[
            (json!("a"), Ok(json!("a"))),
            (json!(0), Ok(json!(0))),
            (json!(null), Err("required")),
            (json!(" "), Err("required")),
        ],
    );
    assert!(one(&required).apply(&json!({})).is_err(), "a missing field is no value");
    table(
        &json!({"validate": {"min": 1, "max": 10.5}}),
        &[
            (json!(1), Ok(json!(1))),
            (json!("10.5"), Ok(json!("10.5"))),
            (json!(""), Ok(json!(""))),
            (json!(0), Err("0 is less than 1")),
            (json!(11), Err("11 is more than 10.5")),
            (json!("x"), Err("not a number")),
            (json!("inf"), Err("not a number")),
        ],
    );
    table(
        &json!({"validate": {"min_length": 2, "max_length": 3}}),
        &[
            (json!("éé"), Ok(json!("éé"))),
            (json!("a"), Err("length 1, less than 2")),
            (json!("abcd"), Err("length 4, more than 3")),
            (json!([1, 2]), Ok(json!([1, 2]))),
            (json!(1234), Err("more than 3")),
        ],
    );
    table(
        &json!({"validate": {"one_of": ["a", 1]}}),
        &[(json!("a"), Ok(json!("a"))), (json!(1), Ok(json!(1))), (json!("b"), Err("not one of"))],
    );
}

#[test]
fn validate_knows_addresses_and_numbers() {
    let outcome = |check: &str, text: &str| run(&json!({"validate": check}), &json!(text)).is_ok();
    for good in ["a@b.co", "ada.king+crm@mail.example.co.uk", "o'neil@x-y.org", "josé@exämple.fr"]
    {
        assert!(outcome("email", good), "{good}");
    }
    let long = format!("{}@example.com", "a".repeat(65));
    for bad in [
        "a",
        "@b.co",
        "a@",
        "a@b",
        "a b@c.de",
        "a@b..co",
        "a@-b.co",
        "a@b-.co",
        ".a@b.co",
        "a..b@c.de",
        "a@b.co\n",
        "a@b.co,c@d.ef",
        "<a@b.co>",
        &long,
    ] {
        assert!(!outcome("email", bad), "{bad}");
    }
    for (text, good) in [
        ("https://example.com/a?b=c", true),
        ("http://127.0.0.1:8080", true),
        ("ftp://example.com", false),
        ("javascript:alert(1)", false),
        ("example.com", false),
        ("https://", false),
    ] {
        assert_eq!(outcome("url", text), good, "{text}");
    }
    for (text, good) in [
        ("+33 1 23 45 67 89", true),
        ("(030) 123-4567", true),
        ("0301234567", true),
        ("123456", false),
        ("+1234567890123456", false),
        ("call me 1234567", false),
        ("12+34567890", false),
    ] {
        assert_eq!(outcome("phone", text), good, "{text}");
    }
    assert_eq!(run(&json!({"validate": "phone"}), &json!(301_234_567)), Ok(json!(301_234_567)));
    assert!(run(&json!({"validate": "email"}), &json!(5)).is_err());
}

#[test]
fn expression_sees_the_record_and_the_value() {
    let rule = json!({"expression": "value ~ '-' ~ record.properties.code"});
    let mapping = one(&rule);
    let record = json!({"in": "a", "properties": {"code": 7}});
    assert_eq!(mapping.apply(&record).unwrap()["out"], "a-7");
    let missing = mapping.apply(&json!({"in": "a", "properties": {}})).unwrap_err();
    assert!(missing[0].message.contains("code"), "{missing:?}");
    table(&json!({"expression": "value * 2"}), &[(json!(21), Ok(json!(42)))]);
    table(&json!({"expression": "'fixed'"}), &[(json!(null), Ok(json!("fixed")))]);
}

#[test]
fn one_object_runs_in_the_documented_order_and_a_list_as_written() {
    let object = json!({
        "validate": {"email": true}, "hash": "sha256", "case": "lower", "trim": true,
    });
    let expected = run(&json!({"hash": "sha256"}), &json!("ada@example.com")).unwrap();
    assert_eq!(run(&object, &json!(" ADA@example.com ")).unwrap(), expected);
    let list = json!([{"split": {"by": ",", "at": 1}}, {"trim": true}, {"cast": "integer"}]);
    assert_eq!(run(&list, &json!("a, 5")).unwrap(), 5);
    let twice = json!([{"default": "x"}, {"case": "upper"}, {"default": "y"}]);
    assert_eq!(run(&twice, &json!("")).unwrap(), "X");
}
