//! Takes secrets out of what a provider says before anybody reads it. Careless services repeat in
//! their errors what they were sent.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use connectus_core::Error;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::Secrets;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// Shorter texts are client ids and words, not secrets worth a blunt replacement.
const MIN_BYTES: usize = 8;
/// Shorter parts of an address that is secret are words.
const MIN_SEGMENT_BYTES: usize = 16;

/// The text without the secrets, however a request wrote them: as they are, percent-encoded, and
/// within base64 as HTTP Basic has it. Do this before a text is cut to length: what is left of a
/// secret that was cut through is not found any more.
pub fn text(text: &str, secrets: &Secrets) -> String {
    let mut clean = text.to_owned();
    for name in secrets.names() {
        let Some(secret) = secrets.get(name).map(ExposeSecret::expose_secret) else { continue };
        if secret.len() < MIN_BYTES {
            continue;
        }
        for form in forms(secret) {
            if clean.contains(&form) {
                clean = clean.replace(&form, REDACTED);
            }
        }
    }
    clean
}

/// The error without the secrets, the parts for the log included.
pub fn error(mut error: Error, secrets: &Secrets) -> Error {
    error.detail = text(&error.detail, secrets);
    error.cause = error.cause.map(|cause| text(&cause, secrets));
    for value in error.extra.values_mut() {
        if let Value::String(said) = value {
            *said = text(said, secrets);
        }
    }
    error
}

/// A secret as it may be written.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    forms.extend(parts_of_address(secret));
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    forms.extend(Some(encoded).filter(|encoded| encoded != secret));
    for offset in 0..3 {
        let shifted = [vec![0; offset], secret.as_bytes().to_vec()].concat();
        // The digits that the secret alone decides, whatever stands before and after it.
        let (from, to) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
        for alphabet in [&STANDARD, &URL_SAFE] {
            let digits = alphabet.encode(&shifted);
            forms.extend(digits.get(from..to).map(str::to_owned));
        }
    }
    forms
}

/// What is secret about an address that nobody else may know, as services repeat it: the path they
/// were asked for, or what tells it from others.
fn parts_of_address(secret: &str) -> Vec<String> {
    let Ok(url) = Url::parse(secret) else { return Vec::new() };
    if !matches!(url.scheme(), "http" | "https") {
        return Vec::new();
    }
    let path = url.path().trim_end_matches('/');
    let segments = path.split('/').filter(|segment| segment.len() >= MIN_SEGMENT_BYTES);
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let values = values.filter(|value| value.len() >= MIN_SEGMENT_BYTES);
    let whole = (path.len() >= MIN_BYTES).then(|| path.to_owned());
    whole.into_iter().chain(segments.map(str::to_owned)).chain(values).collect()
}

#[cfg(test)]
mod tests {
    use connectus_core::Code;
    use secrecy::SecretString;

    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::new();
        secrets.set("access_token", SecretString::from("pat-na1/1234?5678"));
        secrets.set("client_id", SecretString::from("an-app"));
        secrets
    }

    #[test]
    fn of_a_secret_address_the_path_goes_too() {
        let mut secrets = Secrets::new();
        let address = "https://hooks.example.com/hooks/catch/1234567/abcdef0123456789/?key=\
                       0123456789abcdef";
        secrets.set("webhook_url", SecretString::from(address));
        for said in [
            format!("no hook at {address}"),
            "no hook at /hooks/catch/1234567/abcdef0123456789/".to_owned(),
            "no hook abcdef0123456789".to_owned(),
            "the key 0123456789abcdef is unknown".to_owned(),
        ] {
            let clean = text(&said, &secrets);
            assert!(clean.contains(REDACTED), "{said}");
            assert!(!clean.contains("abcdef"), "{clean}");
        }
        assert_eq!(text("hooks of zapier", &secrets), "hooks of zapier");
    }

    #[test]
    fn a_secret_goes_however_it_is_written() {
        for said in [
            "Bearer pat-na1/1234?5678 is no good".to_owned(),
            "?token=pat-na1%2F1234%3F5678&x=1".to_owned(),
            format!("Basic {}", STANDARD.encode("pat-na1/1234?5678")),
            format!("Basic {}", STANDARD.encode("u:pat-na1/1234?5678")),
            format!("Basic {}", URL_SAFE.encode("me:pat-na1/1234?5678!")),
            format!("Basic {}", STANDARD.encode("an-app:pat-na1/1234?5678")),
        ] {
            let clean = text(&said, &secrets());
            assert!(clean.contains(REDACTED), "{said}");
            for part in ["na1", "1234", "5678", "cGF0LW5hM"] {
                assert!(!clean.contains(part), "{said}: {clean}");
            }
        }
        assert_eq!(text("the app an-app is unknown", &secrets()), "the app an-app is unknown");
    }

    #[test]
    fn an_error_is_clean_in_all_of_its_parts() {
        let said = "no pat-na1/1234?5678";
        let before = Error::new(Code::ProviderRefused, said).caused_by(said).with("word", said);
        let after = format!("{:?}", error(before.with("status", 400), &secrets()));
        assert!(!after.contains("pat-na1"), "{after}");
        assert!(after.contains("400"));
    }
}
