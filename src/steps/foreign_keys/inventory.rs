//! Every foreign key of the database as the catalog describes it
//! (PostgreSQL manual, "pg_constraint"; columns that only newer servers have are read through `to_jsonb`).

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;

use crate::domain::product::ForeignKeyFacts;
use crate::pg::{PgError, Session};

/// One column pair of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyColumn {
    pub child: String,
    pub child_quoted: String,
    pub child_type: String,
    /// `None`: the type has no collation.
    pub child_collation: Option<String>,
    pub child_nullable: bool,
    pub parent: String,
    pub parent_quoted: String,
    pub parent_type: String,
    pub parent_collation: Option<String>,
    /// The key's own equality, `OPERATOR(schema.=)`: parent value on its left.
    pub equals: String,
}

/// One foreign key. Row counts are the planner's estimates; -1 means never analysed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub name: String,
    /// Quoted and schema-qualified.
    pub child: String,
    pub child_schema: String,
    pub child_name: String,
    pub child_oid: i64,
    pub child_partitioned: bool,
    pub child_rows: f64,
    pub parent: String,
    pub parent_schema: String,
    pub parent_name: String,
    pub parent_oid: i64,
    pub parent_partitioned: bool,
    pub parent_rows: f64,
    pub columns: Vec<KeyColumn>,
    pub on_update: String,
    pub on_delete: String,
    #[serde(rename = "match")]
    pub match_type: String,
    pub deferrable: bool,
    pub deferred: bool,
    pub validated: bool,
    /// NOT ENFORCED exists since PostgreSQL 18.
    pub enforced: bool,
    /// `PERIOD` keys exist since PostgreSQL 18.
    pub temporal: bool,
    /// The internal triggers that enforce the key, partitions included, and how many of them do not fire.
    pub triggers: i64,
    pub triggers_disabled: i64,
    /// Whether a usable index of the child leads with the key's columns.
    pub indexed: bool,
    pub definition: String,
}

impl Key {
    /// `schema.child(column, …) -> schema.parent(column, …)`: how findings name the key.
    pub fn subject(&self) -> String {
        format!("{}({}) -> {}({})", self.child, self.child_columns(), self.parent, self.parent_columns())
    }

    /// The child's columns, quoted, `, `-separated.
    pub fn child_columns(&self) -> String {
        self.columns.iter().map(|column| column.child_quoted.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The parent's columns, quoted, `, `-separated.
    pub fn parent_columns(&self) -> String {
        self.columns.iter().map(|column| column.parent_quoted.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The child as a FROM item. A key of a table that others inherit from speaks of its own rows only.
    pub fn child_rows_of(&self) -> String {
        rows_of(&self.child, self.child_partitioned)
    }

    /// The parent as a FROM item.
    pub fn parent_rows_of(&self) -> String {
        rows_of(&self.parent, self.parent_partitioned)
    }

    /// The join condition under the key's own operators. Where collations differ the parent's decides, as the server's own
    /// trigger does it.
    pub fn matches(&self, parent_alias: &str, child_alias: &str) -> String {
        let pair = |column: &KeyColumn| {
            let collate = match (&column.child_collation, &column.parent_collation) {
                (Some(child), Some(parent)) if child != parent => format!(" COLLATE {parent}"),
                _ => String::new(),
            };
            format!("{parent_alias}.{} {} {child_alias}.{}{collate}", column.parent_quoted, column.equals, column.child_quoted)
        };
        self.columns.iter().map(pair).collect::<Vec<_>>().join(" AND ")
    }

    /// The part of the inventory that the product keeps.
    pub fn facts(&self, orphans: Option<u64>) -> ForeignKeyFacts {
        ForeignKeyFacts {
            name: self.name.clone(),
            child: self.child.clone(),
            child_columns: self.columns.iter().map(|column| column.child.clone()).collect(),
            parent: self.parent.clone(),
            parent_columns: self.columns.iter().map(|column| column.parent.clone()).collect(),
            on_delete: action(&self.on_delete).to_owned(),
            validated: self.validated,
            indexed: self.indexed,
            orphans,
        }
    }
}

fn rows_of(table: &str, partitioned: bool) -> String {
    match partitioned {
        true => table.to_owned(),
        false => format!("ONLY {table}"),
    }
}

/// What `confupdtype` and `confdeltype` stand for.
pub fn action(code: &str) -> &'static str {
    match code {
        "a" => "NO ACTION",
        "r" => "RESTRICT",
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        _ => "unknown",
    }
}

/// What `confmatchtype` stands for.
pub fn match_type(code: &str) -> &'static str {
    match code {
        "s" => "SIMPLE",
        "f" => "FULL",
        "p" => "PARTIAL",
        _ => "unknown",
    }
}

/// Reads the inventory, ordered by child and name, but for keys of tables in `excluded` schemas.
pub async fn read(session: &Session, excluded: &[String]) -> Result<Vec<Key>, PgError> {
    let rows = session.query(include_str!("inventory.sql"), &[&excluded]).await?;
    rows.iter().map(|row| row.try_get::<_, Json<Key>>(0).map(|json| json.0).map_err(PgError::from)).collect()
}
