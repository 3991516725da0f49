//! The two macros that carry "one SQL text, two databases", and the list of all statements.

/// Runs one body on whichever database is behind a connection. The body is checked for both.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn.split() {
            $crate::conn::Split::Sqlite($c) => $body,
            $crate::conn::Split::Postgres($c) => $body,
        }
    };
}
pub(crate) use on;

/// Declares the statements of one file as constants, and the list a test prepares on both databases.
macro_rules! sql {
    ($($name:ident = $text:expr;)*) => {
        $(const $name: &str = $text;)*
        /// Every statement of this file that reads the same on both databases.
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $text),)*];
    };
}
pub(crate) use sql;

/// Every statement of the crate, by file. A file that is missing here fails the tidy check.
pub const ALL: &[(&str, &[(&str, &str)])] = &[
    ("events", crate::events::STATEMENTS),
    ("effects", crate::effects::STATEMENTS),
    ("journal", crate::journal::STATEMENTS),
    ("receipts", crate::receipts::STATEMENTS),
    ("runs", crate::runs::STATEMENTS),
    ("runs/ready", crate::runs::READY_STATEMENTS),
    ("steps", crate::steps::STATEMENTS),
    ("workflows", crate::workflows::STATEMENTS),
    ("installation", crate::installation::STATEMENTS),
    ("tenants", crate::tenants::STATEMENTS),
];
