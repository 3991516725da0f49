//! How many runs of a workflow may be under way at once.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trigger::only;
use crate::{Error, Result, WorkflowId, canonical::Digest, expr::Template, run::Turnstile};

/// Most runs that a limit can allow.
pub const MAX_LIMIT: u32 = 10_000;

/// How many runs may be under way at once, from their beginning to their end. Others wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// So many, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// A template over `trigger` that tells runs apart: so many for each of its values. Without it,
    /// so many in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Concurrency {
    /// What is wrong with it, if anything: in which member, and what.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Some(("limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        self.template().err().map(|error| ("key", error.detail))
    }

    fn template(&self) -> Result<Option<Template>> {
        let Some(source) = &self.key else { return Ok(None) };
        let template = Template::compile(source)?;
        let exprs: Vec<_> = template.exprs().collect();
        let fault = |message| Error::invalid("key", message);
        if exprs.is_empty() {
            let message = "is the same for every run; leave it out, or name what tells two apart";
            return Err(fault(message.to_owned()));
        }
        only(&exprs, &["trigger", "input"]).map_err(fault)?;
        Ok(Some(template))
    }

    /// What a run with this input waits at. A key that cannot be filled in is an empty one.
    pub fn turnstile(&self, workflow: &WorkflowId, input: &Value) -> Turnstile {
        let value = self.template().ok().flatten().map(|template| {
            template.render(&[("trigger", input), ("input", input)]).unwrap_or_default()
        });
        let key = match value {
            None => workflow.to_string(),
            Some(value) => format!("{workflow}:{}", Digest::of(value.to_string().as_bytes())),
        };
        Turnstile { key, limit: self.limit }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limited(key: Option<&str>) -> Concurrency {
        Concurrency { limit: 2, key: key.map(str::to_owned) }
    }

    #[test]
    fn runs_are_told_apart_by_the_key_and_the_workflow() {
        let (one, other) = (WorkflowId::trusted("wf_1"), WorkflowId::trusted("wf_2"));
        let by_customer = limited(Some("{{ trigger.customer }}"));
        let at = |id, customer: Value| by_customer.turnstile(id, &json!({ "customer": customer }));
        assert_eq!(at(&one, json!("a")), at(&one, json!("a")));
        assert_ne!(at(&one, json!("a")), at(&one, json!("b")));
        assert_ne!(at(&one, json!("1")), at(&one, json!(1)));
        assert_ne!(at(&one, json!("a")), at(&other, json!("a")));
        let all = limited(None).turnstile(&one, &json!(7));
        assert_eq!(all, Turnstile { key: "wf_1".to_owned(), limit: 2 });
        assert_eq!(by_customer.turnstile(&one, &json!(7)).limit, 2, "what is not there is null");
    }

    #[test]
    fn faults_name_the_member() {
        let fault = |key, limit| Concurrency { limit, ..limited(key) }.fault().map(|(at, _)| at);
        assert_eq!(fault(Some("{{ trigger.id }}"), 1), None);
        assert_eq!(fault(None, 0), Some("limit"));
        assert_eq!(fault(None, MAX_LIMIT + 1), Some("limit"));
        assert_eq!(fault(Some("same for all"), 1), Some("key"));
        assert_eq!(fault(Some("{{ steps.a.output }}"), 1), Some("key"));
        assert_eq!(fault(Some("{{ trigger. }}"), 1), Some("key"));
    }
}
