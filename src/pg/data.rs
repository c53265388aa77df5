//! What the tables, sequences and large objects of a database hold at a moment: exact counts, digests, positions.
//!
//! A row is hashed as the text of its columns in the order of their names, so that a restored copy hashes alike: twice with
//! `hashtextextended` (64 bits, two seeds), each summed over the rows; the digest is SHA-256 over the exact count and the two sums. Order
//! does not matter, duplicates count. It finds what accidents, migrations and damaged copies change; it is no defence against somebody who
//! builds two rows of one hash on purpose. The numbers agree between PostgreSQL 15 to 18 on machines of one byte order.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use tokio_postgres::types::Json;

use super::{Access, PgError, Session, Target};
use crate::domain::product::TableState;

/// Settings that decide how values are written as text, pinned: a copy has none of the settings of the database.
pub(super) const STABLE_TEXT: &str = "SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; \
                                      SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET xmloption = 'content'; SET lc_monetary = 'C'";

/// The same for counting: every row, or an error.
pub(super) const EVERY_ROW: &str = "SET row_security = off";

/// Tables that hold rows of their own, with their columns in order of name, by name; and their size, to begin with the largest.
const TABLES: &str = "
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
           (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname)
            FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND COALESCE($2::jsonb -> pg_catalog.format('%I.%I', n.nspname, c.relname) ? a.attname::text, true)),
           c.relpages
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'ledger_anchor')
      AND NOT n.nspname::text = ANY ($1)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1";

struct Table {
    name: String,
    columns: String,
    pages: i32,
}

/// Table → its columns, by name.
pub type Columns = BTreeMap<String, Vec<String>>;

/// The columns of every table, to look at the same ones later ([`table_states_on`]).
pub async fn columns(session: &Session, excluded: &[String]) -> Result<Columns, PgError> {
    let rows = session
        .query(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'ledger_anchor') AND NOT n.nspname::text = ANY ($1)
             GROUP BY n.nspname, c.relname",
            &[&excluded],
        )
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// `only`: where a table has an entry, only these of its columns are looked at.
async fn tables(session: &Session, excluded: &[String], only: &Columns) -> Result<Vec<Table>, PgError> {
    let rows = session.query(TABLES, &[&excluded, &Json(only)]).await?;
    let table = |row: &tokio_postgres::Row| -> Result<Table, PgError> {
        let columns: Option<String> = row.try_get(1)?;
        Ok(Table { name: row.try_get(0)?, columns: columns.unwrap_or_else(|| "NULL".into()), pages: row.try_get(2)? })
    };
    rows.iter().map(table).collect()
}

/// Exact count and order-independent digest of every table's rows, `excluded` schemas apart; in one snapshot if the session
/// is in a REPEATABLE READ transaction.
///
/// Ordinary tables and partitions, unlogged ones too. Not foreign tables, whose rows are elsewhere, and not materialized views.
/// With `row_security = off`: a role that would see only some rows gets an error and not a wrong count.
pub async fn table_states(session: &Session, excluded: &[String]) -> Result<Vec<TableState>, PgError> {
    session.batch(STABLE_TEXT).await?;
    session.batch(EVERY_ROW).await?;
    let mut states = Vec::new();
    for table in tables(session, excluded, &Columns::new()).await? {
        states.push(table_state(session, &table).await?);
    }
    Ok(states)
}

/// [`table_states`] by several sessions at once, all in one snapshot: the exported one, or one of its own. `told` hears of every table that
/// is done, with how many there are.
pub async fn table_states_of(
    target: &Target,
    excluded: &[String],
    workers: usize,
    snapshot: Option<&str>,
    told: &dyn Fn(usize, usize),
) -> Result<Vec<TableState>, PgError> {
    table_states_on(target, excluded, workers, snapshot, &Columns::new(), told).await
}

/// [`table_states_of`] on the named columns of the tables that `only` names: a column more is no difference then.
pub async fn table_states_on(
    target: &Target,
    excluded: &[String],
    workers: usize,
    snapshot: Option<&str>,
    only: &Columns,
    told: &dyn Fn(usize, usize),
) -> Result<Vec<TableState>, PgError> {
    let leader = target.session_with(Access::ReadOnly, 0, 30_000).await?;
    let snapshot = match snapshot {
        Some(snapshot) => {
            join_snapshot(&leader, snapshot).await?;
            snapshot.to_owned()
        }
        None => export_snapshot(&leader).await?,
    };
    let mut open = tables(&leader, excluded, only).await?;
    open.sort_by_key(|table| std::cmp::Reverse(table.pages));
    let (next, done) = (Cell::new(0_usize), Cell::new(0_usize));
    let worker = async || -> Result<Vec<TableState>, PgError> {
        let session = target.session_with(Access::ReadOnly, 0, 30_000).await?;
        join_snapshot(&session, &snapshot).await?;
        session.batch(STABLE_TEXT).await?;
        session.batch(EVERY_ROW).await?;
        let mut states = Vec::new();
        while let Some(table) = open.get(next.get()) {
            next.set(next.get() + 1);
            let state = match table_state(&session, table).await {
                // Only the team's own search path finds what such a function means.
                Err(error) if error.is_undefined() => {
                    session.batch("ROLLBACK").await?;
                    session.batch("RESET search_path").await?;
                    join_snapshot(&session, &snapshot).await?;
                    let state = table_state(&session, table).await;
                    session.batch("SET search_path = ''").await?;
                    state
                }
                state => state,
            };
            states.push(state.map_err(|error| error.about(&table.name))?);
            done.set(done.get() + 1);
            told(done.get(), open.len());
        }
        Ok(states)
    };
    let mut states = Vec::with_capacity(open.len());
    for made in join_all((0..workers.clamp(1, open.len().max(1))).map(|_| worker())).await {
        states.extend(made?);
    }
    states.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(states)
}

async fn table_state(session: &Session, table: &Table) -> Result<TableState, PgError> {
    // Columns and name are quoted by the server (TABLES). OFFSET 0 keeps the row's text from being made twice.
    let sql = format!(
        "SELECT pg_catalog.count(*), COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(r, 0)), 0)::text, \
                COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(r, 1)), 0)::text \
         FROM (SELECT ROW({})::text COLLATE \"C\" AS r FROM ONLY {} OFFSET 0) AS rows",
        table.columns, table.name
    );
    let row = session.one(&sql, &[]).await?;
    state(table.name.clone(), row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
}

fn state(table: String, rows: i64, first: String, second: String) -> Result<TableState, PgError> {
    let digest = hex::encode(Sha256::digest(format!("{rows} {first} {second}")));
    Ok(TableState { table, rows: u64::try_from(rows).unwrap_or_default(), digest })
}

/// How many large objects there are and what they hold, read in pieces of a megabyte; `None`: there is none. Wants SELECT on every one.
pub async fn large_objects(session: &Session) -> Result<Option<TableState>, PgError> {
    // Where there is none, nothing is asked that a role might not be allowed to ask.
    if session.query("SELECT FROM pg_catalog.pg_largeobject_metadata LIMIT 1", &[]).await?.is_empty() {
        return Ok(None);
    }
    session.batch(STABLE_TEXT).await?;
    let row = session
        .one(
            "SELECT pg_catalog.count(DISTINCT p.oid), pg_catalog.sum(pg_catalog.hashtextextended(p.r, 0))::text, pg_catalog.sum(pg_catalog.hashtextextended(p.r, 1))::text
             FROM (SELECT m.oid, pg_catalog.concat_ws(' ', m.oid, size.bytes, n, pg_catalog.sha256(pg_catalog.lo_get(m.oid, n * 1048576, 1048576))) COLLATE \"C\" AS r
                   FROM pg_catalog.pg_largeobject_metadata m,
                        LATERAL (SELECT pg_catalog.lo_open(m.oid, 262144) AS fd OFFSET 0) opened,
                        LATERAL (SELECT pg_catalog.lo_lseek64(opened.fd, 0, 2) AS bytes, pg_catalog.lo_close(opened.fd) AS closed OFFSET 0) size,
                        LATERAL pg_catalog.generate_series(0, (size.bytes + size.closed) / 1048576) n OFFSET 0) p",
            &[],
        )
        .await?;
    state("large objects".into(), row.try_get(0)?, row.try_get(1)?, row.try_get(2)?).map(Some)
}

/// [`large_objects`] in a transaction of its own, for a session that is in none.
pub async fn large_objects_alone(session: &Session) -> Result<Option<TableState>, PgError> {
    session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let state = large_objects(session).await;
    session.batch("ROLLBACK").await?;
    state
}

/// Where a sequence stands. Its numbers are compared and never recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub sequence: String,
    /// The value that comes next, if it does not cycle.
    pub next: i128,
    pub increment: i64,
    pub cycles: bool,
}

impl Position {
    /// Whether `self` is at the place of `other` or past it, in the direction of counting.
    pub fn has_reached(&self, other: &Self) -> bool {
        match self.increment >= 0 {
            true => self.next >= other.next,
            false => self.next <= other.next,
        }
    }
}

/// Where every sequence stands that may be read. Sequences know no transactions: this is now, whatever the snapshot.
pub async fn positions(session: &Session, excluded: &[String]) -> Result<Vec<Position>, PgError> {
    let rows = session
        .query(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), q.seqincrement, q.seqcycle
             FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'ledger_anchor') AND NOT n.nspname::text = ANY ($1)
               AND CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                               WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
             ORDER BY 1",
            &[&excluded],
        )
        .await?;
    let mut known: Vec<(String, i64, bool)> = Vec::with_capacity(rows.len());
    for row in &rows {
        known.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    let mut found = Vec::with_capacity(known.len());
    for some in known.chunks(200) {
        let parts: Vec<String> =
            some.iter().enumerate().map(|(n, (name, ..))| format!("SELECT {n}::int AS n, last_value, is_called FROM {name}")).collect();
        let sql = format!("SELECT last_value, is_called FROM ({}) s ORDER BY n", parts.join(" UNION ALL "));
        for (row, (sequence, increment, cycles)) in session.query(&sql, &[]).await?.iter().zip(some) {
            let (last, called): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
            let next = i128::from(last) + if called { i128::from(*increment) } else { 0 };
            found.push(Position { sequence: sequence.clone(), next, increment: *increment, cycles: *cycles });
        }
    }
    Ok(found)
}

/// Begins a transaction whose snapshot other sessions can take over.
pub async fn export_snapshot(session: &Session) -> Result<String, PgError> {
    // One by one: statements sent together are a transaction already, too late to choose its isolation.
    session.batch("SET idle_in_transaction_session_timeout = 0").await?;
    // 17 added it.
    session.batch("SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'").await?;
    session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    Ok(session.one("SELECT pg_catalog.pg_export_snapshot()", &[]).await?.try_get(0)?)
}

/// Begins a transaction in an exported snapshot.
pub async fn join_snapshot(session: &Session, snapshot: &str) -> Result<(), PgError> {
    let snapshot: String = snapshot.chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
    session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    session.batch(&format!("SET TRANSACTION SNAPSHOT '{snapshot}'")).await
}

/// Tables whose state differs, one readable line each: `public.clauses: 300 rows before, 299 after`.
pub fn diff_states(before: &[TableState], after: &[TableState]) -> Vec<String> {
    let by_name = |states: &[TableState]| -> BTreeMap<String, TableState> { states.iter().map(|s| (s.table.clone(), s.clone())).collect() };
    let (before, after) = (by_name(before), by_name(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (Some(b), Some(a)) if b.rows != a.rows => Some(format!("{name}: {} rows before, {} after", b.rows, a.rows)),
            (Some(b), Some(a)) if b.digest != a.digest => Some(format!("{name}: {} rows before and after, contents differ", b.rows)),
            (Some(b), None) => Some(format!("{name}: gone, {} rows before", b.rows)),
            (None, Some(a)) => Some(format!("{name}: new, {} rows", a.rows)),
            _ => None,
        })
        .collect()
}
