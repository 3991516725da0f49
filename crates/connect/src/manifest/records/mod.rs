//! Records: found in a page, left out or changed as the manifest says, handed out.

mod batch;
mod find;
mod flat;
mod keys;
mod normalise;
mod partial;
pub mod paths;
mod select;
mod transform;

pub use batch::Batch;
pub use find::{Keep, values_at};
pub use select::{For, IsNew, Selected, Selector};
pub use transform::Transformation;
