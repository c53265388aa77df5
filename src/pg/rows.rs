//! Which rows two copies of a table differ by: lost, gained and changed, counted apart, without reading a value.
//!
//! Of every row the server makes two numbers under a fresh random seed: one of its key, one of the whole row. First each side sums them up in a
//! thousand shares; then only the rows of shares that differ are sent, sorted by the key's number, and both streams are merged as they come. So
//! each table is read twice, memory here does not depend on its size, and what the server sorts is what differs and its neighbours in the shares.

use std::pin::Pin;

use futures_util::TryStreamExt;
use tokio_postgres::RowStream;
use tokio_postgres::types::ToSql;

use super::data::{self, Columns};
use super::{Access, PgError, Session, Target};

/// Shares that rows are summed up in, by the lowest bits of the key's number.
const SHARES: i64 = 1024;

/// How two copies of a table differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    pub lost: u64,
    pub gained: u64,
    /// Of one key and other contents; without a key such a row is one lost and one gained.
    pub changed: u64,
    /// Whether both copies have the key that rows are known by.
    pub keyed: bool,
    /// Columns that the changed rows differ in; empty where rows were lost or gained as well, and the columns were not asked.
    pub columns: Vec<String>,
}

/// One number of a key, one of a row, how many such rows.
type Line = (i64, i64, i64);

/// Compares the table on its columns, as far as `only` names some. Each side is looked at in one snapshot of its own.
pub async fn difference(expected: &Target, found: &Target, table: &str, only: &Columns) -> Result<Difference, PgError> {
    let (before, after) = (Side::open(expected).await?, Side::open(found).await?);
    let key = before.key(table).await?.filter(|key| !key.is_empty());
    let key = match key {
        Some(key) if after.key(table).await?.as_ref() == Some(&key) => Some(key),
        _ => None,
    };
    let mut columns = before.columns(table).await?;
    columns.retain(|column| only.get(table).is_none_or(|only| only.contains(column)));
    let key = key.filter(|key| key.iter().all(|column| columns.contains(column)));
    let mut seed = [0u8; 8];
    getrandom::fill(&mut seed).map_err(|error| PgError::other(format!("no random numbers: {error}")))?;
    let asked = Asked { table, key: key.as_deref(), columns: &columns, seed: i64::from_be_bytes(seed) };

    let (mine, theirs) = (before.shares(&asked).await?, after.shares(&asked).await?);
    let differing: Vec<i64> = (0..SHARES).filter(|share| mine.get(share) != theirs.get(share)).collect();
    let mut difference = Difference { keyed: key.is_some(), ..Difference::default() };
    if differing.is_empty() {
        return Ok(difference);
    }
    let mut mine = Groups::of(before.lines(&asked, &differing).await?);
    let mut theirs = Groups::of(after.lines(&asked, &differing).await?);
    let (mut left, mut right) = (mine.next().await?, theirs.next().await?);
    loop {
        let (lost, gained) = match (&left, &right) {
            (None, None) => break,
            (Some(group), None) => (group.rows(), 0),
            (None, Some(group)) => (0, group.rows()),
            (Some(one), Some(other)) if one.key < other.key => (one.rows(), 0),
            (Some(one), Some(other)) if one.key > other.key => (0, other.rows()),
            (Some(one), Some(other)) => one.without(other),
        };
        let (of_left, of_right) = match (&left, &right) {
            (Some(one), Some(other)) => (one.key <= other.key, one.key >= other.key),
            (one, other) => (one.is_some(), other.is_some()),
        };
        let changed = if difference.keyed { lost.min(gained) } else { 0 };
        difference.changed += changed;
        difference.lost += lost - changed;
        difference.gained += gained - changed;
        if of_left {
            left = mine.next().await?;
        }
        if of_right {
            right = theirs.next().await?;
        }
    }
    drop((mine, theirs));
    if difference.changed > 0 && difference.lost == 0 && difference.gained == 0 {
        let (mine, theirs) = (before.by_column(&asked).await?, after.by_column(&asked).await?);
        let differ = columns.iter().zip(mine.iter().zip(&theirs)).filter(|(_, (mine, theirs))| mine != theirs);
        difference.columns = differ.map(|(column, _)| column.clone()).collect();
    }
    Ok(difference)
}

/// What is asked of both sides alike.
struct Asked<'a> {
    /// Quoted.
    table: &'a str,
    key: Option<&'a [String]>,
    /// In the order of their names.
    columns: &'a [String],
    seed: i64,
}

impl Asked<'_> {
    fn number(&self, columns: &[String]) -> String {
        format!("pg_catalog.hashtextextended(ROW({})::text COLLATE \"C\", {})", listed(columns), self.seed)
    }

    /// Every row as `k`, its key's number, and `r`, its own.
    fn rows(&self) -> String {
        let row = self.number(self.columns);
        let key = self.key.map_or_else(|| row.clone(), |key| self.number(key));
        format!("(SELECT {key} AS k, {row} AS r FROM ONLY {} OFFSET 0) AS rows", self.table)
    }
}

fn listed(columns: &[String]) -> String {
    match columns {
        [] => "NULL".to_owned(),
        some => some.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", "),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A session in a snapshot.
struct Side(Session);

impl Side {
    async fn open(target: &Target) -> Result<Self, PgError> {
        let session = target.session_with(Access::ReadOnly, 0, 30_000).await?;
        session.batch(data::STABLE_TEXT).await?;
        session.batch(data::EVERY_ROW).await?;
        session.batch("SET work_mem = '64MB'").await?;
        session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok(Self(session))
    }

    /// The columns that tell a row from every other: the primary key's, else those of a unique index on columns that are never NULL.
    async fn key(&self, table: &str) -> Result<Option<Vec<String>>, PgError> {
        let sql = "
            SELECT (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
                    FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
            FROM pg_catalog.pg_index i
            WHERE i.indrelid = $1::text::pg_catalog.regclass AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                              WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) AND NOT a.attnotnull)
            ORDER BY i.indisprimary DESC, i.indnkeyatts, 1 LIMIT 1";
        Ok(self.0.query(sql, &[&table]).await?.first().map(|row| row.try_get(0)).transpose()?)
    }

    async fn columns(&self, table: &str) -> Result<Vec<String>, PgError> {
        let sql = "SELECT a.attname::text FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = $1::text::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname";
        self.0.query(sql, &[&table]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Rows and the sum of their numbers, by share.
    async fn shares(&self, asked: &Asked<'_>) -> Result<std::collections::BTreeMap<i64, (i64, String)>, PgError> {
        let sql = format!("SELECT k & {}, pg_catalog.count(*), pg_catalog.sum(r)::text FROM {} GROUP BY 1", SHARES - 1, asked.rows());
        let rows = match self.0.query(&sql, &[]).await {
            // A function in an index or a column names something by its bare name: only the team's own search path finds it.
            Err(error) if error.is_undefined() => {
                self.0.batch("ROLLBACK; RESET search_path").await?;
                self.0.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
                self.0.query(&sql, &[]).await?
            }
            rows => rows?,
        };
        rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
    }

    /// The rows of these shares, in the order of both numbers.
    async fn lines(&self, asked: &Asked<'_>, shares: &[i64]) -> Result<RowStream, PgError> {
        let sql = format!(
            "SELECT k, r, pg_catalog.count(*) FROM {} WHERE k & {} = ANY ($1) GROUP BY 1, 2 ORDER BY 1, 2",
            asked.rows(),
            SHARES - 1
        );
        let parameters: [&(dyn ToSql + Sync); 1] = [&shares];
        Ok(self.0.client().query_raw(&sql, parameters).await?)
    }

    /// Of each column the sum over its values, each with its row's key.
    async fn by_column(&self, asked: &Asked<'_>) -> Result<Vec<Option<String>>, PgError> {
        let of = |column: &String| {
            let with_key: Vec<String> = asked.key.unwrap_or_default().iter().chain([column]).cloned().collect();
            format!("pg_catalog.sum({})::text", asked.number(&with_key))
        };
        let sums: Vec<String> = asked.columns.iter().map(of).collect();
        let row = self.0.one(&format!("SELECT ARRAY[{}] FROM ONLY {}", sums.join(", "), asked.table), &[]).await?;
        Ok(row.try_get(0)?)
    }
}

/// The rows of one key's number.
#[derive(Debug)]
struct Group {
    key: i64,
    rows: Vec<(i64, i64)>,
}

impl Group {
    fn rows(&self) -> u64 {
        self.rows.iter().map(|(_, many)| many.unsigned_abs()).sum()
    }

    /// How many rows of this one the other lacks, and how many of the other this one lacks.
    fn without(&self, other: &Self) -> (u64, u64) {
        let of = |rows: &[(i64, i64)], row: i64| rows.iter().find(|(r, _)| *r == row).map_or(0, |(_, many)| many.unsigned_abs());
        let lack = |some: &[(i64, i64)], others: &[(i64, i64)]| -> u64 {
            some.iter().map(|(row, many)| many.unsigned_abs().saturating_sub(of(others, *row))).sum()
        };
        (lack(&self.rows, &other.rows), lack(&other.rows, &self.rows))
    }
}

/// Lines with one key's number at a time.
struct Groups {
    lines: Pin<Box<RowStream>>,
    ahead: Option<Line>,
    /// The driver takes being asked on after the end for a lost connection.
    ended: bool,
}

impl Groups {
    fn of(lines: RowStream) -> Self {
        Self { lines: Box::pin(lines), ahead: None, ended: false }
    }

    async fn line(&mut self) -> Result<Option<Line>, PgError> {
        if self.ended {
            return Ok(None);
        }
        let row = self.lines.try_next().await?;
        self.ended = row.is_none();
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).transpose()
    }

    async fn next(&mut self) -> Result<Option<Group>, PgError> {
        let first = match self.ahead.take() {
            Some(line) => Some(line),
            None => self.line().await?,
        };
        let Some((key, row, many)) = first else { return Ok(None) };
        let mut group = Group { key, rows: vec![(row, many)] };
        while let Some(line) = self.line().await? {
            if line.0 != key {
                self.ahead = Some(line);
                break;
            }
            group.rows.push((line.1, line.2));
        }
        Ok(Some(group))
    }
}
