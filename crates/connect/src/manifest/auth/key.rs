//! Private keys as settings hold them: PEM, as PKCS #8 or, for RSA, as PKCS #1.

use base64::{Engine, engine::general_purpose::STANDARD};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;

/// The bytes of a PEM text and what it calls them.
pub fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    // A header, as locked keys have it, is no base64.
    let body: String = body.split_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// The RSA key in a PKCS #8 structure.
pub fn inner(pkcs8: &[u8]) -> Option<&[u8]> {
    let (body, _) = value(pkcs8, SEQUENCE)?;
    let (_, rest) = value(body, INTEGER)?;
    let (_, rest) = value(rest, SEQUENCE)?;
    value(rest, OCTETS).map(|(key, _)| key)
}

/// A value of this kind, and what follows it.
fn value(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first().filter(|(first, _)| **first == kind)?;
    let (length, mut rest) = rest.split_first()?;
    let mut length = usize::from(*length);
    if length >= 0x80 {
        let count = length - 0x80;
        let bytes = rest.get(..count).filter(|bytes| bytes.len() <= 4)?;
        length = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = rest.get(count..)?;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_unwrapped() {
        let pkcs8 = [0x30, 0x0c, 2, 1, 0, 0x30, 2, 5, 0, 4, 3, 7, 8, 9];
        assert_eq!(inner(&pkcs8), Some(&[7, 8, 9][..]));
        for cut in 0..pkcs8.len() {
            assert_eq!(inner(&pkcs8[..cut]), None, "{cut}");
        }
        let text = "-----BEGIN PRIVATE KEY-----\nAQ\nID\n-----END PRIVATE KEY-----\n";
        assert_eq!(pem(text), Some(("PRIVATE KEY", vec![1, 2, 3])));
        assert_eq!(pem("-----BEGIN X-----\nProc-Type: 4\n-----END X-----"), None);
    }
}
