//! Jobs that gather records before they can be read. The job's id stands in the cursor: whoever
//! goes on asks for the same job instead of starting another.

use connectus_core::{Code, Error, Result, Timestamp};
use serde_json::{Value, json};

use super::{StreamReader, cursor::Position};
use crate::plan::{CallPlan, CursorPlan, JobPlan};

/// Longest wait for a job in one read, in questions.
const MAX_POLLS: u32 = 720;

impl StreamReader {
    /// The job's id, as templates see it.
    pub(super) fn job_scope(&self) -> Value {
        json!({"id": self.job_id()})
    }

    fn job_id(&self) -> Option<&str> {
        match &self.position {
            Position::Delta(delta) => delta.job.as_deref(),
            Position::Full { .. } => None,
        }
    }

    fn set_job(&mut self, job: Option<String>) {
        if let Position::Delta(delta) = &mut self.position {
            (delta.job, delta.page) = (job, None);
        }
    }

    /// Starts the job, or waits for it. `false` once when it was started: the cursor that names it
    /// is to be kept first.
    pub(super) async fn job_is_done(
        &mut self,
        job: &JobPlan,
        cursor: &CursorPlan,
        from: Timestamp,
    ) -> Result<bool> {
        if self.job_ready {
            return Ok(true);
        }
        let interval = self.interval(cursor, from);
        if self.job_id().is_none() {
            let answer = self.ask(&job.create, &interval).await?;
            let id = job.id.text(&answer).ok_or_else(|| no_word("id"))?;
            self.set_job(Some(id));
            self.job_begun = true;
            return Ok(false);
        }
        for _ in 0..MAX_POLLS {
            let answer = match self.ask(&job.poll, &interval).await {
                // A job of an earlier read is gone after a while; the next read starts another.
                Err(error) if error.code == Code::ProviderRefused && !self.job_begun => {
                    self.set_job(None);
                    return Ok(false);
                }
                answer => answer?,
            };
            let state = job.state.text(&answer).ok_or_else(|| no_word("state"))?;
            if job.done.contains(&state) {
                self.job_ready = true;
                return Ok(true);
            }
            if job.failed.contains(&state) {
                self.set_job(None);
                let detail = format!("The provider could not gather the records: {state}.");
                return Err(Error::new(Code::ProviderUnavailable, detail));
            }
            tokio::time::sleep(job.pause).await;
        }
        let detail = "The provider is still gathering the records; the next read goes on with it.";
        Err(Error::new(Code::ProviderUnavailable, detail).retry_after(job.pause.as_secs()))
    }

    async fn ask(&self, call: &CallPlan, interval: &Value) -> Result<Value> {
        let (config, job) = (&self.connection.0.site.config, self.job_scope());
        let scope = [("config", config), ("stream_interval", interval), ("job", &job)];
        let draft = call.render(&scope)?;
        Ok(self.connection.exchange(&self.plan.name, &draft, &[]).await?.body)
    }
}

fn no_word(what: &str) -> Error {
    let detail = format!("The provider's answer does not say the job's {what}.");
    Error::new(Code::ProviderUnavailable, detail)
}
