use serde_json::json;

use super::*;

fn scope() -> Value {
    json!({
        "trigger": {"body": {
            "email": "Ada@Example.COM", "n": 3, "none": null, "first name": "Ada",
        }},
        "steps": {"lookup": {"output": {
            "id": 7, "tags": ["b", "a"], "rows": [{"v": 1}, {"v": 2}],
        }}},
        "big": "x".repeat(200_000),
    })
}

fn eval(source: &str) -> Result<Value> {
    Expr::compile(source)?.eval(&scope())
}

fn refusal(source: &str) -> String {
    let error = eval(source).expect_err(source);
    assert_eq!(error.code, Code::Invalid, "{source}");
    error.detail
}

#[test]
fn evaluates() {
    for (source, expected) in [
        ("trigger.body.email", json!("Ada@Example.COM")),
        ("trigger['body']['first name']", json!("Ada")),
        ("steps.lookup.output.tags[-1]", json!("a")),
        ("steps.lookup.output.rows[1].v", json!(2)),
        ("trigger.body.none", json!(null)),
        ("trigger.body.email|lower", json!("ada@example.com")),
        ("trigger.body.n * 2 + 1", json!(7)),
        ("(trigger.body.n + 1) * -2", json!(-8)),
        ("steps.lookup.output.rows|sum(attribute='v') * 10", json!(30)),
        ("steps.lookup.output.tags|sort|join('-')", json!("a-b")),
        ("steps.lookup.output.rows|map(attribute='v')|list", json!([1, 2])),
        ("steps.lookup.output.rows|selectattr('v', 'gt', 1)|list", json!([{"v": 2}])),
        ("trigger.body.missing|default('none')", json!("none")),
        ("trigger.nothing.at.all|default(5) * 2", json!(10)),
        ("trigger.nothing.at.all is defined", json!(false)),
        ("trigger.body.email is defined and trigger.body.n > 2", json!(true)),
        ("trigger.body.none is none", json!(true)),
        ("'x' in steps.lookup.output.tags", json!(false)),
        ("trigger.body.email|trim('Am')", json!("da@Example.COM")),
        ("steps.lookup.output|tojson|length > 10", json!(true)),
        ("'yes' if trigger.body.n == 3 else trigger.unknown", json!("yes")),
        (
            "{'id': steps.lookup.output.id, 'all': [1, trigger.body.n]}",
            json!({"id": 7, "all": [1, 3]}),
        ),
        ("trigger.body.email[:3]", json!("Ada")),
        ("1 + 1", json!(2)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
    ] {
        assert_eq!(eval(source).unwrap_or_else(|e| panic!("{source}: {e}")), expected, "{source}");
    }
}

#[test]
fn plain_paths_and_constants_do_not_reach_the_engine() {
    for source in ["trigger.body.email", "steps.lookup.output.tags[0]", "record['a']"] {
        assert!(Expr::compile(source).unwrap().as_path().is_some(), "{source}");
    }
    assert!(matches!(Expr::compile("1 + 2").unwrap().program, Program::Constant(_)));
    assert!(Expr::compile("record.a|lower").unwrap().as_path().is_none());
}

#[test]
fn named_references_are_a_scope() {
    let row = json!({"a": 1});
    assert_eq!(Expr::compile("record.a + 1").unwrap().eval(&[("record", &row)]).unwrap(), json!(2));
}

#[test]
fn a_missing_value_is_named_with_its_neighbours() {
    assert_eq!(refusal("triger.body"), "`triger` is unknown; there is `big`, `steps`, `trigger`.");
    assert_eq!(
        refusal("steps.lookup.output.idd"),
        "`steps.lookup.output.idd` is unknown; `steps.lookup.output` has `id`, `rows`, `tags`."
    );
    assert_eq!(
        refusal("trigger.body.none.deeper|lower"),
        "In `trigger.body.none.deeper|lower`: `trigger.body.none.deeper` is unknown; \
         `trigger.body.none` is null."
    );
    assert_eq!(
        refusal("steps.lookup.output.tags[9]"),
        "`steps.lookup.output.tags[9]` is unknown; `steps.lookup.output.tags` is a list of 2 items."
    );
}

#[test]
fn says_where_the_source_is_wrong() {
    let error = Expr::compile("1 +\n  frob()").unwrap_err();
    assert_eq!((error.extra["line"].as_u64(), error.extra["column"].as_u64()), (Some(2), Some(3)));
    assert!(refusal("a b").contains("column 3"), "{}", refusal("a b"));
    assert!(refusal("a|shout").contains("there is no filter `shout`; there are abs"));
    assert!(refusal("a is divisibleby(0)").contains("there is no test"));
    assert!(refusal("").contains("missing"));
    assert!(refusal("1 / 0").contains("cannot be computed"));
    assert!(refusal("{% set x = 1 %}").contains("column"));
}

#[test]
fn refuses_what_grows_or_runs_away() {
    for source in [
        "'x' * 100000000",
        "big * 1000",
        "[0] * 1000",
        "(trigger.body.email|lower) * 9",
        "trigger.body.email * 9",
        "('a' if trigger.body.n else 2) * 1000",
        "(trigger.body.x|default('a')) * 1000",
        "('n/a'|int('a')) * 1000",
        "(trigger.body.email|float(default=big)) * 1000",
        "(big ~ '') * 4",
        "(trigger.body.email + 'x') * 4",
        "range(1000000000)",
        "trigger.body.email.upper()",
        "big|replace('x', big)",
        "big|join(big)",
        "big|list|map('replace', 'x', big)|list",
        "big|list|select('in', big)|list",
        "trigger.body.email|format(1)",
        "big|batch(100000000)",
        "'%999999999d'|format(1)",
        "[1, 2][::-1]",
        "big|list|sum(start='')",
        "[1]|tojson(indent=999999999)",
        "[1]|tojson(999999999)",
        "big|trim(big)",
        "big|list|map(attribute=big)|list",
        "big|list|sort(attribute=big)",
        "big|list|map('default', big, true)|list",
        "2 ** 1000",
        "1e308 * 10",
    ] {
        refusal(source);
    }
    let doubled = format!("'\"'{}", "|tojson".repeat(40));
    refusal(&doubled);
    let concat = vec!["big"; 30].join(" ~ ");
    refusal(&concat);
    refusal(&format!("{}1{}", "(".repeat(200), ")".repeat(200)));
    refusal(&format!("1{}", " + 1".repeat(70)));
    let many = "{{ trigger.body.n }}".repeat(MAX_EXPRESSIONS + 1);
    assert!(Template::compile(&many).unwrap_err().detail.contains("more than 200"));
    let many = json!(vec!["{{ trigger.body.n }}"; MAX_EXPRESSIONS + 1]);
    assert!(Interpolation::compile(&many).unwrap_err().detail.contains("more than 200"));
    refusal(&"a".repeat(MAX_SOURCE_BYTES + 1));
    refusal(&format!("[{}]", vec!["1"; 101].join(",")));
}

#[test]
fn templates_keep_types_only_when_alone() {
    let render = |text: &str| Template::compile(text).unwrap().render(&scope()).unwrap();
    assert_eq!(render("{{ trigger.body.n }}"), json!(3));
    assert_eq!(render("n={{ trigger.body.n }}, {{ trigger.body.none }}!"), json!("n=3, !"));
    assert_eq!(render("{{ {'a': {'b': '}}'}} }}"), json!({"a": {"b": "}}"}}));
    assert_eq!(render("tags {{ steps.lookup.output.tags }}"), json!("tags [\"b\",\"a\"]"));
    assert_eq!(render("100 % }} {"), json!("100 % }} {"));
    for text in ["{{ a", "{% if a %}", "{# note #}", "{{ }}", "{{ '}} }"] {
        assert_eq!(Template::compile(text).expect_err(text).code, Code::Invalid);
    }
}

#[test]
fn interpolates_structures_and_reports_every_fault() {
    let value = json!({
        "to": "{{ trigger.body.email|lower }}",
        "list": [1, "{{ trigger.body.n }}", {"k": "v"}],
        "{{ key }}": "kept",
    });
    assert_eq!(
        interpolate(&value, &scope()).unwrap(),
        json!({"to": "ada@example.com", "list": [1, 3, {"k": "v"}], "{{ key }}": "kept"})
    );
    let error = Interpolation::compile(&json!({"a/b": ["{{ x", "{{ y|zap }}"]})).unwrap_err();
    let fields: Vec<&str> = error.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["/a~1b/0", "/a~1b/1"]);
    let many = json!(vec!["{{ big }}"; 10]);
    assert_eq!(interpolate(&many, &scope()).unwrap_err().code, Code::Invalid);
}

proptest::proptest! {
    #[test]
    fn no_source_panics(source in "[a-c.|\\[\\]()'\"0-9 +*/%~<>=!,:{}-]{0,40}") {
        if let Ok(expr) = Expr::compile(&source) {
            let _ = expr.eval(&json!({"a": {"b": [1, "x", null]}, "b": 5, "c": "text"}));
        }
        let _ = Template::compile(&source);
    }

    #[test]
    fn no_filter_panics(
        filter in proptest::sample::select(FILTERS),
        arg in proptest::sample::select(
            &["", "(1)", "('b')", "('x', 'y')", "(-9223372036854775808)", "(b)"][..]
        ),
        input in proptest::sample::select(&["a", "b", "c", "a.b", "-1", "n", "[]", "1.5"][..]),
    ) {
        let scope = json!({"a": {"b": [1, "x", null]}, "b": 5, "c": "text", "n": i64::MIN});
        if let Ok(expr) = Expr::compile(&format!("{input}|{filter}{arg}")) {
            let _ = expr.eval(&scope);
        }
    }
}
