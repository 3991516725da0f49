//! Runs a compiled pack against a provider: reads streams page by page, performs actions.

mod action;
mod attach;
mod connection;
mod cursor;
mod exchange;
mod job;
mod paging;
mod reachable;
mod reader;
mod site;
mod write;

pub use action::{ActionOutcome, ItemFailure, MAX_BATCH_ITEMS};
pub use attach::ACCESS_TOKEN;
pub use connection::{Connection, ConnectionReport, Connector, Settings, StreamInfo, TEST_WITHIN};
pub use cursor::CursorState;
pub(crate) use paging::LoopGuard;
pub use reachable::{Pages, Reachable, StreamFacts};
pub use reader::{MAX_PAGES, RecordPage, StreamReader};
pub(crate) use site::Site;
pub use write::{Sending, Sent, WriteKind, WriteOutcome};
