//! A file tried again where trying again can help: a lock not got in time (55P03), a deadlock (40P01). Nothing else.

use std::time::Duration;

use super::apply::{Applied, ApplyOptions, apply_traced};
use super::layout::Migration;
use super::trace::Tracer;
use crate::domain::locks::FailedTry;
use crate::pg::Session;

/// The first pause; each further one is twice as long, up to the longest, and jittered between half and whole.
const FIRST_PAUSE_MS: u64 = 200;
const LONGEST_PAUSE_MS: u64 = 5_000;

/// Applies a file, with up to `retries` further attempts. Only files in one transaction are tried again: of others, a part stays.
pub async fn apply_with_retries(
    session: &Session,
    migration: &Migration,
    options: &ApplyOptions,
    retries: u32,
    tracer: Option<&Tracer>,
    log: &mut dyn FnMut(String),
) -> Applied {
    let mut attempt = 1;
    let mut tries = Vec::new();
    loop {
        let mut lines = Vec::new();
        let mut applied = apply_traced(session, migration, options, tracer, &mut |statement| {
            let rows = statement.rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
            let place = format!("{}:{}", migration.up.file, statement.line);
            lines.push(format!("{place} statement {} {}: {} us{rows}", statement.number, statement.what, statement.duration_us));
        })
        .await;
        if applied.execution.resumed > 0 {
            let n = applied.execution.resumed;
            log(format!("{}: statements 1 to {n} were applied in an earlier attempt, taken up after them", migration.up.file));
        }
        lines.into_iter().for_each(&mut *log);
        applied.execution.attempts = attempt;
        match &applied.failure {
            Some(failure) if failure.retryable() && migration.transactional && attempt <= retries => {
                let pause = pause_ms(attempt);
                log(format!("attempt {attempt} of {}: {failure}; rolled back, next attempt in {pause} ms", retries + 1));
                tries.push(FailedTry {
                    started: applied.execution.started,
                    duration_us: applied.execution.duration_us,
                    error: failure.to_string(),
                    pause_us: i64::try_from(pause * 1_000).unwrap_or(i64::MAX),
                });
                tokio::time::sleep(Duration::from_millis(pause)).await;
                attempt += 1;
            }
            _ => {
                applied.execution.tries = tries;
                return applied;
            }
        }
    }
}

fn pause_ms(attempt: u32) -> u64 {
    let whole = FIRST_PAUSE_MS.saturating_mul(1 << (attempt - 1).min(10)).min(LONGEST_PAUSE_MS);
    fastrand::u64(whole / 2..=whole)
}
