//! Methods of `datetime`, `date` and `timedelta`.

use std::rc::Rc;

use jiff::civil;

use super::{
    super::{
        datetime::{Moment, Span, Zone},
        program::Fault,
        run::{Arguments, Done, argument_text as text, int},
        values::{Shower, Val},
    },
    unknown,
};

pub(super) fn of_moment<'a>(moment: &Moment, name: &str, args: Arguments<'a>) -> Done<'a> {
    match name {
        "isoformat" => {
            let [between, detail] = args.bind(["sep", "timespec"])?;
            if detail.is_some() {
                return Err(Fault::Failed("`timespec` is not run in manifests".to_owned()));
            }
            let between = match &between {
                None => 'T',
                Some(between) => text(between, name)?.chars().next().unwrap_or('T'),
            };
            return Ok(Val::text(moment.isoformat(between)));
        }
        "replace" => return replaced(moment, args).map(Val::Moment),
        "astimezone" => {
            // The only zone at hand is UTC.
            return Ok(Val::Moment(moment.to_utc()));
        }
        "strftime" => {
            let [format] = args.exactly(["format"])?;
            return Ok(Val::text(moment.strftime(text(&format, name)?)));
        }
        _ => args.none()?,
    }
    #[expect(clippy::cast_precision_loss, reason = "as Python's timestamp()")]
    let seconds = moment.timestamp().0 as f64 / 1e6;
    Ok(match name {
        "timestamp" => Val::Float(seconds),
        "date" => Val::Date(moment.reading().date()),
        "tzname" => moment.zone().map_or(Val::None, |zone| Val::text(zone.name())),
        "utcoffset" => match moment.zone() {
            None => Val::None,
            Some(zone) => {
                let span = Span::of_micros(i128::from(zone.secs()) * 1_000_000);
                Val::Span(Rc::new(span.unwrap_or_default()))
            }
        },
        "dst" => Val::None,
        "ctime" => Val::text(moment.strftime("%a %b %e %H:%M:%S %Y")),
        _ => return of_day(moment.reading().date(), name, &Val::Moment(*moment)),
    })
}

pub(super) fn of_date<'a>(date: civil::Date, name: &str, args: Arguments<'a>) -> Done<'a> {
    let midnight = Moment::new(date.to_datetime(civil::Time::midnight()), None);
    match name {
        "strftime" => {
            let [format] = args.exactly(["format"])?;
            Ok(Val::text(midnight.strftime(text(&format, name)?)))
        }
        "replace" => Ok(Val::Date(replaced(&midnight, args)?.reading().date())),
        "isoformat" => {
            args.none()?;
            Ok(Val::text(Shower::text(&Val::Date(date))?))
        }
        "ctime" => {
            args.none()?;
            Ok(Val::text(midnight.strftime("%a %b %e %H:%M:%S %Y")))
        }
        _ => {
            args.none()?;
            of_day(date, name, &Val::Date(date))
        }
    }
}

fn of_day<'a>(date: civil::Date, name: &str, value: &Val<'a>) -> Done<'a> {
    let week = date.iso_week_date();
    let from_monday = i128::from(date.weekday().to_monday_zero_offset());
    Ok(match name {
        "weekday" => Val::Int(from_monday),
        "isoweekday" => Val::Int(from_monday + 1),
        "isocalendar" => {
            let parts = [i128::from(week.year()), week.week().into(), from_monday + 1];
            Val::tuple(parts.into_iter().map(Val::Int).collect())
        }
        "toordinal" => {
            let first = civil::date(1, 1, 1);
            let days = date.since(first).map_or(0, |span| i128::from(span.get_days()));
            Val::Int(days + 1)
        }
        _ => return Err(unknown(value, name)),
    })
}

fn replaced(moment: &Moment, args: Arguments<'_>) -> Result<Moment, Fault> {
    let names = ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"];
    let [year, month, day, hour, minute, second, micros, zone] = args.bind(names)?;
    let reading = moment.reading();
    let wrong = || Fault::Failed("`replace` makes no date".to_owned());
    let small = |value: Option<&Val<'_>>, usual: i8| {
        i8::try_from(int(value, usual.into())?).map_err(|_| wrong())
    };
    let year = int(year.as_ref(), reading.year().into())?;
    let year =
        i16::try_from(year).ok().filter(|year| (1..=9999).contains(year)).ok_or_else(wrong)?;
    let date = civil::Date::new(
        year,
        small(month.as_ref(), reading.month())?,
        small(day.as_ref(), reading.day())?,
    );
    let micros = int(micros.as_ref(), moment.micros_of_second().into())?;
    let micros = i32::try_from(micros).ok().filter(|micros| (0..1_000_000).contains(micros));
    let time = civil::Time::new(
        small(hour.as_ref(), reading.hour())?,
        small(minute.as_ref(), reading.minute())?,
        small(second.as_ref(), reading.second())?,
        micros.ok_or_else(wrong)? * 1000,
    );
    let zone = match zone {
        None => moment.zone(),
        Some(Val::None) => None,
        Some(zone) if zone.as_str() == Some("UTC") => Some(Zone::Utc),
        Some(_) => return Err(Fault::Failed("such a `tzinfo` is not run here".to_owned())),
    };
    let (date, time) = (date.map_err(|_| wrong())?, time.map_err(|_| wrong())?);
    Ok(Moment::new(civil::DateTime::from_parts(date, time), zone))
}

pub(super) fn of_span<'a>(span: &Span, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    if !span.is_exact() {
        return Err(Fault::Failed("a duration of months has no length in seconds".to_owned()));
    }
    #[expect(clippy::cast_precision_loss, reason = "as Python's total_seconds()")]
    let seconds = span.micros() as f64 / 1e6;
    Ok(Val::Float(seconds))
}
