//! Records: found in a page, left out or changed as the manifest says, handed out.

mod batch;
mod find;
mod keys;
mod normalise;
pub mod paths;
mod select;
mod transform;

pub use batch::Batch;
pub use find::Keep;
pub use select::{For, IsNew, Selected, Selector};
