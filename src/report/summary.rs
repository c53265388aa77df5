//! The executive summary, the metrics and the limits: measured numbers alone, each with the entry it stands in.

use super::format;
use super::model::{Fact, product};
use crate::domain::plan::StepKind;
use crate::domain::product::{CellVerdict, Product, SuiteResult};
use crate::domain::verdict::Judgement;
use crate::domain::{CheckOutcome, Outcome};
use crate::record::Run;

/// What was changed: versions, count, files.
pub fn change(run: &Run) -> Fact {
    if let Some((seq, Product::Execute(execution))) = product(run, StepKind::Execute) {
        let applied: Vec<&str> = execution.files.iter().filter(|f| f.applied).map(|f| f.version.as_str()).collect();
        let before = execution.schema_before.as_deref().unwrap_or("nothing recorded");
        let after = execution.schema_after.as_deref().unwrap_or("nothing recorded");
        let text = match applied.is_empty() {
            true => format!("no migration applied; schema version {before} before, {after} after"),
            false => {
                let of = format::plural(execution.files.len() as u64, "migration", "migrations");
                format!("{} of {of} applied ({}); schema version {before} → {after}", applied.len(), applied.join(", "))
            }
        };
        return Fact::new("Change", text, Some(seq));
    }
    match product(run, StepKind::Scripts) {
        Some((seq, Product::Scripts(scripts))) => {
            let pending: Vec<&str> = scripts.migrations.iter().filter(|m| m.pending).map(|m| m.version.as_str()).collect();
            let count = format::plural(pending.len() as u64, "migration", "migrations");
            Fact::new("Change", format!("{count} pending ({}); none known to be applied", pending.join(", ")), Some(seq))
        }
        _ => Fact::new("Change", "not established: neither scripts nor execution have a result", None),
    }
}

/// One line per step of the plan: what it measured, or that it did not.
pub fn summary(run: &Run) -> Vec<Fact> {
    let mut lines = Vec::new();
    for task in run.config.plan.tasks.iter().filter(|t| t.uses != StepKind::Readiness) {
        let Some((_, result)) = run.latest(&task.id) else {
            lines.push(Fact::new(&task.name, "Not established: not run.", None));
            continue;
        };
        let text = match (&result.document.product, &result.document.outcome) {
            (Some(product), _) => sentence(product),
            (None, Outcome::Unknown(why)) => format!("Not established: {why}."),
            (None, Outcome::Skipped(why)) => format!("Skipped: {why}."),
            (None, _) if result.document.headline.is_empty() => "No figures were recorded.".into(),
            (None, _) => format!("{}.", result.document.headline),
        };
        lines.push(Fact::new(&task.name, text, Some(result.seq)));
    }
    lines
}

fn sentence(product: &Product) -> String {
    match product {
        Product::Environment(p) => {
            let backup = match &p.backup {
                Some(b) => {
                    let restored = b.restore_us.map_or("not restored".into(), |us| format!("restored in {}", format::duration(us)));
                    format!("backup of {} made in {}, {restored}", format::bytes(b.bytes), format::duration(b.dump_us))
                }
                None => "no backup".into(),
            };
            format!(
                "{} with {}, {}, {}; {backup}.",
                format::bytes(p.database_bytes),
                format::plural(p.tables, "table", "tables"),
                format::plural(p.foreign_keys, "foreign key", "foreign keys"),
                format::plural(p.policies, "policy", "policies"),
            )
        }
        Product::Scripts(p) => {
            let pending = p.migrations.iter().filter(|m| m.pending);
            let ran = pending.clone().filter(|m| m.dry_run_us.is_some()).count();
            let time = p.estimate_us.map_or_else(String::new, |us| format!(" in {}", format::duration(us)));
            format!(
                "{ran} of {} pending executed in a scratch copy{time}.",
                format::plural(pending.count() as u64, "migration", "migrations")
            )
        }
        Product::Execute(p) => {
            let applied = p.files.iter().filter(|f| f.applied).count();
            let us: i64 = p.files.iter().map(|f| f.duration_us).sum();
            let end = if p.completed { "verify scripts held" } else { "execution did not complete" };
            format!("{applied} of {} applied in {}; {end}.", format::plural(p.files.len() as u64, "file", "files"), format::duration(us))
        }
        Product::RowSecurity(p) => {
            let leaks = p.cells.iter().filter(|c| c.verdict == CellVerdict::Leak).count();
            let mut text = format!("{} of {} isolate tenants", p.isolated.len(), format::plural(p.total, "table", "tables"));
            text.push_str(&format!("; {} of {} leak", leaks, format::plural(p.cells.len() as u64, "probe", "probes")));
            if !p.undecided.is_empty() {
                text.push_str(&format!("; undecided: {}", p.undecided.join(", ")));
            }
            format!("{text}{}.", suites(&p.suites))
        }
        Product::ForeignKeys(p) => {
            let counted: Vec<u64> = p.keys.iter().filter_map(|k| k.orphans).collect();
            format!(
                "{}, {} of {} expected missing; {} in the {} counted.",
                format::plural(p.keys.len() as u64, "foreign key", "foreign keys"),
                p.missing.len(),
                p.expected,
                format::plural(counted.iter().sum(), "orphaned row", "orphaned rows"),
                counted.len(),
            )
        }
        Product::Integrity(p) => {
            let same = p.tables.iter().filter(|t| t.before.is_some() && t.before == t.after).count();
            let tables = format::plural(p.tables.len() as u64, "table", "tables");
            format!("{same} of {tables} with the same number of rows before and after{}.", suites(&p.suites))
        }
        Product::Performance(p) => {
            let regressed = p.queries.iter().filter(|q| q.verdict == "regressed").count();
            let inconclusive = p.queries.iter().filter(|q| q.verdict == "inconclusive").count();
            let mean = p.geometric_mean.map_or_else(String::new, |m| format!("; geometric mean of after ÷ before {m:.2}"));
            format!(
                "{}: {regressed} slower than the limit of {} %, {inconclusive} inconclusive{mean}.",
                format::plural(p.queries.len() as u64, "query", "queries"),
                p.limit_percent
            )
        }
        Product::Rollback(p) => {
            let down = p.down_us.map_or("not measured".into(), format::duration);
            let restore = p.restore_us.map_or("not measured".into(), format::duration);
            format!(
                "{} → {} on a scratch copy: down {down}, restore from backup {restore}; {}.",
                p.from_version,
                p.target_version,
                format::plural(p.differences.len() as u64, "unexpected difference", "unexpected differences")
            )
        }
        Product::Command(p) => {
            let code = p.exit_code.map_or("no exit code".into(), |c| format!("exit code {c}"));
            format!("{code} after {}{}.", format::duration(p.duration_us), suites(&p.suites))
        }
    }
}

fn suites(suites: &[SuiteResult]) -> String {
    suites.iter().map(|s| format!("; tests {}: {} of {} passed", s.name, s.passed, s.total)).collect()
}

/// The plan's figures, those that were measured.
pub fn metrics(run: &Run) -> Vec<Fact> {
    let mut metrics = Vec::new();
    for task in &run.config.plan.tasks {
        let Some((_, result)) = run.latest(&task.id) else { continue };
        let mut push = |label: &str, value: String| metrics.push(Fact::new(label, value, Some(result.seq)));
        match &result.document.product {
            Some(Product::Environment(p)) => {
                push("Database size", format::bytes(p.database_bytes));
                if let Some(backup) = &p.backup {
                    push("Backup before", format!("{}, {}", format::bytes(backup.bytes), format::duration(backup.dump_us)));
                    push("Backup restored", backup.restore_us.map_or("not restored".into(), format::duration));
                }
            }
            Some(Product::Scripts(p)) => {
                push("Migrations executed in scratch", p.migrations.iter().filter(|m| m.dry_run_us.is_some()).count().to_string());
            }
            Some(Product::Execute(p)) => {
                push("Migrations applied", format!("{} of {}", p.files.iter().filter(|f| f.applied).count(), p.files.len()));
                push("Migration time", format::duration(p.files.iter().map(|f| f.duration_us).sum()));
            }
            Some(Product::RowSecurity(p)) => {
                push("Tables that isolate tenants", format!("{} of {}", p.isolated.len(), p.total));
                if let Some(m) = &p.mutation {
                    push("Broken policies noticed", format!("{} of {} tried, {} cannot matter", m.noticed, m.tried, m.explained));
                    if m.has_tests {
                        push("Broken policies noticed by own tests", format!("{} of {} tried", m.by_tests, m.tested));
                    }
                }
                for suite in &p.suites {
                    push(&format!("Tests: {}", suite.name), format!("{} of {} passed", suite.passed, suite.total));
                }
            }
            Some(Product::ForeignKeys(p)) => {
                push("Foreign keys found", p.keys.len().to_string());
                let counted = p.keys.iter().filter(|k| k.orphans.is_some()).count();
                let orphans: u64 = p.keys.iter().filter_map(|k| k.orphans).sum();
                push("Orphaned rows", format!("{} in {counted} of {} keys", format::count(orphans), p.keys.len()));
            }
            Some(Product::Integrity(p)) => {
                let rows: u64 = p.tables.iter().filter_map(|t| t.after).sum();
                push("Rows after", format::count(rows));
                for suite in &p.suites {
                    push(&format!("Tests: {}", suite.name), format!("{} of {} passed", suite.passed, suite.total));
                }
            }
            Some(Product::Performance(p)) => {
                if let Some(mean) = p.geometric_mean {
                    push(
                        "Latency after ÷ before, mean",
                        format!("{mean:.2} of {}", format::plural(p.queries.len() as u64, "query", "queries")),
                    );
                }
            }
            Some(Product::Rollback(p)) => {
                push("Rollback by scripts", p.down_us.map_or("not measured".into(), format::duration));
                push("Rollback by restore", p.restore_us.map_or("not measured".into(), format::duration));
            }
            Some(Product::Command(_)) | None => {}
        }
    }
    metrics
}

/// What the report does not show. The general limits of a rehearsal first, then this run's own.
pub fn limits(run: &Run, judgement: &Judgement) -> Vec<String> {
    let mut limits = vec![
        "This is a rehearsal on a staging database. Production differs in data, size, load and configuration; locks and times there will differ.".to_owned(),
        "The checks establish what they ask, on the rows and roles there were; every question can be read in full in the package: the built-in ones in its folder queries, the team's own beside their answers in evidence, declared linkages in trust/ledger.toml.".into(),
        "Rollback was tried on a scratch copy of the backup, not on the target. Rows written after the migration are lost by a restore.".into(),
        "Attested items are people's words; nothing here measured them. Sign-offs are given over this report and so cannot stand in it.".into(),
        "Times come from the clocks of this machine and of the server; no third party dated them unless the package carries a time stamp.".into(),
        "Whoever holds the ledger file could have rewritten all of it before the package was signed. Only a head or a signature held by somebody else rules that out, and runs in a discarded ledger are invisible.".into(),
        "Database dumps are named by digest, size and contents; they are not in the package.".into(),
    ];
    let open: Vec<String> = judgement
        .tasks
        .iter()
        .filter_map(|t| match &t.outcome {
            Outcome::Unknown(why) | Outcome::Skipped(why) => Some(format!("{} ({why})", t.task)),
            Outcome::Pass | Outcome::Fail => None,
        })
        .collect();
    if !open.is_empty() {
        limits.push(format!("Of this run, not established: {}.", open.join("; ")));
    }
    let mut apart = Vec::new();
    for task in &run.config.plan.tasks {
        for check in run.latest(&task.id).iter().flat_map(|(_, r)| &r.document.checks) {
            if let CheckOutcome::NotApplicable(why) = &check.outcome {
                apart.push(format!("{} ({why})", check.code));
            }
        }
    }
    if !apart.is_empty() {
        limits.push(format!("Not applicable here, counted apart and never as passed: {}.", apart.join("; ")));
    }
    let redacted = run.parts.iter().filter(|p| p.redacted).count();
    if redacted > 0 {
        let parts = format::plural(redacted as u64, "part", "parts");
        limits.push(format!("Of the evidence, {parts} erased by signed redactions; what needed them is unknown."));
    }
    limits
}
