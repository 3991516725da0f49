//! The provider packs that come with Connectus. One folder under `providers/`, one line here.

use std::sync::{Arc, OnceLock};

use connectus_core::{Error, Result};

use crate::Plan;

macro_rules! built_in {
    ($($name:literal,)*) => {
        /// Name and text of every pack that comes with Connectus.
        pub const BUILT_IN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../providers/", $name, "/provider.yaml"))),)*
        ];
    };
}

built_in! {}

/// All built-in packs, compiled at the first call.
///
/// # Errors
/// `internal` when a pack does not compile, which a test of this crate excludes.
pub fn all() -> Result<&'static [Arc<Plan>]> {
    static PLANS: OnceLock<Result<Vec<Arc<Plan>>>> = OnceLock::new();
    let plans = PLANS
        .get_or_init(|| BUILT_IN.iter().map(|(_, yaml)| Plan::parse(yaml).map(Arc::new)).collect());
    plans.as_deref().map_err(Error::internal)
}

/// The built-in pack of this name.
///
/// # Errors
/// `not_found`.
pub fn find(name: &str) -> Result<Arc<Plan>> {
    let found = all()?.iter().find(|plan| plan.pack.provider.name == name);
    found.cloned().ok_or_else(|| Error::not_found("provider"))
}
