//! The two macros that carry "one SQL text, two databases", and the list of all statements.

use crate::rows::Rows;

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

/// Declares the statements of one file as constants, and the list a test prepares on both
/// databases.
macro_rules! sql {
    ($($name:ident = $text:expr;)*) => {
        $(const $name: &str = $text;)*
        /// Every statement of this file that reads the same on both databases.
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $text),)*];
    };
}
pub(crate) use sql;

/// A statement whose text must differ between the databases.
pub struct Dialects {
    /// As SQLite reads it.
    pub sqlite: &'static str,
    /// As PostgreSQL reads it.
    pub postgres: &'static str,
}

/// Declares the statements of one file whose text must differ, SQLite's first.
macro_rules! dialects {
    ($($name:ident = $sqlite:expr, $postgres:expr;)*) => {
        $(const $name: $crate::sql::Dialects =
            $crate::sql::Dialects { sqlite: $sqlite, postgres: $postgres };)*
        /// Every statement of this file that reads differently on the two databases.
        pub(crate) const DIALECTS: &[(&str, $crate::sql::Dialects)] =
            &[$((stringify!($name), $name),)*];
    };
}
pub(crate) use dialects;

/// Declares the statements of one file that take many rows at once: text before the rows, the
/// types of a row's columns, text after them. The rows' columns are called `column1`, `column2` and
/// so on.
macro_rules! rows {
    ($($name:ident = $before:expr, $columns:expr, $after:expr;)*) => {
        $(static $name: $crate::rows::Rows = $crate::rows::Rows::new($before, $columns, $after);)*
        /// Every statement of this file that takes many rows at once.
        pub(crate) static ROWS: &[(&str, &$crate::rows::Rows)] =
            &[$((stringify!($name), &$name),)*];
    };
}
pub(crate) use rows;

/// Every statement that takes many rows at once, by file.
pub static MANY_ROWS: &[(&str, &[(&str, &Rows)])] = &[
    ("analytics", crate::analytics::ROWS),
    ("blobs/refer", crate::blobs::ROWS),
    ("deliveries/made", crate::deliveries::MADE_ROWS),
    ("effects", crate::effects::ROWS),
    ("events", crate::events::ROWS),
    ("journal", crate::journal::ROWS),
    ("receipts", crate::receipts::ROWS),
    ("runs/accepted", crate::runs::ACCEPTED_ROWS),
    ("runs/claims", crate::runs::CLAIM_ROWS),
    ("runs/copies", crate::runs::COPY_ROWS),
    ("runs/turns", crate::runs::TURN_ROWS),
    ("steps", crate::steps::ROWS),
    ("workflows", crate::workflows::ROWS),
];

/// Every statement that differs between the databases, by file.
pub const DIFFERING: &[(&str, &[(&str, Dialects)])] = &[
    ("links", crate::links::DIALECTS),
    ("plans", crate::plans::DIALECTS),
    ("records", crate::records::DIALECTS),
    ("records/search", crate::records::SEARCH_DIALECTS),
    ("rejected", crate::rejected::DIALECTS),
];

/// Every statement of the crate, by file. A test compares it with the files there are.
pub const ALL: &[(&str, &[(&str, &str)])] = &[
    ("analytics", crate::analytics::STATEMENTS),
    ("api_keys", crate::api_keys::STATEMENTS),
    ("audit", crate::audit::STATEMENTS),
    ("blobs/refer", crate::blobs::STATEMENTS),
    ("collections", crate::collections::STATEMENTS),
    ("credentials", crate::credentials::STATEMENTS),
    ("cursors", crate::cursors::STATEMENTS),
    ("deliveries", crate::deliveries::STATEMENTS),
    ("deliveries/made", crate::deliveries::MADE_STATEMENTS),
    ("deliveries/tried", crate::deliveries::TRIED_STATEMENTS),
    ("effects", crate::effects::STATEMENTS),
    ("event_cursors", crate::event_cursors::STATEMENTS),
    ("events", crate::events::STATEMENTS),
    ("figures", crate::figures::STATEMENTS),
    ("flows", crate::flows::STATEMENTS),
    ("health_figures", crate::health_figures::STATEMENTS),
    ("health_logs", crate::health_logs::STATEMENTS),
    ("idempotency", crate::idempotency::STATEMENTS),
    ("installation", crate::installation::STATEMENTS),
    ("integrations", crate::integrations::STATEMENTS),
    ("journal", crate::journal::STATEMENTS),
    ("links", crate::links::STATEMENTS),
    ("login_attempts", crate::login_attempts::STATEMENTS),
    ("logins", crate::logins::STATEMENTS),
    ("notification_rules", crate::notification_rules::STATEMENTS),
    ("notifications", crate::notifications::STATEMENTS),
    ("oauth_states", crate::oauth_states::STATEMENTS),
    ("plans", crate::plans::STATEMENTS),
    ("provider_versions", crate::provider_versions::STATEMENTS),
    ("providers", crate::providers::STATEMENTS),
    ("queues", crate::queues::STATEMENTS),
    ("receipts", crate::receipts::STATEMENTS),
    ("records", crate::records::STATEMENTS),
    ("refresh_tokens", crate::refresh_tokens::STATEMENTS),
    ("rejected", crate::rejected::STATEMENTS),
    ("runs", crate::runs::STATEMENTS),
    ("runs/accepted", crate::runs::ACCEPTED_STATEMENTS),
    ("runs/claims", crate::runs::CLAIM_STATEMENTS),
    ("runs/copies", crate::runs::COPY_STATEMENTS),
    ("runs/ready", crate::runs::READY_STATEMENTS),
    ("runs/search", crate::runs::SEARCH_STATEMENTS),
    ("setup_links", crate::setup_links::STATEMENTS),
    ("steps", crate::steps::STATEMENTS),
    ("tenants", crate::tenants::STATEMENTS),
    ("usage", crate::usage::STATEMENTS),
    ("users", crate::users::STATEMENTS),
    ("webhook_endpoints", crate::webhook_endpoints::STATEMENTS),
    ("webhook_subscriptions", crate::webhook_subscriptions::STATEMENTS),
    ("workflow_endpoints", crate::workflow_endpoints::STATEMENTS),
    ("workflow_tests", crate::workflow_tests::STATEMENTS),
    ("workflow_versions", crate::workflow_versions::STATEMENTS),
    ("workflow_watches", crate::workflow_watches::STATEMENTS),
    ("workers", crate::workers::STATEMENTS),
    ("workflows", crate::workflows::STATEMENTS),
];
