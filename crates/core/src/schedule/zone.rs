//! IANA time zones, from the copy compiled in: the same rules on every machine, and no file read.

use std::sync::OnceLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::{Error, Result};

/// Finds a time zone by its IANA name, `Europe/Paris`.
///
/// # Errors
/// [`Invalid`](crate::Code::Invalid) for a name that is in no list.
pub fn zone(name: &str) -> Result<TimeZone> {
    static BUNDLED: OnceLock<TimeZoneDatabase> = OnceLock::new();
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    BUNDLED.get_or_init(TimeZoneDatabase::bundled).get(name).map_err(|_| {
        let shown: String = name.chars().take(40).collect();
        Error::invalid(
            "timezone",
            format!("`{shown}` is not an IANA time zone; write it like `Europe/Paris` or `UTC`."),
        )
    })
}
