//! Which runs are meant: by a search, or by a change of many at once.

use connectus_core::{Error, Result, Timestamp, queue};
use connectus_store::runs::{Only, RunFilter};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Longest text that is searched for, in characters.
const MAX_TEXT: usize = 200;

/// Which runs are meant. What is not given does not matter.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Search {
    /// Only `workflow` or `sync`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only this status, or several with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only runs of this workflow or data flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<String>,
    /// Only runs started by this: `manual`, `schedule`, `webhook`, `workflow`, `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Accepted from this time on (RFC 3339, or a day).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Accepted before this time (RFC 3339, or a day).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only runs whose input, output or error holds this text, in upper or lower case; at most 200
    /// characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only runs of this queue: `workflow`, `sync`, `generation`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// With `true`, only runs that failed for good and that nothing has made up for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<bool>,
}

impl Search {
    /// A search that changes something: what it does not know must not be left out of account.
    ///
    /// # Errors
    /// For a field there is not.
    pub fn strict<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let given = Map::deserialize(from)?;
        let search: Self =
            serde_json::from_value(given.clone().into()).map_err(D::Error::custom)?;
        let known = serde_json::to_value(&search).map_err(D::Error::custom)?;
        let is_unknown = |(name, value): &(&String, &Value)| {
            !value.is_null() && known.get(name.as_str()).is_none()
        };
        match given.iter().find(is_unknown) {
            None => Ok(search),
            Some((name, _)) => Err(D::Error::custom(format!("unknown field `{name}` in `filter`"))),
        }
    }

    /// The filter it means.
    ///
    /// # Errors
    /// `invalid` for a value that cannot be one.
    pub fn read(&self) -> Result<RunFilter> {
        let text = self.text.as_deref().filter(|text| !text.is_empty());
        if text.is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return Err(Error::invalid("text", format!("must have at most {MAX_TEXT} characters")));
        }
        let queue = self.queue.as_deref().map(queue::named).transpose()?;
        let status = self.status.as_deref().unwrap_or_default();
        let status = status.split(',').map(str::trim).filter(|status| !status.is_empty());
        Ok(RunFilter {
            kind: self.kind.as_deref().map(str::parse).transpose()?,
            status: status.map(str::parse).collect::<Result<_, _>>()?,
            subject_id: self.subject_id.clone(),
            trigger: self.trigger.clone(),
            from: time("from", self.from.as_deref())?,
            until: time("until", self.until.as_deref())?,
            text: text.map(str::to_owned),
            queue: queue.map(|queue| queue.name.to_owned()),
            only: self.dead_letters.unwrap_or(false).then_some(Only::DeadLetters),
        })
    }
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let bad = || Error::invalid(name, "must be a time (RFC 3339) or a day");
    Timestamp::parse(text).map(Some).ok_or_else(bad)
}
