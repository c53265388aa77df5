//! CE-25: the data is whole: no row without tenant, no broken link, no row lost or gained, nothing left disabled or invalid.
//!
//! 1. The query checks over the catalog.
//! 2. Counts under one snapshot: rows per table, rows without tenant, times in the future. Then sequences and declared linkages.
//! 3. The team's own checks of this step, and the suites of the task.

pub mod as_migrated;
pub mod columns;
pub mod declared;
pub mod linkage;
pub mod report;
pub mod rows;

use serde_json::{Value, json};

use self::columns::Column;
use super::counting::{self, Answer, Question};
use super::foreign_keys::tenancy::{no_column, tenant_column};
use super::paper::counted;
use super::{Context, StepError, StepReport, attach_question, suite, undeclared};
use crate::checks::ask::{Asked, ask};
use crate::checks::user::user_checks;
use crate::checks::{Check, Kind, find};
use crate::domain::plan::StepKind;
use crate::domain::product::{IntegrityProduct, RowDelta};
use crate::domain::{CheckOutcome, Evidence, Product, SubjectRow};
use crate::pg::{PgError, Session};

const TARGET: &str = "target";

/// Examines the target's data; reads only.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let timeout_ms = cx.config.foreign_keys.timeout_ms;
    let excluded = &cx.config.backup.exclude_schemas;
    let session = counting::counting_session(cx.target, timeout_ms).await?;

    for check in crate::checks::list::of_step(StepKind::Integrity).filter(|check| check.kind == Kind::Query) {
        cx.progress.say(check.code.as_str());
        let evidence = ask(&session, check, json!({ "exclude": excluded }), TARGET).await;
        add(cx, report, evidence);
    }
    let columns = columns::read(&session, excluded).await?;
    null_tenants(cx, report, &session, &columns, timeout_ms).await?;
    let linkages = linkages(cx, report, &session).await?;
    let tables = row_counts(cx, report, &session, timeout_ms).await?;
    as_migrated(cx, report).await?;
    declared(cx, report, timeout_ms).await?;
    future_times(cx, report, &columns, timeout_ms).await?;
    sequences(cx, report, &session).await?;
    let own = own_checks(cx, report, &session).await?;
    let suites = suite::run_declared(cx, report).await?;

    report.headline = report::headline(&report.evidence, &tables);
    report.attach_json("smoke_test_results.json", &report::smoke_tests(&report.evidence, &own, &suites));
    let paper = report::integrity_report(&report.evidence, &tables, &suites, &report.headline);
    report.attach("data_integrity_report.md", "text/markdown", paper);
    // Nothing examined is no deliverable.
    if !linkages.is_empty() {
        report.attach_json("clause_alert_linkage.json", &linkage::document(&linkages));
    }
    report.product = Some(Product::Integrity(IntegrityProduct { tables, suites }));
    Ok(())
}

fn add(cx: &Context<'_>, report: &mut StepReport, evidence: Evidence) {
    cx.log.line(format!("{}: {} ({} examined)", evidence.check, evidence.outcome, evidence.rows.len()));
    report.evidence.push(evidence);
}

fn probe(code: &str) -> Result<&'static Check, StepError> {
    find(code).ok_or_else(|| StepError::cannot(format!("the check {code} is not in the list")))
}

/// Counts in one snapshot, telling of each answer by its subject.
async fn count(cx: &Context<'_>, what: &str, asked: &[(String, Question)], timeout_ms: u64) -> Result<Vec<Option<Answer>>, PgError> {
    let questions: Vec<Question> = asked.iter().map(|(_, question)| question.clone()).collect();
    counting::answer_all(cx.target, &questions, timeout_ms, |index, answer| {
        let subject = &asked[index].0;
        let result = match &answer.count {
            Ok(count) => count.to_string(),
            Err(error) => answer.why(error),
        };
        cx.progress.say(&format!("{what} {}/{} · {subject}", index + 1, asked.len()));
        cx.log.line(format!("{what}: {subject}: {result} ({} ms)", answer.duration.as_millis()));
    })
    .await
}

/// A row that is right when nothing was counted.
fn none_wanted(subject: &str, answer: Option<&Answer>, expected: &str, (one, many): (&str, &str)) -> SubjectRow {
    match answer.map(|answer| (answer, &answer.count)) {
        Some((_, Ok(count))) => SubjectRow::new(subject, *count == 0, expected, counted(*count, one, many)),
        Some((answer, Err(error))) if answer.any => {
            SubjectRow::new(subject, false, expected, format!("at least 1 {one}; {}", answer.why(error)))
        }
        Some((answer, Err(error))) => SubjectRow::undecided(subject, expected, answer.why(error)),
        None => SubjectRow::undecided(subject, expected, "not counted: the counting sessions ended early"),
    }
}

/// SQL that is not ours runs in a read-only transaction that is rolled back, so that whatever it sets goes with it.
async fn in_a_cage<T>(session: &Session, asking: impl Future<Output = T>) -> Result<T, PgError> {
    session.batch("BEGIN READ ONLY").await?;
    let answer = asking.await;
    session.batch("ROLLBACK").await?;
    Ok(answer)
}

/// `no-null-tenant`.
async fn null_tenants(
    cx: &Context<'_>,
    report: &mut StepReport,
    session: &Session,
    columns: &[Column],
    timeout_ms: u64,
) -> Result<(), StepError> {
    let check = probe("no-null-tenant")?;
    let asking = Asked::now();
    let Some(name) = tenant_column(session, &cx.config.tenancy).await? else {
        let evidence = match columns.is_empty() {
            true => asking.not_applicable(check, TARGET, Value::Null, "there is no table"),
            false => no_column(asking, check, TARGET, &cx.config.tenancy),
        };
        add(cx, report, evidence);
        return Ok(());
    };
    let parameters = json!({ "column": name });
    let asked: Vec<(String, Question)> =
        columns::tenant_columns(columns, &name).into_iter().map(|column| (column.subject(), columns::no_tenant(column))).collect();
    if asked.is_empty() {
        // The configuration says that there is one, the catalog that there is none: somebody is wrong.
        add(cx, report, asking.unanswered(check, TARGET, parameters, format!("no table has the column {name} that [tenancy] names")));
        return Ok(());
    }
    let answers = count(cx, "rows without tenant", &asked, timeout_ms).await?;
    let words = ("row without tenant", "rows without tenant");
    let rows =
        asked.iter().zip(&answers).map(|((subject, _), answer)| none_wanted(subject, answer.as_ref(), "0 rows without tenant", words));
    add(cx, report, asking.answered(check, TARGET, parameters, rows.collect()));
    Ok(())
}

/// `linkage`; its rows, for the deliverable.
async fn linkages(cx: &Context<'_>, report: &mut StepReport, session: &Session) -> Result<Vec<SubjectRow>, StepError> {
    let check = probe("linkage")?;
    let asking = Asked::now();
    let mut rows = Vec::new();
    for linkage in &cx.config.integrity.linkages {
        cx.progress.say(&format!("linkage · {}", linkage.name));
        let row = in_a_cage(session, linkage::ask(session, linkage)).await?;
        cx.log.line(format!("linkage: {}: {}", row.subject, row.observed));
        rows.push(row);
    }
    let none = ("[integrity] no-linkage", cx.config.integrity.no_linkage.as_deref());
    let evidence = match rows.is_empty() {
        true => undeclared(asking, check, TARGET, none, "declare [[integrity.linkage]] in ledger.toml for each link that no key states"),
        false => asking.answered(check, TARGET, Value::Null, rows.clone()),
    };
    add(cx, report, evidence);
    Ok(rows)
}

/// `row-counts`; the counts themselves go into the product.
async fn row_counts(cx: &Context<'_>, report: &mut StepReport, session: &Session, timeout_ms: u64) -> Result<Vec<RowDelta>, StepError> {
    let check = probe("row-counts")?;
    let asking = Asked::now();
    let asked: Vec<(String, Question)> = rows::tables(session, &cx.config.backup.exclude_schemas)
        .await?
        .into_iter()
        .map(|table| {
            let question = rows::question(&table);
            (table, question)
        })
        .collect();
    let answers = count(cx, "rows", &asked, timeout_ms).await?;
    let after: Vec<(String, Option<Answer>)> = asked.into_iter().map(|(table, _)| table).zip(answers).collect();
    let before = cx.environment().and_then(|environment| environment.backup.as_ref()).map(|backup| backup.tables.as_slice());
    let (rows, deltas) = rows::compare(before.unwrap_or_default(), &after, &cx.config.integrity.may_change);
    let parameters = json!({ "may_change": cx.config.integrity.may_change });
    let evidence = match before {
        Some(before) if !before.is_empty() => asking.answered(check, TARGET, parameters, rows),
        // Every table would pass as new.
        _ => asking.unanswered(check, TARGET, parameters, "there are no counts from before the migrations (CE-20's backup)"),
    };
    add(cx, report, evidence);
    Ok(deltas)
}

/// `rows-as-migrated`.
async fn as_migrated(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let check = probe("rows-as-migrated")?;
    let asking = Asked::now();
    let backup = cx.environment().and_then(|environment| environment.backup.as_ref());
    let evidence = match (backup, cx.execution()) {
        (_, None) if cx.config.plan.task_using(StepKind::Execute).is_none() => {
            asking.not_applicable(check, TARGET, Value::Null, "the plan executes no migrations")
        }
        (None, _) => asking.unanswered(check, TARGET, Value::Null, "there is no backup from before the migrations (CE-20)"),
        (_, None) => asking.unanswered(check, TARGET, Value::Null, "no execution of the migrations in this run (CE-22)"),
        (Some(backup), Some(executed)) => {
            let parameters = json!({ "backup_sha256": backup.sha256, "may_change": cx.config.integrity.may_change });
            match as_migrated::compare(cx, &cx.project.path(backup.file.as_ref()), executed).await {
                Ok(rows) => asking.answered(check, "target against scratch: the backup, migrated", parameters, rows),
                Err(error) => asking.unanswered(check, TARGET, parameters, error.to_string()),
            }
        }
    };
    add(cx, report, evidence);
    Ok(())
}

/// `duplicates` and `value-domains`.
async fn declared(cx: &Context<'_>, report: &mut StepReport, timeout_ms: u64) -> Result<(), StepError> {
    let uniques: Vec<(String, Question)> =
        cx.config.integrity.uniques.iter().map(|unique| (declared::unique_subject(unique), declared::duplicates(unique))).collect();
    let values = cx
        .config
        .integrity
        .values
        .iter()
        .map(|values| (format!("{}.{}", values.table, values.column), declared::other_values(values)))
        .collect();
    let asked = [
        ("duplicates", "[[integrity.unique]]", uniques, "0 duplicates", ("duplicate", "duplicates")),
        ("value-domains", "[[integrity.values]]", values, "0 other values", ("row with another value", "rows with another value")),
    ];
    for (code, section, asked, expected, words) in asked {
        let check = probe(code)?;
        let asking = Asked::now();
        let evidence = if asked.is_empty() {
            asking.not_applicable(check, TARGET, Value::Null, format!("ledger.toml declares no {section}"))
        } else {
            let answers = count(cx, code, &asked, timeout_ms).await?;
            let rows =
                asked.iter().zip(&answers).map(|((subject, _), answer)| none_wanted(subject, answer.as_ref(), expected, words)).collect();
            asking.answered(check, TARGET, Value::Null, rows)
        };
        add(cx, report, evidence);
    }
    Ok(())
}

/// `no-future-timestamps`.
async fn future_times(cx: &Context<'_>, report: &mut StepReport, columns: &[Column], timeout_ms: u64) -> Result<(), StepError> {
    let check = probe("no-future-timestamps")?;
    let asking = Asked::now();
    let asked: Vec<(String, Question)> =
        columns.iter().filter_map(|column| columns::in_the_future(column).map(|question| (column.subject(), question))).collect();
    let answers = count(cx, "times in the future", &asked, timeout_ms).await?;
    let words = ("row in the future", "rows in the future");
    let rows =
        asked.iter().zip(&answers).map(|((subject, _), answer)| none_wanted(subject, answer.as_ref(), "0 rows in the future", words));
    add(cx, report, asking.answered(check, TARGET, Value::Null, rows.collect()));
    Ok(())
}

/// `sequences-ahead`.
async fn sequences(cx: &Context<'_>, report: &mut StepReport, session: &Session) -> Result<(), StepError> {
    let check = probe("sequences-ahead")?;
    let asking = Asked::now();
    let mut rows = Vec::new();
    for sequence in columns::sequences(session, &cx.config.backup.exclude_schemas).await? {
        cx.progress.say(&format!("sequence · {}", sequence.name));
        rows.push(columns::ahead(session, &sequence).await);
    }
    add(cx, report, asking.answered(check, TARGET, Value::Null, rows));
    Ok(())
}

/// The team's own checks of this step, each with evidence of its own; and `own-checks-usable` over all files. Their codes.
async fn own_checks(cx: &Context<'_>, report: &mut StepReport, session: &Session) -> Result<Vec<String>, StepError> {
    let usable = probe("own-checks-usable")?;
    let asking = Asked::now();
    let files = user_checks(&cx.project.root, &cx.config.checks.folders);
    let expected = "a check of the built-in checks' form";
    let rows: Vec<SubjectRow> = files
        .iter()
        .map(|file| match &file.check {
            Ok(check) => SubjectRow::new(&file.file, true, expected, format!("{} of step {}", check.code, check.step.word())),
            Err(why) => SubjectRow::undecided(&file.file, expected, why),
        })
        .collect();
    let mut evidence = asking.answered(usable, "files", Value::Null, rows);
    if files.is_empty() {
        evidence.outcome = CheckOutcome::NotApplicable("ledger.toml names no folder of checks".into());
    }
    add(cx, report, evidence);
    let mut codes = Vec::new();
    for check in files.iter().filter_map(|file| file.check.as_ref().ok()).filter(|check| check.step == StepKind::Integrity) {
        cx.progress.say(check.code.as_str());
        let evidence = if check.as_role.is_some() || !check.settings.is_empty() {
            let why = "`as-role` and `setting` belong to checks of the step row-security";
            Asked::unmeasured().unanswered(check, TARGET, Value::Null, why)
        } else {
            in_a_cage(session, ask(session, check, Value::Null, TARGET)).await?
        };
        attach_question(report, "own", check.code.as_str(), &check.text);
        codes.push(check.code.to_string());
        add(cx, report, evidence);
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_that_was_seen_is_wrong_even_if_the_rest_could_not_be_counted() {
        let answer = |any| Answer { count: Err(PgError::other("cancelled")), duration: Duration::from_secs(300), timed_out: true, any };
        let row = |any| none_wanted("public.a", Some(&answer(any)), "0 rows", ("row", "rows"));
        assert_eq!((row(true).ok, row(true).observed.as_str()), (Some(false), "at least 1 row; timed out after 300 s"));
        assert_eq!((row(false).ok, row(false).observed.as_str()), (None, "timed out after 300 s"));
        assert_eq!(none_wanted("public.a", None, "0 rows", ("row", "rows")).ok, None);
    }
}
