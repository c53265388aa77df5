//! The reference staging application, carried in the binary so that the demo runs anywhere.

/// A file of the application: its path below the project, and its text.
pub type File = (&'static str, &'static str);

macro_rules! files {
    ($(#[$doc:meta])* $name:ident, $folder:literal, [$($path:literal),* $(,)?]) => {
        $(#[$doc])*
        pub const $name: &[File] = &[$((concat!($folder, $path), include_str!(concat!("../../migrations/contracts/", $path)))),*];
    };
}

files!(
    /// Migrations 001 to 005, each with its way down and its verification.
    MIGRATIONS,
    "migrations/",
    [
        "001_initial_schema.down.sql",
        "001_initial_schema.sql",
        "001_initial_schema.verify.sql",
        "002_row_level_security.down.sql",
        "002_row_level_security.sql",
        "002_row_level_security.verify.sql",
        "003_foreign_keys.down.sql",
        "003_foreign_keys.sql",
        "003_foreign_keys.verify.sql",
        "004_performance_indexes.down.sql",
        "004_performance_indexes.sql",
        "004_performance_indexes.verify.sql",
        "005_audit_logging.down.sql",
        "005_audit_logging.sql",
        "005_audit_logging.verify.sql",
    ]
);

files!(
    /// The benchmark's queries.
    WORKLOAD,
    "",
    [
        "workload/alert_inbox.sql",
        "workload/document_clauses.sql",
        "workload/latest_usage.sql",
        "workload/row_history.sql",
        "workload/work_item_cost.sql",
    ]
);

files!(
    /// Seven isolation tests, as checks of the team's own.
    CHECKS,
    "",
    [
        "checks/isolation/foreign-rows-by-key.sql",
        "checks/isolation/foreign-rows-untouched.sql",
        "checks/isolation/no-foreign-tenant-id.sql",
        "checks/isolation/nothing-with-empty-context.sql",
        "checks/isolation/nothing-without-context.sql",
        "checks/isolation/own-rows-visible.sql",
        "checks/isolation/owned-rows-exact.sql",
    ]
);

/// Roles, made once by a superuser.
pub const ROLES: &str = include_str!("../../migrations/contracts/setup/roles.sql");

/// Three tenants with data, for version 001; `ledger_demo.rows` scales it.
pub const SEED: &str = include_str!("../../migrations/contracts/seed.sql");

/// Every file that a project of the application starts with.
pub fn project() -> impl Iterator<Item = &'static File> {
    MIGRATIONS.iter().chain(WORKLOAD).chain(CHECKS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_lists_are_what_the_folder_holds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts");
        let mut found = BTreeSet::new();
        for folder in ["", "workload", "checks/isolation"] {
            for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_file() && path != root.join("seed.sql") {
                    found.insert(path.strip_prefix(&root).expect("below").display().to_string());
                }
            }
        }
        let listed: BTreeSet<String> = super::project().map(|(path, _)| path.trim_start_matches("migrations/").to_owned()).collect();
        assert_eq!(listed, found);
        assert_eq!(super::MIGRATIONS.len(), 15);
        assert_eq!(super::CHECKS.len(), 7);
    }
}
