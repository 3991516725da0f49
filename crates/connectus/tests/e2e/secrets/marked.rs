//! Secrets that are easy to find, however they are written.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use sha2::{Digest, Sha256};

/// Begins every planted secret. Long enough not to come about by chance in a sealed blob.
const MARK: &str = "zqcanary";

/// The secrets there are, by what they are.
#[derive(Default)]
pub struct Marked {
    planted: Vec<String>,
    /// Secrets that the product or a fake made, in their own words.
    made: Vec<(String, String)>,
}

impl Marked {
    /// A new secret for `what`, unlike all others.
    pub fn plant(&mut self, what: &str) -> String {
        let number = self.planted.len();
        let tail = hex::encode(Sha256::digest(format!("{what}/{number}")));
        self.planted.push(what.to_owned());
        format!("{MARK}{number:03}{}", &tail[..32])
    }

    /// Learns a secret that was made elsewhere.
    pub fn learn(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 16, "{what} is too short to be looked for: {secret}");
        self.made.push((what.to_owned(), secret.to_owned()));
    }

    /// Planted secrets.
    pub fn planted(&self) -> usize {
        self.planted.len()
    }

    /// Every secret found in the bytes: what it is and how it is written.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let mut found = Vec::new();
        for (form, needle) in forms() {
            for (at, _) in text.match_indices(&needle).take(5) {
                let around: String = text[..at]
                    .chars()
                    .rev()
                    .take(80)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                let rest: String = text[at..].chars().take(60).collect();
                let number = rest.strip_prefix(MARK).and_then(|rest| rest.get(..3)?.parse().ok());
                let what = number.and_then(|at: usize| self.planted.get(at));
                found.push(format!("{what:?} as {form}: ...{around}>>>{rest}"));
            }
        }
        for (what, secret) in &self.made {
            if let Some(at) = text.find(secret.as_str()) {
                let around: String = text[..at]
                    .chars()
                    .rev()
                    .take(80)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                found.push(format!("{what}: ...{around}>>>{secret}"));
            }
        }
        found
    }
}

/// The mark as text, as hexadecimal digits, reversed, and within base64 at every alignment.
fn forms() -> Vec<(&'static str, String)> {
    let mut forms = vec![
        ("text", MARK.to_owned()),
        ("hexadecimal", hex::encode(MARK)),
        ("reversed text", MARK.chars().rev().collect()),
    ];
    for offset in 0..3 {
        for engine in [&STANDARD, &URL_SAFE] {
            let padded = [vec![0; offset], MARK.as_bytes().to_vec()].concat();
            let encoded = engine.encode(padded);
            // Only the digits that the mark alone decides.
            let (from, to) = ((offset * 8).div_ceil(6), (offset + MARK.len()) * 8 / 6);
            forms.push(("base64", encoded[from..to].to_owned()));
        }
    }
    forms
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let mut marked = Marked::default();
    let secret = marked.plant("a password");
    marked.learn("a token", "made-by-someone-else");
    for text in [
        format!("x{secret}y"),
        format!("\"{secret}\""),
        hex::encode(&secret),
        STANDARD.encode(&secret),
        STANDARD.encode(format!("connectus:{secret}")),
        STANDARD.encode(format!("ab{secret}")),
        URL_SAFE.encode(format!("a{secret}?>")),
        secret.chars().rev().collect(),
        "{made-by-someone-else}".to_owned(),
        // Cut off in the middle, it is still a part of a secret.
        secret[..20].to_owned(),
    ] {
        assert!(!marked.found_in(text.as_bytes()).is_empty(), "{text}");
    }
    assert!(marked.found_in(b"nothing of the kind, zq and canary apart").is_empty());
    assert!(marked.found_in(secret.as_bytes())[0].contains("a password"));
}
