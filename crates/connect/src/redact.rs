//! Takes secrets out of what a provider says before anybody reads it. Careless services repeat in
//! their errors what they were sent.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use connectus_core::Error;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::Secrets;

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// Shorter texts are client ids and words, not secrets worth a blunt replacement.
const MIN_BYTES: usize = 8;

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
