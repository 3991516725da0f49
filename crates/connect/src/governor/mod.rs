//! The rate governor: one budget per external credential, shared by everything that uses it.
//!
//! [`budget`] decides and is pure; this module adds a lock, a clock and waiting.

pub mod budget;
#[cfg(test)]
mod many;
pub mod signal;
mod window;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use connectus_core::{Code, Env, Error, Result, Timestamp, provider::Limits};
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use budget::{Budget, BudgetView};
pub use signal::Daily;

/// Longest wait for a slot within a call, in microseconds. A longer one is the caller's business:
/// it can put the whole run to sleep instead of a task.
pub const MAX_WAIT_MICROS: i64 = 15_000_000;
/// Calls under way with one credential when the pack names no cap.
const DEFAULT_CONCURRENCY: u32 = 8;
/// Calls under way to one provider, over all credentials, where the settings name no other cap.
pub const CALLS_PER_PROVIDER: usize = 64;
/// Budgets kept. Beyond it, budgets nobody uses are forgotten.
const MAX_BUDGETS: usize = 10_000;

/// One call, as it is counted.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The credential it was made with.
    pub credential: Arc<str>,
    /// The provider.
    pub provider: Arc<str>,
    /// The stream, action or `check`.
    pub operation: Arc<str>,
    /// The answer's status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<Code>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// When it ended.
    pub at: Timestamp,
    /// What the answer said about the budget of the day; `None`: nothing.
    pub daily: Option<Daily>,
}

/// Counts calls: usage, failures, latency. Called once per call, on the calling task: be quick.
pub trait CallSink: Send + Sync {
    /// A call ended.
    fn on_call(&self, call: &CallRecord);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl CallSink for NoSink {
    fn on_call(&self, _call: &CallRecord) {}
}

/// The budget of one credential, shared.
#[derive(Debug)]
pub struct Governor {
    budget: Mutex<Budget>,
    permits: Semaphore,
    /// Those of the whole provider.
    provider: Arc<Semaphore>,
}

/// Leave to make one call. Hold it until the answer is read.
#[derive(Debug)]
pub struct Permit<'a> {
    _credential: SemaphorePermit<'a>,
    _provider: SemaphorePermit<'a>,
}

impl Governor {
    /// A fresh budget of a provider that nobody else uses.
    pub fn new(limits: &Limits) -> Self {
        Self::among(limits, Arc::new(Semaphore::new(CALLS_PER_PROVIDER)))
    }

    fn among(limits: &Limits, provider: Arc<Semaphore>) -> Self {
        let concurrency = limits.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        Self {
            budget: Mutex::new(Budget::new(limits)),
            permits: Semaphore::new(concurrency as usize),
            provider,
        }
    }

    /// Waits for a slot, in the order of asking.
    ///
    /// # Errors
    /// `rate_limited` with `retry_after` when the wait would be longer than [`MAX_WAIT_MICROS`].
    pub async fn acquire(&self, env: &Env, path: &str) -> Result<Permit<'_>> {
        let credential = self.permits.acquire().await.map_err(Error::internal)?;
        loop {
            // Asked for anew after each wait: who waits for a rate holds no place of the provider,
            // and a slot is taken only when the call can follow at once.
            let provider = self.provider.acquire().await.map_err(Error::internal)?;
            let slot = self.lock().next_slot(env.now(), path);
            match slot {
                Ok(()) => return Ok(Permit { _credential: credential, _provider: provider }),
                Err(wait) if wait > MAX_WAIT_MICROS => {
                    let secs = u64::try_from(wait / 1_000_000).unwrap_or(0) + 1;
                    let detail = format!("The provider's rate limit is used up for {secs} s.");
                    return Err(Error::new(Code::RateLimited, detail).retry_after(secs));
                }
                Err(wait) => {
                    drop(provider);
                    let micros = u64::try_from(wait).unwrap_or(0);
                    tokio::time::sleep(Duration::from_micros(micros)).await;
                }
            }
        }
    }

    /// Learns from an answer. Answers what it said about the day.
    pub fn observe(
        &self,
        now: Timestamp,
        limits: &Limits,
        headers: &HeaderMap,
        limited: bool,
        retry_after: Option<u64>,
        error_body: Option<&Value>,
    ) -> Option<Daily> {
        let told = signal::read(&limits.signals, headers, error_body);
        self.lock().observe(now, told, limited, retry_after)
    }

    /// What is known now.
    pub fn view(&self, now: Timestamp) -> BudgetView {
        self.lock().view(now)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The budgets of this process, by credential, and what each provider gets at once.
#[derive(Clone, Debug)]
pub struct Governors(Arc<Held>);

#[derive(Debug)]
struct Held {
    budgets: Mutex<HashMap<Arc<str>, Arc<Governor>>>,
    providers: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
    per_provider: usize,
}

impl Default for Governors {
    fn default() -> Self {
        Self::capped(CALLS_PER_PROVIDER)
    }
}

impl Governors {
    /// No provider gets more than so many calls at once from this process.
    pub fn capped(per_provider: usize) -> Self {
        let (budgets, providers) = Default::default();
        Self(Arc::new(Held { budgets, providers, per_provider: per_provider.max(1) }))
    }

    /// The budget of a credential, made at its first use.
    pub fn of(&self, provider: &str, credential: &str, limits: &Limits) -> Arc<Governor> {
        let mut budgets = self.0.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(governor) = budgets.get(credential) {
            return governor.clone();
        }
        if budgets.len() >= MAX_BUDGETS {
            budgets.retain(|_, governor| Arc::strong_count(governor) > 1);
        }
        let governor = Arc::new(Governor::among(limits, self.provider(provider)));
        budgets.insert(credential.into(), governor.clone());
        governor
    }

    fn provider(&self, name: &str) -> Arc<Semaphore> {
        let mut providers = self.0.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Semaphore::new(self.0.per_provider));
        providers.entry(name.into()).or_insert_with(made).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectus_core::{env, provider::Window};

    /// Tells tokio's own, paused time.
    struct PausedClock(tokio::time::Instant);

    impl env::Clock for PausedClock {
        fn now(&self) -> Timestamp {
            let micros = i64::try_from(self.0.elapsed().as_micros()).unwrap();
            Timestamp(Timestamp::from_secs(1_700_000_000).0 + micros)
        }
    }

    struct NoEntropy;

    impl env::Entropy for NoEntropy {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    fn paused_env() -> Env {
        Env::new(Arc::new(PausedClock(tokio::time::Instant::now())), Arc::new(NoEntropy))
    }

    fn limits(calls: u32, per_ms: u64) -> Limits {
        let window = Window { name: "default".into(), calls, per_ms, paths: Vec::new() };
        Limits { windows: vec![window], concurrency: Some(2), ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_needed_and_no_longer() {
        let (env, governor) = (paused_env(), Governor::new(&limits(5, 1_000)));
        let started = env.now();
        for _ in 0..11 {
            drop(governor.acquire(&env, "/").await.unwrap());
        }
        let took = env.now().millis() - started.millis();
        assert!((2_000..=2_400).contains(&took), "{took} ms for 11 calls at 5 a second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_is_handed_back() {
        let (env, governor) = (paused_env(), Governor::new(&limits(5, 1_000)));
        let limits = limits(5, 1_000);
        governor.observe(env.now(), &limits, &HeaderMap::new(), true, Some(60), None);
        let error = governor.acquire(&env, "/").await.unwrap_err();
        assert_eq!((error.code, error.retry_after), (Code::RateLimited, Some(61)));
        assert!(error.is_transient());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_under_way_than_the_cap() {
        let (env, governor) = (paused_env(), Governor::new(&limits(100, 1_000)));
        let first = governor.acquire(&env, "/").await.unwrap();
        let second = governor.acquire(&env, "/").await.unwrap();
        let third = tokio::time::timeout(Duration::from_secs(5), governor.acquire(&env, "/"));
        assert!(third.await.is_err(), "the third call waits for a permit");
        drop((first, second));
        assert!(governor.acquire(&env, "/").await.is_ok());
    }

    #[test]
    fn one_budget_per_credential() {
        let governors = Governors::default();
        let limits = limits(5, 1_000);
        let of = |credential: &str| governors.of("hubspot", credential, &limits);
        let one = of("cred_a");
        assert!(Arc::ptr_eq(&one, &of("cred_a")));
        assert!(!Arc::ptr_eq(&one, &of("cred_b")));
    }
}
