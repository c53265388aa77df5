//! What a migration does to the relations that others use: the locks it takes, for how long, what it rewrites, makes and drops.
//!
//! 1. Before a file in one transaction, a session of its own ([`Tracer`]) takes a snapshot: the catalog as others still see it.
//! 2. After each statement the migration's own session is asked for the locks it holds ([`LOOK`]); the question travels with the
//!    statements, so that it costs no round trip. What is new since the look before was taken by that statement.
//! 3. After the end of the transaction the locks get the names that the relations had in the snapshot. What is not in it was made by the
//!    file, and nobody could wait for it.
//!
//! Statements that cannot run in a transaction are watched from outside instead (`watch`): their locks are sampled.

mod look;
mod watch;

use std::collections::BTreeMap;
use std::time::Instant;

pub(super) use look::{LOOK, Look, read_look};

use super::split::{Statement, StatementKind};
use crate::domain::locks::{LockMode, LockTaken};
use crate::domain::product::StatementExecution;
use crate::pg::{Access, PgError, Session, Target};

/// Watches one session of a database from another one.
pub struct Tracer {
    eyes: Session,
    /// The server process of the session that is watched.
    process: i32,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer").field("process", &self.process).finish_non_exhaustive()
    }
}

/// A relation as it was before the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Before {
    name: String,
    kind: char,
    filenode: u32,
}

/// Relations by oid; `pg_class` as an ordinary query sees it, so that the snapshot's time counts.
const RELATIONS: &str = "
    SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text, c.relfilenode
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v', 'f', 'i', 'I', 'S')";

impl Tracer {
    /// Opens a session beside `watched`, in the same database.
    pub async fn beside(target: &Target, watched: &Session) -> Result<Self, PgError> {
        let process = super::waits::process_of(watched).await?;
        let eyes = target.session_with(Access::ReadOnly, 30_000, 5_000).await?;
        eyes.batch("SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0").await?;
        Ok(Self { eyes, process })
    }

    /// Takes the snapshot of before.
    pub(super) async fn before(&self) -> Result<(), PgError> {
        self.eyes.batch("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1").await
    }

    /// The named relations as they were before; ends the snapshot.
    async fn as_they_were(&self, oids: &[u32]) -> Result<BTreeMap<u32, Before>, PgError> {
        let rows = match oids.is_empty() {
            true => Vec::new(),
            false => self.eyes.query(&format!("{RELATIONS} AND c.oid = ANY ($1)"), &[&oids]).await?,
        };
        self.eyes.batch("COMMIT").await?;
        relations(&rows)
    }
}

fn relations(rows: &[tokio_postgres::Row]) -> Result<BTreeMap<u32, Before>, PgError> {
    rows.iter()
        .map(|row| {
            let kind: String = row.try_get(2)?;
            Ok((row.try_get(0)?, Before { name: row.try_get(1)?, kind: kind.chars().next().unwrap_or('?'), filenode: row.try_get(3)? }))
        })
        .collect()
}

/// Whether a look after this statement can show anything, and does no harm: `SET TRANSACTION` must come before any query.
pub(super) fn worth_a_look(statement: &Statement<'_>, before: Option<&str>, after: Option<&Statement<'_>>) -> bool {
    let first = statement.what.split(' ').next().unwrap_or_default();
    let quiet = ["SET", "RESET", "SHOW", "SAVEPOINT", "RELEASE", "DEALLOCATE", "DISCARD", "LISTEN", "NOTIFY", "UNLISTEN"];
    if quiet.contains(&first) || statement.kind == StatementKind::TransactionControl {
        return false;
    }
    // Of many equal data statements in a row, the first and the last: what lies between takes the locks that the first took.
    let data = matches!(first, "INSERT" | "UPDATE" | "DELETE" | "SELECT" | "COPY");
    !data || before != Some(statement.what.as_str()) || after.is_none_or(|after| after.what != statement.what)
}

/// A relation's state at the last look.
struct Seen {
    mode: LockMode,
    filenode: Option<u32>,
    name: Option<String>,
    kind: char,
    /// The open entry of `taken`.
    taken: Vec<usize>,
}

struct Taken {
    /// Position in the file's list of statements.
    at: usize,
    relation: u32,
    mode: LockMode,
    since: Instant,
    until: Option<Instant>,
}

/// What happened to a relation at a statement.
struct Turn {
    at: usize,
    relation: u32,
    /// State before and after; `None` before: first seen here, and the snapshot decides.
    before: Option<(Option<u32>, Option<String>)>,
    after: (Option<u32>, Option<String>),
    kind: char,
}

/// One file's trace while it runs.
#[derive(Default)]
pub(super) struct FileTrace {
    seen: BTreeMap<u32, Seen>,
    taken: Vec<Taken>,
    turns: Vec<Turn>,
}

impl FileTrace {
    /// Takes in what was held after the statement at this position, which ran between these moments.
    pub fn take(&mut self, at: usize, (began, ended): (Instant, Instant), looks: Vec<Look>) {
        let mut held: BTreeMap<u32, Look> = BTreeMap::new();
        for look in looks {
            match held.get_mut(&look.relation) {
                Some(known) => known.mode = known.mode.max(look.mode),
                None => {
                    held.insert(look.relation, look);
                }
            }
        }
        // Only a rollback to a savepoint gives locks back before the end.
        let gone: Vec<u32> = self.seen.keys().filter(|relation| !held.contains_key(relation)).copied().collect();
        for relation in gone {
            for index in self.seen.remove(&relation).into_iter().flat_map(|seen| seen.taken) {
                self.taken[index].until = Some(ended);
            }
        }
        for (relation, look) in held {
            let state = (look.filenode, look.name.clone());
            let known = self.seen.get(&relation).map(|seen| (seen.filenode, seen.name.clone()));
            if known.as_ref() != Some(&state) {
                self.turns.push(Turn { at, relation, before: known, after: state, kind: look.kind });
            }
            let stronger = self.seen.get(&relation).is_none_or(|seen| look.mode > seen.mode);
            let seen = self.seen.entry(relation).or_insert(Seen {
                mode: look.mode,
                filenode: None,
                name: None,
                kind: look.kind,
                taken: Vec::new(),
            });
            (seen.filenode, seen.name, seen.kind) = (look.filenode, look.name, look.kind);
            if stronger {
                seen.mode = look.mode;
                seen.taken.push(self.taken.len());
                self.taken.push(Taken { at, relation, mode: look.mode, since: began, until: None });
            }
        }
    }

    /// Writes what was seen into the statements: the transaction has ended, at `ended`.
    pub async fn tell(self, tracer: &Tracer, statements: &mut [StatementExecution], ended: Instant) -> Result<(), PgError> {
        let mut oids: Vec<u32> = self.taken.iter().map(|taken| taken.relation).collect();
        oids.sort_unstable();
        oids.dedup();
        let before = tracer.as_they_were(&oids).await?;
        for taken in &self.taken {
            let (Some(statement), Some(was)) = (statements.get_mut(taken.at), before.get(&taken.relation)) else { continue };
            let held = taken.until.unwrap_or(ended).saturating_duration_since(taken.since);
            if let Some(lock) = told(was, taken.mode, i64::try_from(held.as_micros()).unwrap_or(i64::MAX)) {
                statement.locks.push(lock);
            }
        }
        for statement in statements.iter_mut() {
            statement.locks.sort_by(|a, b| b.mode.cmp(&a.mode).then_with(|| a.relation.cmp(&b.relation)));
        }
        for turn in &self.turns {
            if let Some(statement) = statements.get_mut(turn.at) {
                tell_turn(turn, before.get(&turn.relation), statement);
            }
        }
        Ok(())
    }
}

/// Indexes and sequences are locked with their tables; alone they are worth a word only where something stronger is meant.
fn told(was: &Before, mode: LockMode, held_us: i64) -> Option<LockTaken> {
    let part = matches!(was.kind, 'i' | 'I' | 'S');
    if part && mode < LockMode::ShareUpdateExclusive {
        return None;
    }
    Some(LockTaken { relation: was.name.clone(), kind: kind_word(was.kind).to_owned(), mode, held_us })
}

fn tell_turn(turn: &Turn, was: Option<&Before>, statement: &mut StatementExecution) {
    let known = turn.before.clone().or_else(|| was.map(|was| (Some(was.filenode), Some(was.name.clone()))));
    match (known, &turn.after) {
        // Sequences and indexes that a table brings along are no news of their own.
        (None, (_, Some(name))) if !matches!(turn.kind, 'S') => statement.relations.push(format!("made {name}")),
        (None, _) => {}
        (Some((_, Some(name))), (_, None)) => statement.relations.push(format!("dropped {name}")),
        (Some((before, name)), (after, Some(now))) => {
            if let Some(name) = name.filter(|name| name != now) {
                statement.relations.push(format!("renamed {name} to {now}"));
            }
            // 0: views and partitioned tables have no file.
            if let Some(was) = was
                && before != *after
                && before.is_some_and(|node| node != 0)
                && after.is_some_and(|node| node != 0)
            {
                statement.rewritten.push(was.name.clone());
            }
        }
        (Some((_, None)), _) => {}
    }
}

/// `relkind` in words.
fn kind_word(kind: char) -> &'static str {
    match kind {
        'r' => "table",
        'p' => "partitioned table",
        'm' => "materialized view",
        'v' => "view",
        'f' => "foreign table",
        'i' | 'I' => "index",
        'S' => "sequence",
        _ => "relation",
    }
}
