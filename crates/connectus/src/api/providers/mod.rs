//! Outside services Connectus can connect to.

pub mod list;
