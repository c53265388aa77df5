//! CE-24: every foreign key is there, holds, and leads to the right tenant.
//!
//! 1. The inventory, from the catalog.
//! 2. The query checks: expected keys, validated, triggers, types, indexes.
//! 3. Counts under one snapshot: orphans of every key, half-filled composite keys, keys that cross tenants.

pub mod cascade;
pub mod expected;
pub mod inventory;
pub mod offenders;
pub mod questions;
pub mod report;
pub mod tenancy;

use serde_json::{Value, json};

use self::inventory::Key;
use super::counting::{self, Answer, Question};
use super::paper::counted;
use super::{Context, StepError, StepReport, undeclared};
use crate::checks::ask::{Asked, ask};
use crate::checks::judge::judge;
use crate::checks::{Check, Kind, find};
use crate::config::ForeignKeys;
use crate::domain::plan::StepKind;
use crate::domain::product::ForeignKeysProduct;
use crate::domain::{CheckOutcome, Evidence, Product, SubjectRow};
use crate::pg::{PgError, Session};

const TARGET: &str = "target";

/// Examines the target's foreign keys; reads only.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let timeout_ms = cx.config.foreign_keys.timeout_ms;
    let session = counting::counting_session(cx.target, timeout_ms).await?;
    let excluded = &cx.config.backup.exclude_schemas;
    let keys = inventory::read(&session, excluded).await?;
    cx.log.line(format!("inventory: {}", counted(keys.len() as u64, "foreign key", "foreign keys")));

    for check in crate::checks::list::of_step(StepKind::ForeignKeys).filter(|check| check.kind == Kind::Query) {
        cx.progress.say(check.code.as_str());
        let evidence = match check.code.as_str() {
            "fk-expected" => ask_expected(&session, check, &cx.config.foreign_keys).await,
            _ => ask(&session, check, json!({ "exclude": excluded }), TARGET).await,
        };
        cx.log.line(format!("{}: {}", check.code, evidence.outcome));
        report.evidence.push(evidence);
    }

    let orphans = count_orphans(cx, report, &keys, timeout_ms).await?;
    count_half_filled(cx, report, &keys, timeout_ms).await?;
    count_crossings(cx, report, &session, &keys, timeout_ms).await?;
    try_deletions(cx, report, &keys).await?;

    let missing: Vec<String> =
        report.evidence.iter().filter(|e| e.check.as_str() == "fk-expected").flat_map(Evidence::findings).map(|f| f.subject).collect();
    report.headline = headline(&keys, &orphans, missing.len());
    report.attach("fk_inventory.csv", "text/csv", report::inventory_csv(&keys, &orphans));
    report.attach_json("orphan_check_results.json", &report::orphan_results(&keys, &orphans, timeout_ms));
    let paper = report::integrity_report(&keys, &orphans, &report.evidence, &report.headline);
    report.attach("fk_integrity_report.md", "text/markdown", paper);
    report.product = Some(Product::ForeignKeys(ForeignKeysProduct {
        keys: keys
            .iter()
            .zip(&orphans)
            .map(|(key, answer)| key.facts(answer.as_ref().and_then(|answer| answer.count.as_ref().ok().copied())))
            .collect(),
        expected: cx.config.foreign_keys.expected.len() as u64,
        missing,
    }));
    Ok(())
}

fn headline(keys: &[Key], orphans: &[Option<Answer>], missing: usize) -> String {
    let mut headline = format!("{}, {}", counted(keys.len() as u64, "key", "keys"), counted(report::total(orphans), "orphan", "orphans"));
    let open = orphans.iter().filter(|answer| answer.as_ref().is_none_or(|answer| answer.count.is_err())).count();
    if open > 0 {
        headline.push_str(&format!(", {open} not counted"));
    }
    if missing > 0 {
        headline.push_str(&format!(", {missing} missing"));
    }
    headline
}

/// Asks for the expected keys. A line that cannot be read is an undecided row: it cannot be looked for.
async fn ask_expected(session: &Session, check: &Check, config: &ForeignKeys) -> Evidence {
    let lines = &config.expected;
    if lines.is_empty() {
        let none = ("[foreign-keys] none-expected", config.none_expected.as_deref());
        return undeclared(
            Asked::unmeasured(),
            check,
            TARGET,
            none,
            "set [foreign-keys] expected in ledger.toml to the keys that must exist",
        );
    }
    let mut wanted = Vec::new();
    let mut unread = Vec::new();
    for line in lines {
        match expected::parse(line) {
            Ok(key) => wanted.push(key),
            Err(why) => unread.push(SubjectRow::undecided(line, "a foreign key", format!("cannot be read: {why}"))),
        }
    }
    let mut evidence = ask(session, check, json!({ "expected": wanted }), TARGET).await;
    if !unread.is_empty() && !matches!(evidence.outcome, CheckOutcome::Unknown(_)) {
        evidence.rows.extend(unread);
        evidence.outcome = judge(&evidence.rows, check.min_subjects, check.none_is_not_applicable);
    }
    evidence
}

/// The probe check of this code; the list is built in, so that a missing one is a bug that tests find.
fn probe(code: &str) -> Result<&'static Check, StepError> {
    find(code).ok_or_else(|| StepError::cannot(format!("the check {code} is not in the list")))
}

/// Asks questions about keys (by their index), all in one snapshot.
async fn answers(
    cx: &Context<'_>,
    keys: &[Key],
    asked: &[(usize, Question)],
    timeout_ms: u64,
    what: &str,
) -> Result<Vec<Option<Answer>>, PgError> {
    let questions: Vec<Question> = asked.iter().map(|(_, question)| question.clone()).collect();
    counting::answer_all(cx.target, &questions, timeout_ms, |index, answer| {
        let subject = keys[asked[index].0].subject();
        let result = match &answer.count {
            Ok(count) => count.to_string(),
            Err(error) => answer.why(error),
        };
        cx.progress.say(&format!("{what} {}/{} · {subject}", index + 1, asked.len()));
        cx.log.line(format!("{what}: {subject}: {result} ({} ms)", answer.duration.as_millis()));
    })
    .await
}

/// `fk-orphans`: one answer per key, `None` where there is none.
async fn count_orphans(cx: &Context<'_>, report: &mut StepReport, keys: &[Key], timeout_ms: u64) -> Result<Vec<Option<Answer>>, StepError> {
    let check = probe("fk-orphans")?;
    let asking = Asked::now();
    let mut asked: Vec<(usize, Question)> = keys.iter().enumerate().map(|(i, key)| (i, questions::orphans(key))).collect();
    // The largest first, so that no worker is left alone with it at the end.
    asked.sort_by(|(a, _), (b, _)| keys[*b].child_rows.total_cmp(&keys[*a].child_rows));
    let mut by_key: Vec<Option<Answer>> = keys.iter().map(|_| None).collect();
    for ((index, _), answer) in asked.iter().zip(answers(cx, keys, &asked, timeout_ms, "orphans").await?) {
        by_key[*index] = answer;
    }
    let mut rows = Vec::with_capacity(keys.len());
    for (key, answer) in keys.iter().zip(&by_key) {
        let row = count_row(key, answer.as_ref(), "0 orphans", ("orphan", "orphans"));
        rows.push(match answer {
            Some(answer) if answer.timed_out => offenders::estimated(cx.target, key, row, timeout_ms).await,
            Some(answer) if answer.number().is_some_and(|orphans| orphans > 0) => offenders::named(cx.target, key, row, timeout_ms).await,
            _ => row,
        });
    }
    report.evidence.push(asking.answered(check, TARGET, json!({ "timeout_ms": timeout_ms }), rows));
    Ok(by_key)
}

/// `fk-partial-null`.
async fn count_half_filled(cx: &Context<'_>, report: &mut StepReport, keys: &[Key], timeout_ms: u64) -> Result<(), StepError> {
    let check = probe("fk-partial-null")?;
    let asking = Asked::now();
    let asked: Vec<(usize, Question)> =
        keys.iter().enumerate().filter_map(|(i, key)| questions::half_filled(key).map(|q| (i, q))).collect();
    let found = answers(cx, keys, &asked, timeout_ms, "half-filled keys").await?;
    let rows = asked
        .iter()
        .zip(&found)
        .map(|((index, _), answer)| {
            count_row(&keys[*index], answer.as_ref(), "0 rows filled in part", ("row filled in part", "rows filled in part"))
        })
        .collect();
    report.evidence.push(asking.answered(check, TARGET, json!({ "timeout_ms": timeout_ms }), rows));
    Ok(())
}

/// `fk-cross-tenant`.
async fn count_crossings(
    cx: &Context<'_>,
    report: &mut StepReport,
    session: &Session,
    keys: &[Key],
    timeout_ms: u64,
) -> Result<(), StepError> {
    let check = probe("fk-cross-tenant")?;
    let asking = Asked::now();
    if keys.is_empty() {
        report.evidence.push(asking.not_applicable(check, TARGET, Value::Null, "there is no foreign key"));
        return Ok(());
    }
    let Some(column) = tenancy::tenant_column(session, &cx.config.tenancy).await? else {
        report.evidence.push(tenancy::no_column(asking, check, TARGET, &cx.config.tenancy));
        return Ok(());
    };
    let with_column = tenancy::tables_with(session, &column).await?;
    let ownership = tenancy::Ownership::new(&column, &with_column, keys);
    let crossings: Vec<(usize, Question, String)> =
        (0..keys.len()).filter_map(|index| ownership.crossing(index).map(|(question, how)| (index, question, how))).collect();
    let asked: Vec<(usize, Question)> = crossings.iter().map(|(index, question, _)| (*index, question.clone())).collect();
    let found = answers(cx, keys, &asked, timeout_ms, "keys across tenants").await?;
    let rows = crossings
        .iter()
        .zip(&found)
        .map(|((index, _, how), answer)| {
            count_row(&keys[*index], answer.as_ref(), "0 rows of another tenant", ("row of another tenant", "rows of another tenant"))
                .with_detail(json!({ "constraint": keys[*index].name, "owners": how }))
        })
        .collect();
    report.evidence.push(asking.answered(check, TARGET, json!({ "column": column, "timeout_ms": timeout_ms }), rows));
    Ok(())
}

/// `fk-cascade`, in a copy of the migrated database.
async fn try_deletions(cx: &Context<'_>, report: &mut StepReport, keys: &[Key]) -> Result<(), StepError> {
    let check = probe("fk-cascade")?;
    let asking = Asked::now();
    const COPY: &str = "scratch: a restored copy of the target";
    // A plan that executes nothing has the environment's backup of the same state.
    let still = cx
        .environment()
        .filter(|_| cx.config.plan.task_using(StepKind::Execute).is_none())
        .and_then(|environment| environment.backup.as_ref());
    let backup = cx.execution().and_then(|execution| execution.backup.as_ref()).or(still);
    let evidence = match backup {
        _ if keys.is_empty() => asking.not_applicable(check, COPY, Value::Null, "there is no foreign key"),
        None => asking.unanswered(check, COPY, Value::Null, "there is no backup of the migrated database to try it in"),
        Some(backup) => {
            let tried = async {
                let (copy, _) = cx.scratch.copy_of(&cx.project.path(backup.file.as_ref()), "cascade").await?;
                let rows = cascade::try_all(copy.target(), keys, |news| cx.progress.say(news)).await;
                cx.scratch.drop_db(copy).await?;
                rows
            };
            match tried.await {
                Ok(rows) => asking.answered(check, COPY, json!({ "backup_sha256": backup.sha256 }), rows),
                Err(error) => asking.unanswered(check, COPY, Value::Null, error.to_string()),
            }
        }
    };
    report.evidence.push(evidence);
    Ok(())
}

/// A row that is right when the count is zero.
fn count_row(key: &Key, answer: Option<&Answer>, expected: &str, (one, many): (&str, &str)) -> SubjectRow {
    let detail = json!({ "constraint": key.name, "validated": key.validated, "on_delete": inventory::action(&key.on_delete) });
    match (answer.map(|answer| &answer.count), report::why_not(key, answer)) {
        (Some(Ok(count)), _) => SubjectRow::new(key.subject(), *count == 0, expected, counted(*count, one, many)),
        // How many is open; that there are some is not.
        (Some(Err(_)), why) if answer.is_some_and(|answer| answer.any) => {
            SubjectRow::new(key.subject(), false, expected, format!("at least 1 {one}; {}", why.unwrap_or_default()))
        }
        (_, why) => SubjectRow::undecided(key.subject(), expected, why.unwrap_or_else(|| "not counted".into())),
    }
    .with_detail(detail)
}
