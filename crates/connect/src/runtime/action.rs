//! Performs actions.

use connectus_core::{
    Error, Result,
    provider::{Idempotency, KeyFormat},
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Connection, exchange::Answer};
use crate::plan::{ActionPlan, BatchPlan, Draft, ErrorRef};

/// Most things of one batch action, over all its calls.
pub const MAX_BATCH_ITEMS: usize = 10_000;
/// Longest key sent as it is, in bytes.
const MAX_KEY_BYTES: usize = 200;

/// What an action did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ActionOutcome {
    /// The things made or changed, or the whole answer where the pack names no list.
    pub records: Vec<Value>,
    /// Ids of the things, in the order of `records`, where the pack says where they stand.
    pub ids: Vec<String>,
    /// Items of a batch that the provider refused. The others were done.
    pub failed: Vec<ItemFailure>,
    /// Which of the items sent each of `ids` is of, where the provider says so.
    #[serde(skip)]
    pub places: Vec<Option<usize>>,
    /// Calls made.
    pub calls: u32,
}

/// An item of a batch that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// The item's place in the input list, where the provider says which one it was.
    pub index: Option<usize>,
    /// The provider's words.
    pub message: String,
}

impl Connection {
    /// Performs an action. The same `key` over retries lets the provider drop a second call where
    /// it can; [`crate::plan::outcome_unknown`] tells whether a failed call may have been done,
    /// and the action's idempotency what to do then.
    ///
    /// A batch longer than the provider takes is cut into several calls, in order; on an error
    /// the calls before it were done, which `items_done` of the error's members says.
    ///
    /// # Errors
    /// `not_found` for an unknown action, `invalid` for its input, else as any call.
    pub async fn call(&self, action: &str, input: &Value, key: &str) -> Result<ActionOutcome> {
        let plan = self.0.plan.actions.get(action).cloned();
        let plan = plan.ok_or_else(|| Error::not_found("action"))?;
        plan.check_input(input)?;
        let mut outcome = ActionOutcome::default();
        match &plan.batch {
            None => self.one(&plan, input, &Sent::default(), key, &mut outcome).await?,
            Some(batch) => self.batch(&plan, batch, input, key, &mut outcome).await?,
        }
        Ok(outcome)
    }

    async fn batch(
        &self,
        plan: &ActionPlan,
        batch: &BatchPlan,
        input: &Value,
        key: &str,
        outcome: &mut ActionOutcome,
    ) -> Result<()> {
        let field = || format!("input.{}", batch.field);
        let items = input.get(&*batch.field).and_then(Value::as_array);
        let items = items.ok_or_else(|| Error::invalid(field(), "must be a list"))?;
        if items.len() > MAX_BATCH_ITEMS {
            let message = format!("holds {} items; at most {MAX_BATCH_ITEMS}", items.len());
            return Err(Error::invalid(field(), message));
        }
        // All are rendered before the first is sent: a bad item stops the batch before it acts.
        let mut rendered = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let (index, config) = (json!(index), &self.0.site.config);
            let scope = [("item", item), ("index", &index), ("input", input), ("config", config)];
            let derived = plan.derived.make(&scope)?;
            let scope = [scope[0], scope[1], scope[2], scope[3], ("derived", &derived)];
            // A thing that renders to nothing must not move the places of those behind it.
            rendered.push(batch.item.render(&scope)?.unwrap_or(Value::Null));
        }
        let mut done = 0;
        for (number, chunk) in rendered.chunks(batch.max).enumerate() {
            let chunk_key = if number == 0 { key.to_owned() } else { format!("{key}~{number}") };
            let sent = Sent { items: Value::Array(chunk.to_vec()), first: done };
            self.one(plan, input, &sent, &chunk_key, outcome)
                .await
                .map_err(|error| if done > 0 { error.with("items_done", done) } else { error })?;
            done += batch.max;
        }
        Ok(())
    }

    async fn one(
        &self,
        plan: &ActionPlan,
        input: &Value,
        sent: &Sent,
        key: &str,
        outcome: &mut ActionOutcome,
    ) -> Result<()> {
        let (items, config) = (&sent.items, &self.0.site.config);
        let scope = [("input", input), ("items", items), ("config", config)];
        let derived = match &plan.batch {
            None => plan.derived.make(&scope)?,
            Some(_) => Value::Null,
        };
        let scope = [scope[0], scope[1], scope[2], ("derived", &derived)];
        let mut draft = plan.request.render(&scope)?;
        add_key(&mut draft, &plan.idempotency, key)?;
        outcome.calls += 1;
        let answer = self.exchange(&plan.name, &draft, &plan.auth).await?;
        read_answer(plan, sent, answer, outcome);
        Ok(())
    }
}

/// The things of one call of a batch.
#[derive(Debug, Default)]
struct Sent {
    items: Value,
    /// The place of the first in the whole list.
    first: usize,
}

/// Every call that changes something carries its key in the customary header; providers that do
/// not know it ignore it, stand-ins and proxies use it. Providers with a field of their own get
/// that too.
fn add_key(draft: &mut Draft, idempotency: &Idempotency, key: &str) -> Result<()> {
    if draft.method == connectus_core::provider::Method::Get {
        return Ok(());
    }
    draft.headers.push(("idempotency-key".into(), plain_key(key)));
    let Idempotency::Keyed { field, format } = idempotency else { return Ok(()) };
    let text = match format {
        KeyFormat::Plain => plain_key(key),
        KeyFormat::Uuid => uuid_of(key),
    };
    match draft.body.get_or_insert_with(|| json!({})) {
        Value::Object(body) => {
            body.insert(field.clone(), text.into());
            Ok(())
        }
        _ => Err(Error::internal("a keyed action needs an object as its body")),
    }
}

/// The key itself where it can stand in a header, else its SHA-256.
fn plain_key(key: &str) -> String {
    let fits =
        (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if fits { key.to_owned() } else { hex::encode(Sha256::digest(key)) }
}

/// A UUID (version 8) made from the key, so that the same key gives the same one.
fn uuid_of(key: &str) -> String {
    let mut bytes: [u8; 16] = [0; 16];
    bytes.iter_mut().zip(Sha256::digest(key)).for_each(|(to, from)| *to = from);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let part = |range| hex.get(range).unwrap_or_default();
    let (a, b, c, d, e) = (part(0..8), part(8..12), part(12..16), part(16..20), part(20..32));
    format!("{a}-{b}-{c}-{d}-{e}")
}

fn read_answer(plan: &ActionPlan, sent: &Sent, mut answer: Answer, outcome: &mut ActionOutcome) {
    let failures = plan.errors.as_ref().and_then(|path| path.take(&mut answer.body));
    if let Some(Value::Array(failures)) = failures {
        outcome.failed.extend(failures.iter().map(|failure| ItemFailure {
            index: place_of(plan.batch.as_ref().and_then(|b| b.error_ref.as_ref()), sent, failure),
            message: sentence(plan, failure),
        }));
    }
    let mut records = Vec::new();
    for path in &plan.records {
        match path.take(&mut answer.body) {
            Some(Value::Array(listed)) => records.extend(listed),
            Some(Value::Null) | None => {}
            Some(single) => records.push(single),
        }
    }
    if plan.records.is_empty() && !answer.body.is_null() {
        records.push(answer.body);
    }
    let mut places = Vec::new();
    if let Some(ok) = &plan.ok {
        let mut place = sent.first;
        records.retain(|record| {
            let done = ok.get(record) != Some(&Value::Bool(false));
            if done {
                places.push(Some(place));
            } else {
                let message = sentence(plan, record);
                outcome.failed.push(ItemFailure { index: Some(place), message });
            }
            place += 1;
            done
        });
    } else {
        let place = |record| place_of(plan.place.as_ref(), sent, record);
        places.extend(records.iter().map(place));
    }
    if let Some(id) = &plan.id {
        for (record, place) in records.iter().zip(places) {
            if let Some(id) = id.text(record) {
                outcome.ids.push(id);
                outcome.places.push(place);
            }
        }
    }
    outcome.records.extend(records);
}

/// The place in the whole list of the thing that an error, or a thing in an answer, is about.
fn place_of(said: Option<&ErrorRef>, sent: &Sent, about: &Value) -> Option<usize> {
    match said? {
        ErrorRef::Index(path) => path.text(about)?.parse().ok(),
        ErrorRef::Place(path) => Some(sent.first + path.text(about)?.parse::<usize>().ok()?),
        ErrorRef::Item(path, own) => {
            let named = path.text(about)?;
            let is_it = |item: &Value| own.text(item).is_some_and(|text| text == named);
            Some(sent.first + sent.items.as_array()?.iter().position(is_it)?)
        }
    }
}

/// What the provider says about a thing it refused.
fn sentence(plan: &ActionPlan, failure: &Value) -> String {
    let said = plan.error.as_ref().and_then(|path| path.text(failure));
    let usual = || {
        let found = ["message", "error"].iter().find_map(|name| failure.get(name)?.as_str());
        found.map(str::to_owned)
    };
    let said = said.or_else(usual);
    let said = said.unwrap_or_else(|| "The provider refused this item.".into());
    said.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable_and_fit_where_they_go() {
        assert_eq!(plain_key("ten_1/run_2/step.3"), "ten_1/run_2/step.3");
        for odd in ["", "étape", "a b", "line\nbreak", &"x".repeat(201)] {
            let key = plain_key(odd);
            assert_eq!((key.len(), key == plain_key(odd)), (64, true), "{odd:?}");
        }
        let uuid = uuid_of("k");
        assert_eq!(uuid, uuid_of("k"));
        assert_ne!(uuid, uuid_of("l"));
        assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'8'));
    }

    #[test]
    fn reads_carry_no_key() {
        let mut draft = Draft::default();
        add_key(&mut draft, &Idempotency::Idempotent, "k").unwrap();
        assert!(draft.headers.is_empty());
    }
}
