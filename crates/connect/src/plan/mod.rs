//! A pack, compiled once: templates parsed, paths split, references resolved.

use connectus_core::{Error, Result, provider::Pack};

/// A compiled pack.
#[derive(Debug)]
pub struct Plan {
    /// The pack it was made from.
    pub pack: Pack,
}

impl Plan {
    /// Reads and compiles a pack from YAML.
    ///
    /// # Errors
    /// `invalid`, naming the place.
    pub fn parse(yaml: &str) -> Result<Self> {
        let pack = serde_saphyr::from_str(yaml)
            .map_err(|error| Error::invalid("provider.yaml", error.to_string()))?;
        Self::compile(pack)
    }

    /// Compiles a pack.
    ///
    /// # Errors
    /// `invalid`, naming the place.
    pub fn compile(pack: Pack) -> Result<Self> {
        pack.validate()?;
        Ok(Self { pack })
    }
}
