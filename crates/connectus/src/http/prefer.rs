//! `Prefer: wait=N` of RFC 7240: how long a caller is ready to wait for an answer.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header in which callers prefer.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The header that says what was done about it.
pub const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Whole seconds that a caller is ready to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(u64);

/// Whether a request may take longer than others.
pub fn may_wait(headers: &HeaderMap) -> bool {
    headers.contains_key(PREFER)
}

impl Wait {
    /// What a request prefers, up to `most`. What is not understood is passed over, as the RFC
    /// says; of several the first counts.
    pub fn of(headers: &HeaderMap, most: Duration) -> Option<Self> {
        let texts = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let mut preferences = texts.flat_map(|text| text.split(','));
        let secs = preferences.find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=')?;
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("wait").then(|| value.parse::<u64>().ok())
        })??;
        (secs > 0).then(|| Self(secs.min(most.as_secs())))
    }

    /// As a length of time.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// The header that says that it was kept to.
    pub fn applied(self) -> (HeaderName, HeaderValue) {
        // Text and digits are always a header's value.
        let value = HeaderValue::from_str(&format!("wait={}", self.0));
        (APPLIED, value.unwrap_or(HeaderValue::from_static("wait")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(values: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_str(value).unwrap());
        }
        Wait::of(&headers, Duration::from_secs(60)).map(|wait| wait.duration().as_secs())
    }

    #[test]
    fn preferences_are_read_as_the_rfc_writes_them() {
        assert_eq!(wait(&["wait=10"]), Some(10));
        assert_eq!(wait(&["respond-async, WAIT = \"5\""]), Some(5));
        assert_eq!(wait(&["return=minimal; x=1", "wait=7; y"]), Some(7));
        assert_eq!(wait(&["wait=100000"]), Some(60), "no longer than we wait");
        assert_eq!(wait(&["wait=3", "wait=9"]), Some(3));
        for nothing in ["", "wait", "wait=", "wait=-1", "wait=soon", "wait=0", "await=3"] {
            assert_eq!(wait(&[nothing]), None, "{nothing}");
        }
    }
}
