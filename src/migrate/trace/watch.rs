//! Statements outside of a transaction, watched from another session: their locks are sampled while they run.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use super::{Before, RELATIONS, Tracer, relations, told};
use crate::domain::locks::LockMode;
use crate::domain::product::StatementExecution;
use crate::pg::PgError;

/// Between the first samples, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

const HELD: &str = "SELECT l.relation, l.mode FROM pg_catalog.pg_locks l
                    WHERE l.pid = $1 AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384";

/// A lock as the samples show it.
struct Sampled {
    mode: LockMode,
    first: Instant,
    last: Instant,
}

/// What watching one statement showed.
pub(in crate::migrate) struct Watched {
    before: BTreeMap<u32, Before>,
    locks: BTreeMap<u32, Vec<Sampled>>,
}

impl Tracer {
    /// Every relation there is. Nothing of it outlives the query: CREATE INDEX CONCURRENTLY waits for old snapshots.
    async fn all(&self) -> Result<BTreeMap<u32, Before>, PgError> {
        relations(&self.eyes.query(RELATIONS, &[]).await?)
    }

    /// Runs `work`, a statement of the watched session, and samples that session's locks meanwhile. `Err` in the second place: the
    /// statement ran, but was not watched.
    pub(in crate::migrate) async fn watch<T>(&self, work: impl Future<Output = T>) -> (T, Result<Watched, PgError>) {
        let before = match self.all().await {
            Ok(before) => before,
            Err(error) => return (work.await, Err(error)),
        };
        let mut work = pin!(work);
        let mut watched = Watched { before, locks: BTreeMap::new() };
        let mut pause = FIRST_PAUSE;
        let mut trouble = None;
        let process: &(dyn tokio_postgres::types::ToSql + Sync) = &self.process;
        let process = [process];
        loop {
            tokio::select! {
                biased;
                done = &mut work => return (done, trouble.map_or(Ok(watched), Err)),
                sample = self.eyes.query(HELD, &process), if trouble.is_none() => match sample {
                    Ok(rows) => watched.take(&rows),
                    Err(error) => trouble = Some(error),
                },
            }
            tokio::select! {
                biased;
                done = &mut work => return (done, trouble.map_or(Ok(watched), Err)),
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    /// Writes what was seen into the statement, which has ended.
    pub(in crate::migrate) async fn tell_watched(&self, watched: Watched, statement: &mut StatementExecution) -> Result<(), PgError> {
        let after = self.all().await?;
        statement.sampled = true;
        for (relation, samples) in &watched.locks {
            let (Some(was), Some(strongest)) = (watched.before.get(relation), samples.iter().max_by_key(|sampled| sampled.mode)) else {
                continue;
            };
            let held = strongest.last.saturating_duration_since(strongest.first);
            statement.locks.extend(told(was, strongest.mode, i64::try_from(held.as_micros()).unwrap_or(i64::MAX)));
        }
        statement.locks.sort_by(|a, b| b.mode.cmp(&a.mode).then_with(|| a.relation.cmp(&b.relation)));
        for (oid, was) in &watched.before {
            match after.get(oid) {
                None => statement.relations.push(format!("dropped {}", was.name)),
                Some(now) if now.name != was.name => statement.relations.push(format!("renamed {} to {}", was.name, now.name)),
                Some(now) if now.filenode != was.filenode && was.filenode != 0 => statement.rewritten.push(was.name.clone()),
                Some(_) => {}
            }
        }
        let made = after.iter().filter(|(oid, now)| !watched.before.contains_key(oid) && now.kind != 'S');
        statement.relations.extend(made.map(|(_, now)| format!("made {}", now.name)));
        Ok(())
    }
}

impl Watched {
    fn take(&mut self, rows: &[tokio_postgres::Row]) {
        let now = Instant::now();
        for row in rows {
            let (Ok(relation), Ok(mode)) = (row.try_get::<_, u32>(0), row.try_get::<_, &str>(1)) else { continue };
            let Some(mode) = LockMode::of_server(mode) else { continue };
            let samples = self.locks.entry(relation).or_default();
            match samples.iter_mut().find(|sampled| sampled.mode == mode) {
                Some(sampled) => sampled.last = now,
                None => samples.push(Sampled { mode, first: now, last: now }),
            }
        }
    }
}
