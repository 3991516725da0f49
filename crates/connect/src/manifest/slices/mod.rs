//! Slices: the parts in which a stream is read, and how far each has been read.

mod count;
mod cursor;
mod partitions;
mod per_partition;
mod range;
mod range_plan;
mod router;
mod slice;

pub use count::{Count, CountPlan};
pub use cursor::Cursor;
pub use partitions::Partitions;
pub use per_partition::PerPartition;
pub use range::Range;
pub use range_plan::RangePlan;
pub use router::{FIRST_PAGE, Parent, Router};
pub use slice::Slice;
