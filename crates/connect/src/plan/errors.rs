//! What an answer means: data, "try again", or "stop".

use std::{collections::HashMap, ops::RangeInclusive};

use connectus_core::{
    Code, Error, Result,
    provider::{BareStatus, ErrorRules, Paths, Verdict},
};
use serde_json::Value;

use crate::{Secrets, http::GuardedResponse, path::JsonPath, redact};

/// Longest sentence of a provider repeated to a person, in characters.
const MAX_MESSAGE: usize = 300;
/// Member of [`Error::extra`] that says whether the provider may have acted all the same.
pub const OUTCOME: &str = "outcome";
/// Its value when nobody knows.
pub const OUTCOME_UNKNOWN: &str = "unknown";

/// The rules of a pack, compiled.
#[derive(Debug)]
pub struct ErrorPlan {
    ok: Option<JsonPath>,
    word: Vec<JsonPath>,
    message: Vec<JsonPath>,
    transient: Option<JsonPath>,
    words: HashMap<Box<str>, Rule>,
    ranges: Vec<(RangeInclusive<u32>, Rule)>,
    retry_statuses: Vec<u16>,
    bare: Vec<BareStatus>,
}

/// What a word means, and what a person can do about it.
type Rule = (Verdict, Option<Box<str>>);

/// Whether the provider may have done what was asked although the call failed.
pub fn outcome_unknown(error: &Error) -> bool {
    error.extra.get(OUTCOME).and_then(Value::as_str) == Some(OUTCOME_UNKNOWN)
}

impl ErrorPlan {
    /// Compiles rules.
    pub fn compile(rules: &ErrorRules) -> Self {
        let path = |text: &Option<String>| text.as_deref().map(JsonPath::new);
        let paths = |paths: &Option<Paths>| {
            paths.iter().flat_map(Paths::all).map(JsonPath::new).collect::<Vec<_>>()
        };
        let mut words = HashMap::new();
        let mut ranges = Vec::new();
        for rule in &rules.words {
            let meaning = (rule.verdict, rule.advice.as_deref().map(Box::from));
            match (rule.to, rule.word.parse()) {
                (Some(to), Ok(from)) => ranges.push((from..=to, meaning)),
                _ => drop(words.insert(rule.word.as_str().into(), meaning)),
            }
        }
        Self {
            ok: path(&rules.ok),
            word: paths(&rules.word),
            message: paths(&rules.message),
            transient: path(&rules.transient),
            words,
            ranges,
            retry_statuses: rules.retry_statuses.clone(),
            bare: rules.bare.clone(),
        }
    }

    /// Reads an answer as JSON, or says why it is none, without the secrets it was asked with.
    ///
    /// # Errors
    /// See [`Verdict`]; each error carries `provider_status` and, where known, `provider_word`.
    pub fn judge(&self, response: &GuardedResponse, secrets: &Secrets) -> Result<Value> {
        if !response.is_success() {
            let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
            return Err(self.failure(response, &body, secrets));
        }
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(body) if self.says_no(&body) => Err(self.failure(response, &body, secrets)),
            Ok(body) => Ok(body),
            // Incoming webhooks answer in plain words, and call them text/html.
            Err(_) if is_plain_words(&response.body) => {
                Ok(Value::String(String::from_utf8_lossy(&response.body).trim().to_owned()))
            }
            Err(_) if response.is_html() => Err(unknown(
                "The provider answered with a web page instead of data; it may be under \
                 maintenance, or the base URL may be wrong.",
            )),
            Err(_) => Err(unknown("The provider's answer broke off or is not JSON.")),
        }
    }

    fn says_no(&self, body: &Value) -> bool {
        self.ok.as_ref().is_some_and(|ok| ok.get(body) == Some(&Value::Bool(false)))
    }

    fn failure(&self, response: &GuardedResponse, body: &Value, secrets: &Secrets) -> Error {
        let status = response.status;
        let word = self.word.iter().find_map(|path| path.text(body));
        let rule = word.as_deref().and_then(|word| self.rule(word));
        let verdict = rule.map_or_else(|| self.unnamed(status, body), |(verdict, _)| *verdict);
        let said = self.message.iter().find_map(|path| path.text(body));
        let shown = |text: &str| tidy(&redact::text(text, secrets));
        let said = said.or_else(|| word.clone()).map(|text| shown(&text));
        let advice = rule.and_then(|(_, advice)| advice.as_deref());
        let mut error = verdict_error(verdict, status, said.as_deref(), advice);
        if let Some(secs) = response.retry_after_secs() {
            error = error.retry_after(secs);
        }
        if let Some(word) = word {
            error = error.with("provider_word", shown(&word));
        }
        if status >= 500 {
            error = error.with(OUTCOME, OUTCOME_UNKNOWN);
        }
        error.with("provider_status", status)
    }

    fn rule(&self, word: &str) -> Option<&Rule> {
        self.words.get(word).or_else(|| {
            let number = word.parse().ok()?;
            self.ranges.iter().find(|(range, _)| range.contains(&number)).map(|(_, rule)| rule)
        })
    }

    /// The verdict where no word decides.
    fn unnamed(&self, status: u16, body: &Value) -> Verdict {
        let bare = self.bare.iter().find(|bare| bare.status == status && !body.is_object());
        let flagged = self.transient.as_ref().and_then(|path| path.get(body));
        match (bare, flagged) {
            (Some(bare), _) => bare.verdict,
            (None, Some(Value::Bool(true))) => Verdict::Retry,
            (None, _) => self.by_status(status),
        }
    }

    fn by_status(&self, status: u16) -> Verdict {
        match status {
            200..=399 => Verdict::Refused,
            401 => Verdict::Reauth,
            403 => Verdict::Forbidden,
            404 | 410 => Verdict::NotFound,
            409 => Verdict::Conflict,
            429 => Verdict::RateLimited,
            408 | 425 | 500.. => Verdict::Retry,
            _ if self.retry_statuses.contains(&status) => Verdict::Retry,
            _ => Verdict::Refused,
        }
    }
}

fn verdict_error(verdict: Verdict, status: u16, said: Option<&str>, advice: Option<&str>) -> Error {
    let (code, text) = match verdict {
        Verdict::Retry => (Code::ProviderUnavailable, "The provider cannot answer right now."),
        Verdict::RateLimited => (Code::RateLimited, "The provider's rate limit is used up."),
        Verdict::Reauth | Verdict::Refresh => (
            Code::ReauthRequired,
            "The provider does not accept the credential. Connect the integration again.",
        ),
        Verdict::Refused if (300..400).contains(&status) => (
            Code::ProviderRefused,
            "The provider answered with a redirect, which is not followed. Check the base URL.",
        ),
        Verdict::Refused => (Code::ProviderRefused, "The provider refused the request."),
        Verdict::Forbidden => {
            (Code::ProviderRefused, "The credential lacks a permission at the provider.")
        }
        Verdict::NotFound => (Code::ProviderRefused, "The provider does not know this."),
        Verdict::Conflict => (Code::ProviderRefused, "The provider has this already."),
    };
    let mut detail = text.to_owned();
    let said = said.map(|said| format!("It says: {said}"));
    for more in said.into_iter().chain(advice.map(str::to_owned)) {
        detail.push(' ');
        detail.push_str(&more);
    }
    let name = serde_json::to_value(verdict).unwrap_or_default();
    Error::new(code, detail).with("verdict", name)
}

fn unknown(detail: &str) -> Error {
    Error::new(Code::ProviderUnavailable, detail).with(OUTCOME, OUTCOME_UNKNOWN)
}

fn is_plain_words(body: &[u8]) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_' | b'.' | b'\n');
    body.len() <= 64 && body.iter().all(word)
}

/// One line, no control characters, not too long.
fn tidy(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = line.take(MAX_MESSAGE).collect();
    if text.chars().count() > MAX_MESSAGE {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectus_core::provider::ErrorWord;

    fn plan() -> ErrorPlan {
        let word =
            |word: &str, to, verdict| ErrorWord { word: word.into(), to, verdict, advice: None };
        ErrorPlan::compile(&ErrorRules {
            ok: Some("ok".into()),
            word: Some(Paths::Many(vec!["error.code".into(), "error".into()])),
            message: Some("message".into()),
            transient: Some("error.is_transient".into()),
            words: vec![
                word("ratelimited", None, Verdict::RateLimited),
                word("token_expired", None, Verdict::Refresh),
                word("internal_error", None, Verdict::Retry),
                word("200", Some(299), Verdict::Reauth),
            ],
            retry_statuses: vec![423],
            bare: vec![BareStatus { status: 403, verdict: Verdict::RateLimited }],
        })
    }

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> GuardedResponse {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap())
        });
        GuardedResponse { status, headers: headers.collect(), body: body.to_owned().into() }
    }

    fn judge(response: &GuardedResponse) -> Result<Value> {
        plan().judge(response, &Secrets::new())
    }

    #[test]
    fn a_secret_is_taken_out_before_the_cut() {
        let mut secrets = Secrets::new();
        secrets.set("access_token", secrecy::SecretString::from("pat-0123456789"));
        for pad in 0..MAX_MESSAGE + 20 {
            let said = format!("{}pat-0123456789", ".".repeat(pad));
            let body = serde_json::json!({ "message": said, "error": said }).to_string();
            let error = plan().judge(&response(400, &[], &body), &secrets).unwrap_err();
            assert!(!format!("{error:?}").contains("pat-"), "{pad}: {error:?}");
        }
    }

    #[test]
    fn statuses_and_words_say_what_to_do() {
        use Code::{ProviderRefused, ProviderUnavailable, RateLimited, ReauthRequired};
        for (status, body, code, unknown_outcome) in [
            (400, r#"{"message":"bad"}"#, ProviderRefused, false),
            (401, "", ReauthRequired, false),
            (403, "{}", ProviderRefused, false),
            (403, "", RateLimited, false),
            (403, "<html>", RateLimited, false),
            (400, r#"{"error":{"code":200}}"#, ReauthRequired, false),
            (400, r#"{"error":{"code":299}}"#, ReauthRequired, false),
            (400, r#"{"error":{"code":300}}"#, ProviderRefused, false),
            (400, r#"{"error":{"code":300,"is_transient":true}}"#, ProviderUnavailable, false),
            (404, "not json", ProviderRefused, false),
            (423, "{}", ProviderUnavailable, false),
            (429, "{}", RateLimited, false),
            (500, "<html>", ProviderUnavailable, true),
            (503, "{}", ProviderUnavailable, true),
            (301, "", ProviderRefused, false),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, RateLimited, false),
            (200, r#"{"ok":false,"error":"internal_error"}"#, ProviderUnavailable, false),
            (200, r#"{"ok":false,"error":"channel_not_found"}"#, ProviderRefused, false),
            (200, "<!DOCTYPE html><p>secret-page-text", ProviderUnavailable, true),
            (200, r#"{"ok":true,"cut":"#, ProviderUnavailable, true),
        ] {
            let error = judge(&response(status, &[], body)).unwrap_err();
            assert_eq!(error.code, code, "{status} {body}");
            assert_eq!(outcome_unknown(&error), unknown_outcome, "{status} {body}");
            assert!(!error.detail.contains("secret-page-text"));
        }
    }

    #[test]
    fn data_and_plain_words_pass() {
        let text = |body| judge(&response(200, &[("content-type", "text/plain")], body));
        assert_eq!(text("ok").unwrap(), "ok");
        assert_eq!(judge(&response(204, &[], "")).unwrap(), Value::Null);
        assert_eq!(judge(&response(200, &[], r#"{"ok":true}"#)).unwrap()["ok"], true);
    }

    #[test]
    fn a_wait_is_passed_on_and_long_words_are_cut() {
        let long = format!(r#"{{"message":"{}\n"}}"#, "x".repeat(1000));
        let error = judge(&response(429, &[("retry-after", "7")], &long)).unwrap_err();
        assert_eq!(error.retry_after, Some(7));
        assert!(error.detail.chars().count() < 400);
    }
}
