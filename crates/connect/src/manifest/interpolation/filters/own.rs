//! The filters of the reference.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{
    super::{
        program::Fault,
        regex,
        run::{Arguments, Done, argument_text, text_of},
        values::{Shower, Str, Val},
    },
    Filter,
};

pub(super) fn apply<'a>(filter: Filter, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    Ok(match filter {
        Filter::Base64Encode => {
            args.none()?;
            Val::text(STANDARD.encode(bytes_of(value)?))
        }
        Filter::Base64Binascii => {
            args.none()?;
            let text = bytes_of(value)?;
            if !text.is_ascii() {
                let what = "`base64binascii_decode` takes ASCII only".to_owned();
                return Err(Fault::Failed(what));
            }
            Val::text(STANDARD.encode(text))
        }
        Filter::Base64Decode => {
            args.none()?;
            Val::text(decoded(bytes_of(value)?)?)
        }
        Filter::Hash => hash(value, args)?,
        Filter::Hmac => {
            let [key, kind] = args.bind(["key", "hash_type"])?;
            let key = key.ok_or_else(|| Fault::Type("`hmac` wants a key".to_owned()))?;
            let kind = kind.map_or(Ok("sha256".to_owned()), |kind| text_of(&kind))?;
            if kind != "sha256" {
                return Err(Fault::Failed(format!("`hmac` knows sha256 only, not {kind}")));
            }
            let mac = Hmac::<Sha256>::new_from_slice(text_of(&key)?.as_bytes());
            let mut mac = mac.map_err(|_| Fault::Failed("the key cannot be used".to_owned()))?;
            mac.update(text_of(value)?.as_bytes());
            Val::text(hex::encode(mac.finalize().into_bytes()))
        }
        Filter::RegexSearch => {
            let [pattern] = args.exactly(["regex"])?;
            let text = argument_text(value, "regex_search")?;
            let pattern = argument_text(&pattern, "regex_search")?;
            match regex::search(pattern, text)? {
                regex::Group::Text(found) => Val::text(found),
                regex::Group::Unmatched => Val::None,
                regex::Group::Absent => Val::Str(Str::Lent("")),
            }
        }
        Filter::RegexReplace => {
            let [pattern, by] = args.exactly(["regex", "replacement"])?;
            let text = argument_text(value, "regex_replace")?;
            let pattern = argument_text(&pattern, "regex_replace")?;
            Val::text(regex::replace(pattern, text, argument_text(&by, "regex_replace")?)?)
        }
        _ => {
            args.none()?;
            if let Val::Str(_) = value {
                return Ok(value.clone());
            }
            // In quotes, so that the text of a whole expression stays a text.
            let mut shower = Shower::default();
            shower.push("\"\"\"")?;
            shower.json(value, false, None)?;
            shower.push("\"\"\"")?;
            Val::text(shower.into_text())
        }
    })
}

/// What must be a text there, or fails: it has no `encode` otherwise.
fn bytes_of<'v>(value: &'v Val<'_>) -> Result<&'v str, Fault> {
    value.defined()?;
    value.as_str().ok_or_else(|| {
        let kind = value.kind();
        Fault::Failed(format!("base64 takes texts, not values of type {kind}; use `| string`"))
    })
}

/// Base64 as Python reads it: other characters are passed over.
fn decoded(text: &str) -> Result<String, Fault> {
    let fail = || Fault::Failed("it is not base64 of a text".to_owned());
    let mut kept = Vec::with_capacity(text.len());
    let mut pads = 0;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => {
                kept.push(byte);
                pads = 0;
            }
            b'=' => {
                let part = kept.len() % 4;
                pads += 1;
                if part >= 2 && part + pads >= 4 {
                    break;
                }
            }
            _ => {}
        }
    }
    let part = kept.len() % 4;
    if part == 1 || (part != 0 && part + pads < 4) {
        return Err(fail());
    }
    kept.resize(kept.len().next_multiple_of(4), b'=');
    let lenient = base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let bytes = lenient.decode(kept).map_err(|_| fail())?;
    String::from_utf8(bytes).map_err(|_| fail())
}

fn hash<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [kind, salt] = args.bind(["hash_type", "salt"])?;
    let kind = kind.map_or(Ok("md5".to_owned()), |kind| text_of(&kind))?;
    let mut text = text_of(value)?;
    if let Some(salt) = salt.filter(Val::is_true) {
        text.push_str(&text_of(&salt)?);
    }
    fn digest<D: Digest>(text: &str) -> String {
        hex::encode(D::digest(text.as_bytes()))
    }
    let digest = match kind.as_str() {
        "md5" => digest::<md5::Md5>,
        "sha1" => digest::<sha1::Sha1>,
        "sha224" => digest::<Sha224>,
        "sha256" => digest::<Sha256>,
        "sha384" => digest::<Sha384>,
        "sha512" => digest::<Sha512>,
        "blake2b" => digest::<blake2::Blake2b512>,
        "blake2s" => digest::<blake2::Blake2s256>,
        other => {
            return Err(Fault::Failed(format!(
                "`hash` does not know `{other}`; it knows md5, sha1, sha224, sha256, sha384, \
                 sha512, blake2b and blake2s"
            )));
        }
    };
    Ok(Val::text(digest(&text)))
}
