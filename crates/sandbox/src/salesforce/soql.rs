//! A part of SOQL: `SELECT a, b FROM T WHERE x >= 1 AND y = 'z' ORDER BY a, b LIMIT 10`.

use std::cmp::Ordering;

use connectus_core::Timestamp;
use serde_json::Value;

use super::{
    object::{Record, SalesforceType},
    refusal::Refusal,
};

/// Longest query, in bytes.
const MAX_BYTES: usize = 100_000;

/// A query.
#[derive(Debug)]
pub(super) struct Query {
    pub kind: SalesforceType,
    pub fields: Vec<&'static str>,
    conditions: Vec<(&'static str, String, Value)>,
    order: Vec<(&'static str, bool)>,
    limit: usize,
}

fn malformed(near: &str) -> Refusal {
    Refusal::new(400, "MALFORMED_QUERY", format!("unexpected token: '{near}'"))
}

/// Words, quoted texts with their quote, and signs.
fn tokens(text: &str) -> Result<Vec<String>, Refusal> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut token = String::from(letter);
        match letter {
            c if c.is_whitespace() => continue,
            ',' | '(' | ')' => {}
            '\'' => loop {
                match letters.next().ok_or_else(|| malformed("<EOF>"))? {
                    '\\' => token.extend(letters.next()),
                    '\'' => break,
                    other => token.push(other),
                }
            },
            '>' | '<' | '=' | '!' => {
                while let Some(sign) = letters.next_if(|c| matches!(c, '=' | '>')) {
                    token.push(sign);
                }
            }
            _ => {
                let part = |c: &char| !c.is_whitespace() && !",()'<>=!".contains(*c);
                while let Some(letter) = letters.next_if(part) {
                    token.push(letter);
                }
            }
        }
        tokens.push(token);
    }
    Ok(tokens)
}

struct Reader {
    tokens: std::iter::Peekable<std::vec::IntoIter<String>>,
}

impl Reader {
    fn next(&mut self) -> Result<String, Refusal> {
        self.tokens.next().ok_or_else(|| malformed("<EOF>"))
    }

    fn takes(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| token.eq_ignore_ascii_case(word)).is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), Refusal> {
        if self.takes(word) {
            return Ok(());
        }
        Err(malformed(&self.next()?))
    }
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_BYTES {
            return Err(Refusal::new(400, "QUERY_TOO_COMPLICATED", "The query is too long."));
        }
        let mut reader = Reader { tokens: tokens(text)?.into_iter().peekable() };
        reader.expect("SELECT")?;
        let mut names = vec![reader.next()?];
        while reader.takes(",") {
            names.push(reader.next()?);
        }
        reader.expect("FROM")?;
        let kind = SalesforceType::named(&reader.next()?)?;
        let field = |name: &str| {
            kind.field(name).ok_or_else(|| {
                let message = format!("No such column '{name}' on entity '{}'.", kind.name());
                Refusal::new(400, "INVALID_FIELD", message)
            })
        };
        let mut query = Self {
            kind,
            fields: names.iter().map(|name| field(name)).collect::<Result<_, _>>()?,
            conditions: Vec::new(),
            order: Vec::new(),
            limit: usize::MAX,
        };
        if reader.takes("WHERE") {
            loop {
                let (name, sign) = (field(&reader.next()?)?, reader.next()?);
                if !["=", "!=", "<", "<=", ">", ">="].contains(&sign.as_str()) {
                    return Err(malformed(&sign));
                }
                query.conditions.push((name, sign, literal(&reader.next()?)?));
                if !reader.takes("AND") {
                    break;
                }
            }
        }
        if reader.takes("ORDER") {
            reader.expect("BY")?;
            loop {
                let name = field(&reader.next()?)?;
                let down = reader.takes("DESC");
                reader.takes("ASC");
                query.order.push((name, down));
                if !reader.takes(",") {
                    break;
                }
            }
        }
        if reader.takes("LIMIT") {
            let limit = reader.next()?;
            query.limit = limit.parse().map_err(|_| malformed(&limit))?;
        }
        match reader.tokens.next() {
            None => Ok(query),
            Some(token) => Err(malformed(&token)),
        }
    }

    /// The ids of the records it finds, in its order.
    pub(super) fn run<'a>(&self, records: impl Iterator<Item = &'a Record>) -> Vec<String> {
        let mut found: Vec<&Record> = records.filter(|record| self.holds(record)).collect();
        found.sort_by(|a, b| {
            let by = |(field, down): &(&'static str, bool)| {
                let order = compare(&a.value(field), &b.value(field));
                let order = order.unwrap_or(Ordering::Equal);
                if *down { order.reverse() } else { order }
            };
            self.order.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        found.into_iter().take(self.limit).map(|record| record.id.clone()).collect()
    }

    fn holds(&self, record: &Record) -> bool {
        self.conditions.iter().all(|(field, sign, literal)| {
            let value = record.value(field);
            let order = compare(&value, literal);
            match sign.as_str() {
                "=" => order == Some(Ordering::Equal),
                "!=" => order != Some(Ordering::Equal),
                "<" => order == Some(Ordering::Less),
                "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                ">" => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            }
        })
    }
}

fn literal(token: &str) -> Result<Value, Refusal> {
    if let Some(text) = token.strip_prefix('\'') {
        return Ok(text.into());
    }
    match token.to_ascii_lowercase().as_str() {
        "true" => return Ok(true.into()),
        "false" => return Ok(false.into()),
        "null" => return Ok(Value::Null),
        _ => {}
    }
    if time(token).is_some() {
        return Ok(token.into());
    }
    token.parse::<f64>().map(Value::from).map_err(|_| malformed(token))
}

fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&text.replace("+0000", "Z"))
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => match (time(a), time(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        },
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_query_is_refused_in_salesforce_words() {
        for (text, code) in [
            ("", "MALFORMED_QUERY"),
            ("SELECT Id", "MALFORMED_QUERY"),
            ("SELECT Id FROM Nothing", "INVALID_TYPE"),
            ("SELECT Nothing FROM Contact", "INVALID_FIELD"),
            ("SELECT Id FROM Contact WHERE Email LIKE 'a'", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact WHERE Email = 'a", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact LIMIT few", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact ORDER BY Id Email", "MALFORMED_QUERY"),
        ] {
            let refusal = Query::parse(text).unwrap_err();
            assert_eq!(refusal.body()[0]["errorCode"], code, "{text}");
        }
        let good = "select id, email from contact where Email = 'o\\'brien@example.com' \
                    and SystemModstamp >= 2026-01-01T00:00:00Z order by SystemModstamp desc, Id";
        let query = Query::parse(good).unwrap();
        assert_eq!(query.fields, ["Id", "Email"]);
        assert_eq!(query.conditions[0].2, "o'brien@example.com");
    }
}
