//! Jobs a provider does in its own time: created, looked at until they are done, fetched, cleared.

use std::time::Duration;

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::{
    decode::Decoder,
    document::{Component, Node},
    records::values_at,
    request::{Answer, Ask, Options, Outcome, Requester, Site, headers_of, strings},
    slices::Slice,
    text::{Text, plain},
};

/// Time to the second look at a job; it doubles from look to look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Longest time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(8);
/// Longest a job may take where a manifest says nothing.
const USUAL_MINUTES: u64 = 60;
/// Longest a job may take, whatever a manifest says.
const MAX_MINUTES: u64 = 24 * 60;
/// Jobs begun for one slice before it is given up.
const MAX_JOBS: u32 = 3;
/// Most places one job may be fetched from.
const MAX_TARGETS: usize = 100_000;

/// An `AsyncRetriever`, compiled, but for what is done with the pages it fetches.
#[derive(Debug)]
pub struct JobPlan {
    create: Requester,
    look: Requester,
    abort: Option<Requester>,
    clear: Option<Requester>,
    ask_targets: Option<Requester>,
    status: Place,
    targets: Option<Place>,
    meanings: Vec<(String, Meaning)>,
    decoder: Decoder,
    within: Duration,
    retry_after: Duration,
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Running,
    Completed,
    Failed,
    TimedOut,
    Skipped,
}

/// Where values lie in an answer.
#[derive(Debug)]
struct Place(Vec<String>);

/// A job that was done.
#[derive(Debug)]
pub struct Done {
    /// The slices its pages are asked for with.
    pub targets: Vec<Slice>,
    /// With which it is cleared once they were read.
    pub job: Slice,
}

impl JobPlan {
    /// Reads the parts of the retriever that are about jobs.
    ///
    /// # Errors
    /// `invalid` when they cannot be read.
    pub fn compile(retriever: &Component, name: &str, site: &Site) -> Result<Self> {
        let requester = |member: &str| -> Result<Option<Requester>> {
            let component = retriever.component(member)?;
            component.map(|component| Requester::compile(&component, name, site)).transpose()
        };
        let needed =
            |member: &str| requester(member)?.ok_or_else(|| retriever.wrong(member, "is missing"));
        let place = |member: &str| -> Result<Option<Place>> {
            let component = retriever.component(member)?;
            component.map(|component| Place::compile(&component, site)).transpose()
        };
        let status = place("status_extractor")?;
        let targets = place("download_target_extractor")?;
        let ask_targets = requester("download_target_requester")?;
        if ask_targets.is_some() && targets.is_none() {
            let message = "is missing beside a `download_target_requester`";
            return Err(retriever.wrong("download_target_extractor", message));
        }
        let whole = |member: &str| -> Result<Option<u64>> {
            let Some(text) = Text::read(retriever, member)? else { return Ok(None) };
            let whole = text.string(&site.scope())?.trim().parse().ok();
            whole.map(Some).ok_or_else(|| retriever.wrong(member, "must be a whole number"))
        };
        let minutes = whole("polling_job_timeout")?.unwrap_or(USUAL_MINUTES).min(MAX_MINUTES);
        Ok(Self {
            create: needed("creation_requester")?,
            look: needed("polling_requester")?,
            abort: requester("abort_requester")?,
            clear: requester("delete_requester")?,
            ask_targets,
            status: status.ok_or_else(|| retriever.wrong("status_extractor", "is missing"))?,
            targets,
            meanings: meanings(retriever)?,
            decoder: Decoder::compile(retriever, "decoder")?,
            within: Duration::from_secs(60 * minutes),
            retry_after: Duration::from_secs(
                whole("failed_retry_wait_time_in_seconds")?.unwrap_or(0).min(3_600),
            ),
        })
    }

    /// Has the provider do the job of a slice.
    ///
    /// # Errors
    /// `provider_refused` when it fails again and again, `timeout` when it does not end.
    pub async fn run(&self, site: &Site, slice: &Slice) -> Result<Done> {
        let mut last = failed();
        for attempt in 0..MAX_JOBS {
            if attempt > 0 {
                tokio::time::sleep(self.retry_after.max(LOOK_AGAIN)).await;
            }
            let created = self.answer(&self.create, site, slice).await?;
            let job = slice.with_extra([("creation_response", self.seen(&created)?)]);
            match self.watch(site, &job).await {
                Ok(done) => return Ok(done),
                Err(error) if matches!(error.code, Code::Timeout | Code::ProviderRefused) => {
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Looks at a job until it is done.
    async fn watch(&self, site: &Site, job: &Slice) -> Result<Done> {
        let begun = Instant::now();
        let mut pause = LOOK_AGAIN;
        loop {
            let answer = self.answer(&self.look, site, job).await?;
            match self.meaning(&answer)? {
                Meaning::Completed => {
                    let targets = self.targets(site, job, &answer).await?;
                    return Ok(Done { targets, job: job.clone() });
                }
                Meaning::Skipped => return Ok(Done { targets: Vec::new(), job: job.clone() }),
                Meaning::Failed => return Err(failed()),
                Meaning::Running if begun.elapsed() < self.within => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LOOK_EVERY);
                }
                Meaning::Running | Meaning::TimedOut => {
                    self.end(self.abort.as_ref(), site, job).await;
                    let minutes = self.within.as_secs() / 60;
                    let detail = format!("The provider did not do a job within {minutes} minutes.");
                    return Err(Error::new(Code::Timeout, detail));
                }
            }
        }
    }

    /// Clears a job whose pages were read.
    pub async fn clear(&self, site: &Site, job: &Slice) {
        self.end(self.clear.as_ref(), site, job).await;
    }

    /// That a job cannot be ended is no reason to lose what it brought.
    async fn end(&self, requester: Option<&Requester>, site: &Site, job: &Slice) {
        let Some(requester) = requester else { return };
        if let Err(error) = self.answer(requester, site, job).await {
            tracing::warn!(error = %site.shared.book.clean_error(error), "a job was not ended");
        }
    }

    /// Where the credential may go when a manifest takes an address from an answer.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in.
    pub fn home(&self, site: &Site, slice: &Slice) -> Result<Url> {
        self.create.home(site, slice)
    }

    async fn answer(&self, requester: &Requester, site: &Site, slice: &Slice) -> Result<Answer> {
        let home = self.home(site, slice)?;
        let ask = Ask { slice, token: &Value::Null, path: None, home: Some(&home) };
        match Box::pin(requester.send(site, ask, Options::default())).await? {
            Outcome::Page(answer) => Ok(answer),
            Outcome::Nothing | Outcome::Restart => {
                let detail = "The provider gave no answer about a job.";
                Err(Error::new(Code::ProviderRefused, detail))
            }
        }
    }

    fn meaning(&self, answer: &Answer) -> Result<Meaning> {
        let found = self.status.of(answer, &self.decoder)?.into_iter().next();
        let word = found.as_ref().map_or_else(|| "None".to_owned(), plain);
        let known = self.meanings.iter().find(|(own, _)| *own == word);
        known.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let detail = format!("The manifest does not say what the status `{word}` means.");
            Error::new(Code::Invalid, detail).with("failure_type", "config_error")
        })
    }

    async fn targets(&self, site: &Site, job: &Slice, looked: &Answer) -> Result<Vec<Slice>> {
        let seen = self.seen(looked)?;
        let ready = job.with_extra([("polling_response", seen)]);
        let with = |target: Value| ready.with_extra([("download_target", target)]);
        let Some(place) = &self.targets else { return Ok(vec![with("".into())]) };
        let targets = match &self.ask_targets {
            None => place.of(looked, &self.decoder)?,
            Some(requester) => {
                place.of(&self.answer(requester, site, &ready).await?, &self.decoder)?
            }
        };
        if targets.len() > MAX_TARGETS {
            let detail = format!("A job is to be fetched from more than {MAX_TARGETS} places.");
            return Err(Error::new(Code::ProviderRefused, detail));
        }
        Ok(targets.into_iter().map(with).collect())
    }

    /// An answer as templates see it.
    fn seen(&self, answer: &Answer) -> Result<Value> {
        let body = self.decoder.decode(&answer.response.body)?;
        let mut seen = match serde_json::from_slice(&body) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        seen.entry("headers").or_insert_with(|| headers_of(&answer.response).into());
        Ok(Value::Object(seen))
    }
}

fn failed() -> Error {
    Error::new(Code::ProviderRefused, "The provider failed to do a job.")
}

fn meanings(retriever: &Component) -> Result<Vec<(String, Meaning)>> {
    let mapping = retriever.need_component("status_mapping")?;
    let mut meanings = Vec::new();
    for (name, meaning) in [
        ("running", Meaning::Running),
        ("completed", Meaning::Completed),
        ("failed", Meaning::Failed),
        ("timeout", Meaning::TimedOut),
        ("skipped", Meaning::Skipped),
    ] {
        let words = mapping.node(name).and_then(Node::as_list).unwrap_or_default();
        for word in words {
            let word = plain(&word.to_value());
            if meanings.iter().any(|(own, _)| *own == word) {
                return Err(mapping.wrong(name, &format!("names `{word}` once more")));
            }
            meanings.push((word, meaning));
        }
    }
    Ok(meanings)
}

impl Place {
    fn compile(component: &Component, site: &Site) -> Result<Self> {
        if component.kind() != "DpathExtractor" {
            let message = format!("`{}` is not supported", component.kind());
            return Err(component.wrong("type", &message));
        }
        let steps = component.node("field_path").and_then(Node::as_list).unwrap_or_default();
        strings(component, "field_path", steps, &site.scope()).map(Self)
    }

    fn of(&self, answer: &Answer, decoder: &Decoder) -> Result<Vec<Value>> {
        values_at(&decoder.decode(&answer.response.body)?, &self.0)
    }
}
