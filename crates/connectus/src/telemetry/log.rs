//! The log: one line an event on standard error, as text or JSON.

use std::{fmt::Write as _, io::Write as _};

use connectus_core::{Env, Error, Result, Timestamp};
use serde_json::{Map, Value};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, layer::Context, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::fields::Fields;
use crate::config;

/// Longest line, in bytes. The fields of a longer one are left out.
const MAX_LINE: usize = 8 * 1024;

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// `internal` when the filter is not one, which the configuration has checked.
pub fn init(settings: &config::Log, env: &Env) -> Result<()> {
    let lines = Lines { env: env.clone(), format: settings.format, out: stderr };
    // Tests of one process may come here twice; the first one stays.
    let _ = subscriber(&settings.level, lines)?.try_init();
    Ok(())
}

/// The filter stands before everything and not on the one layer: a filter of a layer remembers, per
/// thread, what it said last, and drops the next event after a library asked through the crate
/// `log` whether it may log, as sqlx does of PostgreSQL's notices and, at level debug, of
/// statements.
fn subscriber<F>(level: &str, lines: Lines<F>) -> Result<impl Subscriber + Send + Sync>
where
    F: Fn(&str) + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(directives(level)).map_err(Error::internal)?;
    Ok(tracing_subscriber::registry().with(filter).with(lines))
}

/// A bare level is ours; libraries speak only when something is wrong.
fn directives(level: &str) -> String {
    match level.contains(['=', ',']) {
        true => level.to_owned(),
        false => format!("warn,connectus={level}"),
    }
}

fn stderr(line: &str) {
    // Nobody to tell when standard error is gone.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Writes allowed fields of events as lines.
struct Lines<F> {
    env: Env,
    format: config::LogFormat,
    out: F,
}

impl<S: Subscriber, F: Fn(&str) + 'static> Layer<S> for Lines<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(request) = connectus_store::request::current() {
            fields.add("request", request.id.as_str().into());
        }
        let line = Line {
            at: self.env.now(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: fields.message().to_owned(),
            fields: fields.into_pairs().collect(),
        };
        let text = match self.format {
            config::LogFormat::Json => line.json(),
            config::LogFormat::Text => line.text(),
        };
        (self.out)(&text);
    }
}

struct Line {
    at: Timestamp,
    level: Level,
    target: &'static str,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    fn json(&self) -> String {
        let mut line = Map::new();
        line.insert("at".into(), self.at.to_string().into());
        line.insert("level".into(), self.level.as_str().to_ascii_lowercase().into());
        line.insert("message".into(), self.message.clone().into());
        line.insert("target".into(), self.target.into());
        let short = Value::Object(line.clone()).to_string();
        line.extend(self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let long = Value::Object(line).to_string();
        let fits = long.len() < MAX_LINE;
        format!("{}\n", if fits { long } else { short })
    }

    fn text(&self) -> String {
        let mut line = format!("{} {:5} {}", self.at, self.level, printable(&self.message));
        let short = line.clone();
        for (name, value) in &self.fields {
            let value = match value {
                Value::String(text) if is_word(text) => text.clone(),
                other => other.to_string(),
            };
            // Writing to a text cannot fail.
            let _ = write!(line, " {name}={value}");
        }
        format!("{}\n", if line.len() < MAX_LINE { line } else { short })
    }
}

/// Whether a text needs no quotes to be told from what surrounds it.
fn is_word(text: &str) -> bool {
    let plain = |each: char| each.is_ascii_graphic() && !matches!(each, '"' | '=' | '\\');
    !text.is_empty() && text.chars().all(plain)
}

/// One event is one line, whatever its message holds.
fn printable(text: &str) -> String {
    text.chars().map(|each| if each.is_control() { ' ' } else { each }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use connectus_testkit::SimEnv;

    use super::*;

    fn logged(format: config::LogFormat, work: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let out = move |line: &str| kept.lock().unwrap().push(line.to_owned());
        let lines_to = Lines { env: SimEnv::default().env, format, out };
        tracing::subscriber::with_default(subscriber("info", lines_to).unwrap(), work);
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn a_line_has_the_allowed_fields_in_order_and_no_other() {
        let work = || {
            let (status, password) = ("success", "c4nary");
            tracing::info!(
                password,
                status,
                action = "flow.sync",
                count = 3,
                body = "c4nary",
                "done"
            );
        };
        let text = logged(config::LogFormat::Text, work);
        assert_eq!(
            text,
            ["2026-01-05T09:00:00Z INFO  done action=flow.sync status=success count=3\n"]
        );
        let json = logged(config::LogFormat::Json, work);
        let line: Value = serde_json::from_str(&json[0]).unwrap();
        assert_eq!(line["action"], "flow.sync");
        assert_eq!(line["count"], 3);
        assert_eq!(line["level"], "info");
        assert!(!json[0].contains("c4nary"));
    }

    #[test]
    fn one_event_is_one_line_within_the_limit() {
        for format in [config::LogFormat::Text, config::LogFormat::Json] {
            let lines = logged(format, || {
                let text = "two\nlines \u{1b}[31m ".repeat(1000);
                tracing::warn!(error = %text, cause = text, detail = text, path = text, "a\nb");
                tracing::warn!(error = %text, "{text}");
            });
            for line in lines {
                assert!(line.len() <= MAX_LINE + 1, "{}", line.len());
                assert_eq!(line.matches('\n').count(), 1, "{line}");
                assert!(!line.contains('\u{1b}'), "{line}");
            }
        }
    }

    #[test]
    fn a_library_that_asks_and_says_nothing_swallows_nobodys_line() {
        let asked = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            tracing::info_span!(target: "sqlx::postgres::notice", "asked").metadata().unwrap()
        });
        let lines = logged(config::LogFormat::Text, || {
            for count in 1..=3 {
                tracing::dispatcher::get_default(|present| present.enabled(asked));
                tracing::info!(count, "said");
            }
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn libraries_speak_when_something_is_wrong() {
        assert_eq!(directives("debug"), "warn,connectus=debug");
        assert_eq!(directives("info,sqlx=debug"), "info,sqlx=debug");
    }
}
