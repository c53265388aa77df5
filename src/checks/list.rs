//! The list of all built-in checks. A check that is not here does not exist; a test fails when file, line or defect test is missing.

use std::sync::LazyLock;

use super::header::Check;
use crate::domain::plan::StepKind;

/// CE-20.
const ENVIRONMENT: &[&str] = &[
    include_str!("../../queries/environment/server-version-untested.sql"),
    include_str!("../../queries/environment/accepts-writes.sql"),
    include_str!("../../queries/environment/connection-encrypted.sql"),
    include_str!("../../queries/environment/client-tools.sql"),
    include_str!("../../queries/environment/role-reads-everything.sql"),
    include_str!("../../queries/environment/role-sees-every-row.sql"),
    include_str!("../../queries/environment/role-creates.sql"),
    include_str!("../../queries/environment/role-owns-tables.sql"),
    include_str!("../../queries/environment/role-makes-scratch.sql"),
    include_str!("../../queries/environment/required-settings.sql"),
    include_str!("../../queries/environment/required-extensions.sql"),
    include_str!("../../queries/environment/required-variables.sql"),
    include_str!("../../queries/environment/free-space.sql"),
    include_str!("../../queries/environment/schema-version.sql"),
    include_str!("../../queries/environment/backup-made.sql"),
    include_str!("../../queries/environment/backup-restores.sql"),
    include_str!("../../queries/environment/backup-matches-source.sql"),
];

/// CE-21.
const SCRIPTS: &[&str] = &[
    include_str!("../../queries/scripts/schema-version-known.sql"),
    include_str!("../../queries/scripts/migrations-found.sql"),
    include_str!("../../queries/scripts/migration-importable.sql"),
    include_str!("../../queries/scripts/migration-version-unique.sql"),
    include_str!("../../queries/scripts/migration-order.sql"),
    include_str!("../../queries/scripts/migration-gaps.sql"),
    include_str!("../../queries/scripts/migration-files-matched.sql"),
    include_str!("../../queries/scripts/pending-in-order.sql"),
    include_str!("../../queries/scripts/applied-file-unchanged.sql"),
    include_str!("../../queries/scripts/catalog-as-files-make-it.sql"),
    include_str!("../../queries/scripts/migration-has-down.sql"),
    include_str!("../../queries/scripts/migration-has-verify.sql"),
    include_str!("../../queries/scripts/migration-file-readable.sql"),
    include_str!("../../queries/scripts/migration-runnable.sql"),
    include_str!("../../queries/scripts/migration-syntax.sql"),
    include_str!("../../queries/scripts/migration-lint.sql"),
    include_str!("../../queries/scripts/migration-lint-large-table.sql"),
    include_str!("../../queries/scripts/migration-security-lint.sql"),
    include_str!("../../queries/scripts/dry-run-applies.sql"),
    include_str!("../../queries/scripts/dry-run-verifies.sql"),
    include_str!("../../queries/scripts/dry-run-round-trip.sql"),
    include_str!("../../queries/scripts/down-undoes.sql"),
    include_str!("../../queries/scripts/migration-keeps-row-security.sql"),
    include_str!("../../queries/scripts/migration-keeps-guards.sql"),
    include_str!("../../queries/scripts/migration-keys-indexed.sql"),
    include_str!("../../queries/scripts/suppressions-used.sql"),
];

/// CE-22.
const EXECUTE: &[&str] = &[
    include_str!("../../queries/execute/files-as-examined.sql"),
    include_str!("../../queries/execute/migrations-applied.sql"),
    include_str!("../../queries/execute/migrations-verified.sql"),
    include_str!("../../queries/execute/schema-version-updated.sql"),
    include_str!("../../queries/execute/history-consistent.sql"),
    include_str!("../../queries/execute/invalid-index-left.sql"),
    include_str!("../../queries/execute/post-migration-backup-made.sql"),
    include_str!("../../queries/execute/post-migration-backup-restores.sql"),
];

/// CE-23.
const ROW_SECURITY: &[&str] = &[
    include_str!("../../queries/row-security/rls-enabled.sql"),
    include_str!("../../queries/row-security/rls-forced.sql"),
    include_str!("../../queries/row-security/rls-policies-per-command.sql"),
    include_str!("../../queries/row-security/rls-no-tautology.sql"),
    include_str!("../../queries/row-security/rls-write-check.sql"),
    include_str!("../../queries/row-security/rls-policy-without-rls.sql"),
    include_str!("../../queries/row-security/rls-application-role-bypass.sql"),
    include_str!("../../queries/row-security/rls-application-role-owner.sql"),
    include_str!("../../queries/row-security/rls-dangerous-grants.sql"),
    include_str!("../../queries/row-security/rls-default-privileges.sql"),
    include_str!("../../queries/row-security/rls-view-invoker.sql"),
    include_str!("../../queries/row-security/rls-snapshot-exposed.sql"),
    include_str!("../../queries/row-security/rls-partition-covered.sql"),
    include_str!("../../queries/row-security/rls-definer-search-path.sql"),
    include_str!("../../queries/row-security/rls-definer-reachable.sql"),
    include_str!("../../queries/row-security/rls-session-function-volatility.sql"),
    include_str!("../../queries/row-security/rls-leakproof.sql"),
    include_str!("../../queries/row-security/rls-identity-trusted.sql"),
    include_str!("../../queries/row-security/rls-api-table-open.sql"),
    include_str!("../../queries/row-security/rls-table-outside.sql"),
    include_str!("../../queries/row-security/rls-wide-permissive.sql"),
    include_str!("../../queries/row-security/rls-policy-role-unused.sql"),
    include_str!("../../queries/row-security/rls-policy-for-anon.sql"),
    include_str!("../../queries/row-security/rls-anonymous-users.sql"),
    include_str!("../../queries/row-security/rls-identity-weak.sql"),
    include_str!("../../queries/row-security/rls-existence-oracle.sql"),
    include_str!("../../queries/row-security/rls-column-grants.sql"),
    include_str!("../../queries/row-security/rls-sensitive-columns.sql"),
    include_str!("../../queries/row-security/rls-auth-users-exposed.sql"),
    include_str!("../../queries/row-security/rls-definer-trigger.sql"),
    include_str!("../../queries/row-security/rls-function-search-path.sql"),
    include_str!("../../queries/row-security/rls-publication.sql"),
    include_str!("../../queries/row-security/rls-queue-exposed.sql"),
    include_str!("../../queries/row-security/rls-storage-objects.sql"),
    include_str!("../../queries/row-security/rls-graphql-exposed.sql"),
    include_str!("../../queries/row-security/rls-multiple-permissive.sql"),
    include_str!("../../queries/row-security/rls-initplan.sql"),
    include_str!("../../queries/row-security/rls-extension-in-public.sql"),
    include_str!("../../queries/row-security/rls-extension-outdated.sql"),
    include_str!("../../queries/row-security/rls-server-cve.sql"),
    include_str!("../../queries/row-security/rls-isolation.sql"),
    include_str!("../../queries/row-security/rls-isolation-no-context.sql"),
    include_str!("../../queries/row-security/rls-isolation-existing-rows.sql"),
    include_str!("../../queries/row-security/rls-policy-error.sql"),
    include_str!("../../queries/row-security/rls-other-ways.sql"),
    include_str!("../../queries/row-security/rls-second-membership.sql"),
    include_str!("../../queries/row-security/rls-truncate.sql"),
    include_str!("../../queries/row-security/rls-opened-by-migration.sql"),
    include_str!("../../queries/row-security/rls-policies-kept.sql"),
    include_str!("../../queries/row-security/isolation-tests.sql"),
    include_str!("../../queries/row-security/rls-mutation.sql"),
];

/// CE-24.
const FOREIGN_KEYS: &[&str] = &[
    include_str!("../../queries/foreign-keys/fk-expected.sql"),
    include_str!("../../queries/foreign-keys/fk-orphans.sql"),
    include_str!("../../queries/foreign-keys/fk-validated.sql"),
    include_str!("../../queries/foreign-keys/fk-triggers-enabled.sql"),
    include_str!("../../queries/foreign-keys/fk-cross-tenant.sql"),
    include_str!("../../queries/foreign-keys/fk-partial-null.sql"),
    include_str!("../../queries/foreign-keys/fk-cascade.sql"),
    include_str!("../../queries/foreign-keys/fk-type-match.sql"),
    include_str!("../../queries/foreign-keys/fk-child-index.sql"),
    include_str!("../../queries/foreign-keys/fk-like-column-without-key.sql"),
    include_str!("../../queries/foreign-keys/fk-to-auth-unique.sql"),
];

/// CE-25.
const INTEGRITY: &[&str] = &[
    include_str!("../../queries/integrity/no-null-tenant.sql"),
    include_str!("../../queries/integrity/linkage.sql"),
    include_str!("../../queries/integrity/row-counts.sql"),
    include_str!("../../queries/integrity/value-domains.sql"),
    include_str!("../../queries/integrity/duplicates.sql"),
    include_str!("../../queries/integrity/rows-as-migrated.sql"),
    include_str!("../../queries/integrity/no-future-timestamps.sql"),
    include_str!("../../queries/integrity/sequences-ahead.sql"),
    include_str!("../../queries/integrity/invalid-indexes.sql"),
    include_str!("../../queries/integrity/not-valid-constraints.sql"),
    include_str!("../../queries/integrity/disabled-triggers.sql"),
    include_str!("../../queries/integrity/tables-have-a-key.sql"),
    include_str!("../../queries/integrity/reg-type-columns.sql"),
    include_str!("../../queries/integrity/own-checks-usable.sql"),
];

/// CE-26.
const PERFORMANCE: &[&str] = &[
    include_str!("../../queries/performance/benchmark-regression.sql"),
    include_str!("../../queries/performance/benchmark-control.sql"),
    include_str!("../../queries/performance/index-invalid.sql"),
    include_str!("../../queries/performance/index-duplicate.sql"),
    include_str!("../../queries/performance/index-redundant.sql"),
    include_str!("../../queries/performance/index-unused.sql"),
    include_str!("../../queries/performance/index-missing.sql"),
    include_str!("../../queries/performance/table-bloat.sql"),
    include_str!("../../queries/performance/autovacuum-disabled.sql"),
    include_str!("../../queries/performance/replication-slot-unused.sql"),
];

/// CE-27.
const ROLLBACK: &[&str] = &[
    include_str!("../../queries/rollback/rollback-documented.sql"),
    include_str!("../../queries/rollback/rollback-runs.sql"),
    include_str!("../../queries/rollback/rollback-restores-catalog.sql"),
    include_str!("../../queries/rollback/rollback-keeps-row-security.sql"),
    include_str!("../../queries/rollback/rollback-keeps-data.sql"),
    include_str!("../../queries/rollback/rollback-up-again.sql"),
    include_str!("../../queries/rollback/rollback-keeps-column-order.sql"),
    include_str!("../../queries/rollback/rollback-keeps-new-rows.sql"),
    include_str!("../../queries/rollback/rollback-backed-up.sql"),
    include_str!("../../queries/rollback/rollback-reached.sql"),
];

/// CE-28.
const READINESS: &[&str] = &[
    include_str!("../../queries/readiness/tasks-have-results.sql"),
    include_str!("../../queries/readiness/deliverables-present.sql"),
    include_str!("../../queries/readiness/report-renders.sql"),
];

/// Tasks that run a command, and suites.
const COMMAND: &[&str] =
    &[include_str!("../../queries/command/command-succeeded.sql"), include_str!("../../queries/command/suite-passed.sql")];

/// Every built-in check, in the order in which steps ask them.
pub static CHECKS: LazyLock<Vec<Check>> = LazyLock::new(|| {
    [ENVIRONMENT, SCRIPTS, EXECUTE, ROW_SECURITY, FOREIGN_KEYS, INTEGRITY, PERFORMANCE, ROLLBACK, READINESS, COMMAND]
        .concat()
        .into_iter()
        .map(|text| match Check::parse(text) {
            Ok(check) => check,
            Err(error) => unreachable!("a built-in check has a bad header: {error}: {text}"),
        })
        .collect()
});

/// The check of this code.
pub fn find(code: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.code.as_str() == code)
}

/// The query checks of a step, in order.
pub fn of_step(step: StepKind) -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().filter(move |check| check.step == step)
}
