//! Records without nesting, and names of fields in one spelling.

use serde_json::{Map, Value};

/// Spreads every value inside a record over its top. A name that is taken, or that lies in a list,
/// is written behind the one above it, as the reference does.
pub fn spread(record: Map<String, Value>, lists: bool) -> Map<String, Value> {
    let mut flat = Map::new();
    let mut stack = vec![(Value::Object(record), "_".to_owned())];
    let mut with_parent = false;
    while let Some((value, parent)) = stack.pop() {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let taken = with_parent || flat.contains_key(&name);
                    let name = if taken { format!("{parent}.{name}") } else { name };
                    stack.push((value, name));
                }
            }
            Value::Array(items) if lists => {
                for (index, item) in items.into_iter().enumerate() {
                    with_parent = true;
                    stack.push((item, format!("{parent}.{index}")));
                }
            }
            leaf => {
                flat.insert(parent, leaf);
            }
        }
    }
    flat
}

/// A name in `snake_case`, letters of Latin scripts without their marks.
pub fn snake(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'Æ' => plain.push_str("AE"),
            'œ' => plain.push_str("oe"),
            'Œ' => plain.push_str("OE"),
            other => plain.push(latin(other)),
        }
    }
    let mut tokens = tokens(&plain);
    if tokens.len() >= 3 {
        let last = tokens.len() - 1;
        let mut at = 0;
        tokens.retain(|token| {
            at += 1;
            at == 1 || at == last + 1 || !token.is_empty()
        });
    }
    if tokens.first().is_some_and(|first| first.bytes().all(|b| b.is_ascii_digit()))
        && tokens.first() != Some(&"")
    {
        tokens.insert(0, "");
    }
    tokens.join("_").to_lowercase()
}

/// Words, numbers, and an empty token for whatever stands between them.
fn tokens(name: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let run = |rest: &str, is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let upper = |c: char| c.is_ascii_uppercase();
        let lower = |c: char| c.is_ascii_lowercase();
        let end = if upper(first) {
            let end = run(rest, |c| c.is_ascii_uppercase());
            end + run(rest.get(end..).unwrap_or_default(), |c| c.is_ascii_lowercase())
        } else if lower(first) {
            run(rest, |c| c.is_ascii_lowercase())
        } else if first.is_ascii_digit() {
            run(rest, |c| c.is_ascii_digit())
        } else {
            run(rest, |c| !c.is_ascii_alphanumeric())
        };
        let (token, after) = rest.split_at(end);
        tokens.push(if first.is_ascii_alphanumeric() { token } else { "" });
        rest = after;
    }
    tokens
}

/// A letter without its marks; anything else as it is.
fn latin(letter: char) -> char {
    const PLAIN: [(&str, char); 28] = [
        ("àáâãäåāăą", 'a'),
        ("çćĉċč", 'c'),
        ("ďđð", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ĥħ", 'h'),
        ("ìíîïĩīĭįı", 'i'),
        ("ĵ", 'j'),
        ("ķ", 'k'),
        ("ĺļľŀł", 'l'),
        ("ñńņňŉ", 'n'),
        ("òóôõöøōŏő", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşšſ", 's'),
        ("ţťŧ", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ŵ", 'w'),
        ("ýÿŷ", 'y'),
        ("źżž", 'z'),
        ("ÀÁÂÃÄÅĀĂĄ", 'A'),
        ("ÇĆĈĊČ", 'C'),
        ("ÈÉÊËĒĔĖĘĚ", 'E'),
        ("ÌÍÎÏĨĪĬĮİ", 'I'),
        ("ÑŃŅŇ", 'N'),
        ("ÒÓÔÕÖØŌŎŐ", 'O'),
        ("ŚŜŞŠ", 'S'),
        ("ÙÚÛÜŨŪŬŮŰŲ", 'U'),
        ("ŹŻŽ", 'Z'),
    ];
    if letter.is_ascii() {
        return letter;
    }
    let found = PLAIN.iter().find(|(letters, _)| letters.contains(letter));
    found.map_or(letter, |(_, plain)| *plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_spelt_as_the_reference_spells_them() {
        for (name, spelt) in [
            ("FirstName", "first_name"),
            ("HTTPServer2", "httpserver_2"),
            ("some name (new)", "some_name_new_"),
            ("2nd", "_2_nd"),
            ("_id", "_id"),
            ("Größe", "grosse"),
            ("a--b", "a_b"),
            ("", ""),
        ] {
            assert_eq!(snake(name), spelt, "{name}");
        }
    }

    #[test]
    fn nesting_is_spread() {
        let record = json!({"id": 1, "a": {"b": {"c": 2}}, "l": [{"x": 1}, 5]});
        let Value::Object(record) = record else { unreachable!() };
        let flat = spread(record.clone(), false);
        assert_eq!(Value::Object(flat), json!({"id": 1, "c": 2, "l": [{"x": 1}, 5]}));
        let flat = spread(record, true);
        assert_eq!(flat.get("l.1"), Some(&json!(5)));
        assert_eq!(flat.get("l.0.x"), Some(&json!(1)));
        assert_eq!(flat.get("a.b.c"), Some(&json!(2)), "after a list, as the reference does");
    }
}
