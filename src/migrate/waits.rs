//! Who holds up a migration: sampled from a second session while it runs.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use crate::pg::{PgError, Session};

/// Between samples.
const PERIOD: Duration = Duration::from_millis(200);

/// Processes that the given one waits for, with what may be said of them: never their statements.
const BLOCKERS: &str = "
    SELECT pg_catalog.format('process %s (%s, %s, %s)', b.pid, COALESCE(NULLIF(a.application_name, ''), 'no name'),
                             COALESCE(a.usename::text, 'no role'), COALESCE(a.state, a.backend_type, 'state unknown'))
    FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS b (pid)
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
    ORDER BY b.pid";

/// The server process of a session.
pub async fn process_of(session: &Session) -> Result<i32, PgError> {
    Ok(session.one("SELECT pg_catalog.pg_backend_pid()", &[]).await?.get(0))
}

/// Runs `work` to its end; meanwhile says whom `process` waits for, once for each set of blockers. A sample that fails is left out:
/// watching must not end what is watched.
pub async fn watched<T>(eyes: &Session, process: i32, work: impl Future<Output = T>, say: &dyn Fn(String)) -> T {
    let mut work = pin!(work);
    let mut said: Vec<String> = Vec::new();
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let Ok(rows) = eyes.query(BLOCKERS, &[&process]).await else { continue };
        let blockers: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        if !blockers.is_empty() && blockers != said {
            say(format!("waits for {}", blockers.join(", ")));
        }
        said = blockers;
    }
}
