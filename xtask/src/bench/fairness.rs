//! How long the runs of other tenants wait while one floods a queue with twenty times what it can
//! carry out: what `connectus bench fairness` measures of itself.

use std::time::Duration;

use serde_json::Value;

use super::{
    engine,
    figure::{Figure, Target},
    meter::Spent,
};
use crate::{command::Outcome, programs::Programs};

/// Members of the program's answer that stand beside the figures.
const BESIDE: [&str; 11] = [
    "idle_queued_p95_ms",
    "flooded_queued_p50_ms",
    "flooded_queued_p95_ms",
    "idle_p50_ms",
    "idle_p95_ms",
    "flooded_p50_ms",
    "flooded_p95_ms",
    "others",
    "runs",
    "flood_runs",
    "capacity_per_s",
];

/// The waits of the others under the flood, as multiples of their waits without it: for a place in
/// the queue alone, and from being asked for on, which holds what the busy processors cost.
pub fn measure(programs: &Programs) -> Outcome<Vec<Figure>> {
    let answer = engine::asked(programs, &["fairness"], &[])?;
    let number = |member: &str| answer.get(member).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let spent = Spent {
        load: number("load_1m"),
        wall: Duration::try_from_secs_f64(number("wall_s")).unwrap_or_default(),
        cpu: Duration::try_from_secs_f64(number("cpu_s")).unwrap_or_default(),
    };
    let queued = number("flooded_queued_p95_ms") / number("idle_queued_p95_ms");
    let figure = |name, ratio| {
        let ratio = Figure::new(name, ratio, "of the idle p95", spent);
        BESIDE.iter().fold(ratio, |figure, member| {
            figure.beside(member, answer.get(*member).cloned().unwrap_or_default())
        })
    };
    Ok(vec![
        figure("fairness.queued", queued).target(Target::Below(2.0)),
        figure("fairness.others", number("ratio_p95")),
    ])
}
