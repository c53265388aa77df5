//! Verify scripts: what must hold after a migration.
//!
//! A verify script runs in a read-only transaction that is rolled back. It fails by raising an error, or by a statement that
//! returns a row whose first column is boolean and not true. A script without a statement proves nothing, and fails as such.

use tokio_postgres::types::Type;

use super::failure::Failure;
use super::layout::{Migration, Script};
use super::split::{Place, Statement, decode, split_bytes};
use crate::pg::{PgError, Session};

/// Runs a migration's verify script. `Ok(None)`: it has none. `Ok(Some(n))`: it held, after `n` statements.
pub async fn verify(session: &Session, migration: &Migration) -> Result<Option<u64>, Failure> {
    let Some(script) = &migration.verify else { return Ok(None) };
    let text = decode(&script.bytes).map_err(|refusal| Failure::refused(&script.file, &refusal))?;
    let split = split_bytes(&script.bytes);
    if let Some(refusal) = split.refusals.first() {
        return Err(Failure::refused(&script.file, refusal));
    }
    if split.statements.is_empty() {
        return Err(plain(script, Place { line: 1, column: 1 }, 0, "", "the verify script has no statement, so it proves nothing"));
    }
    let begin = "BEGIN READ ONLY; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SET LOCAL row_security = off; SET LOCAL timezone = 'UTC'; \
                 SET LOCAL client_min_messages = warning; SET LOCAL statement_timeout = 300000; SET LOCAL lock_timeout = 5000";
    session.batch(begin).await.map_err(|error| Failure::around(&script.file, "BEGIN", &error))?;
    let mut result = Ok(Some(split.statements.len() as u64));
    for statement in &split.statements {
        if let Err(failure) = holds(session, script, text, statement).await {
            result = Err(failure);
            break;
        }
    }
    if let Err(error) = session.batch("ROLLBACK").await
        && result.is_ok()
    {
        result = Err(Failure::around(&script.file, "ROLLBACK", &error));
    }
    result
}

async fn holds(session: &Session, script: &Script, text: &str, statement: &Statement<'_>) -> Result<(), Failure> {
    let failed = |error: PgError| Failure::of_statement(&script.file, text, statement, &error);
    if statement.data.is_some() {
        let message = "rows are not copied in a verify script, which only reads";
        return Err(plain(script, statement.place, statement.number, &statement.what, message));
    }
    let rows = session.query(&statement.sql(), &[]).await.map_err(failed)?;
    for (index, row) in rows.iter().enumerate() {
        let boolean = row.columns().first().is_some_and(|column| *column.type_() == Type::BOOL);
        if boolean && row.get::<_, Option<bool>>(0) != Some(true) {
            let message = format!("row {} is not true", index + 1);
            return Err(plain(script, statement.place, statement.number, &statement.what, &message));
        }
    }
    Ok(())
}

fn plain(script: &Script, place: Place, number: u64, what: &str, message: &str) -> Failure {
    Failure {
        file: script.file.clone(),
        place,
        number,
        what: what.to_owned(),
        sqlstate: None,
        message: message.to_owned(),
        disconnected: false,
        end_unknown: false,
    }
}
