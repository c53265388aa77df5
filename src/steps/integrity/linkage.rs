//! Links between rows that no foreign key states: two queries each, how many links there are and how many are broken.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::Linkage;
use crate::domain::SubjectRow;
use crate::pg::{PgError, Session};

/// Asks one linkage. No link to examine is undecided: nothing was established.
pub async fn ask(session: &Session, linkage: &Linkage) -> SubjectRow {
    let expected = "0 broken links";
    let sha256 = |sql: &str| hex::encode(Sha256::digest(sql.as_bytes()));
    let mut detail = json!({ "examined_sql_sha256": sha256(&linkage.examined), "broken_sql_sha256": sha256(&linkage.broken) });
    let (examined, broken) = match (number(session, &linkage.examined).await, number(session, &linkage.broken).await) {
        (Ok(examined), Ok(broken)) => (examined, broken),
        (Err(why), _) => return SubjectRow::undecided(&linkage.name, expected, format!("`examined`: {why}")).with_detail(detail),
        (_, Err(why)) => return SubjectRow::undecided(&linkage.name, expected, format!("`broken`: {why}")).with_detail(detail),
    };
    detail["examined"] = Value::from(examined);
    detail["broken"] = Value::from(broken);
    let row = match (examined, broken) {
        (0, 0) => SubjectRow::undecided(&linkage.name, expected, "there is no link to examine"),
        _ => SubjectRow::new(&linkage.name, broken == 0, expected, format!("{broken} of {examined} broken")),
    };
    row.with_detail(detail)
}

/// The one number that a query yields.
async fn number(session: &Session, sql: &str) -> Result<u64, String> {
    let statement = session.client().prepare(sql).await.map_err(|error| PgError::from(error).message)?;
    let [column] = statement.columns() else { return Err(format!("yields {} columns, not one number", statement.columns().len())) };
    let column = column.type_().name().to_owned();
    let rows = session.client().query(&statement, &[]).await.map_err(|error| PgError::from(error).message)?;
    let [row] = rows.as_slice() else { return Err(format!("yields {} rows, not one number", rows.len())) };
    let number = match column.as_str() {
        "int8" => row.try_get::<_, Option<i64>>(0),
        "int4" => row.try_get::<_, Option<i32>>(0).map(|n| n.map(i64::from)),
        _ => return Err(format!("yields a {column}, not a bigint")),
    };
    match number {
        Ok(Some(number)) => u64::try_from(number).map_err(|_| "yields a negative number".into()),
        Ok(None) => Err("yields NULL".into()),
        Err(error) => Err(PgError::from(error).message),
    }
}

/// `clause_alert_linkage.json`.
pub fn document(rows: &[SubjectRow]) -> Value {
    let linkages: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "linkage": row.subject,
                "holds": row.ok,
                "observed": row.observed,
                "examined": row.detail.get("examined"),
                "broken": row.detail.get("broken"),
                "examined_sql_sha256": row.detail.get("examined_sql_sha256"),
                "broken_sql_sha256": row.detail.get("broken_sql_sha256"),
            })
        })
        .collect();
    json!({
        "schema": "ledger/linkage/1",
        "linkages": linkages.len(),
        "hold": rows.iter().filter(|row| row.ok == Some(true)).count(),
        "broken": rows.iter().filter(|row| row.ok == Some(false)).count(),
        "not_established": rows.iter().filter(|row| row.ok.is_none()).count(),
        "results": linkages,
    })
}
