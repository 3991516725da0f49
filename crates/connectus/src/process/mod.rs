//! The process: its data directory, key and lock, its parts put together, its life from start to
//! drain.

mod accept;
pub mod assemble;
pub mod data_dir;
pub mod lock;
pub mod master_key;
pub mod open;
pub mod presence;
pub mod readiness;
pub mod serve;
mod signals;

pub use assemble::{Surroundings, assemble};
pub use data_dir::DataDir;
pub use lock::{Holder, ProcessLock};
pub use open::{Opened, open};
pub use readiness::Readiness;
