//! What columns must not hold: NULL tenants, times that have not come yet, keys that the sequence will hand out again.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::json;
use tokio_postgres::types::Json;

use crate::domain::SubjectRow;
use crate::pg::{PgError, Session};
use crate::steps::counting::Question;
use crate::steps::foreign_keys::tenancy::quoted;

/// A column of a table.
#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    /// Quoted and schema-qualified.
    pub table: String,
    pub partitioned: bool,
    pub column: String,
    pub quoted: String,
    pub nullable: bool,
    /// The type's name in the catalog; of a domain, the type under it.
    pub base_type: String,
}

impl Column {
    /// `schema.table.column`.
    pub fn subject(&self) -> String {
        format!("{}.{}", self.table, self.quoted)
    }

    fn rows(&self) -> String {
        if self.partitioned { self.table.clone() } else { format!("ONLY {}", self.table) }
    }
}

/// Reads the columns of every table but those in `excluded` schemas.
pub async fn read(session: &Session, excluded: &[String]) -> Result<Vec<Column>, PgError> {
    let rows = session.query(include_str!("columns.sql"), &[&excluded]).await?;
    rows.iter().map(|row| row.try_get::<_, Json<Column>>(0).map(|json| json.0).map_err(PgError::from)).collect()
}

/// How many rows have no tenant. Asked even of a column that is declared NOT NULL: what is declared is not what is.
pub fn no_tenant(column: &Column) -> Question {
    Question::rows(&format!("{} AS c", column.rows()), &format!("c.{} IS NULL", column.quoted))
}

/// Columns that by their name record what has happened.
static PAST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(created|inserted|updated|modified|changed|deleted|recorded|logged|occurred|received|sent|uploaded|imported|processed|started|finished|completed|signed|joined|registered|viewed|read|seen|last_seen|last_login|last_modified|date_created|date_updated)(_at|_on|_time|_ts|_date|_timestamp)?$",
    )
    .ok()
});

/// How many rows say that something happened which has not happened yet; `None` for columns that may lie in the future.
/// Five minutes are left for clocks, a day for times without zone. `infinity` is a mark, not a time.
pub fn in_the_future(column: &Column) -> Option<Question> {
    if !PAST.as_ref().is_some_and(|past| past.is_match(&column.column.to_lowercase())) {
        return None;
    }
    let name = format!("c.{}", column.quoted);
    let limit = match column.base_type.as_str() {
        "timestamptz" => "pg_catalog.now() + interval '5 minutes'",
        "timestamp" => "(pg_catalog.now() AT TIME ZONE 'UTC') + interval '1 day'",
        "date" => "(pg_catalog.now() AT TIME ZONE 'UTC')::date + 1",
        _ => return None,
    };
    Some(Question::rows(&format!("{} AS c", column.rows()), &format!("pg_catalog.isfinite({name}) AND {name} > {limit}")))
}

/// A sequence and the column it fills.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub name: String,
    pub table: String,
    pub partitioned: bool,
    pub column: String,
    pub increment: i64,
    pub cycles: bool,
}

/// Reads the sequences that fill columns of tables outside `excluded` schemas.
pub async fn sequences(session: &Session, excluded: &[String]) -> Result<Vec<Sequence>, PgError> {
    let rows = session.query(include_str!("sequences.sql"), &[&excluded]).await?;
    rows.iter()
        .map(|row| {
            Ok(Sequence {
                name: row.try_get(0)?,
                table: row.try_get(1)?,
                partitioned: row.try_get(2)?,
                column: row.try_get(3)?,
                increment: row.try_get(4)?,
                cycles: row.try_get(5)?,
            })
        })
        .collect()
}

/// Whether the sequence's next value lies beyond every value in its column. How far behind it is is told, the values are not.
pub async fn ahead(session: &Session, sequence: &Sequence) -> SubjectRow {
    let subject = format!("{} for {}.{}", sequence.name, sequence.table, sequence.column);
    let expected = "its next value is beyond every value of the column";
    let detail = json!({ "cycles": sequence.cycles, "increment": sequence.increment });
    let rows = if sequence.partitioned { sequence.table.clone() } else { format!("ONLY {}", sequence.table) };
    let (most, sign) = if sequence.increment > 0 { ("max", 1) } else { ("min", -1) };
    // NULL: the column is empty. The difference is in steps of counting, not of the increment.
    let sql = format!(
        "SELECT (({sign}) * (m.most - (s.last_value::numeric + CASE WHEN s.is_called THEN {} ELSE 0 END)) + 1)::text
         FROM {} AS s, (SELECT pg_catalog.{most}({})::numeric AS most FROM {rows}) AS m",
        sequence.increment, sequence.name, sequence.column
    );
    let mut asked = session.one(&sql, &[]).await;
    if asked.as_ref().is_err_and(PgError::is_undefined) && session.batch("RESET search_path").await.is_ok() {
        // A function in an index of the table names something by its bare name.
        asked = session.one(&sql, &[]).await;
        if let Err(error) = session.batch("SET search_path = ''").await {
            return SubjectRow::undecided(subject, expected, error.message);
        }
    }
    let row = match asked.and_then(|row| row.try_get::<_, Option<String>>(0).map_err(PgError::from)) {
        Ok(None) => SubjectRow::new(subject, true, expected, "the column is empty"),
        Ok(Some(behind)) if behind.starts_with('-') || behind == "0" => SubjectRow::new(subject, true, expected, "ahead"),
        Ok(Some(behind)) => SubjectRow::new(subject, false, expected, format!("behind by {behind}")),
        Err(error) => SubjectRow::undecided(subject, expected, error.message),
    };
    row.with_detail(detail)
}

/// The columns that say whose a row is, by name.
pub fn tenant_columns<'a>(columns: &'a [Column], name: &str) -> Vec<&'a Column> {
    columns.iter().filter(|column| column.column == name || column.quoted == quoted(name)).collect()
}
