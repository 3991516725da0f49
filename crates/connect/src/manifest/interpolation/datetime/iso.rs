//! ISO 8601 points in time, with the liberties of `dateutil.parser.isoparse`.

use jiff::civil::{Date, ISOWeekDate, Weekday};

use super::moment::{Moment, Zone};

/// Parses a date, or a date and a time after any one character. `None` for other texts.
pub fn parse(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    if !text.is_ascii() {
        return None;
    }
    let (date, used) = common(bytes).or_else(|| uncommon(bytes))?;
    if bytes.len() == used {
        return Some(Moment::new(date?.to_datetime(jiff::civil::Time::midnight()), None));
    }
    let time = Time::parse(&bytes[used + 1..])?;
    let next = time.hour == 24;
    let hour = if next { 0 } else { time.hour };
    let clock = jiff::civil::Time::new(hour, time.minute, time.second, time.micros * 1000).ok()?;
    let date = if next { date?.tomorrow().ok()? } else { date? };
    Some(Moment::new(date.to_datetime(clock), time.zone))
}

/// Two or four digits. Python's `int` takes a sign or blanks there, too; this does not.
fn digits(bytes: &[u8], from: usize, count: usize) -> Option<i32> {
    let digits = bytes.get(from..from + count)?;
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
}

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    let (year, month) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?);
    Date::new(year, month, i8::try_from(day).ok()?).ok().filter(|date| date.year() > 0)
}

/// `2024`, `2024-01`, `2024-01-31`, `20240131`: the date, if the calendar has it, and how many
/// bytes it takes.
fn common(bytes: &[u8]) -> Option<(Option<Date>, usize)> {
    let year = digits(bytes, 0, 4)?;
    if bytes.len() == 4 {
        return Some((date(year, 1, 1), 4));
    }
    let dashed = bytes[4] == b'-';
    let month_at = 4 + usize::from(dashed);
    let month = digits(bytes, month_at, 2)?;
    if bytes.len() == month_at + 2 {
        return dashed.then(|| (date(year, month, 1), month_at + 2));
    }
    if dashed && bytes[month_at + 2] != b'-' {
        return None;
    }
    let day_at = month_at + 2 + usize::from(dashed);
    let day = digits(bytes, day_at, 2)?;
    Some((date(year, month, day), day_at + 2))
}

/// `2024-W05-1`, `2024W051`, `2024-031`, `2024031`.
fn uncommon(bytes: &[u8]) -> Option<(Option<Date>, usize)> {
    let year = digits(bytes, 0, 4)?;
    let dashed = bytes.get(4) == Some(&b'-');
    let mut at = 4 + usize::from(dashed);
    if bytes.get(at) != Some(&b'W') {
        let day = digits(bytes, at, 3)?;
        let first = date(year, 1, 1)?;
        let last = if first.in_leap_year() { 366 } else { 365 };
        let day = (1..=last).contains(&day).then_some(day)?;
        let days = jiff::Span::new().days(i64::from(day) - 1);
        return Some((first.checked_add(days).ok(), at + 3));
    }
    let week = digits(bytes, at + 1, 2)?;
    at += 3;
    let mut day = 1;
    if bytes.len() > at {
        if (bytes[at] == b'-') != dashed {
            return None;
        }
        at += usize::from(dashed);
        day = digits(bytes, at, 1)?;
        at += 1;
    }
    let day = Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?;
    let week = i8::try_from(week).ok().filter(|week| (1..=53).contains(week))?;
    // Week 53 of a year without one is the first of the next.
    let monday = ISOWeekDate::new(i16::try_from(year).ok()?, 1, day).ok()?.date();
    let days = jiff::Span::new().weeks(i64::from(week) - 1);
    Some((monday.checked_add(days).ok(), at))
}

#[derive(Default)]
struct Time {
    hour: i8,
    minute: i8,
    second: i8,
    micros: i32,
    zone: Option<Zone>,
}

impl Time {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut time = Self::default();
        let two = |at: usize| digits(bytes, at, 2).and_then(|number| i8::try_from(number).ok());
        if bytes.len() < 2 {
            return None;
        }
        let (mut at, mut part, mut colons) = (0, 0, false);
        while at < bytes.len() {
            if matches!(bytes[at], b'-' | b'+' | b'Z' | b'z') {
                time.zone = Some(zone(&bytes[at..])?);
                at = bytes.len();
                break;
            }
            match part {
                0 => {}
                1 => colons = bytes[at] == b':',
                2 if colons && bytes[at] != b':' => return None,
                _ => {}
            }
            at += usize::from(colons && (part == 1 || part == 2));
            match part {
                0 => time.hour = two(at)?,
                1 => time.minute = two(at)?,
                2 => time.second = two(at)?,
                3 => {
                    let (micros, used) = fraction(&bytes[at..])?;
                    time.micros = micros;
                    at += used;
                    part += 1;
                    continue;
                }
                _ => return None,
            }
            at += 2;
            part += 1;
        }
        let midnight = (time.minute, time.second, time.micros) == (0, 0, 0);
        (at == bytes.len() && (time.hour != 24 || midnight)).then_some(time)
    }
}

/// `.123` or `,123`: microseconds, further digits cut off, and the bytes it takes.
fn fraction(bytes: &[u8]) -> Option<(i32, usize)> {
    if !matches!(bytes.first(), Some(b'.' | b',')) {
        return None;
    }
    let count = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let kept = count.min(6);
    let number = (kept > 0).then(|| digits(bytes, 1, kept))??;
    let scale = 10_i32.pow(u32::try_from(6 - kept).ok()?);
    Some((number * scale, 1 + count))
}

/// `Z`, `+02`, `+0200`, `+02:00`.
fn zone(bytes: &[u8]) -> Option<Zone> {
    if matches!(bytes, b"Z" | b"z") {
        return Some(Zone::Utc);
    }
    let sign = match bytes.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let minutes = match bytes.len() {
        3 => 0,
        5 => digits(bytes, 3, 2)?,
        6 if bytes[3] == b':' => digits(bytes, 4, 2)?,
        _ => return None,
    };
    let hours = digits(bytes, 1, 2)?;
    (hours < 24 && minutes < 60).then(|| Zone::east(sign * (hours * 60 + minutes) * 60))?
}
