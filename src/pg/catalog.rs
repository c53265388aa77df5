//! A typed, comparable snapshot of a database's catalog, and digests of its data.
//!
//! Covered: schemas, extensions, tables, columns, row security, policies, constraints, indexes, views, functions, triggers, rules, event
//! triggers, sequences (definition), types, extended statistics, publications, grants, default grants, owners, comments.
//! [`NOT_COVERED`] names what is not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{PgError, Session};
use crate::domain::product::TableState;

/// What a snapshot does not look at; a report that compares snapshots says so.
pub const NOT_COVERED: &str = "roles and their memberships, database settings, subscriptions, casts, operators, collations, text search objects, \
                               foreign servers and user mappings, large objects, positions of sequences, contents of materialized views and foreign tables";

/// Kinds that a dump leaves out by rule: they are compared between moments of one database, not between a database and its copy.
pub const NOT_IN_DUMPS: [&str; 1] = ["invalid index"];

/// Kind (`table`, `column`, `policy`, …) → object (`public.clauses`, `public.clauses.body`, …) → definition, normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    pub objects: BTreeMap<String, BTreeMap<String, String>>,
}

/// One difference between two catalogs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogChange {
    pub kind: String,
    pub object: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl std::fmt::Display for CatalogChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(_)) => write!(f, "{} {} added", self.kind, self.object),
            (Some(_), None) => write!(f, "{} {} removed", self.kind, self.object),
            (Some(before), Some(after)) => write!(f, "{} {} changed: {before} → {after}", self.kind, self.object),
            (None, None) => write!(f, "{} {}", self.kind, self.object),
        }
    }
}

impl Catalog {
    /// Reads the catalog of every schema but the system's own, temporary ones and `excluded`.
    pub async fn read(session: &Session, excluded: &[String]) -> Result<Self, PgError> {
        let mut catalog = Self::default();
        for row in session.query(include_str!("catalog.sql"), &[&excluded]).await? {
            let (kind, object, definition): (String, String, Option<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            catalog.objects.entry(kind).or_default().insert(object, definition.unwrap_or_default());
        }
        Ok(catalog)
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: &str) -> u64 {
        self.objects.get(kind).map_or(0, |objects| objects.len() as u64)
    }

    /// The same without kinds that dumps leave out, to compare a database with its restored copy.
    #[must_use]
    pub fn as_dumped(&self) -> Self {
        let mut catalog = self.clone();
        catalog.objects.retain(|kind, _| !NOT_IN_DUMPS.contains(&kind.as_str()));
        catalog
    }

    /// SHA-256 (hex) over the sorted objects.
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (kind, objects) in &self.objects {
            for (object, definition) in objects {
                for field in [kind, object, definition] {
                    hasher.update((field.len() as u64).to_be_bytes());
                    hasher.update(field.as_bytes());
                }
            }
        }
        hex::encode(hasher.finalize())
    }

    /// What changed from `self` to `after`, in order of kind and object.
    pub fn diff(&self, after: &Self) -> Vec<CatalogChange> {
        let flat = |catalog: &Self| -> BTreeMap<(String, String), String> {
            let all =
                catalog.objects.iter().flat_map(|(kind, objects)| objects.iter().map(move |(o, d)| ((kind.clone(), o.clone()), d.clone())));
            all.collect()
        };
        let (mut before, mut after) = (flat(self), flat(after));
        before.retain(|key, definition| match after.get(key) {
            Some(other) if other == definition => {
                after.remove(key);
                false
            }
            _ => true,
        });
        let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        keys.into_iter()
            .map(|key| CatalogChange { before: before.remove(&key), after: after.remove(&key), kind: key.0, object: key.1 })
            .collect()
    }
}

/// Exact count and order-independent digest of every table's rows, `excluded` schemas apart; in one snapshot if the session
/// is in a REPEATABLE READ transaction.
///
/// A row is hashed as the text of its columns in the order of their names, so that a restored copy hashes alike (SHA-256 of the text; its
/// first 16 bytes as two 64-bit numbers, each summed over the rows as `numeric`); the digest is SHA-256 over count and sums.
/// Ordinary tables and partitions, unlogged ones too. Not foreign tables, whose rows are elsewhere, and not materialized views.
/// With `row_security = off`: a role that would see only some rows gets an error and not a wrong count.
pub async fn table_states(session: &Session, excluded: &[String]) -> Result<Vec<TableState>, PgError> {
    session.batch(STABLE_TEXT).await?;
    let tables = session.query(TABLES, &[&excluded]).await?;
    let mut states = Vec::with_capacity(tables.len());
    for row in tables {
        let (table, columns): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        states.push(table_state(session, table, columns.as_deref().unwrap_or("NULL")).await?);
    }
    Ok(states)
}

async fn table_state(session: &Session, table: String, columns: &str) -> Result<TableState, PgError> {
    // `columns` and `table` are quoted by the server (TABLES).
    let half = |from: u8| {
        format!("COALESCE(pg_catalog.sum(('x' || pg_catalog.encode(pg_catalog.substring(h, {from}, 8), 'hex'))::bit(64)::bigint), 0)::text")
    };
    let sql = format!(
        "SELECT pg_catalog.count(*), {}, {} \
         FROM (SELECT pg_catalog.sha256(pg_catalog.convert_to(ROW({columns})::text, 'UTF8')) AS h FROM ONLY {table}) AS rows",
        half(1),
        half(9)
    );
    let row = session.one(&sql, &[]).await?;
    let (rows, first, second): (i64, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let digest = hex::encode(Sha256::digest(format!("{rows} {first} {second}")));
    Ok(TableState { table, rows: u64::try_from(rows).unwrap_or_default(), digest })
}

/// Settings that decide how values are written as text, pinned: a copy has no settings of the database.
const STABLE_TEXT: &str = "SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'; SET timezone = 'UTC'; SET extra_float_digits = 1; \
                           SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET xmloption = 'content'; SET lc_monetary = 'C'; SET row_security = off";

/// Tables that hold rows of their own, with their columns in order of name.
const TABLES: &str = "
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
           (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname)
            FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT n.nspname::text = ANY ($1)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY 1";

/// Tables whose state differs, one readable line each: `public.clauses: 300 rows before, 299 after`.
pub fn diff_states(before: &[TableState], after: &[TableState]) -> Vec<String> {
    let by_name = |states: &[TableState]| -> BTreeMap<String, TableState> { states.iter().map(|s| (s.table.clone(), s.clone())).collect() };
    let (before, after) = (by_name(before), by_name(after));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
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
