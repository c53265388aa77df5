//! What the team declares of its data and no constraint states: columns that no two rows share, and the values a column may have.

use crate::config::{Unique, Values};
use crate::steps::counting::Question;
use crate::steps::foreign_keys::tenancy::quoted;

/// `schema.table` as people write it, quoted. A name without schema is of `public`.
fn table(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => format!("{}.{}", quoted("public"), quoted(name)),
    }
}

/// `schema.table(column, …)`.
pub fn unique_subject(unique: &Unique) -> String {
    format!("{}({})", unique.table, unique.columns.join(", "))
}

/// How many combinations of the columns more than one row has; NULLs are no values, as under a UNIQUE constraint.
pub fn duplicates(unique: &Unique) -> Question {
    let columns: Vec<String> = unique.columns.iter().map(|column| quoted(column)).collect();
    let set: Vec<String> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
    let list = columns.join(", ");
    let from = format!(
        "(SELECT 1 FROM {} WHERE {} GROUP BY {list} HAVING pg_catalog.count(*) > 1) AS twice",
        table(&unique.table),
        set.join(" AND ")
    );
    Question { any: format!("SELECT 1 FROM {} LIMIT 1", table(&unique.table)), count: format!("SELECT pg_catalog.count(*) FROM {from}") }
}

/// How many rows have another value. NULL is none.
pub fn other_values(values: &Values) -> Question {
    let column = quoted(&values.column);
    let allowed: Vec<String> = values.allowed.iter().map(|value| literal(value)).collect();
    Question::rows(
        &table(&values.table),
        &format!("{column} IS NOT NULL AND NOT {column}::pg_catalog.text = ANY (ARRAY[{}]::pg_catalog.text[])", allowed.join(", ")),
    )
}

/// A string constant, whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
