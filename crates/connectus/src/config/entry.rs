//! One setting said in one place. The layers of the configuration are lists of these.

use figment::{
    Error, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

/// One setting said in one place.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which, as `server.listen`.
    pub path: String,
    /// What it is set to.
    pub value: toml::Value,
    /// Who says so: `connectus.toml line 3`, `CONNECTUS_LISTEN`, `--listen`.
    pub origin: String,
}

/// The origin of settings that nobody touched.
pub const DEFAULT: &str = "default";

impl Provider for Entry {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let value = Value::serialize(&self.value)?;
        let nested = self
            .path
            .rsplit('.')
            .fold(value, |inner, name| Value::from(Dict::from([(name.to_owned(), inner)])));
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}
