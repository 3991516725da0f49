//! Runs a compiled pack against a provider: reads streams page by page, performs actions.

mod action;
mod connection;
mod cursor;
mod reader;

pub use action::{ActionOutcome, ItemFailure};
pub use connection::{Connection, ConnectionReport, Connector, Settings, StreamInfo};
pub use cursor::CursorState;
pub use reader::{RecordPage, StreamReader};
