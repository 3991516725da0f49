//! Texts of manifests against what the Python CDK makes of them.
//!
//! `tests/cdk/interpolation.cases.json` are cases of our own, `interpolation.expected.json` is
//! what the real CDK gave for each; `CONNECTUS_TEST_CDK` names a Python that has `airbyte-cdk`,
//! with which a test asks it again.

use std::{path::PathBuf, process::Command, sync::Arc};

use connectus_connect::manifest::interpolation::{
    Condition, Mapping, Nested, Parameters, Scope, SliceView, Template, Types, Variable,
    datetime::{DatetimeFormat, Moment, Span},
};
use connectus_core::{
    Env, Result, Timestamp,
    env::{Clock, Entropy},
};
use serde_json::{Map, Value};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2024-02-29T13:07:09.123456Z").unwrap()
    }
}

impl Entropy for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

fn env() -> Env {
    Env::new(Arc::new(Still), Arc::new(Still))
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cdk"))
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn types(names: Option<&Value>) -> Types {
    let names = names.and_then(Value::as_array).into_iter().flatten();
    names.fold(Types::ANY, |types, name| {
        types.or(match name.as_str().unwrap() {
            "str" => Types::STR,
            "int" => Types::INT,
            "float" => Types::FLOAT,
            "bool" => Types::BOOL,
            "list" => Types::LIST,
            "dict" => Types::DICT,
            other => panic!("no type {other}"),
        })
    })
}

/// The slice of a context, which is written in its three parts.
struct Slice([Map<String, Value>; 3]);

impl Slice {
    fn of(context: &Map<String, Value>) -> Option<Self> {
        let slice = context.get("stream_slice")?.as_object()?;
        let part = |name| slice.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        Some(Self(["partition", "cursor", "extra"].map(part)))
    }
}

fn scope<'a>(
    env: &'a Env,
    context: &'a Map<String, Value>,
    slice: Option<&'a Slice>,
    condition: bool,
) -> Scope<'a> {
    let mut scope = Scope::new(env, &context["config"]);
    for (name, value) in context {
        scope = match Variable::of(name) {
            None | Some(Variable::Config | Variable::Parameters | Variable::StreamSlice) => scope,
            Some(Variable::JsonLoads) => scope.with_json_loads(),
            Some(Variable::Headers) if condition => scope.with_headers(value.as_object().unwrap()),
            Some(Variable::LastPageSize) => {
                scope.with_int(Variable::LastPageSize, value.as_i64().unwrap())
            }
            Some(variable) => scope.with(variable, value),
        };
    }
    match slice {
        Some(Slice([partition, cursor, extra])) => {
            scope.with_slice(SliceView { partition, cursor, extra })
        }
        None => scope,
    }
}

fn evaluate(case: &Value, shared: &Map<String, Value>, env: &Env) -> Result<Value> {
    let mut context = shared.clone();
    context.extend(case["context"].as_object().cloned().unwrap_or_default());
    let parameters = context["parameters"].as_object().cloned().unwrap_or_default();
    let parameters = Parameters::new(parameters);
    let slice = Slice::of(&context);
    let kind = case["kind"].as_str().unwrap_or("string");
    let scope = scope(env, &context, slice.as_ref(), kind == "condition");
    let text = || case["template"].as_str().unwrap();
    let template = || Template::compile(text(), &parameters);
    let string = |name: &str| case[name].as_str().unwrap();
    match kind {
        "string" => {
            let template = template()?.only(types(case.get("types")));
            match case["default"].as_str() {
                Some(default) => template.or(default)?.render(&scope),
                None => template.render(&scope),
            }
        }
        "plain" => template()?.or_null().only(types(case.get("types"))).render(&scope),
        "text" => template()?.render_text(&scope).map(Value::String),
        "condition" => Condition::compile(text(), &parameters)?.holds(&scope).map(Value::Bool),
        "mapping" => {
            let mut mapping = Mapping::compile(case["template"].as_object().unwrap(), &parameters)?;
            if let Some(keys) = case.get("keys") {
                mapping = mapping.keys(types(Some(keys)));
            }
            mapping.values(types(case.get("values"))).render(&scope).map(Value::Object)
        }
        "nested" => Nested::compile(&case["template"], &parameters)?.render(&scope),
        "parse" => {
            let moment = DatetimeFormat::new(string("format")).parse(string("value"))?;
            Ok(moment.isoformat('T').into())
        }
        "print" => {
            let moment = Moment::parse_iso(string("value"))?;
            Ok(DatetimeFormat::new(string("format")).format(&moment).into())
        }
        "move" => {
            let moment = Moment::parse_iso(string("value"))?.or_utc();
            let span = Span::parse(string("span"))?;
            let moved = [moment.plus(&span)?, moment.minus(&span)?];
            Ok(moved.map(|moment| moment.isoformat('T')).to_vec().into())
        }
        other => panic!("no kind {other}"),
    }
}

/// Equal, and whole numbers are not fractions.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => a.to_string() == b.to_string(),
        (a, b) => a == b,
    }
}

#[test]
fn texts_mean_what_they_mean_to_the_cdk() {
    let (cases, expected) = (read("interpolation.cases.json"), read("interpolation.expected.json"));
    let shared = cases["context"].as_object().unwrap();
    let (cases, expected) = (&cases["cases"], &expected["expected"]);
    let (cases, expected) = (cases.as_array().unwrap(), expected.as_array().unwrap());
    assert_eq!(cases.len(), expected.len(), "the expectations are stale: see interpolation.py");
    assert!(cases.len() >= 400);
    let env = env();
    let mut wrong = Vec::new();
    for (case, expected) in cases.iter().zip(expected) {
        let found = evaluate(case, shared, &env);
        let right = match (&found, expected.get("value")) {
            (Ok(found), Some(value)) => same(found, value),
            // What has no form in JSON stays the text it was.
            (Ok(found), None) => expected.get("unfit").is_some() && found.is_string(),
            (Err(_), None) => expected.get("error").is_some(),
            (Err(_), Some(_)) => false,
        };
        if !right {
            let found = found.map_err(|error| error.detail);
            wrong.push(format!("{case}\n   wants {expected}\n   found {found:?}"));
        }
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} of {} differ:\n{}", cases.len(), wrong.join("\n"));
}

#[test]
fn the_expectations_are_what_the_installed_cdk_says() {
    let Some(python) = std::env::var_os("CONNECTUS_TEST_CDK") else {
        eprintln!("SKIPPED: CONNECTUS_TEST_CDK names no Python that has airbyte-cdk");
        return;
    };
    let out = tempfile();
    let done = Command::new(python)
        .arg(folder().join("interpolation.py"))
        .arg(folder().join("interpolation.cases.json"))
        .arg(&out)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let fresh: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    std::fs::remove_file(&out).unwrap();
    let kept = read("interpolation.expected.json");
    assert_eq!(fresh["expected"], kept["expected"], "of CDK {}", fresh["cdk"]);
}

fn tempfile() -> PathBuf {
    let name = format!("connectus-interpolation-{}.json", std::process::id());
    std::env::temp_dir().join(name)
}
