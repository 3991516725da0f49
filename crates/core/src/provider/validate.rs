//! What a pack must hold beyond its types: unique names, references that exist, sane numbers.

use std::collections::BTreeSet;

use super::{
    AuthMethod, AuthType, ErrorNames, Idempotency, Pack, SCHEMA_VERSION, Signal, Sorted, Stream,
    StreamWrite,
};
use crate::{Result, error::Error, error::FieldError};

/// Most streams, actions or events of a pack.
pub const MAX_ENTRIES: usize = 500;

impl Pack {
    /// Checks everything the types cannot. Errors name every fault, each with its path.
    ///
    /// # Errors
    /// `invalid` with one entry per fault.
    pub fn validate(&self) -> Result<()> {
        let mut faults = Faults(Vec::new());
        if self.schema != SCHEMA_VERSION {
            let message = format!("this build reads version {SCHEMA_VERSION}");
            faults.add("/schema", message);
        }
        self.check_provider(&mut faults);
        self.check_auth(&mut faults);
        self.check_limits(&mut faults);
        self.check_streams(&mut faults);
        self.check_actions(&mut faults);
        self.check_triggers(&mut faults);
        if faults.0.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults.0)) }
    }

    fn check_provider(&self, faults: &mut Faults) {
        let provider = &self.provider;
        if !is_name(&provider.name) {
            faults.add("/provider/name", "use lower-case letters, digits and underscores");
        }
        // A base URL that is wholly a setting is checked against `hosts` when it is known.
        let starts = ["https://", "{{"].iter().any(|start| provider.base_url.starts_with(start));
        if provider.base_url.ends_with('/') || !starts {
            faults.add("/provider/base_url", "must start with https:// and not end with a slash");
        }
        if provider.hosts.is_empty() {
            faults.add("/provider/hosts", "name the hosts a credential may be sent to");
        }
        for (index, host) in provider.hosts.iter().enumerate() {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
            if !plain || !name.contains('.') {
                let path = format!("/provider/hosts/{index}");
                faults.add(path, "must be a host name, or `*.` and a domain");
            }
        }
        let version = &provider.api_version;
        for version in std::iter::once(version).chain(&version.others) {
            if version.end_date.is_some() && version.ends_at().is_none() {
                let message = format!("`{}`: must be a date, YYYY-MM-DD", version.name);
                faults.add("/provider/api_version/end_date", message);
            }
        }
    }

    fn check_auth(&self, faults: &mut Faults) {
        if self.auth.is_empty() && self.provider.auth_type != AuthType::Custom {
            faults.add("/auth", "needs at least one method");
        }
        unique(faults, "/auth", self.auth.iter().map(AuthMethod::name));
        for (index, method) in self.auth.iter().enumerate() {
            let AuthMethod::Oauth2(oauth) = method else { continue };
            let urls =
                [Some(&oauth.authorize_url), Some(&oauth.token_url), oauth.revoke_url.as_ref()];
            for url in urls.into_iter().flatten() {
                if !url.starts_with('/') && !url.starts_with("https://") {
                    let path = format!("/auth/{index}");
                    faults.add(path, format!("`{url}` must start with https:// or /"));
                }
            }
        }
    }

    fn check_limits(&self, faults: &mut Faults) {
        let windows = &self.limits.windows;
        unique(faults, "/limits/windows", windows.iter().map(|window| window.name.as_str()));
        for (index, window) in windows.iter().enumerate() {
            if window.calls == 0 || window.per_ms == 0 {
                let path = format!("/limits/windows/{index}");
                faults.add(path, "`calls` and `per_ms` must be above 0");
            }
        }
        for (index, signal) in self.limits.signals.iter().enumerate() {
            if let Signal::Window { window: name, .. } = signal
                && !windows.iter().any(|window| window.name == *name)
            {
                faults.add(format!("/limits/signals/{index}"), format!("no window `{name}`"));
            }
        }
        if self.limits.concurrency == Some(0) {
            faults.add("/limits/concurrency", "must be above 0");
        }
    }

    fn check_streams(&self, faults: &mut Faults) {
        unique(faults, "/streams", self.streams.iter().map(Stream::name));
        for (index, stream) in self.streams.iter().enumerate() {
            let at = format!("/streams/{index}");
            self.check_write(faults, &at, stream);
            let delta = stream.delta();
            if matches!(stream, Stream::StateDelegatingStream(_)) && delta.is_none() {
                faults.add(&*at, "incremental_stream needs an incremental_sync");
            }
            let hints = &delta.unwrap_or_else(|| stream.full()).hints;
            if hints.requery && hints.sorted != Sorted::Ascending {
                faults.add(&*at, "requery needs `sorted: ascending`");
            }
            if hints.job.is_some() && delta.is_none() {
                faults.add(&*at, "a job needs an incremental_sync");
            }
            if let Some(cap) = delta.and_then(|delta| delta.hints.result_cap.as_ref())
                && cap.ties_body_json.is_some() != cap.ties_id.is_some()
            {
                faults.add(&*at, "result_cap: ties_body_json and ties_id go together");
            }
        }
    }

    /// What a process that died may have sent is sent again, so it must be harmless.
    fn check_write(&self, faults: &mut Faults, at: &str, stream: &Stream) {
        for (name, call) in stream.full().hints.write.iter().flat_map(StreamWrite::calls) {
            let at = format!("{at}/x-connectus/write/{name}");
            match self.action(&call.action) {
                None => faults.add(at, format!("no action `{}`", call.action)),
                Some(action) if action.idempotency != Idempotency::Idempotent => {
                    faults.add(at, format!("`{}` must be idempotent", call.action));
                }
                Some(_) => {}
            }
        }
    }

    fn check_actions(&self, faults: &mut Faults) {
        unique(faults, "/actions", self.actions.iter().map(|action| action.name.as_str()));
        for (index, action) in self.actions.iter().enumerate() {
            let at = format!("/actions/{index}");
            if action.batch.as_ref().is_some_and(|batch| batch.max == 0) {
                faults.add(&*at, "batch: `max` must be above 0");
            }
            let batch = action.batch.as_ref();
            if batch.is_some_and(|batch| {
                (batch.error_names == ErrorNames::Item) != batch.item_ref.is_some()
            }) {
                faults.add(&*at, "batch: `error_names: item` and `item_ref` go together");
            }
            if let Idempotency::VerifyThenRetry { lookup } = &action.idempotency
                && self.action(lookup).is_none()
            {
                faults.add(&*at, format!("idempotency: no action `{lookup}`"));
            }
            for name in &action.auth {
                if !self.auth.iter().any(|method| method.name() == name) {
                    faults.add(&*at, format!("auth: no method `{name}`"));
                }
            }
        }
    }

    fn check_triggers(&self, faults: &mut Faults) {
        let Some(triggers) = &self.triggers else { return };
        let events = triggers.events.iter().map(|event| event.name.as_str());
        unique(faults, "/triggers/events", events);
        if triggers.signatures.is_empty() {
            faults.add("/triggers/signatures", "name at least one scheme");
        }
    }
}

struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), message: message.into() });
    }
}

fn unique<'a>(faults: &mut Faults, at: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for name in names {
        count += 1;
        if !seen.insert(name) {
            faults.add(at, format!("`{name}` stands here twice"));
        }
    }
    if count > MAX_ENTRIES {
        faults.add(at, format!("holds {count} entries; the most is {MAX_ENTRIES}"));
    }
}

fn is_name(text: &str) -> bool {
    let tail = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !text.is_empty() && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(tail)
}
