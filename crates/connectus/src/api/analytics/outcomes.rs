//! How often something began and ended, and how long it took.

use connectus_core::analytics::{Place, Sum, TOOK, bound, quantile};
use serde::Serialize;
use utoipa::ToSchema;

use super::fold::Fold;

/// How often something began and ended.
#[derive(Clone, Default, Serialize, ToSchema)]
pub struct Outcomes {
    /// Began.
    started: u64,
    /// Ended well.
    completed: u64,
    /// Ended badly.
    failed: u64,
    /// Was stopped.
    cancelled: u64,
    /// How long what ended had taken since it was accepted.
    took_ms: Durations,
    #[serde(skip)]
    took: Sum,
    #[serde(skip)]
    bounds: Vec<(u64, u64)>,
}

/// Durations in milliseconds. Null where none is known.
#[derive(Clone, Default, Serialize, ToSchema)]
pub struct Durations {
    /// On average.
    mean: Option<u64>,
    /// Half of them took at most this; a power of two.
    p50: Option<u64>,
    /// 95 of 100 took at most this; a power of two.
    p95: Option<u64>,
    /// The longest.
    longest: Option<u64>,
}

impl Fold for Outcomes {
    fn add(&mut self, place: &Place, sum: Sum) -> bool {
        let counter = match place.label.as_str() {
            "started" => &mut self.started,
            "completed" => &mut self.completed,
            "failed" => &mut self.failed,
            "cancelled" => &mut self.cancelled,
            TOOK => {
                self.took = self.took.plus(sum);
                return true;
            }
            label => {
                let Some(bound) = bound(label) else { return false };
                match self.bounds.binary_search_by_key(&bound, |(bound, _)| *bound) {
                    Ok(at) => self.bounds[at].1 += sum.count,
                    Err(at) => self.bounds.insert(at, (bound, sum.count)),
                }
                return true;
            }
        };
        *counter += sum.count;
        true
    }

    /// With the durations worked out.
    fn done(mut self) -> Self {
        let longest = self.took.most;
        self.took_ms = Durations {
            mean: self.took.total.checked_div(self.took.count),
            p50: quantile(&self.bounds, longest, 0.5),
            p95: quantile(&self.bounds, longest, 0.95),
            longest: (self.took.count > 0).then_some(longest),
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_worked_out_of_sums() {
        let mut outcomes = Outcomes::default();
        let mut add = |label: &str, count, total, most| {
            let place = Place { day: String::new(), subject: String::new(), label: label.into() };
            outcomes.add(&place, Sum { count, total, most })
        };
        assert!(add("completed", 3, 0, 0));
        assert!(add("took", 3, 330, 300));
        assert!(add("took<=0000000512", 1, 0, 0));
        assert!(add("took<=0000000016", 2, 0, 0));
        assert!(!add("records.created", 7, 0, 0));
        let done = serde_json::to_value(outcomes.done()).unwrap();
        assert_eq!(done["completed"], 3);
        let took = serde_json::json!({"mean": 110, "p50": 16, "p95": 300, "longest": 300});
        assert_eq!(done["took_ms"], took);
    }
}
