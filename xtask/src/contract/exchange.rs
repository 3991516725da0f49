//! One request, what should come back, and what the judge may say about it.

use serde_json::Value;

use crate::{
    command::Outcome,
    http::{Answer, Request},
};

/// What the judge is expected to say.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Nothing: request and answer are as specified.
    Clean,
    /// The request breaks the specification on purpose; the answer must not.
    BadRequest,
    /// The specification is behind or beside the real service. Every difference must lie in this
    /// place, and one must be there: a gap that has closed is removed from the table.
    Gap {
        /// Start of the place, as `request.body.sorts`.
        place: &'static str,
        /// Why the service is right and the specification is not.
        reason: &'static str,
    },
    /// The answer is spoilt on purpose: a judge that says nothing is not judging.
    Caught,
}

/// One request and its expectations.
pub struct Exchange {
    /// For the report.
    pub name: String,
    /// Scripted before the request.
    pub fault: Option<Value>,
    /// What is sent.
    pub request: Request,
    /// Status that must come back.
    pub status: u16,
    /// What the judge must say.
    pub verdict: Verdict,
}

impl Exchange {
    /// A request that should be answered with 200 and not criticised.
    pub fn new(name: String, method: &'static str, target: String) -> Self {
        let request = Request { method, target, ..Request::default() };
        Self { name, fault: None, request, status: 200, verdict: Verdict::Clean }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers.push((name, value.to_owned()));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        let mut sent = self.header("content-type", "application/json");
        sent.request.body = body.to_string();
        sent
    }

    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mut sent = self.header("content-type", "application/x-www-form-urlencoded");
        sent.request.body = body.join("&");
        sent
    }

    /// Expects another status than 200.
    pub fn answers(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Expects another verdict than none.
    pub fn judged(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    /// Scripts a fault first.
    pub fn after(mut self, fault: Value) -> Self {
        self.fault = Some(fault);
        self
    }
}

/// Percent-encodes everything but letters, digits and what never needs it.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

/// A part of a fake that no published specification describes.
pub struct Unjudged {
    /// Which part.
    pub what: &'static str,
    /// Why no judge is at hand.
    pub reason: &'static str,
}

/// One difference between an exchange and the specification, as Prism words it.
#[derive(Debug)]
struct Violation {
    place: String,
    message: String,
}

impl Violation {
    fn read(value: &Value) -> Option<Self> {
        let location = value.get("location")?.as_array()?;
        let place: Vec<_> = location.iter().filter_map(Value::as_str).collect();
        let message = value.get("message")?.as_str()?.to_owned();
        Some(Self { place: place.join("."), message })
    }
}

/// All verdicts.
#[derive(Default)]
pub struct Report {
    exchanges: u32,
    failures: Vec<String>,
    gaps: Vec<String>,
}

impl Report {
    /// Compares what came back with what was expected.
    pub fn add(&mut self, exchange: &Exchange, answer: &Answer) -> Outcome {
        let violations = violations(answer)?;
        self.exchanges += 1;
        if let Some(reason) = problem(exchange, answer, &violations) {
            let Exchange { name, request, .. } = exchange;
            self.failures.push(format!("{name} ({} {}): {reason}", request.method, request.target));
        } else if let Verdict::Gap { place, reason } = exchange.verdict {
            self.gaps.push(format!("{}, {place}: {reason}", exchange.name));
        }
        Ok(())
    }

    /// Prints the verdicts; an error when one is unexpected.
    pub fn finish<'a>(self, unjudged: impl Iterator<Item = &'a Unjudged>) -> Outcome {
        println!("{} exchanges judged, {} failed", self.exchanges, self.failures.len());
        println!("Known gaps of the specifications ({}):", self.gaps.len());
        self.gaps.iter().for_each(|gap| println!("  {gap}"));
        println!("Not described by any specification at hand:");
        unjudged.for_each(|Unjudged { what, reason }| println!("  {what}: {reason}"));
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(format!("the sandbox breaks its contract:\n  {}", self.failures.join("\n  ")))
    }
}

fn violations(answer: &Answer) -> Outcome<Vec<Violation>> {
    let Some(text) = answer.header("sl-violations") else { return Ok(Vec::new()) };
    let said: Option<Value> = serde_json::from_str(text).ok();
    let all = said.as_ref().and_then(Value::as_array);
    let all: Option<Vec<_>> = all.and_then(|all| all.iter().map(Violation::read).collect());
    all.ok_or_else(|| format!("Prism said something unreadable: {text}"))
}

fn problem(exchange: &Exchange, answer: &Answer, violations: &[Violation]) -> Option<String> {
    if answer.status != exchange.status {
        let body: String = answer.body.chars().take(300).collect();
        return Some(format!("{} instead of {}: {body}", answer.status, exchange.status));
    }
    if answer.header("x-connectus-sandbox").is_none() {
        return Some("the answer does not come from the sandbox".into());
    }
    let unexpected: Vec<_> = violations
        .iter()
        .filter(|violation| match exchange.verdict {
            Verdict::Clean => true,
            Verdict::BadRequest => !violation.place.starts_with("request"),
            Verdict::Gap { place, .. } => !violation.place.starts_with(place),
            Verdict::Caught => false,
        })
        .map(|violation| format!("{}: {}", violation.place, violation.message))
        .collect();
    if !unexpected.is_empty() {
        return Some(unexpected.join("; "));
    }
    match exchange.verdict {
        Verdict::Clean => None,
        _ if !violations.is_empty() => None,
        Verdict::Gap { .. } => Some("this gap has closed: remove it from the table".into()),
        Verdict::BadRequest | Verdict::Caught => Some("the judge did not notice".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(verdict: Verdict, status: u16, violations: &str) -> Option<String> {
        let exchange = Exchange::new("n".into(), "GET", "/".into()).judged(verdict);
        let mut headers = vec![("x-connectus-sandbox".to_owned(), "1".to_owned())];
        if !violations.is_empty() {
            headers.push(("sl-violations".into(), violations.into()));
        }
        let answer = Answer { status, headers, body: String::new() };
        let violations = super::violations(&answer).unwrap();
        problem(&exchange, &answer, &violations)
    }

    const IN_ANSWER: &str = r#"[{"location":["response","body","a"],"message":"m"}]"#;
    const IN_REQUEST: &str = r#"[{"location":["request","body","b"],"message":"m"}]"#;
    const GAP: Verdict = Verdict::Gap { place: "request.body.b", reason: "r" };

    #[test]
    fn expected_verdicts_pass() {
        assert_eq!(judged(Verdict::Clean, 200, ""), None);
        assert_eq!(judged(Verdict::BadRequest, 200, IN_REQUEST), None);
        assert_eq!(judged(GAP, 200, IN_REQUEST), None);
        assert_eq!(judged(Verdict::Caught, 200, IN_ANSWER), None);
    }

    #[test]
    fn unexpected_verdicts_fail() {
        for (verdict, violations) in [
            (Verdict::Clean, IN_ANSWER),
            (Verdict::Clean, IN_REQUEST),
            (Verdict::BadRequest, IN_ANSWER),
            (Verdict::BadRequest, ""),
            (GAP, IN_ANSWER),
            (GAP, ""),
            (Verdict::Caught, ""),
        ] {
            assert!(judged(verdict, 200, violations).is_some(), "{verdict:?} {violations}");
        }
        assert!(judged(Verdict::Clean, 500, "").is_some());
    }
}
