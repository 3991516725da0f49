//! Hostile expressions: each ends soon, in little memory, with a value or with a clear refusal.
//!
//! A test program of its own, because it counts what is allocated.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use std::hint::black_box;

use connectus_core::{
    Code, Error,
    expr::{Expr, Template},
};
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const SOURCES: &str = include_str!("../fixtures/expr/hostile.jsonl");
/// Longest time on the processor for one expression, in milliseconds.
const MOST_MS: f64 = 50.0;
/// What the work that the machine is measured by takes on one that is as fast as usual.
const USUAL_MS: f64 = 6.0;
/// Most memory for one expression, in bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Tries for one expression that takes too long: somebody else may use the processor's caches.
const TRIES: usize = 3;
/// Kinds of which every one is refused, whatever the scope.
const REFUSED: [&str; 2] = ["statements", "calls"];

/// As large as what a run can know may be.
fn scope() -> Value {
    let mut deep = json!("end");
    for _ in 0..60 {
        deep = json!({ "a": [deep] });
    }
    let wide: Map<String, Value> = (0..15_000).map(|n| (format!("key{n}"), json!(n))).collect();
    json!({
        "text": "aaaa",
        "n": 7,
        "a": [1, 2, 3],
        "big": "x".repeat(1_000_000),
        "bytes": "ŉßﬁ💩".repeat(40_000),
        "numbers": (0..40_000).collect::<Vec<_>>(),
        "huge": (0..500_000).collect::<Vec<_>>(),
        "quotes": "\"\\<".repeat(300_000),
        "list": vec!["aaaa"; 20_000],
        "wide": wide,
        "deep": deep,
    })
}

/// What one expression cost.
struct Cost {
    source: String,
    kind: String,
    ms: f64,
    bytes: usize,
    outcome: Result<Value, Error>,
}

fn thread_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1_000.0 + now.tv_nsec as f64 / 1_000_000.0
}

fn cost(kind: &str, source: &str, scope: &Value) -> Cost {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let began = thread_ms();
    let outcome = Expr::compile(source).and_then(|expr| expr.eval(scope));
    let ms = thread_ms() - began;
    let bytes = ALLOCATED.peak_usage().saturating_sub(before);
    Cost { source: source.to_owned(), kind: kind.to_owned(), ms, bytes, outcome }
}

fn hostile() -> Vec<(String, String)> {
    let read = |line: &str| -> (String, String) {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("kind"), text("source"))
    };
    SOURCES.lines().map(read).collect()
}

/// How many milliseconds are too many at the moment: a machine that is slower just now than the one
/// the limit is meant for gets as much more, up to three times.
fn limit_ms() -> f64 {
    let work = || (0..1_000_000_u64).fold(7, |sum: u64, n| sum.wrapping_mul(31) ^ black_box(n));
    let took = (0..5).map(|_| {
        let began = thread_ms();
        black_box(work());
        thread_ms() - began
    });
    let slowness = took.fold(f64::INFINITY, f64::min) / USUAL_MS;
    println!("slowness {slowness:.2}");
    MOST_MS * slowness.clamp(1.0, 3.0)
}

/// What is wrong with how an expression went.
fn fault(cost: &Cost, limit: f64) -> Option<String> {
    let Cost { kind, ms, bytes, outcome, .. } = cost;
    match outcome {
        _ if *ms > limit => Some(format!("takes {ms:.1} ms")),
        _ if *bytes > MOST_BYTES => Some(format!("takes {bytes} bytes")),
        Ok(value) if REFUSED.contains(&kind.as_str()) => Some(format!("gives {value}")),
        Ok(_) => None,
        Err(error) if error.code != Code::Invalid => Some(format!("is {error:?}")),
        Err(error) if error.detail.chars().count() < 12 => Some(format!("says {error}")),
        Err(_) => None,
    }
}

fn short(source: &str) -> String {
    source.chars().take(70).collect()
}

#[test]
fn hostile_expressions_end_soon_in_little_memory_or_are_refused() {
    let (scope, sources) = (scope(), hostile());
    assert!(sources.len() >= 200, "only {}", sources.len());
    // What is made once is not the first one's cost.
    cost("warm", "text|lower", &scope);
    let (mut costs, mut faults, limit) = (Vec::new(), Vec::new(), limit_ms());
    for (kind, source) in &sources {
        let tried = (0..TRIES).map(|_| cost(kind, source, &scope));
        let mut tried = tried.skip_while(|cost| cost.ms > limit);
        let Some(cost) = tried.next().or_else(|| Some(self::cost(kind, source, &scope))) else {
            continue;
        };
        faults.extend(fault(&cost, limit).map(|what| format!("{}: {what}", short(source))));
        costs.push(cost);
    }
    costs.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    for cost in costs.iter().take(12) {
        println!("{:>7.1} ms {:>10} B  {}", cost.ms, cost.bytes, short(&cost.source));
    }
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.bytes));
    for cost in costs.iter().take(12) {
        println!("{:>7.1} ms {:>10} B  {}", cost.ms, cost.bytes, short(&cost.source));
    }
    let refused = costs.iter().filter(|cost| cost.outcome.is_err()).count();
    println!("{} expressions, {refused} refused", costs.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Nothing of the process can be reached: what there is is what the scope says.
#[test]
fn nothing_but_the_scope_can_be_read() {
    for (kind, source) in hostile() {
        let Ok(expr) = Expr::compile(&source) else { continue };
        if let Ok(value) = expr.eval(&json!({})) {
            let shown = value.to_string();
            for inside in ["PATH", "/etc/", "root:", "__globals__", "0x"] {
                let quoted = source.contains(inside);
                assert!(quoted || !shown.contains(inside), "{kind}: {source} gives {shown}");
            }
        }
    }
}

/// A template is worth as many expressions as it holds, and no more.
#[test]
fn a_template_of_hostile_expressions_ends_too() {
    let scope = scope();
    for source in ["big|replace('x', 'y')", "numbers|sum", "big|upper|lower"] {
        let text = format!("{{{{ {source} }}}}").repeat(20);
        let began = thread_ms();
        let outcome = Template::compile(&text).and_then(|template| template.render(&scope));
        let ms = thread_ms() - began;
        assert!(ms < 20.0 * MOST_MS, "{source}: {ms} ms, {:?}", outcome.map(drop));
    }
}
