//! The rules: which there are, how bad each is, what it is about. A remark's rule is one of these; a test sees to it.

use squawk_linter::Rule as Squawk;

use crate::domain::Severity;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The application waits: weighed by the rows of the table.
    Blocking,
    /// Something is taken away.
    Loss,
    /// Rows are opened to those who should not see them.
    Security,
    /// A suppression that does not do what it seems to.
    Suppression,
    Other,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// squawk-linter, of the version in Cargo.toml.
    Squawk,
    /// This module's neighbours, from the text.
    Text,
    /// The catalog before and after the dry run.
    Catalog,
}

impl Source {
    /// For lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Squawk => "squawk",
            Self::Text => "ledger",
            Self::Catalog => "ledger, dry run",
        }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    pub code: &'static str,
    pub severity: Severity,
    pub concern: Concern,
    pub source: Source,
    /// What holds where the rule does not fire.
    pub title: &'static str,
}

/// The rule of this name.
pub fn find(code: &str) -> Option<&'static RuleInfo> {
    RULES.iter().find(|rule| rule.code == code)
}

/// Squawk's rules of taste, and those about what `ledger` does itself (timeouts, the transaction around a file): left out, and named so.
pub const LEFT_OUT: [Squawk; 12] = [
    Squawk::PreferBigintOverInt,
    Squawk::PreferBigintOverSmallint,
    Squawk::PreferIdentity,
    Squawk::PreferRobustStmts,
    Squawk::PreferTextField,
    Squawk::PreferTimestampTz,
    Squawk::BanCharField,
    Squawk::RequireLockTimeout,
    Squawk::RequireStatementTimeout,
    Squawk::RequireTimeoutSettings,
    Squawk::TransactionNesting,
    Squawk::BanUncommittedTransaction,
];

/// Rules that squawk asks for only on demand, and that are asked here.
pub const ASKED: [Squawk; 1] = [Squawk::BanDropTrigger];

const fn rule(code: &'static str, severity: Severity, concern: Concern, source: Source, title: &'static str) -> RuleInfo {
    RuleInfo { code, severity, concern, source, title }
}

/// Every rule.
pub const RULES: [RuleInfo; 60] = [
    rule(
        "require-concurrent-index-creation",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "An index of an existing table is built CONCURRENTLY",
    ),
    rule("require-concurrent-index-deletion", Severity::Low, Concern::Blocking, Source::Squawk, "An index is dropped CONCURRENTLY"),
    rule(
        "constraint-missing-not-valid",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "A constraint on an existing table is added NOT VALID and validated later",
    ),
    rule(
        "adding-field-with-default",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "A new column has no volatile default, which would rewrite the table",
    ),
    rule(
        "adding-foreign-key-constraint",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "A foreign key is added without holding up writes to both tables",
    ),
    rule(
        "changing-column-type",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "A column keeps its type, or the rewrite of its table is wanted",
    ),
    rule(
        "adding-not-nullable-field",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "NOT NULL is added by way of a validated check constraint",
    ),
    rule(
        "adding-serial-primary-key-field",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "A primary key is added from an index that was built before",
    ),
    rule("renaming-column", Severity::Low, Concern::Other, Source::Squawk, "No column is renamed under a running application"),
    rule("renaming-table", Severity::Low, Concern::Other, Source::Squawk, "No table is renamed under a running application"),
    rule(
        "disallowed-unique-constraint",
        Severity::Medium,
        Concern::Blocking,
        Source::Squawk,
        "A unique constraint is added from an index that was built CONCURRENTLY",
    ),
    rule("ban-drop-database", Severity::High, Concern::Loss, Source::Squawk, "No database is dropped"),
    rule(
        "prefer-repack",
        Severity::Low,
        Concern::Blocking,
        Source::Squawk,
        "A table is not rewritten by VACUUM FULL or CLUSTER while it is used",
    ),
    rule("ban-drop-column", Severity::Low, Concern::Loss, Source::Squawk, "No column is dropped that a running application may still read"),
    rule("ban-drop-table", Severity::Low, Concern::Loss, Source::Squawk, "No table is dropped that a running application may still read"),
    rule("ban-drop-not-null", Severity::Low, Concern::Loss, Source::Squawk, "NOT NULL is not taken away"),
    rule("adding-required-field", Severity::Medium, Concern::Other, Source::Squawk, "A new column that must not be null has a default"),
    rule(
        "ban-concurrent-index-creation-in-transaction",
        Severity::High,
        Concern::Other,
        Source::Squawk,
        "CONCURRENTLY stands in a file without a transaction",
    ),
    rule(
        "ban-create-domain-with-constraint",
        Severity::Low,
        Concern::Other,
        Source::Squawk,
        "A domain brings no constraint that cannot be validated later",
    ),
    rule(
        "ban-alter-domain-with-add-constraint",
        Severity::Low,
        Concern::Other,
        Source::Squawk,
        "A domain gets no constraint that locks every table of its type",
    ),
    rule("ban-truncate-cascade", Severity::Medium, Concern::Loss, Source::Squawk, "TRUNCATE does not reach other tables by CASCADE"),
    rule("require-enum-value-ordering", Severity::Low, Concern::Other, Source::Squawk, "A new enum value says where it stands"),
    rule("identifier-too-long", Severity::Medium, Concern::Other, Source::Squawk, "No name is cut at 63 bytes"),
    rule("require-concurrent-partition-detach", Severity::Low, Concern::Blocking, Source::Squawk, "A partition is detached CONCURRENTLY"),
    rule("require-concurrent-reindex", Severity::Medium, Concern::Blocking, Source::Squawk, "An index is rebuilt CONCURRENTLY"),
    rule("ban-duplicate-column-assignments", Severity::Medium, Concern::Other, Source::Squawk, "A column is assigned once in a statement"),
    rule("ban-drop-view", Severity::Low, Concern::Loss, Source::Squawk, "No view is dropped that a running application may still read"),
    rule(
        "ban-drop-function",
        Severity::Low,
        Concern::Loss,
        Source::Squawk,
        "No function is dropped that a running application may still call",
    ),
    rule("ban-drop-type", Severity::Low, Concern::Loss, Source::Squawk, "No type is dropped that a running application may still use"),
    rule(
        "ban-drop-default",
        Severity::Low,
        Concern::Loss,
        Source::Squawk,
        "No default is taken away that a running application may rely on",
    ),
    rule("ban-drop-trigger", Severity::Low, Concern::Loss, Source::Squawk, "No trigger is dropped unseen"),
    rule("ban-drop-schema", Severity::Medium, Concern::Loss, Source::Squawk, "No schema is dropped"),
    rule("ban-drop-sequence", Severity::Low, Concern::Loss, Source::Squawk, "No sequence is dropped that something may still draw from"),
    rule("ban-drop-domain", Severity::Low, Concern::Loss, Source::Squawk, "No domain is dropped that something may still use"),
    rule("ban-drop-constraint", Severity::Low, Concern::Loss, Source::Squawk, "No constraint is dropped unseen"),
    rule("ban-drop-generated-expression", Severity::Low, Concern::Loss, Source::Squawk, "A generated column stays generated"),
    rule("renaming-object", Severity::Low, Concern::Other, Source::Squawk, "Nothing is renamed under a running application"),
    rule("ban-set-schema", Severity::Low, Concern::Other, Source::Squawk, "Nothing is moved to another schema under a running application"),
    rule("ban-alter-identity", Severity::Low, Concern::Other, Source::Squawk, "An identity column stays one"),
    rule("ban-drop-extension", Severity::Medium, Concern::Loss, Source::Squawk, "No extension is dropped, with all that it owns"),
    rule("unused-ignore", Severity::Low, Concern::Other, Source::Squawk, "A suppression names a rule that exists"),
    rule("policy-lets-everyone-in", Severity::Medium, Concern::Security, Source::Text, "A policy does not let everyone in"),
    rule("policy-dropped", Severity::Medium, Concern::Security, Source::Text, "No policy is dropped unseen"),
    rule("row-security-disabled", Severity::High, Concern::Security, Source::Text, "Row security is not disabled"),
    rule("row-security-not-forced", Severity::Medium, Concern::Security, Source::Text, "Row security is not lifted from the table's owner"),
    rule(
        "definer-without-search-path",
        Severity::Medium,
        Concern::Security,
        Source::Text,
        "A SECURITY DEFINER routine sets its search path",
    ),
    rule(
        "table-without-row-security",
        Severity::Medium,
        Concern::Security,
        Source::Text,
        "A new table in an exposed schema gets row security in the same batch",
    ),
    rule(
        "data-change-under-row-security",
        Severity::Medium,
        Concern::Security,
        Source::Text,
        "A data change on a table with forced row security reaches every row, or raises",
    ),
    rule("setting-leaks", Severity::Low, Concern::Other, Source::Text, "A setting is made for the transaction alone (SET LOCAL)"),
    rule(
        "short-timeout-on-concurrently",
        Severity::Medium,
        Concern::Other,
        Source::Text,
        "No short lock_timeout stands before CONCURRENTLY, which would leave an invalid index",
    ),
    rule("drop-cascade", Severity::Low, Concern::Loss, Source::Text, "DROP names what it drops; CASCADE takes what nobody listed"),
    rule("foreign-key-without-index", Severity::Low, Concern::Other, Source::Catalog, "A new foreign key has an index on its own columns"),
    rule(
        "policy-lost",
        Severity::High,
        Concern::Security,
        Source::Catalog,
        "A policy that is gone after the file, by its own statement or along with something else",
    ),
    rule("row-security-lost", Severity::High, Concern::Security, Source::Catalog, "Row security that is weaker after the file"),
    rule("constraint-lost", Severity::Medium, Concern::Loss, Source::Catalog, "A constraint that is gone after the file"),
    rule("trigger-lost", Severity::Medium, Concern::Loss, Source::Catalog, "A trigger that is gone or disabled after the file"),
    rule("grant-lost", Severity::Medium, Concern::Loss, Source::Catalog, "A grant that is gone or narrower after the file"),
    rule("suppression-stale", Severity::Low, Concern::Suppression, Source::Text, "A suppression still suppresses something"),
    rule("suppression-without-reason", Severity::Medium, Concern::Suppression, Source::Text, "A suppression gives its reason"),
    rule("suppression-unknown-rule", Severity::Medium, Concern::Suppression, Source::Text, "A suppression names a rule that exists"),
];

#[cfg(test)]
mod tests {
    use squawk_linter::Linter;

    use super::*;

    #[test]
    fn every_rule_of_the_linter_is_listed_or_left_out_by_name() {
        let active = Linter::with_rules(&ASKED, &LEFT_OUT).rules;
        for rule in &active {
            let code = rule.to_string();
            assert!(find(&code).is_some_and(|info| info.source == Source::Squawk), "{code} is not in the list");
        }
        for info in RULES.iter().filter(|info| info.source == Source::Squawk) {
            assert!(active.iter().any(|rule| rule.to_string() == info.code), "{} is not asked", info.code);
        }
        for (index, info) in RULES.iter().enumerate() {
            assert!(!RULES[..index].iter().any(|other| other.code == info.code), "{} stands twice", info.code);
        }
    }
}
