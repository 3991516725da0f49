//! A `DatetimeBasedCursor`, compiled: which ranges of time a stream is read in.

use connectus_core::{Env, Error, Result};
use serde_json::{Map, Value};

use crate::manifest::{
    document::{Component, Member, Node},
    interpolation::{
        Scope,
        datetime::{DatetimeFormat, Moment, Span},
    },
    request::{Options, Slot},
    slices::Slice,
    text::Text,
};

/// Most ranges of one partition.
const MAX_RANGES: usize = 1_000_000;

/// A cursor that is a time.
#[derive(Debug)]
pub struct RangePlan {
    /// The field of a record.
    pub field: String,
    /// Key of a slice under which it begins.
    pub start_key: String,
    /// Key of a slice under which it ends.
    pub end_key: String,
    /// Whether records that came before are dropped here, because the provider cannot.
    pub client_side: bool,
    /// Whether pages go back in time until one is reached that came before.
    pub data_feed: bool,
    /// Whether all partitions share one cursor.
    pub global: bool,
    inputs: Vec<DatetimeFormat>,
    output: DatetimeFormat,
    granularity: Option<Span>,
    step: Option<Span>,
    lookback: Option<Span>,
    start: Bound,
    end: Option<Bound>,
    strict: bool,
    start_slot: Option<Slot>,
    end_slot: Option<Slot>,
}

/// A `MinMaxDatetime`.
#[derive(Debug)]
struct Bound {
    at: Text,
    least: Option<Text>,
    most: Option<Text>,
    format: DatetimeFormat,
}

impl Bound {
    fn compile(cursor: &Component, name: &str, usual: &DatetimeFormat) -> Result<Option<Self>> {
        let component = match cursor.member(name) {
            None => return Ok(None),
            Some(Member::Component(component)) => component,
            Some(_) => {
                let at = Text::need(cursor, name)?;
                return Ok(Some(Self { at, least: None, most: None, format: usual.clone() }));
            }
        };
        let format = component.text("datetime_format").filter(|text| !text.is_empty());
        Ok(Some(Self {
            at: Text::need(&component, "datetime")?,
            least: Text::read(&component, "min_datetime")?,
            most: Text::read(&component, "max_datetime")?,
            format: format.map_or_else(|| usual.clone(), |text| DatetimeFormat::new(&text)),
        }))
    }

    fn at(&self, scope: &Scope<'_>) -> Result<Moment> {
        let read = |text: &Text| -> Result<Option<Moment>> {
            let text = text.string(scope)?;
            if text.is_empty() { Ok(None) } else { self.format.parse(&text).map(Some) }
        };
        let mut at = self.format.parse(&self.at.string(scope)?)?;
        if let Some(least) = self.least.as_ref().map_or(Ok(None), read)? {
            at = later(at, least);
        }
        if let Some(most) = self.most.as_ref().map_or(Ok(None), read)? {
            at = if most < at { most } else { at };
        }
        Ok(at)
    }
}

/// The later of two.
pub fn later(a: Moment, b: Moment) -> Moment {
    if b > a { b } else { a }
}

impl RangePlan {
    /// Reads a `DatetimeBasedCursor`.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(cursor: &Component, scope: &Scope<'_>) -> Result<Self> {
        let text = |name: &str| -> Result<Option<String>> {
            let text = Text::read(cursor, name)?.map(|text| text.string(scope)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        let span = |name: &str| -> Result<Option<Span>> {
            text(name)?
                .map(|text| Span::parse(&text).map_err(|error| cursor.wrong(name, &error.detail)))
                .transpose()
        };
        let output = DatetimeFormat::new(&cursor.need_text("datetime_format")?);
        let inputs = cursor.node("cursor_datetime_formats").and_then(Node::as_list);
        let inputs = inputs.unwrap_or_default().iter().filter_map(Node::as_text);
        let mut inputs: Vec<_> = inputs.map(|text| DatetimeFormat::new(text)).collect();
        inputs.push(output.clone());
        let (step, granularity) = (span("step")?, span("cursor_granularity")?);
        if step.is_some() != granularity.is_some() {
            return Err(cursor.wrong("step", "and `cursor_granularity` go together"));
        }
        if cursor.node("clamping").is_some() {
            return Err(cursor.wrong("clamping", "is not supported"));
        }
        let slot = |name: &str| -> Result<Option<Slot>> {
            cursor.component(name)?.map(|option| Slot::compile(&option, scope)).transpose()
        };
        let start = Bound::compile(cursor, "start_datetime", &output)?;
        Ok(Self {
            field: Text::need(cursor, "cursor_field")?.string(scope)?,
            start_key: text("partition_field_start")?.unwrap_or_else(|| "start_time".into()),
            end_key: text("partition_field_end")?.unwrap_or_else(|| "end_time".into()),
            client_side: cursor.flag("is_client_side_incremental"),
            data_feed: cursor.flag("is_data_feed"),
            global: cursor.flag("global_substream_cursor"),
            lookback: span("lookback_window")?,
            start: start.ok_or_else(|| cursor.wrong("start_datetime", "is missing"))?,
            end: Bound::compile(cursor, "end_datetime", &output)?,
            strict: cursor.flag("is_compare_strictly"),
            start_slot: slot("start_time_option")?,
            end_slot: slot("end_time_option")?,
            inputs,
            output,
            granularity,
            step,
        })
    }

    /// Reads a time of a record or a state.
    ///
    /// # Errors
    /// `invalid` when no format fits.
    pub fn parse(&self, value: &Value) -> Result<Moment> {
        let number;
        let text = match value {
            Value::String(text) => text.as_str(),
            other => {
                number = other.to_string();
                &number
            }
        };
        self.inputs.iter().find_map(|format| format.parse(text).ok()).ok_or_else(|| {
            let message = format!("`{text}` is no time of the format `{}`", self.output.text());
            Error::invalid(self.field.clone(), message)
        })
    }

    /// A time as states and requests write it.
    pub fn write(&self, at: &Moment) -> Value {
        self.output.format(at).into()
    }

    /// When the stream begins.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time.
    pub fn start(&self, env: &Env, config: &Value) -> Result<Moment> {
        self.start.at(&Scope::new(env, config))
    }

    /// When the stream ends, now.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time.
    pub fn end(&self, env: &Env, config: &Value) -> Result<Moment> {
        match &self.end {
            Some(end) => end.at(&Scope::new(env, config)),
            None => Ok(Moment::of(env.now())),
        }
    }

    /// A time before this by the lookback window.
    ///
    /// # Errors
    /// `invalid` before the year 1.
    pub fn look_back(&self, at: &Moment) -> Result<Moment> {
        self.lookback.as_ref().map_or(Ok(*at), |lookback| at.minus(lookback))
    }

    /// Whether there is a lookback window.
    pub fn looks_back(&self) -> bool {
        self.lookback.is_some()
    }

    /// The smallest step between two times.
    ///
    /// # Errors
    /// `invalid` beyond the year 9999.
    pub fn next(&self, at: &Moment) -> Result<Moment> {
        match &self.granularity {
            Some(granularity) => at.plus(granularity),
            None => at.plus(&Span::of_micros(1_000).unwrap_or_default()),
        }
    }

    /// Whether times lie on a grid.
    pub fn has_granularity(&self) -> bool {
        self.granularity.is_some()
    }

    /// Cuts a range into steps. `to_end`: nothing follows it, so its end belongs to it.
    ///
    /// # Errors
    /// `invalid` when it would be too many.
    pub fn cut(
        &self,
        (from, to): (Moment, Moment),
        to_end: bool,
        start: &Moment,
        into: &mut Vec<(Moment, Moment)>,
    ) -> Result<()> {
        let empty = |from: &Moment| *from > to || (*from == to && self.granularity.is_none());
        if empty(&from) || to < *start {
            return Ok(());
        }
        let from = later(from, *start);
        if from > to || (from == to && (self.strict || !to_end)) {
            return Ok(());
        }
        let mut at = from;
        loop {
            let next = self.step.as_ref().and_then(|step| at.plus(step).ok());
            let upper = next.filter(|next| *next < to).unwrap_or(to);
            let last = upper >= to;
            // A step of no length would never end.
            if upper <= at && !last {
                return Err(Error::invalid("step", "must be longer than nothing"));
            }
            let end = match &self.granularity {
                Some(granularity) if !(last && to_end) => upper.minus(granularity)?,
                _ => upper,
            };
            if at >= upper && at != from {
                return Ok(());
            }
            into.push((at, end));
            if into.len() > MAX_RANGES {
                let message = format!("cuts the time into more than {MAX_RANGES} ranges");
                return Err(Error::invalid("step", message));
            }
            if last {
                return Ok(());
            }
            at = upper;
        }
    }

    /// The keys of a range in a slice.
    pub fn keys(&self, (from, to): &(Moment, Moment)) -> Map<String, Value> {
        Map::from_iter([
            (self.start_key.clone(), self.write(from)),
            (self.end_key.clone(), self.write(to)),
        ])
    }

    /// Puts a range into a request.
    pub fn options(&self, slice: &Slice, options: &mut Options) {
        let value = |key: &str| slice.cursor().get(key).cloned().unwrap_or_default();
        if let Some(slot) = &self.start_slot {
            slot.put(options, value(&self.start_key));
        }
        if let Some(slot) = &self.end_slot {
            slot.put(options, value(&self.end_key));
        }
    }
}
