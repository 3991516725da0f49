//! `strftime` as Python has it on Linux: the C library's, with `%f`, `%z` and `%Z` its own.

use super::moment::{Moment, Zone};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Widest padding that is obeyed.
const MAX_WIDTH: usize = 100;

/// The names of months and days, as `strptime` reads them, too.
pub(super) fn names() -> (&'static [&'static str; 12], &'static [&'static str; 7]) {
    (&MONTHS, &DAYS)
}

/// Prints a moment by a format.
pub fn strftime(moment: &Moment, format: &str) -> String {
    let mut out = String::with_capacity(format.len() + 16);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let directive = &rest[at + 1..];
        let taken = Directive::read(directive);
        match taken.and_then(|taken| Some((taken.print(moment)?, taken.length))) {
            Some((text, length)) => {
                out.push_str(&text);
                rest = &directive[length..];
            }
            // What is no directive is printed as it stands.
            None => {
                out.push('%');
                rest = directive;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Flags, width and letter of one directive.
struct Directive {
    pad: Option<char>,
    upper: bool,
    swap: bool,
    width: usize,
    letter: char,
    length: usize,
}

impl Directive {
    fn read(text: &str) -> Option<Self> {
        let mut found =
            Self { pad: None, upper: false, swap: false, width: 0, letter: '%', length: 0 };
        let mut modified = false;
        for (at, character) in text.char_indices() {
            match character {
                '_' | '-' | '0' if found.width == 0 && !modified => found.pad = Some(character),
                '^' => found.upper = true,
                '#' => found.swap = true,
                '0'..='9' if !modified => {
                    let digit = character.to_digit(10)? as usize;
                    found.width = (found.width * 10 + digit).min(MAX_WIDTH);
                }
                'E' | 'O' if !modified => modified = true,
                letter => {
                    found.letter = letter;
                    found.length = at + letter.len_utf8();
                    return Some(found);
                }
            }
        }
        None
    }

    fn print(&self, moment: &Moment) -> Option<String> {
        let (text, width, pad) = value(self.letter, moment)?;
        let text = match self.pad {
            Some('-') => text.trim_start_matches(['0', ' ']).to_owned(),
            _ => text,
        };
        let text = if text.is_empty() && width > 0 { "0".to_owned() } else { text };
        let pad = match self.pad {
            Some('_') => ' ',
            Some('0') => '0',
            _ => pad,
        };
        let width = match self.pad {
            Some('-') => 0,
            _ => self.width.max(width),
        };
        let fill = width.saturating_sub(text.chars().count());
        let text = if pad == '0' && text.starts_with(['+', '-']) {
            text
        } else {
            pad.to_string().repeat(fill)
                + text.trim_start_matches(if fill > 0 { ' ' } else { '\0' })
        };
        Some(match self.letter {
            _ if self.upper => text.to_uppercase(),
            'p' | 'Z' if self.swap => text.to_lowercase(),
            'a' | 'A' | 'b' | 'B' | 'h' if self.swap => text.to_uppercase(),
            _ => text,
        })
    }
}

/// What a letter prints: the text without padding, its least width, and what fills it.
fn value(letter: char, moment: &Moment) -> Option<(String, usize, char)> {
    let reading = moment.reading();
    let date = reading.date();
    let number = |number: i64, width: usize| Some((number.to_string(), width, '0'));
    let blank = |number: i64| Some((number.to_string(), 2, ' '));
    let text = |text: &str| Some((text.to_owned(), 0, ' '));
    let nested = |format: &str| Some((strftime(moment, format), 0, ' '));
    let month = MONTHS.get(usize::try_from(date.month() - 1).ok()?)?;
    let from_sunday = i64::from(date.weekday().to_sunday_zero_offset());
    let day = DAYS.get(usize::try_from(from_sunday).ok()?)?;
    let hour = i64::from(reading.hour());
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let year = i64::from(date.year());
    let of_year = i64::from(date.day_of_year());
    let week = date.iso_week_date();
    match letter {
        'a' => text(&day[..3]),
        'A' => text(day),
        'b' | 'h' => text(&month[..3]),
        'B' => text(month),
        'c' => nested("%a %b %e %H:%M:%S %Y"),
        'C' => number(year / 100, 2),
        'd' => number(date.day().into(), 2),
        'D' | 'x' => nested("%m/%d/%y"),
        'e' => blank(date.day().into()),
        'f' => number(moment.micros_of_second().into(), 6),
        'F' => nested("%Y-%m-%d"),
        'g' => number(i64::from(week.year()).rem_euclid(100), 2),
        'G' => number(week.year().into(), 1),
        'H' => number(hour, 2),
        'I' => number(twelve, 2),
        'j' => number(of_year, 3),
        'k' => blank(hour),
        'l' => blank(twelve),
        'm' => number(date.month().into(), 2),
        'M' => number(reading.minute().into(), 2),
        'n' => text("\n"),
        'p' => text(if hour < 12 { "AM" } else { "PM" }),
        'P' => text(if hour < 12 { "am" } else { "pm" }),
        'r' => nested("%I:%M:%S %p"),
        'R' => nested("%H:%M"),
        's' => number(moment.reading_micros().div_euclid(1_000_000), 1),
        'S' => number(reading.second().into(), 2),
        't' => text("\t"),
        'T' | 'X' => nested("%H:%M:%S"),
        'u' => number((from_sunday + 6) % 7 + 1, 1),
        'U' => number((of_year + 6 - from_sunday) / 7, 2),
        'V' => number(week.week().into(), 2),
        'w' => number(from_sunday, 1),
        'W' => number((of_year + 6 - (from_sunday + 6) % 7) / 7, 2),
        'y' => number(year.rem_euclid(100), 2),
        'Y' => number(year, 1),
        'z' => text(&moment.zone().map_or_else(String::new, |zone| zone.print(""))),
        'Z' => text(&moment.zone().map_or_else(String::new, Zone::name)),
        '%' => text("%"),
        _ => None,
    }
}
