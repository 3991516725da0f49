//! The schema's migrations. Those of `migrations/` are for every database; those of
//! `migrations/sqlite/` lay rows out as suits SQLite and leave their meaning alone. Both count in
//! one sequence of numbers.

use sqlx::migrate::Migrator;

static SHARED: Migrator = sqlx::migrate!("../../migrations");
static SQLITE_ONLY: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// What brings a SQLite database up to date.
pub(crate) fn sqlite() -> Migrator {
    Migrator::with_migrations(SHARED.iter().chain(SQLITE_ONLY.iter()).cloned().collect())
}

/// What brings a PostgreSQL database up to date.
pub(crate) fn postgres() -> &'static Migrator {
    &SHARED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_has_a_number_of_its_own() {
        let all = sqlite();
        let numbers: Vec<i64> = all.iter().map(|migration| migration.version).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        assert_eq!(numbers.len(), SHARED.iter().count() + SQLITE_ONLY.iter().count());
    }
}
