//! `strptime` of Python: a format read as the regular expression Python makes of it.

use jiff::civil::{Date, DateTime, ISOWeekDate, Weekday};

use super::{
    moment::{Moment, Zone},
    strftime::names,
};

/// Deepest expansion of directives that stand for several others.
const MAX_ITEMS: usize = 200;

/// What a text said.
pub struct Parsed {
    /// The point in time; without an offset where the format has none.
    pub moment: Moment,
}

/// Parses a text by a format.
///
/// # Errors
/// Why it does not fit, as the end of a sentence.
pub fn strptime(text: &str, format: &str) -> Result<Parsed, String> {
    let mut items = Vec::new();
    read_format(format, &mut items)?;
    let mut fields = Fields::default();
    let Some(rest) = fields.fill(&items, text) else {
        return Err("it has another form".to_owned());
    };
    if !rest.is_empty() {
        return Err(format!("`{rest}` is left over"));
    }
    fields.moment().map(|moment| Parsed { moment })
}

enum Item {
    Literal(char),
    Blank,
    Field(char),
}

fn read_format(format: &str, items: &mut Vec<Item>) -> Result<(), String> {
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        if items.len() > MAX_ITEMS {
            return Err("the format is too long".to_owned());
        }
        match character {
            _ if character.is_whitespace() => {
                while characters.next_if(|next| next.is_whitespace()).is_some() {}
                items.push(Item::Blank);
            }
            '%' => match characters.next() {
                None => return Err("the format ends in a lone `%`".to_owned()),
                Some('%') => items.push(Item::Literal('%')),
                Some('c') => read_format("%a %b %d %H:%M:%S %Y", items)?,
                Some('x') => read_format("%m/%d/%y", items)?,
                Some('X') => read_format("%H:%M:%S", items)?,
                Some(letter) if "aAbBdfGHIjmMpSuUVwWyYzZ".contains(letter) => {
                    let double =
                        |item: &Item| matches!(item, Item::Field(other) if *other == letter);
                    if items.iter().any(double) {
                        return Err(format!("the format has `%{letter}` twice"));
                    }
                    items.push(Item::Field(letter));
                }
                Some(other) => return Err(format!("`%{other}` is no directive of a format")),
            },
            other => items.push(Item::Literal(other)),
        }
    }
    Ok(())
}

#[derive(Clone, Default)]
struct Fields {
    year: Option<i32>,
    short_year: Option<i32>,
    iso_year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    hour: i32,
    hour_of_12: Option<i32>,
    afternoon: bool,
    minute: i32,
    second: i32,
    micros: i32,
    /// From Monday, counted from 0.
    weekday: Option<i32>,
    day_of_year: Option<i32>,
    week: Option<(i32, char)>,
    iso_week: Option<i32>,
    zone: Option<Zone>,
}

impl Fields {
    /// Matches items from the front, trying for each what the expression would try, in its order.
    /// Gives what is left of the text.
    fn fill<'t>(&mut self, items: &[Item], text: &'t str) -> Option<&'t str> {
        let Some((item, items)) = items.split_first() else { return Some(text) };
        match item {
            Item::Literal(wanted) => {
                let next = text.chars().next()?;
                let same = next == *wanted || next.to_lowercase().eq(wanted.to_lowercase());
                if same { self.fill(items, &text[next.len_utf8()..]) } else { None }
            }
            Item::Blank => {
                let rest = text.trim_start();
                if rest.len() == text.len() { None } else { self.fill(items, rest) }
            }
            Item::Field(letter) => {
                for length in candidates(*letter, text) {
                    let mut attempt = self.clone();
                    let (found, rest) = text.split_at(length);
                    if attempt.set(*letter, found)
                        && let Some(rest) = attempt.fill(items, rest)
                    {
                        *self = attempt;
                        return Some(rest);
                    }
                }
                None
            }
        }
    }

    fn set(&mut self, letter: char, text: &str) -> bool {
        let number = text.trim_start().parse::<i32>();
        let (months, days) = names();
        let named = |names: &[&str], length: usize| {
            let wanted = |name: &&str| name[..length.min(name.len())].eq_ignore_ascii_case(text);
            names.iter().position(wanted).and_then(|at| i32::try_from(at).ok())
        };
        match (letter, number) {
            ('Y', Ok(number)) => self.year = Some(number),
            ('y', Ok(number)) => self.short_year = Some(number),
            ('G', Ok(number)) => self.iso_year = Some(number),
            ('m', Ok(number)) => self.month = Some(number),
            ('d', Ok(number)) => self.day = Some(number),
            ('H', Ok(number)) => self.hour = number,
            ('I', Ok(number)) => self.hour_of_12 = Some(number),
            ('M', Ok(number)) => self.minute = number,
            ('S', Ok(number)) => self.second = number,
            ('f', Ok(number)) => {
                let missing = u32::try_from(6 - text.len()).unwrap_or(0);
                self.micros = number * 10_i32.pow(missing);
            }
            ('j', Ok(number)) => self.day_of_year = Some(number),
            ('w', Ok(number)) => self.weekday = Some((number + 6) % 7),
            ('u', Ok(number)) => self.weekday = Some(number - 1),
            ('U' | 'W', Ok(number)) => self.week = Some((number, letter)),
            ('V', Ok(number)) => self.iso_week = Some(number),
            ('p', _) => self.afternoon = text.eq_ignore_ascii_case("pm"),
            ('b', _) => self.month = named(months, 3).map(|at| at + 1),
            ('B', _) => self.month = named(months, usize::MAX).map(|at| at + 1),
            ('a', _) => self.weekday = named(days, 3).map(|at| (at + 6) % 7),
            ('A', _) => self.weekday = named(days, usize::MAX).map(|at| (at + 6) % 7),
            ('z', _) => {
                self.zone = offset(text);
                return self.zone.is_some();
            }
            ('Z', _) => {}
            _ => return false,
        }
        true
    }

    fn moment(&self) -> Result<Moment, String> {
        let date = self.date()?;
        let hour = match self.hour_of_12 {
            Some(hour) => hour % 12 + if self.afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let [hour, minute, second] =
            [hour, self.minute, self.second].map(|part| i8::try_from(part).unwrap_or(-1));
        let time = jiff::civil::Time::new(hour, minute, second, self.micros * 1000)
            .map_err(|_| "there is no such time of day".to_owned())?;
        Ok(Moment::new(DateTime::from_parts(date, time), self.zone))
    }

    fn date(&self) -> Result<Date, String> {
        let none = || "there is no such day".to_owned();
        let year = self.year.or(self.short_year.map(|year| match year {
            0..=68 => 2000 + year,
            _ => 1900 + year,
        }));
        if let (None, Some(iso_year)) = (year, self.iso_year) {
            let (Some(week), Some(weekday)) = (self.iso_week, self.weekday) else {
                return Err("`%G` needs `%V` and a day of the week".to_owned());
            };
            return of_week(iso_year, week, weekday).ok_or_else(none);
        }
        if self.iso_week.is_some() && self.week.is_none() {
            return Err("`%V` needs `%G` and a day of the week".to_owned());
        }
        let year = year.unwrap_or(1900);
        let first = day(year, 1, 1).ok_or_else(none)?;
        let of_year = match (self.day_of_year, self.week, self.weekday) {
            (Some(day), ..) => Some(day),
            (None, Some((week, letter)), Some(weekday)) => {
                Some(of_numbered_week(first, week, letter, weekday))
            }
            _ => None,
        };
        match of_year {
            // A day before the first belongs to the year before.
            Some(of_year) => {
                let days = jiff::Span::new().days(i64::from(of_year) - 1);
                first.checked_add(days).map_err(|_| none())
            }
            None => day(year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok_or_else(none),
        }
    }
}

fn day(year: i32, month: i32, day: i32) -> Option<Date> {
    let (year, month) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?);
    Date::new(year, month, i8::try_from(day).ok()?).ok().filter(|date| date.year() > 0)
}

fn of_week(year: i32, week: i32, weekday: i32) -> Option<Date> {
    let weekday = Weekday::from_monday_zero_offset(i8::try_from(weekday).ok()?).ok()?;
    let first = ISOWeekDate::new(i16::try_from(year).ok()?, 1, weekday).ok()?.date();
    first.checked_add(jiff::Span::new().weeks(i64::from(week) - 1)).ok()
}

/// The day of the year of a weekday of week `week`, weeks beginning on Sunday (`U`) or Monday.
fn of_numbered_week(first: Date, week: i32, letter: char, weekday: i32) -> i32 {
    let (begins, wanted) = match letter {
        'U' => (i32::from(first.weekday().to_sunday_zero_offset()), (weekday + 1) % 7),
        _ => (i32::from(first.weekday().to_monday_zero_offset()), weekday),
    };
    let before = (7 - begins) % 7;
    if week == 0 { 1 + wanted - begins } else { 1 + before + 7 * (week - 1) + wanted }
}

/// The lengths a directive may take of a text, in the order Python's expression tries them.
fn candidates(letter: char, text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = |length: usize| text.get(..length).and_then(|text| text.parse::<u32>().ok());
    // Longest first, as far as the number is one of those it may be.
    let numbers = |longest: usize, least: u32, most: u32| -> Vec<usize> {
        let lengths = (1..=longest.min(digits)).rev();
        lengths
            .filter(|length| value(*length).is_some_and(|n| (least..=most).contains(&n)))
            .collect()
    };
    let named = |names: &[&str], length: usize| -> Vec<usize> {
        let mut found: Vec<usize> = names
            .iter()
            .map(|name| &name[..length.min(name.len())])
            .filter(|name| text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name)))
            .map(str::len)
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found
    };
    let (months, days) = names();
    match letter {
        'Y' | 'G' => Vec::from_iter((digits >= 4).then_some(4)),
        'y' => Vec::from_iter((digits >= 2).then_some(2)),
        'm' | 'I' => numbers(2, 1, 12),
        'd' => {
            let blank = bytes.first() == Some(&b' ')
                && bytes.get(1).is_some_and(|byte| (b'1'..=b'9').contains(byte));
            if blank { vec![2] } else { numbers(2, 1, 31) }
        }
        'H' => numbers(2, 0, 23),
        'M' => numbers(2, 0, 59),
        'S' => numbers(2, 0, 61),
        'f' => (1..=digits.min(6)).rev().collect(),
        'j' => numbers(3, 1, 366),
        'U' | 'W' => numbers(2, 0, 53),
        'V' => numbers(2, 0, 53),
        'w' => numbers(1, 0, 6),
        'u' => numbers(1, 1, 7),
        'p' => named(&["am", "pm"], 2),
        'a' => named(days, 3),
        'A' => named(days, usize::MAX),
        'b' => named(months, 3),
        'B' => named(months, usize::MAX),
        'Z' => named(&["utc", "gmt"], 3),
        'z' => offset_lengths(bytes),
        _ => Vec::new(),
    }
}

/// `Z`, `+0200`, `+02:00`, `+02:00:30`, with or without the colons.
fn offset_lengths(bytes: &[u8]) -> Vec<usize> {
    if bytes.first() == Some(&b'Z') {
        return vec![1];
    }
    if !matches!(bytes.first(), Some(b'+' | b'-')) {
        return Vec::new();
    }
    let pair = |at: usize, tens: u8| {
        let digit = |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit());
        digit(at).is_some_and(|byte| *byte <= tens) && digit(at + 1).is_some()
    };
    let colon = |at: usize| usize::from(bytes.get(at) == Some(&b':'));
    let minutes = 3 + colon(3);
    if !pair(1, b'9') || !pair(minutes, b'5') {
        return Vec::new();
    }
    let end = minutes + 2;
    let seconds = end + colon(end);
    if pair(seconds, b'5') { vec![seconds + 2, end] } else { vec![end] }
}

fn offset(text: &str) -> Option<Zone> {
    if text == "Z" {
        return Some(Zone::Utc);
    }
    let digits: Vec<i32> =
        text.bytes().filter(u8::is_ascii_digit).map(|digit| i32::from(digit - b'0')).collect();
    let pair = |at: usize| Some(digits.get(at)? * 10 + digits.get(at + 1)?);
    let secs = pair(0)? * 3600 + pair(2)? * 60 + pair(4).unwrap_or(0);
    Zone::east(if text.starts_with('-') { -secs } else { secs })
}
