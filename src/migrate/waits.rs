//! Who waits for whom while a migration runs: sampled from a second session.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use crate::domain::locks::LockWait;
use crate::pg::{PgError, Session};

/// Between samples.
const PERIOD: Duration = Duration::from_millis(200);

/// What the migration's own process is called.
const OURS: &str = "this migration";

/// Pairs of a waiting and a blocking process of which one is the given process, with what may be said of them: never their statements.
/// `pg_blocking_pids` is asked for waiting processes alone: it stops the lock manager for a moment
/// (PostgreSQL manual, "Session Information Functions").
const WAITS: &str = "
    WITH waiting AS (
        SELECT DISTINCT ON (l.pid) l.pid, l.mode, l.relation
        FROM pg_catalog.pg_locks l WHERE NOT l.granted ORDER BY l.pid, l.waitstart
    ),
    pairs AS (
        SELECT w.pid AS waiter, b.pid AS blocker, w.mode, w.relation
        FROM waiting w, LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) AS b (pid)
    ),
    named (pid, name) AS (
        SELECT a.pid, pg_catalog.format('process %s (%s, %s, %s)', a.pid, COALESCE(NULLIF(a.application_name, ''), 'no name'),
                                        COALESCE(a.usename::text, 'no role'), COALESCE(a.state, a.backend_type, 'state unknown'))
        FROM pg_catalog.pg_stat_activity a
    )
    SELECT p.waiter = $1, p.blocker = $1, COALESCE(wn.name, pg_catalog.format('process %s', p.waiter)),
           COALESCE(bn.name, CASE p.blocker WHEN 0 THEN 'a prepared transaction' ELSE pg_catalog.format('process %s', p.blocker) END),
           p.mode, CASE WHEN n.nspname IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END
    FROM pairs p
    LEFT JOIN named wn ON wn.pid = p.waiter
    LEFT JOIN named bn ON bn.pid = p.blocker
    LEFT JOIN pg_catalog.pg_class c ON c.oid = p.relation
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE (p.waiter = $1 OR p.blocker = $1)
    ORDER BY p.waiter, p.blocker";

/// The server process of a session.
pub async fn process_of(session: &Session) -> Result<i32, PgError> {
    Ok(session.one("SELECT pg_catalog.pg_backend_pid()", &[]).await?.get(0))
}

/// Watches a process from another session.
pub struct Waits {
    eyes: Session,
    process: i32,
    seen: RefCell<Vec<(LockWait, Instant)>>,
}

impl Waits {
    /// Watches this process.
    pub fn of(eyes: Session, process: i32) -> Self {
        Self { eyes, process, seen: RefCell::default() }
    }

    /// What was seen since last asked, longest first.
    pub fn take(&self) -> Vec<LockWait> {
        let mut waits: Vec<LockWait> = self.seen.take().into_iter().map(|(wait, _)| wait).collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.seen_us));
        waits
    }

    /// Runs `work` to its end; meanwhile says of each new pair who waits for whom. A sample that fails is left out: watching must not end
    /// what is watched.
    pub async fn watched<T>(&self, work: impl Future<Output = T>, say: &dyn Fn(String)) -> T {
        let mut work = pin!(work);
        let process: &(dyn tokio_postgres::types::ToSql + Sync) = &self.process;
        let process = [process];
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(PERIOD) => {}
            }
            tokio::select! {
                biased;
                done = &mut work => return done,
                sample = self.eyes.query(WAITS, &process) => if let Ok(rows) = sample {
                    self.sampled(&rows, say);
                }
            }
        }
    }

    fn sampled(&self, rows: &[tokio_postgres::Row], say: &dyn Fn(String)) {
        let now = Instant::now();
        let mut seen = self.seen.borrow_mut();
        for row in rows {
            let name = |ours: usize, name: usize| match row.get(ours) {
                true => OURS.to_owned(),
                false => row.get::<_, String>(name),
            };
            let (waiter, blocker) = (name(0, 2), name(1, 3));
            let wanted =
                match (row.get::<_, Option<&str>>(4).and_then(crate::domain::locks::LockMode::of_server), row.get::<_, Option<&str>>(5)) {
                    (Some(mode), Some(relation)) => format!("{mode} on {relation}"),
                    _ => String::new(),
                };
            match seen.iter_mut().find(|(wait, _)| (&wait.waiter, &wait.blocker, &wait.wanted) == (&waiter, &blocker, &wanted)) {
                Some((wait, first)) => {
                    wait.samples += 1;
                    wait.seen_us = i64::try_from(now.saturating_duration_since(*first).as_micros()).unwrap_or(i64::MAX);
                }
                None => {
                    let what = if wanted.is_empty() { String::new() } else { format!(" ({wanted})") };
                    say(format!("{waiter} waits for {blocker}{what}"));
                    seen.push((LockWait { waiter, blocker, wanted, seen_us: 0, samples: 1 }, now));
                }
            }
        }
    }
}
