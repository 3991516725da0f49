//! Where a crash drill reaches in: before and after every commit. Nothing else in the program uses
//! it, and without a drill it costs one comparison per write.

use std::sync::Arc;

use connectus_core::{Code, Error, Result};

/// A moment in the life of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing has been written.
    BeforeCommit,
    /// Everything is durable, and the writer does not know it yet.
    AfterCommit,
}

/// What a drill does to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The writer never hears of it again, as if the process had ended.
    Silence,
    /// The writer is told that the database is gone.
    Error,
}

/// Decides, at each moment, what happens.
pub type Drill = Arc<dyn Fn(Moment) -> Fault + Send + Sync>;

/// Lets the drill have its way.
pub(crate) async fn at(drill: Option<&Drill>, moment: Moment) -> Result<()> {
    match drill.map_or(Fault::None, |drill| drill(moment)) {
        Fault::None => Ok(()),
        Fault::Silence => std::future::pending().await,
        Fault::Error => Err(Error::new(Code::Unavailable, "The drill took the database away.")),
    }
}
