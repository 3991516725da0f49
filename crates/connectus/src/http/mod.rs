//! How requests become calls of operations, and errors become problem documents.

pub mod body;
pub mod caller;
pub mod document;
pub mod edge;
pub mod etag;
pub mod idempotency;
pub mod operation;
pub mod paging;
pub mod patience;
pub mod prefer;
pub mod problem;
pub mod router;
mod zero;

pub use body::{Body, OptionalBody};
pub use caller::{Caller, Proof};
pub use operation::{Access, Operation};
pub use paging::{Paged, Paging};
pub use patience::Patience;
pub use problem::{ApiResult, Problem};
