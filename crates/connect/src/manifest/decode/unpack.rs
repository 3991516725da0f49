//! What is packed is unpacked, up to a limit: a few bytes may stand for very many.

use std::io::Read;

use bytes::Bytes;
use connectus_core::{Code, Error, Result};
use flate2::{
    Crc,
    read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder},
};

use super::{MAX_UNPACKED_BYTES, too_large, unreadable};

/// Most files of an archive.
const MAX_FILES: usize = 10_000;
/// Longest comment behind an archive, and the record that ends it.
const MAX_END: usize = 65_535 + 22;

/// What gzip or zlib packed; anything else as it is.
///
/// # Errors
/// `provider_unavailable` when it is cut short, `too_large` beyond the limit.
pub fn gunzipped(body: &Bytes) -> Result<Bytes> {
    match body.get(..2) {
        Some([0x1f, 0x8b]) => bounded(MultiGzDecoder::new(&body[..]), MAX_UNPACKED_BYTES),
        _ => Ok(body.clone()),
    }
}

/// What zlib packed; anything else as it is.
///
/// # Errors
/// As [`gunzipped`].
pub fn inflated(body: &Bytes) -> Result<Bytes> {
    match body.get(..2) {
        Some([0x78, flags]) if (0x7800_u16 | u16::from(*flags)).is_multiple_of(31) => {
            bounded(ZlibDecoder::new(&body[..]), MAX_UNPACKED_BYTES)
        }
        _ => gunzipped(body),
    }
}

fn bounded(packed: impl Read, most: usize) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let most = most.min(MAX_UNPACKED_BYTES);
    packed.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most { Err(too_large()) } else { Ok(bytes.into()) }
}

/// A file in an archive.
pub struct Packed {
    method: u16,
    sum: u32,
    at: usize,
    length: usize,
}

/// The files of a ZIP archive, as its directory lists them.
///
/// # Errors
/// `provider_unavailable` when it is none, `provider_refused` when it uses what is not supported.
pub fn files(body: &[u8]) -> Result<Vec<Packed>> {
    let tail = body.len().saturating_sub(MAX_END);
    let end = body.get(tail..).unwrap_or_default();
    let end = end.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(no_archive)?;
    let end = tail + end;
    let (count, mut at) = (u16_at(body, end + 10)?, u32_at(body, end + 16)? as usize);
    if usize::from(count) > MAX_FILES || at == u32::MAX as usize {
        let detail = format!("An archive of the provider has more than {MAX_FILES} files.");
        return Err(Error::new(Code::ProviderRefused, detail));
    }
    let mut files = Vec::new();
    for _ in 0..count {
        if body.get(at..at + 4) != Some(b"PK\x01\x02") {
            return Err(no_archive());
        }
        let name = usize::from(u16_at(body, at + 28)?);
        let more = usize::from(u16_at(body, at + 30)?) + usize::from(u16_at(body, at + 32)?);
        let folder = body.get(at + 46 + name.saturating_sub(1)) == Some(&b'/') && name > 0;
        let (method, flags) = (u16_at(body, at + 10)?, u16_at(body, at + 8)?);
        if !folder {
            if flags & 1 == 1 || !matches!(method, 0 | 8) {
                let detail = "An archive of the provider is locked or packed in an unusual way.";
                return Err(Error::new(Code::ProviderRefused, detail));
            }
            let header = u32_at(body, at + 42)? as usize;
            let name = usize::from(u16_at(body, header + 26)?);
            let extra = usize::from(u16_at(body, header + 28)?);
            files.push(Packed {
                method,
                sum: u32_at(body, at + 16)?,
                at: header + 30 + name + extra,
                length: u32_at(body, at + 20)? as usize,
            });
        }
        at += 46 + name + more;
    }
    Ok(files)
}

impl Packed {
    /// Its content.
    ///
    /// # Errors
    /// `provider_unavailable` when it is damaged, `too_large` when it is longer than `most`.
    pub fn unpacked(&self, body: &Bytes, most: usize) -> Result<Bytes> {
        let packed = body.get(self.at..self.at.saturating_add(self.length));
        let packed = packed.ok_or_else(no_archive)?;
        let bytes = match self.method {
            0 => bounded(packed, most)?,
            _ => bounded(DeflateDecoder::new(packed), most)?,
        };
        let mut sum = Crc::new();
        sum.update(&bytes);
        if sum.sum() == self.sum { Ok(bytes) } else { Err(no_archive()) }
    }
}

fn u16_at(body: &[u8], at: usize) -> Result<u16> {
    let bytes = body.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(no_archive)?;
    Ok(u16::from_le_bytes(*bytes))
}

fn u32_at(body: &[u8], at: usize) -> Result<u32> {
    let bytes = body.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(no_archive)?;
    Ok(u32::from_le_bytes(*bytes))
}

fn no_archive() -> Error {
    let detail = "The provider's answer is no archive, or a damaged one.";
    Error::new(Code::ProviderUnavailable, detail)
}
