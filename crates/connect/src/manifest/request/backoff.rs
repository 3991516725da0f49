//! How long to wait before a request is sent again.

use connectus_core::{Code, Env, Error, Result};
use serde_json::Value;

use crate::{
    http::GuardedResponse,
    manifest::{document::Component, interpolation::Scope, text::Text},
};

/// A strategy of the manifest, its texts filled in.
#[derive(Debug)]
pub enum Backoff {
    /// The same every time.
    Constant {
        /// Seconds.
        secs: f64,
        /// Half the range of what chance adds, in seconds.
        jitter: Option<f64>,
    },
    /// Twice as long every time.
    Exponential {
        /// Seconds before the first doubling.
        factor: f64,
        /// Half the range of what chance adds, in seconds.
        jitter: Option<f64>,
    },
    /// As long as a header says, in seconds.
    FromHeader(Header),
    /// Until the time a header says, in seconds since 1970.
    UntilHeader {
        /// The header.
        header: Header,
        /// Wait at least this long, in seconds.
        least: Option<f64>,
    },
}

/// A number in a header.
#[derive(Debug)]
pub struct Header {
    name: String,
    pattern: Option<fancy_regex::Regex>,
    most: Option<f64>,
}

impl Backoff {
    /// Reads a strategy.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let number = |name| number(component, name, scope);
        let jitter = number("jitter_range_in_seconds")?;
        Ok(match component.kind() {
            "ConstantBackoffStrategy" | "ConstantBackoff" => Self::Constant {
                secs: number("backoff_time_in_seconds")?
                    .ok_or_else(|| component.wrong("backoff_time_in_seconds", "is missing"))?,
                jitter,
            },
            "ExponentialBackoffStrategy" => {
                Self::Exponential { factor: number("factor")?.unwrap_or(5.0), jitter }
            }
            "WaitTimeFromHeader" => Self::FromHeader(Header::compile(component, scope)?),
            "WaitUntilTimeFromHeader" => Self::UntilHeader {
                header: Header::compile(component, scope)?,
                least: number("min_wait")?,
            },
            other => return Err(component.wrong("type", &format!("`{other}` is not supported"))),
        })
    }

    /// Seconds to wait after so many tries.
    ///
    /// # Errors
    /// `rate_limited` when a header asks for more than the manifest allows.
    pub fn secs(
        &self,
        response: Option<&GuardedResponse>,
        attempt: u32,
        env: &Env,
    ) -> Result<Option<f64>> {
        match self {
            Self::Constant { secs, jitter } => Ok(Some(shaken(*secs, *jitter, env))),
            Self::Exponential { factor, jitter } => {
                let doublings = i32::try_from(attempt.min(30)).unwrap_or(30);
                Ok(Some(shaken(factor * 2f64.powi(doublings), *jitter, env)))
            }
            Self::FromHeader(header) => response
                .and_then(|response| header.read(response))
                .map_or(Ok(None), |secs| header.bounded(secs)),
            Self::UntilHeader { header, least } => {
                let until = response.and_then(|response| header.read(response));
                #[expect(clippy::cast_precision_loss, reason = "seconds, not nanoseconds, matter")]
                let now = env.now().millis() as f64 / 1000.0;
                let wait = until.filter(|until| *until != 0.0).map(|until| until - now);
                match (wait, least) {
                    (None, least) => least.map_or(Ok(None), |secs| header.bounded(secs)),
                    (Some(wait), Some(least)) => header.bounded(wait.max(*least)),
                    (Some(wait), None) if wait < 0.0 => Ok(None),
                    (Some(wait), None) => header.bounded(wait),
                }
            }
        }
    }
}

impl Header {
    fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        let pattern = match Text::read(component, "regex")? {
            None => None,
            Some(text) => {
                // Matched from the first character on, as Python's `match` does.
                let pattern = format!("^(?:{})", text.string(scope)?);
                Some(fancy_regex::Regex::new(&pattern).map_err(|error| {
                    component.wrong("regex", &format!("is not a pattern: {error}"))
                })?)
            }
        };
        let name = Text::need(component, "header")?.string(scope)?;
        let most = number(component, "max_waiting_time_in_seconds", scope)?;
        Ok(Self { name, pattern, most })
    }

    fn read(&self, response: &GuardedResponse) -> Option<f64> {
        let text = response.header(&self.name)?;
        let found = self.pattern.as_ref().and_then(|pattern| pattern.find(text).ok().flatten());
        found.map_or(text, |found| found.as_str()).trim().parse().ok()
    }

    fn bounded(&self, secs: f64) -> Result<Option<f64>> {
        match self.most {
            Some(most) if secs != 0.0 && secs >= most => {
                let detail = format!(
                    "The provider asks to wait {secs} s; the manifest allows less than {most} s."
                );
                Err(Error::new(Code::RateLimited, detail).with("failure_type", "transient_error"))
            }
            _ => Ok(Some(secs)),
        }
    }
}

fn shaken(secs: f64, jitter: Option<f64>, env: &Env) -> f64 {
    let Some(jitter) = jitter else { return secs };
    let chance = f64::from(u32::from_le_bytes(env.random::<4>())) / f64::from(u32::MAX);
    secs + jitter * 2.0 * chance
}

fn number(component: &Component, name: &str, scope: &Scope<'_>) -> Result<Option<f64>> {
    let Some(text) = Text::read(component, name)? else { return Ok(None) };
    let value = match text.eval(scope)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    value.map(Some).ok_or_else(|| component.wrong(name, "must be a number"))
}
