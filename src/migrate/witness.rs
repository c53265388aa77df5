//! Witness rows: planted before a way back, looked for after it.
//!
//! A witness is a copy of a row under a new key; tables without rows, without a one-column key of a known type, or whose other
//! unique constraints refuse the copy have none, and are named.

use crate::pg::{PgError, Session};

/// A row planted in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// As the server quotes it.
    pub table: String,
    /// Quoted.
    key_column: String,
    key: String,
}

/// What could be planted, and where not, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planted {
    pub witnesses: Vec<Witness>,
    pub without: Vec<(String, String)>,
}

/// The key column and the insertable columns, quoted; the key's type.
const SHAPE: &str = "
    SELECT (SELECT pg_catalog.quote_ident(k.attname) FROM pg_catalog.pg_attribute k WHERE k.attrelid = x.indrelid AND k.attnum = x.indkey[0]),
           (SELECT pg_catalog.format_type(k.atttypid, NULL) FROM pg_catalog.pg_attribute k WHERE k.attrelid = x.indrelid AND k.attnum = x.indkey[0]),
           ARRAY(SELECT pg_catalog.quote_ident(a.attname)::text FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = x.indrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum)
    FROM pg_catalog.pg_index x
    WHERE x.indrelid = $1::text::pg_catalog.regclass AND x.indisprimary AND x.indnkeyatts = 1";

/// Plants a witness in every table that takes one; each insert stands alone, and all are committed together.
pub async fn plant(session: &Session, tables: &[String]) -> Result<Planted, PgError> {
    session.batch("SET search_path = ''; SET row_security = off; BEGIN READ WRITE").await?;
    let mut planted = Planted::default();
    for table in tables {
        match plant_one(session, table).await? {
            Ok(witness) => planted.witnesses.push(witness),
            Err(why) => planted.without.push((table.clone(), why)),
        }
    }
    session.batch("COMMIT").await?;
    Ok(planted)
}

async fn plant_one(session: &Session, table: &str) -> Result<Result<Witness, String>, PgError> {
    let shape = session.query(SHAPE, &[&table]).await?;
    let Some(shape) = shape.first() else { return Ok(Err("no primary key of one column".into())) };
    let (key_column, key_type, columns): (String, String, Vec<String>) = (shape.get(0), shape.get(1), shape.get(2));
    // `table` and the columns were quoted by the server.
    let new_key = match key_type.as_str() {
        "uuid" => "pg_catalog.gen_random_uuid()".to_owned(),
        "smallint" | "integer" | "bigint" => {
            format!("(SELECT pg_catalog.max({key_column}) OPERATOR(pg_catalog.+) 1 FROM {table})::{key_type}")
        }
        other => return Ok(Err(format!("a key of type {other}"))),
    };
    let values: Vec<&str> = columns.iter().map(|column| if *column == key_column { new_key.as_str() } else { column }).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {table} LIMIT 1 RETURNING {key_column}::text",
        columns.join(", "),
        values.join(", ")
    );
    session.batch("SAVEPOINT witness").await?;
    match session.query(&sql, &[]).await {
        Ok(rows) => {
            session.batch("RELEASE SAVEPOINT witness").await?;
            Ok(match rows.first() {
                None => Err("no row to copy".into()),
                Some(row) => Ok(Witness { table: table.to_owned(), key_column, key: row.get(0) }),
            })
        }
        Err(error) if error.disconnected => Err(error),
        Err(error) => {
            session.batch("ROLLBACK TO SAVEPOINT witness").await?;
            Ok(Err(format!("a copy of a row is refused: {error}")))
        }
    }
}

/// Whether the witness is still there; a table or key column that is gone is an error of the server's.
pub async fn is_there(session: &Session, witness: &Witness) -> Result<bool, PgError> {
    let sql = format!("SELECT EXISTS (SELECT FROM {} WHERE {}::text OPERATOR(pg_catalog.=) $1)", witness.table, witness.key_column);
    Ok(session.one(&sql, &[&witness.key]).await?.get(0))
}
