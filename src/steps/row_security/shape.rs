//! The shape of a database: tables, columns, keys, policies and functions, read in one question.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::pg::{PgError, Session};

/// All that discovery and the probe know of a database's structure.
#[derive(Clone, Debug, Deserialize)]
pub struct Shape {
    pub tables: Vec<Table>,
    pub keys: Vec<ForeignKey>,
    pub policies: Vec<Policy>,
    pub functions: Vec<Function>,
    /// Roles with table grants that are neither owners nor administrators.
    pub grantees: Vec<String>,
}

/// A table or partitioned table.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    pub oid: i64,
    pub schema: String,
    pub name: String,
    /// `schema.table`, quoted where it must be: what is sent to the server and what findings name.
    pub sql: String,
    pub rls: bool,
    pub force: bool,
    pub owner: String,
    /// It is a partition of another table; its rows are probed through the parent.
    pub partition: bool,
    pub partitioned: bool,
    /// The planner's estimate, -1 when never analysed.
    pub rows: f64,
    pub columns: Vec<Column>,
    pub uniques: Vec<Unique>,
    pub checks: Vec<TableCheck>,
}

/// A column.
#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    pub number: i16,
    pub name: String,
    /// Quoted where it must be.
    pub sql: String,
    #[serde(rename = "type")]
    pub type_name: String,
    /// `pg_type.typname`, of the base type for a domain.
    pub base: String,
    /// `pg_type.typcategory`: `A` arrays, `E` enums, `R` ranges, …
    pub category: String,
    /// `pg_type.typtype`: `b`, `c`, `d`, `e`, `r`, `m`.
    pub kind: String,
    pub typmod: i32,
    pub not_null: bool,
    pub default: bool,
    pub default_text: Option<String>,
    pub generated: bool,
    pub labels: Vec<String>,
    /// CHECKs of its domain.
    pub checks: Vec<String>,
}

/// A unique or exclusion index.
#[derive(Clone, Debug, Deserialize)]
pub struct Unique {
    pub primary: bool,
    /// Neither partial nor over expressions.
    pub whole: bool,
    pub columns: Option<Vec<i16>>,
}

/// A CHECK constraint of a table.
#[derive(Clone, Debug, Deserialize)]
pub struct TableCheck {
    pub name: String,
    pub text: String,
    pub columns: Option<Vec<i16>>,
}

/// A foreign key.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignKey {
    pub child: i64,
    pub columns: Vec<i16>,
    pub parent: i64,
    pub parent_columns: Vec<i16>,
}

/// A policy (PostgreSQL manual, "Row Security Policies", catalog pg_policy).
#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    pub table: i64,
    pub name: String,
    /// `r`, `a`, `w`, `d` or `*`.
    pub command: String,
    pub permissive: bool,
    /// For PUBLIC.
    pub everyone: bool,
    pub roles: Vec<String>,
    pub using: Option<String>,
    pub check: Option<String>,
}

/// A function in a language whose source can be read.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    pub name: String,
    pub body: String,
}

impl Shape {
    /// Reads it; nothing is changed.
    pub async fn read(session: &Session) -> Result<Self, PgError> {
        let row = session.one(include_str!("shape.sql"), &[]).await?;
        let document: serde_json::Value = row.try_get(0)?;
        serde_json::from_value(document).map_err(|error| PgError::other(format!("the catalog's answer cannot be read: {error}")))
    }

    /// The table of this oid.
    pub fn table(&self, oid: i64) -> Option<&Table> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// The table of this name: quoted, or plain `schema.table`, or the bare name when only one table has it.
    pub fn named(&self, name: &str) -> Option<&Table> {
        let exact = self.tables.iter().find(|table| table.sql == name || format!("{}.{}", table.schema, table.name) == name);
        exact.or_else(|| {
            let mut bare = self.tables.iter().filter(|table| table.name == name);
            bare.next().filter(|_| bare.next().is_none())
        })
    }

    /// Policies by table.
    pub fn policies_of(&self, oid: i64) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(move |policy| policy.table == oid)
    }

    /// All policy expressions and function bodies: where an application says how it identifies a session.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter().flat_map(|policy| [policy.using.as_deref(), policy.check.as_deref()]).flatten();
        policies.chain(self.functions.iter().map(|function| function.body.as_str()))
    }

    /// Foreign keys by child.
    pub fn keys_by_child(&self) -> BTreeMap<i64, Vec<&ForeignKey>> {
        let mut by_child: BTreeMap<i64, Vec<&ForeignKey>> = BTreeMap::new();
        for key in &self.keys {
            by_child.entry(key.child).or_default().push(key);
        }
        by_child
    }
}

impl Table {
    /// The column of this number.
    pub fn column(&self, number: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    /// The column of this name.
    pub fn column_named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The primary key's columns, else those of the first whole unique index; empty if there is none.
    pub fn key(&self) -> &[i16] {
        let primary = self.uniques.iter().find(|unique| unique.primary);
        let any = primary.or_else(|| self.uniques.iter().find(|unique| unique.whole && unique.columns.is_some()));
        any.and_then(|unique| unique.columns.as_deref()).unwrap_or_default()
    }

    /// Whether the column stands in any unique or exclusion index.
    pub fn is_unique_part(&self, number: i16) -> bool {
        self.uniques.iter().filter_map(|unique| unique.columns.as_ref()).any(|columns| columns.contains(&number))
    }
}
