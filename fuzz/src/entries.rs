//! The places at which what a stranger wrote comes in. Each takes any bytes and must come back; a
//! panic, an endless loop or a broken promise is a find.

use std::sync::Arc;

use connectus_connect::{
    manifest::interpolation::{Condition, Parameters, Scope, Template as Text, Variable},
    webhook::{self, Delivery},
};
use connectus_core::{
    Env, Timestamp,
    env::{Clock, Entropy},
    expr::{Expr, Interpolation, Template},
    provider::SignatureScheme,
    schedule::Schedule,
    workflow::{
        Definition, Program, completion,
        legacy::LegacyWorkflow,
        trial::{Expected, How, Plan, Trial, Turn},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::{Value, json};

/// Calls of a test that are answered; a loop may ask for ten thousand.
const ANSWERED: usize = 200;

/// A target: its name and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 5] = [
    ("definition", definition),
    ("expression", expression),
    ("schedule", schedule),
    ("signature", signature),
    ("template", template),
];

/// Reads a workflow definition, or the short form, compiles it and plays it through. What was read
/// is written and read the same.
pub fn definition(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    if let Ok(short) = serde_json::from_value::<LegacyWorkflow>(value.clone())
        && let Ok(definition) =
            short.to_definition(&["slack.post_message", "hubspot.create_contact"])
    {
        // Texts of the short form are templates, right or wrong.
        let _ = Program::compile(definition);
    }
    let Ok(definition) = Definition::read(&value) else { return };
    let again = Definition::read(&definition.to_json());
    assert_eq!(again.as_ref().ok(), Some(&definition), "what is written is read the same");
    let known = completion::Known::default();
    for step in definition.walk() {
        assert!(completion::names(&definition, Some(&step.id), &known).is_ok());
    }
    let Ok(program) = Program::compile(definition) else { return };
    let plan = Plan { input: json!({"n": 1, "list": [1, "a", null]}), ..Plan::default() };
    let Ok(mut trial) = Trial::begin(program, plan, Timestamp(0)) else { return };
    let mut left = ANSWERED;
    while let Turn::Ask(call) = trial.turn() {
        let Some(fewer) = left.checked_sub(1) else { break };
        left = fewer;
        trial.answer(call, How::NotPerformed, Ok(json!({"id": left})));
    }
    let found = Expected::of(&trial.report());
    assert!(found.differences(&found).is_empty());
}

/// Compiles and evaluates an expression, and the same text as a template and inside a structure.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let scope = json!({
        "a": {"b": [1, "x", null, 1.5, true], "name": "Ada"}, "text": "some text", "n": 7,
        "numbers": [3, 1, 2], "trigger": {"email": "ADA@B.C"}, "none": null,
    });
    if let Ok(expr) = Expr::compile(text) {
        let first = expr.eval(&scope).ok();
        assert_eq!(first, expr.eval(&scope).ok(), "the same each time");
    }
    if let Ok(template) = Template::compile(text) {
        let _ = template.render(&scope);
    }
    let structure = json!({"k": [text, {"deep": text}]});
    if let Ok(structure) = Interpolation::compile(&structure) {
        let _ = structure.render(&scope);
    }
}

/// Reads a schedule and asks when it is due. The first line is the schedule, the second the time
/// zone, the third a time in seconds.
pub fn schedule(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (schedule, zone) = (lines.next().unwrap_or_default(), lines.next().unwrap_or("UTC"));
    let Ok(schedule) = Schedule::parse(schedule, zone, "wf_fuzz") else { return };
    let secs = lines.next().and_then(|secs| secs.trim().parse::<i64>().ok()).unwrap_or(0);
    // The years 1970 to 2100: what a clock can say.
    let mut at = Timestamp::from_secs(secs.rem_euclid(4_102_444_800));
    for _ in 0..20 {
        let Some(next) = schedule.next_after(at) else { return };
        assert!(next > at, "{next} does not come after {at}");
        let tick = schedule.tick(Some(at), next);
        let _ = tick;
        at = next;
    }
}

/// Verifies the signature of a delivery. The first line is the scheme as JSON, the second the URL,
/// the following ones headers up to an empty line, then the body. Nobody knows the secret.
pub fn signature(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let scheme = parts.next().and_then(|line| serde_json::from_slice(line).ok());
    let Some(scheme): Option<SignatureScheme> = scheme else { return };
    let Some(Ok(url)) = parts.next().map(std::str::from_utf8) else { return };
    let mut rest = parts.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        let mut sides = line.splitn(2, |byte| *byte == b':');
        let name = sides.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = sides.next().and_then(|value| HeaderValue::from_bytes(value).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let secrets = [SecretString::from("not in the input: 4d1f0a"), SecretString::from("")];
    let delivery = Delivery { method: "POST", url, headers: &headers, body: rest };
    let now = Timestamp::from_secs(1_531_420_618);
    let verdict = webhook::verify_signed(&scheme, &secrets[..1], delivery, now);
    assert!(verdict.is_err(), "a delivery was accepted that nobody signed");
    // A secret that everybody knows may be guessed, but nothing may panic.
    let _ = webhook::verify_signed(&scheme, &secrets, delivery, now);
}

/// A clock and chance that stand still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_709_212_029)
    }
}

impl Entropy for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// Evaluates a text of a manifest, as a value, as a condition and as a text, twice alike.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parameters = Parameters::default();
    let Ok(template) = Text::compile(text, &parameters) else { return };
    let env = Env::new(Arc::new(Still), Arc::new(Still));
    let config = json!({
        "api_key": "k", "count": 3, "list": ["a", "b"], "nested": {"deep": {"x": 7}}, "none": null,
        "start_date": "2024-01-15T00:00:00Z",
    });
    let record = json!({"id": 42, "name": "Zoë", "tags": ["x"], "items": [{"k": 1.5}], "ts": 1e9});
    let scope = Scope::new(&env, &config)
        .with(Variable::Record, &record)
        .with(Variable::Response, &record)
        .with_int(Variable::LastPageSize, 100);
    let first = template.render(&scope);
    assert_eq!(first.is_ok(), template.render_text(&scope).is_ok());
    if let (Ok(first), Ok(again)) = (first, template.render(&scope)) {
        assert_eq!(first, again);
    }
    let Ok(condition) = Condition::compile(text, &parameters) else { return };
    let _ = condition.holds(&scope);
}
