//! What an answer says about the budget.

use connectus_core::provider::Signal;
use http::HeaderMap;
use serde_json::Value;

/// A budget of calls a day, as a provider told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily {
    /// Calls allowed.
    pub max: u64,
    /// Calls left.
    pub remaining: u64,
}

/// Something an answer said about the budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// About a window of the pack.
    Window {
        /// Which.
        window: String,
        /// Calls allowed.
        max: u64,
        /// Calls left.
        remaining: u64,
        /// Its length in milliseconds.
        per_ms: Option<u64>,
    },
    /// About the day.
    Day(Daily),
    /// Closed for so many seconds.
    Pause(u64),
}

/// Reads the signals a pack describes from one answer.
pub fn read(signals: &[Signal], headers: &HeaderMap, error_body: Option<&Value>) -> Vec<Told> {
    signals.iter().filter_map(|signal| read_one(signal, headers, error_body)).collect()
}

fn read_one(signal: &Signal, headers: &HeaderMap, error_body: Option<&Value>) -> Option<Told> {
    match signal {
        Signal::Window { window, max, remaining, interval_ms } => Some(Told::Window {
            window: window.clone(),
            max: number(headers, max)?,
            remaining: number(headers, remaining)?,
            per_ms: interval_ms.as_deref().and_then(|name| number(headers, name)),
        }),
        Signal::Daily { max, remaining } => Some(Told::Day(Daily {
            max: number(headers, max)?,
            remaining: number(headers, remaining)?,
        })),
        Signal::UsagePair { header, key } => {
            let mut parts = text(headers, header)?.split([';', ',']);
            let pair = parts.find_map(|part| part.trim().strip_prefix(key)?.strip_prefix('='))?;
            let (used, max) = pair.split_once('/')?;
            let (used, max): (u64, u64) = (used.trim().parse().ok()?, max.trim().parse().ok()?);
            Some(Told::Day(Daily { max, remaining: max.saturating_sub(used) }))
        }
        Signal::UsagePercent { header, fields, minutes, seconds } => {
            let value: Value = serde_json::from_str(text(headers, header)?).ok()?;
            let mut usage = Usage { fields, minutes, seconds, full: false, wait: 0 };
            usage.read(&value);
            let wait = if usage.wait > 0 { usage.wait } else { FULL_PAUSE_SECS };
            usage.full.then_some(Told::Pause(wait))
        }
        Signal::BodyDelay { field } => find(error_body?, field).and_then(seconds).map(Told::Pause),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// Pause when a percentage is full and no time is named, in seconds.
const FULL_PAUSE_SECS: u64 = 300;

/// Percentages and waits at any depth.
struct Usage<'a> {
    fields: &'a [String],
    minutes: &'a Option<String>,
    seconds: &'a Option<String>,
    /// Whether any percentage is at 100 or above.
    full: bool,
    /// The longest wait, in seconds.
    wait: u64,
}

impl Usage<'_> {
    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, inner)| match inner {
                Value::Number(number) => self.number(key, number.as_f64().unwrap_or(0.0)),
                _ => self.read(inner),
            }),
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            _ => {}
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a week, above 0"
    )]
    fn number(&mut self, key: &str, number: f64) {
        let wait = |unit: f64| (number * unit).clamp(0.0, 604_800.0).ceil() as u64;
        if self.minutes.as_deref() == Some(key) {
            self.wait = self.wait.max(wait(60.0));
        } else if self.seconds.as_deref() == Some(key) {
            self.wait = self.wait.max(wait(1.0));
        } else if self.fields.is_empty() || self.fields.iter().any(|field| field == key) {
            self.full |= number >= 100.0;
        }
    }
}

fn find<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => {
            map.get(field).or_else(|| map.values().find_map(|inner| find(inner, field)))
        }
        Value::Array(items) => items.iter().find_map(|inner| find(inner, field)),
        _ => None,
    }
}

/// `12`, `"12"`, `"12s"`, `"1.5s"`, rounded up.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => {
            let text = text.strip_suffix('s').unwrap_or(text);
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            let whole: u64 = whole.parse().ok()?;
            Some(whole + u64::from(part.bytes().any(|b| b != b'0')))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (n.parse::<http::HeaderName>().unwrap(), v.parse().unwrap()))
            .collect()
    }

    fn signal(value: Value) -> Vec<Signal> {
        vec![serde_json::from_value(value).unwrap()]
    }

    #[test]
    fn reads_each_provider_in_its_own_words() {
        let hubspot = signal(json!({"kind": "window", "window": "default",
            "max": "X-HubSpot-RateLimit-Max", "remaining": "X-HubSpot-RateLimit-Remaining",
            "interval_ms": "X-HubSpot-RateLimit-Interval-Milliseconds"}));
        let told = read(
            &hubspot,
            &headers(&[
                ("x-hubspot-ratelimit-max", "110"),
                ("x-hubspot-ratelimit-remaining", "7"),
                ("x-hubspot-ratelimit-interval-milliseconds", "10000"),
            ]),
            None,
        );
        let window = "default".to_owned();
        let expected = Told::Window { window, max: 110, remaining: 7, per_ms: Some(10_000) };
        assert_eq!(told, [expected]);

        let salesforce = signal(
            json!({"kind": "usage_pair", "header": "Sforce-Limit-Info", "key": "api-usage"}),
        );
        let usage = headers(&[("sforce-limit-info", "api-usage=18/5000; api-bursts=1/750")]);
        let day = Told::Day(Daily { max: 5000, remaining: 4982 });
        assert_eq!(read(&salesforce, &usage, None), [day]);

        let meta = signal(json!({"kind": "usage_percent", "header": "X-Business-Use-Case-Usage",
            "minutes": "estimated_time_to_regain_access"}));
        let full =
            r#"{"1":[{"call_count":100,"total_time":3,"estimated_time_to_regain_access":4}]}"#;
        let full = headers(&[("x-business-use-case-usage", full)]);
        assert_eq!(read(&meta, &full, None), [Told::Pause(240)]);
        let fine = headers(&[("x-business-use-case-usage", r#"{"1":[{"call_count":99}]}"#)]);
        assert_eq!(read(&meta, &fine, None), []);

        let account = signal(json!({"kind": "usage_percent", "header": "X-Ad-Account-Usage",
            "fields": ["acc_id_util_pct"], "seconds": "reset_time_duration"}));
        let usage = |text| read(&account, &headers(&[("x-ad-account-usage", text)]), None);
        assert_eq!(usage(r#"{"acc_id_util_pct":9.67,"reset_time_duration":200}"#), []);
        let full = r#"{"acc_id_util_pct":100.5,"reset_time_duration":70}"#;
        assert_eq!(usage(full), [Told::Pause(70)]);

        let google = signal(json!({"kind": "body_delay", "field": "retryDelay"}));
        let body = json!({"error": {"details": [{"a": 1}, {"retryDelay": "12.5s"}]}});
        assert_eq!(read(&google, &HeaderMap::new(), Some(&body)), [Told::Pause(13)]);
    }

    #[test]
    fn nonsense_says_nothing() {
        let daily = signal(json!({"kind": "daily", "max": "a", "remaining": "b"}));
        for pairs in [&[("a", "1")][..], &[("a", "x"), ("b", "1")], &[("a", "-1"), ("b", "1")]] {
            assert_eq!(read(&daily, &headers(pairs), None), []);
        }
        let pair = signal(json!({"kind": "usage_pair", "header": "h", "key": "api-usage"}));
        for text in ["", "api-usage", "api-usage=1", "api-usage=a/b", "other=1/2"] {
            assert_eq!(read(&pair, &headers(&[("h", text)]), None), [], "{text}");
        }
    }
}
