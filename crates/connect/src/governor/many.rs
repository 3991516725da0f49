//! Many runs on one credential: the provider refuses nobody, and hardly a call goes unused.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use connectus_core::{
    Env, Timestamp, env,
    provider::{Limits, Window},
};
use tokio::time::Instant;

use super::{Governor, Governors, budget::Budget};

const RUNS: usize = 50;
const LIMIT: u32 = 100;
const MINUTES: u64 = 30;

/// Tells tokio's own, paused time.
struct PausedClock(Instant);

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

/// A provider that counts exactly: no more than so many calls in any minute.
#[derive(Debug, Default)]
struct Provider {
    recent: VecDeque<Instant>,
    taken: u64,
    refused: u64,
}

impl Provider {
    fn call(&mut self) {
        let now = Instant::now();
        let old = |at: &&Instant| now.duration_since(**at) >= Duration::from_secs(60);
        while self.recent.front().filter(old).is_some() {
            self.recent.pop_front();
        }
        if self.recent.len() >= LIMIT as usize {
            self.refused += 1;
        } else {
            self.recent.push_back(now);
            self.taken += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_runs_on_one_credential_are_never_refused_and_waste_little() {
    let env = Env::new(Arc::new(PausedClock(Instant::now())), Arc::new(NoEntropy));
    let window = Window { name: "minute".into(), calls: LIMIT, per_ms: 60_000, paths: Vec::new() };
    let limits = Limits { windows: vec![window], concurrency: Some(8), ..Limits::default() };
    let governor = Arc::new(Governor::new(&limits));
    let provider = Arc::new(Mutex::new(Provider::default()));
    let end = Instant::now() + Duration::from_secs(60 * MINUTES);
    let runs: Vec<_> = (0..RUNS)
        .map(|run| {
            let (env, governor, provider) = (env.clone(), governor.clone(), provider.clone());
            tokio::spawn(async move {
                while Instant::now() < end {
                    match governor.acquire(&env, "/").await {
                        // The whole run rests, as the engine has it.
                        Err(error) => {
                            let secs = error.retry_after.unwrap();
                            tokio::time::sleep(Duration::from_secs(secs)).await;
                        }
                        Ok(permit) => {
                            provider.lock().unwrap_or_else(PoisonError::into_inner).call();
                            let latency = Duration::from_millis(80 + 7 * run as u64);
                            tokio::time::sleep(latency).await;
                            drop(permit);
                        }
                    }
                }
            })
        })
        .collect();
    for run in runs {
        run.await.unwrap();
    }
    let provider = provider.lock().unwrap();
    let budget = u64::from(LIMIT) * MINUTES;
    assert_eq!(provider.refused, 0);
    assert!(provider.taken * 100 >= budget * 95, "{} of {budget} calls used", provider.taken);
}

/// Calls of three credentials, one with four times as many flows as each of the others: how many
/// were made for each, and how many were under way at once at most.
async fn share(cap: usize) -> ([u64; 3], usize) {
    const FLOW_CALLS: usize = 4;
    let env = Env::new(Arc::new(PausedClock(Instant::now())), Arc::new(NoEntropy));
    let limits = Limits { concurrency: Some(10), ..Limits::default() };
    let governors = Governors::capped(cap);
    let made = Arc::new(Mutex::new(([0u64; 3], 0usize, 0usize)));
    let end = Instant::now() + Duration::from_secs(600);
    let mut calls = Vec::new();
    for (place, flows) in [(0usize, 8), (1, 2), (2, 2)] {
        let governor = governors.of("mailchimp", &format!("cred_{place}"), &limits);
        for _ in 0..flows * FLOW_CALLS {
            let (env, governor, made) = (env.clone(), governor.clone(), made.clone());
            calls.push(tokio::spawn(async move {
                while Instant::now() < end {
                    let permit = governor.acquire(&env, "/").await.unwrap();
                    {
                        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                        made.0[place] += 1;
                        made.1 += 1;
                        made.2 = made.2.max(made.1);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    made.lock().unwrap_or_else(PoisonError::into_inner).1 -= 1;
                    drop(permit);
                }
            }));
        }
    }
    for call in calls {
        call.await.unwrap();
    }
    let made = made.lock().unwrap_or_else(PoisonError::into_inner);
    (made.0, made.2)
}

#[tokio::test(start_paused = true)]
async fn a_provider_gets_so_many_calls_at_once_and_every_credential_its_share() {
    let (made, most) = share(12).await;
    assert_eq!(most, 12);
    let all: u64 = made.iter().sum();
    assert!(all * 100 >= 12 * 6_000 * 99, "places stay empty: {made:?}");
    for made in made {
        assert!((95..=105).contains(&(made * 300 / all)), "a third for each: {made} of {all}");
    }
    let (_, most) = share(1_000).await;
    assert_eq!(most, 26, "no credential has more under way than its own cap");
}

#[test]
fn the_end_of_the_day_s_budget_is_forecast_within_a_tenth() {
    let limits = Limits { daily: Some(10_000), ..Limits::default() };
    let mut budget = Budget::new(&limits);
    let midnight = 1_700_006_400;
    // A call every four seconds, early or late by up to two: used up after about eleven hours.
    let at = |call: u64| midnight + i64::try_from(call * 4 + call * call % 3).unwrap();
    let end = at(10_000);
    for call in 0..10_000 {
        let now = Timestamp::from_secs(at(call));
        assert_eq!(budget.next_slot(now, "/"), Ok(()));
        if call >= 500 && call % 250 == 0 && call < 9_900 {
            let told = i64::try_from(budget.view(now).exhausted_in_secs.unwrap()).unwrap();
            let left = end - at(call);
            assert!((told - left).abs() * 10 <= left, "at {call}: {told} s, in fact {left} s");
        }
    }
    let view = budget.view(Timestamp::from_secs(end));
    assert_eq!((view.daily_remaining, view.exhausted_in_secs), (Some(0), Some(0)));
}
