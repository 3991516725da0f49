//! Mailchimp: the data centre stands behind the dash of an API key.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::Secrets;

pub(super) fn settings_of(secrets: &Secrets) -> Map<String, Value> {
    let key = secrets.get("api_key").map(ExposeSecret::expose_secret);
    let dc = key.and_then(|key| key.rsplit_once('-')).map(|(_, dc)| dc);
    let named = |dc: &&str| {
        (3..=8).contains(&dc.len())
            && dc.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let dc = dc.filter(named);
    dc.map(|dc| ("dc".to_owned(), Value::from(dc))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn the_key_names_the_data_centre() {
        for (key, expected) in [
            ("0123456789abcdef0123456789abcdef-us6", Some("us6")),
            ("0123456789abcdef", None),
            ("key-", None),
            ("key-evil.com/", None),
            ("key-US6", None),
        ] {
            let mut secrets = Secrets::new();
            secrets.set("api_key", SecretString::from(key));
            let found = settings_of(&secrets);
            assert_eq!(found.get("dc").and_then(Value::as_str), expected, "{key}");
        }
    }
}
