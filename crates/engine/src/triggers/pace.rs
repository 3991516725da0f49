//! How often workflows are called at their own addresses. Counted in memory, so that the thousandth
//! call of a minute costs what the first did; each process counts for itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use connectus_core::{Code, Error, Result, TenantId, Timestamp, WorkflowId};

/// Calls that the address of one workflow takes in a minute.
pub const MAX_CALLS_A_MINUTE: u32 = 6_000;
/// A minute.
const MINUTE_SECS: i64 = 60;
/// Workflows after which those are forgotten that were not called for a minute.
const SWEEP_AT: usize = 10_000;

/// The calls of the last minute. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<Mutex<HashMap<(TenantId, WorkflowId), Minute>>>);

#[derive(Debug)]
struct Minute {
    since: Timestamp,
    calls: u32,
}

impl Minute {
    fn is_over(&self, now: Timestamp) -> bool {
        // Also when the clock was set back.
        now < self.since || now >= self.since.plus_secs(MINUTE_SECS)
    }
}

impl Pace {
    /// Counts a call.
    ///
    /// # Errors
    /// `rate_limited` beyond [`MAX_CALLS_A_MINUTE`].
    pub(super) fn take(
        &self,
        tenant: &TenantId,
        workflow: &WorkflowId,
        now: Timestamp,
    ) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SWEEP_AT {
            all.retain(|_, minute| !minute.is_over(now));
        }
        let key = (tenant.clone(), workflow.clone());
        let minute = all.entry(key).or_insert(Minute { since: now, calls: 0 });
        if minute.is_over(now) {
            *minute = Minute { since: now, calls: 0 };
        }
        if minute.calls >= MAX_CALLS_A_MINUTE {
            let detail = format!(
                "This address takes {MAX_CALLS_A_MINUTE} calls a minute. Send it again later."
            );
            let left = minute.since.plus_secs(MINUTE_SECS).secs() - now.secs();
            let left = u64::try_from(left).unwrap_or(1).max(1);
            return Err(Error::new(Code::RateLimited, detail).retry_after(left));
        }
        minute.calls += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workflow_has_its_calls_of_a_minute() {
        let (pace, tenant) = (Pace::default(), TenantId::trusted("t"));
        let take = |workflow: &str, secs: i64| {
            pace.take(&tenant, &WorkflowId::trusted(workflow), Timestamp::from_secs(secs))
        };
        for _ in 0..MAX_CALLS_A_MINUTE {
            take("busy", 100).unwrap();
        }
        let refused = take("busy", 110).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::RateLimited, Some(50)));
        take("other", 110).unwrap();
        take("busy", 160).unwrap();
        take("busy", 90).unwrap();
    }

    #[test]
    fn what_is_not_called_is_forgotten() {
        let (pace, tenant) = (Pace::default(), TenantId::trusted("t"));
        for n in 0..SWEEP_AT {
            let workflow = WorkflowId::trusted(format!("w{n}"));
            pace.take(&tenant, &workflow, Timestamp::from_secs(0)).unwrap();
        }
        pace.take(&tenant, &WorkflowId::trusted("new"), Timestamp::from_secs(61)).unwrap();
        assert_eq!(pace.0.lock().unwrap().len(), 1);
    }
}
