//! From one page to the next.

use connectus_core::{Code, Error, Result, provider::Inject};
use serde_json::{Map, Value, json};

use crate::{
    path::scalar_text,
    plan::{Draft, Next, Pages},
    template::Node,
};

/// What a page told about the next one.
pub(super) struct PageFacts<'a> {
    pub body: &'a Value,
    pub headers: &'a http::HeaderMap,
    pub last_record: &'a Value,
    pub size: usize,
    pub config: &'a Value,
}

impl Pages {
    /// The token after the page that was asked for with `current`; `None` at the end.
    pub(super) fn next(
        &self,
        current: Option<&str>,
        facts: &PageFacts<'_>,
    ) -> Result<Option<String>> {
        match &self.next {
            Next::Cursor { value, stop } => {
                let headers = header_map(facts.headers);
                let size = json!(facts.size);
                let scope = [
                    ("response", facts.body),
                    ("headers", &headers),
                    ("last_record", facts.last_record),
                    ("last_page_size", &size),
                    ("config", facts.config),
                ];
                if let Some(stop) = stop
                    && stop.render(&scope)?.as_ref().is_some_and(connectus_core::expr::truthy)
                {
                    return Ok(None);
                }
                value.render_text(&scope)
            }
            Next::Count { first, step, size, .. } => {
                if facts.size < *size as usize {
                    return Ok(None);
                }
                let at = current.and_then(|text| text.parse::<u64>().ok()).unwrap_or(*first);
                Ok(Some(at.saturating_add(*step).to_string()))
            }
        }
    }

    /// Puts the page's token and size into a request.
    pub(super) fn apply(&self, draft: &mut Draft, current: Option<&str>) {
        if let Some((into, name, size)) = &self.size {
            inject(draft, *into, name, json!(size));
        }
        let first = match &self.next {
            Next::Count { first, on_first: true, .. } => Some(first.to_string()),
            _ => None,
        };
        let Some(token) = current.map(str::to_owned).or(first) else { return };
        if self.follow {
            draft.path = token;
            // The next URL carries its own query.
            draft.query.clear();
        } else if let Some((into, name)) = &self.token {
            let counted = matches!(self.next, Next::Count { .. });
            let number = token.parse::<u64>().ok().filter(|_| counted);
            inject(draft, *into, name, number.map_or(Value::from(token), Value::from));
        }
    }
}

/// Puts a value into a part of a request.
pub(super) fn inject(draft: &mut Draft, into: Inject, name: &str, value: Value) {
    let text = || scalar_text(&value).unwrap_or_default();
    match into {
        Inject::RequestParameter => {
            draft.query.retain(|(known, _)| known != name);
            draft.query.push((name.to_owned(), text()));
        }
        Inject::Header => draft.headers.push((name.to_owned(), text())),
        Inject::BodyJson => {
            if let Value::Object(body) = draft.body.get_or_insert_with(|| Value::Object(Map::new()))
            {
                body.insert(name.to_owned(), value);
            }
        }
    }
}

/// Refuses a provider that leads in circles, in constant memory (Brent's algorithm): the token is
/// compared with one kept from a page number that is a power of two.
#[derive(Debug, Default)]
pub struct LoopGuard {
    kept: Option<String>,
    steps: u64,
}

impl LoopGuard {
    /// Before the page of this token is asked for.
    ///
    /// # Errors
    /// `provider_refused` when the token was seen before.
    pub fn check(&mut self, token: &str) -> Result<()> {
        if self.kept.as_deref() == Some(token) {
            return Err(Error::new(
                Code::ProviderRefused,
                "The provider's pages lead in a circle: the same page token came back.",
            ));
        }
        self.steps += 1;
        if self.steps.is_power_of_two() {
            self.kept = Some(token.to_owned());
        }
        Ok(())
    }
}

fn header_map(headers: &http::HeaderMap) -> Value {
    let pairs = headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?)))
    });
    Value::Object(pairs.collect())
}

/// Renders a template whose value is a text.
pub(super) fn text_of(node: &Node, config: &Value) -> Result<Option<String>> {
    node.render_text(&[("config", config)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_of_any_length_are_found() {
        for length in [1_u32, 2, 3, 7, 50] {
            let mut guard = LoopGuard::default();
            let mut steps = 0;
            // A tail of ten pages leads into the circle.
            let found = (0..10).chain((0..).map(|n| 10 + n % length)).any(|n| {
                steps += 1;
                guard.check(&n.to_string()).is_err()
            });
            assert!(found && steps < 10 + 4 * (length + 10), "{length}: {steps}");
        }
        let mut guard = LoopGuard::default();
        assert!((0..100_000).all(|n: u32| guard.check(&n.to_string()).is_ok()));
    }
}
