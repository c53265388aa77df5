//! The team's own isolation tests: check files with `as-role` and `setting`, each in a transaction of its own, rolled back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::seed::identifier;
use super::value::literal;
use crate::checks::Check;
use crate::checks::judge::judge;
use crate::checks::user::{UserCheck, user_checks};
use crate::domain::plan::StepKind;
use crate::domain::{CheckOutcome, SubjectRow};
use crate::pg::{Access, PgError, Target};

/// A test may take this long.
const TEST_TIMEOUT_MS: u64 = 60_000;

/// The tests of the project: its checks of this step. A file that cannot be used may be one, so it is not left out.
pub fn declared(root: &Path, folders: &[PathBuf]) -> Vec<UserCheck> {
    let mut tests = user_checks(root, folders);
    tests.retain(|test| test.check.as_ref().map_or(true, |check| check.step == StepKind::RowSecurity));
    tests
}

/// One test as it ran.
#[derive(Clone, Debug)]
pub struct TestRun {
    pub name: String,
    pub title: String,
    pub file: String,
    pub sha256: String,
    pub rows: Vec<SubjectRow>,
    pub outcome: CheckOutcome,
}

impl TestRun {
    /// The test as a subject of `isolation-tests`.
    pub fn subject(&self) -> SubjectRow {
        let right = self.rows.iter().filter(|row| row.ok == Some(true)).count();
        let total = self.rows.len();
        match &self.outcome {
            CheckOutcome::Pass => SubjectRow::new(&self.name, true, "pass", format!("{right} of {total} subjects right")),
            CheckOutcome::Fail => {
                let wrong: Vec<String> = self
                    .rows
                    .iter()
                    .filter(|row| row.ok == Some(false))
                    .take(5)
                    .map(|row| format!("{}: {}", row.subject, row.observed))
                    .collect();
                SubjectRow::new(&self.name, false, "pass", format!("{right} of {total} subjects right; {}", wrong.join("; ")))
            }
            CheckOutcome::Unknown(why) | CheckOutcome::NotApplicable(why) => SubjectRow::undecided(&self.name, "pass", why),
        }
    }

    /// For gate1_test_results.json.
    pub fn to_json(&self) -> Value {
        json!({ "test": self.name, "title": self.title, "file": self.file, "sha256": self.sha256, "outcome": self.outcome, "subjects": self.rows })
    }
}

/// Runs one test on a connection of its own, so that nothing another test set is left.
pub async fn run(target: &Target, test: &UserCheck) -> TestRun {
    run_on(target, test, "").await
}

/// The same with statements that the connecting role runs first, in the test's own transaction: rolled back with it.
pub async fn run_on(target: &Target, test: &UserCheck, preparation: &str) -> TestRun {
    let file = test.file.clone();
    match &test.check {
        Err(why) => TestRun {
            name: file.clone(),
            title: String::new(),
            file,
            sha256: String::new(),
            rows: Vec::new(),
            outcome: CheckOutcome::Unknown(why.clone()),
        },
        Ok(check) => {
            let answer = ask(target, check, preparation).await;
            let (rows, outcome) = match answer {
                Ok(rows) => {
                    let outcome = judge(&rows, check.min_subjects, check.none_is_not_applicable);
                    (rows, outcome)
                }
                Err(error) => (Vec::new(), CheckOutcome::Unknown(error.to_string())),
            };
            TestRun { name: check.code.to_string(), title: check.title.clone(), file, sha256: check.sha256(), rows, outcome }
        }
    }
}

async fn ask(target: &Target, check: &Check, preparation: &str) -> Result<Vec<SubjectRow>, PgError> {
    let session = target.session_with(Access::ReadWrite, TEST_TIMEOUT_MS, 5_000).await?;
    session.batch(&format!("BEGIN; {preparation}")).await?;
    for (name, expression) in &check.settings {
        // Evaluated by the connecting role, before the test's role is taken on.
        session
            .batch(&format!(
                "DO $ledger$ BEGIN PERFORM pg_catalog.set_config({}, ({expression})::text, true); END $ledger$",
                literal(Some(name))
            ))
            .await?;
    }
    if let Some(role) = &check.as_role {
        session.batch(&format!("SET LOCAL ROLE {}", identifier(role))).await?;
    }
    let rows = read(&session, check).await;
    // The connection ends here in any case; the rollback is for the server's log.
    let _ = session.batch("ROLLBACK").await;
    rows
}

async fn read(session: &crate::pg::Session, check: &Check) -> Result<Vec<SubjectRow>, PgError> {
    let statement = session.client().prepare(&check.text).await?;
    let column = |name: &str, of: &Type| {
        let found = statement.columns().iter().position(|column| column.name() == name);
        let index = found.ok_or_else(|| PgError::other(format!("the query yields no column `{name}`")))?;
        match statement.columns()[index].type_() == of {
            true => Ok(index),
            false => Err(PgError::other(format!("column `{name}` is {}, not {of}", statement.columns()[index].type_()))),
        }
    };
    let (subject, ok) = (column("subject", &Type::TEXT)?, column("ok", &Type::BOOL)?);
    let (expected, observed) = (column("expected", &Type::TEXT)?, column("observed", &Type::TEXT)?);
    let mut rows = Vec::new();
    for row in session.client().query(&statement, &[]).await? {
        let text = |index: usize| row.try_get::<_, Option<String>>(index).map(Option::unwrap_or_default);
        rows.push(SubjectRow {
            subject: text(subject)?,
            ok: row.try_get(ok)?,
            expected: text(expected)?,
            observed: text(observed)?,
            detail: Value::Null,
        });
    }
    Ok(rows)
}
