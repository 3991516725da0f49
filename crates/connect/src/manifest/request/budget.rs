//! How often a manifest lets its source ask, by the address that is asked.

use std::{collections::VecDeque, sync::PoisonError, time::Duration};

use connectus_core::{Code, Env, Error, Result};
use http::{HeaderMap, Method};
use tokio::time::Instant;
use url::Url;

use crate::{
    http::GuardedResponse,
    manifest::{
        document::{Component, Node},
        interpolation::{Scope, datetime::Span},
        text::{Text, plain},
    },
};

/// Most calls a window may count.
const MAX_LIMIT: u64 = 1_000_000;
/// Longest wait for a call, over all its parts.
const MAX_WAIT: Duration = Duration::from_secs(3_600);
/// How long the first of the fixed windows lasts if the provider never says.
const FIRST_WINDOW: Duration = Duration::from_secs(10 * 86_400);

/// An `HTTPAPIBudget`.
#[derive(Debug)]
pub struct Budget {
    policies: Vec<Policy>,
    reset_header: String,
    remaining_header: String,
    used_up: Vec<u16>,
}

#[derive(Debug)]
struct Policy {
    matchers: Vec<Matcher>,
    window: std::sync::Mutex<Window>,
}

#[derive(Debug)]
enum Window {
    Unlimited,
    Fixed { limit: u64, period: Duration, used: u64, until: Instant },
    Moving { rates: Vec<(u64, Duration)>, calls: VecDeque<(Instant, u64)> },
}

/// Which requests a policy counts.
#[derive(Debug)]
struct Matcher {
    method: Option<String>,
    base: Option<String>,
    path: Option<fancy_regex::Regex>,
    params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    weight: u64,
}

impl Budget {
    /// Reads the budget of a source; `None` when it has none.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(root: &Component, scope: &Scope<'_>) -> Result<Option<Self>> {
        let Some(component) = root.component("api_budget")? else { return Ok(None) };
        if component.kind() != "HTTPAPIBudget" {
            let message = format!("`{}` is not supported", component.kind());
            return Err(component.wrong("type", &message));
        }
        let text = |name: &str, usual: &str| {
            component.text(name).map_or_else(|| usual.to_owned(), |text| text.to_string())
        };
        let codes = component.node("status_codes_for_ratelimit_hit").and_then(Node::as_list);
        let code = |node: &Node| node.to_value().as_u64().and_then(|code| u16::try_from(code).ok());
        let codes = codes.map(|codes| codes.iter().filter_map(code).collect());
        let policies = component.components("policies")?;
        Ok(Some(Self {
            policies: policies
                .iter()
                .map(|policy| Policy::compile(policy, scope))
                .collect::<Result<_>>()?,
            reset_header: text("ratelimit_reset_header", "ratelimit-reset"),
            remaining_header: text("ratelimit_remaining_header", "ratelimit-remaining"),
            used_up: codes.unwrap_or_else(|| vec![429]),
        }))
    }

    fn policy(&self, method: &Method, url: &Url, headers: &HeaderMap) -> Option<(&Policy, u64)> {
        self.policies.iter().find_map(|policy| {
            if policy.matchers.is_empty() {
                return Some((policy, 1));
            }
            let found = policy.matchers.iter().find(|one| one.matches(method, url, headers))?;
            Some((policy, found.weight))
        })
    }

    /// Waits until a request may be sent.
    ///
    /// # Errors
    /// `rate_limited` when that is too long, `invalid` when it weighs more than is ever free.
    pub async fn acquire(&self, method: &Method, url: &Url, headers: &HeaderMap) -> Result<()> {
        let Some((policy, weight)) = self.policy(method, url, headers) else { return Ok(()) };
        let begun = Instant::now();
        loop {
            let wait = {
                let mut window = policy.window.lock().unwrap_or_else(PoisonError::into_inner);
                match window.take(weight, Instant::now())? {
                    None => return Ok(()),
                    Some(wait) => wait,
                }
            };
            if begun.elapsed() + wait > MAX_WAIT {
                let secs = wait.as_secs();
                let detail = format!("The budget of the manifest is used up for {secs} s.");
                return Err(
                    Error::new(Code::RateLimited, detail).with("failure_type", "transient_error")
                );
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Learns from an answer what is left.
    pub fn observe(&self, method: &Method, url: &Url, sent: &HeaderMap, answer: &Seen<'_>) {
        let Some((policy, _)) = self.policy(method, url, sent) else { return };
        let number = |name: &str| answer.response.header(name)?.trim().parse::<i64>().ok();
        let left = number(&self.remaining_header).map(|left| u64::try_from(left).unwrap_or(0));
        let used_up = self.used_up.contains(&answer.response.status).then_some(0);
        let now = Instant::now();
        let reset = number(&self.reset_header).map(|at| {
            let secs = at.saturating_sub(answer.env.now().millis().div_euclid(1_000));
            now + Duration::from_secs(u64::try_from(secs).unwrap_or(0)).min(FIRST_WINDOW)
        });
        let mut window = policy.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.learn(left.or(used_up), reset, now);
    }
}

/// An answer as the budget looks at it.
pub struct Seen<'a> {
    /// The answer.
    pub response: &'a GuardedResponse,
    /// What time it is.
    pub env: &'a Env,
}

impl Policy {
    fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let matchers = component.components("matchers")?;
        let window = match component.kind() {
            "UnlimitedCallRatePolicy" => Window::Unlimited,
            "FixedWindowCallRatePolicy" => Window::Fixed {
                limit: count(component, "call_limit", scope)?,
                period: period(component, "period")?,
                used: 0,
                until: Instant::now() + FIRST_WINDOW,
            },
            "MovingWindowCallRatePolicy" => {
                let rates = component.components("rates")?;
                let rate = |rate: &Component| {
                    Ok((count(rate, "limit", scope)?, period(rate, "interval")?))
                };
                let rates: Vec<_> = rates.iter().map(rate).collect::<Result<_>>()?;
                if rates.is_empty() {
                    return Err(component.wrong("rates", "must name at least one"));
                }
                Window::Moving { rates, calls: VecDeque::new() }
            }
            other => return Err(component.wrong("type", &format!("`{other}` is not supported"))),
        };
        Ok(Self {
            matchers: matchers
                .iter()
                .map(|one| Matcher::compile(one, scope))
                .collect::<Result<_>>()?,
            window: std::sync::Mutex::new(window),
        })
    }
}

fn count(component: &Component, name: &str, scope: &Scope<'_>) -> Result<u64> {
    let text = Text::need(component, name)?.string(scope)?;
    let count = text.trim().parse().ok().filter(|count| (1..=MAX_LIMIT).contains(count));
    count.ok_or_else(|| {
        component.wrong(name, &format!("must be a whole number from 1 to {MAX_LIMIT}"))
    })
}

fn period(component: &Component, name: &str) -> Result<Duration> {
    let span = Span::parse(&component.need_text(name)?)?;
    let micros = u64::try_from(span.micros()).ok().filter(|micros| *micros > 0);
    micros
        .map(Duration::from_micros)
        .ok_or_else(|| component.wrong(name, "must be longer than nothing"))
}

impl Window {
    /// Takes a call, or says how long to wait for it.
    fn take(&mut self, weight: u64, now: Instant) -> Result<Option<Duration>> {
        let heavy = |limit: u64| {
            let message = format!("is {weight}, more than the {limit} calls of its budget");
            Error::invalid("weight", message)
        };
        match self {
            Self::Unlimited => Ok(None),
            Self::Fixed { limit, .. } if weight > *limit => Err(heavy(*limit)),
            Self::Fixed { limit, period, used, until } => {
                while now > *until {
                    *until += *period;
                    *used = 0;
                }
                if *used + weight > *limit {
                    let wait = until.saturating_duration_since(now);
                    return Ok(Some(wait.max(Duration::from_millis(1))));
                }
                *used += weight;
                Ok(None)
            }
            Self::Moving { rates, calls } => {
                let lowest = rates.iter().map(|(limit, _)| *limit).min().unwrap_or(MAX_LIMIT);
                if weight > lowest {
                    return Err(heavy(lowest));
                }
                let longest = rates.iter().map(|(_, period)| *period).max().unwrap_or_default();
                while calls.front().is_some_and(|(at, _)| now.duration_since(*at) >= longest) {
                    calls.pop_front();
                }
                let waits = rates.iter().filter_map(|rate| waiting(calls, *rate, weight, now));
                if let Some(wait) = waits.max() {
                    return Ok(Some(wait.max(Duration::from_millis(1))));
                }
                calls.push_back((now, weight));
                Ok(None)
            }
        }
    }

    fn learn(&mut self, left: Option<u64>, reset: Option<Instant>, now: Instant) {
        match self {
            Self::Unlimited => {}
            Self::Fixed { limit, used, until, .. } => {
                if let Some(left) = left {
                    *used = (*used).max(limit.saturating_sub(left));
                }
                *until = reset.unwrap_or(*until);
            }
            Self::Moving { rates, calls } if left == Some(0) && reset.is_none() => {
                let within = |period: Duration| {
                    let recent = calls.iter().rev();
                    let recent = recent.take_while(|(at, _)| now.duration_since(*at) < period);
                    recent.map(|(_, weight)| weight).sum::<u64>()
                };
                let free = rates.iter().map(|(limit, p)| limit.saturating_sub(within(*p))).min();
                if let Some(free) = free.filter(|free| *free > 0) {
                    calls.push_back((now, free));
                }
            }
            Self::Moving { .. } => {}
        }
    }
}

/// How long until this much is free again; `None` when it is now.
fn waiting(
    calls: &VecDeque<(Instant, u64)>,
    (limit, period): (u64, Duration),
    weight: u64,
    now: Instant,
) -> Option<Duration> {
    let mut sum = weight;
    for (at, weight) in calls.iter().rev() {
        let age = now.duration_since(*at);
        if age >= period {
            return None;
        }
        sum += weight;
        if sum > limit {
            return Some(period.saturating_sub(age));
        }
    }
    None
}

impl Matcher {
    fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let path = component.text("url_path_pattern").map(|pattern| {
            fancy_regex::Regex::new(&pattern).map_err(|error| {
                component.wrong("url_path_pattern", &format!("is not a pattern: {error}"))
            })
        });
        let pairs = |name: &str, lower: bool| {
            let map = component.node(name).and_then(Node::as_map);
            let pairs = map.into_iter().flat_map(|map| map.iter());
            let pairs = pairs.filter(|(name, _)| !name.starts_with('$'));
            pairs
                .map(|(name, node)| {
                    let name = if lower { name.to_lowercase() } else { name.to_string() };
                    (name, plain(&node.to_value()))
                })
                .collect()
        };
        let weight = component.node("weight").map(|_| count(component, "weight", scope));
        Ok(Self {
            method: component.text("method").map(|method| method.to_uppercase()),
            base: component.text("url_base").map(|base| base.trim_end_matches('/').to_owned()),
            path: path.transpose()?,
            params: pairs("params", false),
            headers: pairs("headers", true),
            weight: weight.transpose()?.unwrap_or(1),
        })
    }

    fn matches(&self, method: &Method, url: &Url, headers: &HeaderMap) -> bool {
        let path = url.path().trim_end_matches('/');
        self.method.as_ref().is_none_or(|own| own == method.as_str())
            && self.base.as_ref().is_none_or(|own| *own == url.origin().ascii_serialization())
            && self.path.as_ref().is_none_or(|own| own.is_match(path).unwrap_or(false))
            && self.params.iter().all(|(name, value)| {
                url.query_pairs().any(|(own, given)| own == *name && given == *value)
            })
            && self.headers.iter().all(|(name, value)| {
                headers.get(name).is_some_and(|given| given.as_bytes() == value.as_bytes())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moving_window_gives_way_as_calls_grow_old() {
        let second = Duration::from_secs(1);
        let rates = vec![(2, second), (3, 10 * second)];
        let mut window = Window::Moving { rates, calls: VecDeque::new() };
        let at = Instant::now();
        assert_eq!(window.take(1, at).unwrap(), None);
        assert_eq!(window.take(1, at).unwrap(), None);
        assert_eq!(window.take(1, at + second / 2).unwrap(), Some(second / 2));
        assert_eq!(window.take(1, at + second).unwrap(), None);
        assert_eq!(window.take(1, at + 2 * second).unwrap(), Some(8 * second));
        assert!(window.take(3, at).is_err(), "more than the smallest window takes");
    }

    #[test]
    fn a_fixed_window_learns_from_answers() {
        let second = Duration::from_secs(1);
        let at = Instant::now();
        let until = at + 5 * second;
        let mut window = Window::Fixed { limit: 10, period: 60 * second, used: 0, until };
        window.learn(Some(1), Some(at + 2 * second), at);
        assert_eq!(window.take(1, at).unwrap(), None);
        assert_eq!(window.take(1, at).unwrap(), Some(2 * second));
        assert_eq!(window.take(1, at + 3 * second).unwrap(), None);
    }

    #[test]
    fn an_empty_provider_fills_the_window() {
        let second = Duration::from_secs(1);
        let at = Instant::now();
        let mut window = Window::Moving { rates: vec![(5, second)], calls: VecDeque::new() };
        window.learn(Some(0), None, at);
        assert_eq!(window.take(1, at).unwrap(), Some(second));
    }
}
