//! A typed, comparable snapshot of a database's catalog.
//!
//! Covered: schemas, extensions, tables of every kind, columns, row security, policies, constraints, indexes, views, functions, triggers,
//! rules, event triggers, sequences (definition), types, casts, operators with their classes and families, collations, conversions, text
//! search, languages, transforms, access methods, extended statistics, publications, subscriptions, foreign data wrappers, servers and user
//! mappings, large objects (how many, whose), settings and grants of the database itself, grants, default grants, owners, comments, security
//! labels. [`NOT_COVERED`] names what is not. What tables, sequences and large objects hold is [`super::data`]'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::normal::normal;
use super::{PgError, Session};

pub use super::data::{diff_states, table_states};

/// The one query, in the order of its parts.
const SQL: &str = concat!(
    include_str!("catalog/scope.sql"),
    include_str!("catalog/relations.sql"),
    include_str!("catalog/routines.sql"),
    include_str!("catalog/database.sql"),
    include_str!("catalog/privileges.sql")
);

/// The order of columns of every table but those that inherit theirs: what `SELECT *` and an INSERT without names depend on.
const COLUMN_ORDER: &str = "
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'ledger_anchor') AND NOT n.nspname::text = ANY ($1)
      AND (c.relispartition OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid))
    GROUP BY n.nspname, c.relname";

/// What a snapshot does not look at; a report that compares snapshots says so.
pub const NOT_COVERED: &str = "roles and their memberships, tablespaces, what extensions own (their version stands for it, grants on it and rows in it included), \
                               values of user mappings' options and of settings and server options named like secrets, contents of materialized \
                               views and foreign tables";

/// Kinds that a dump leaves out by rule: they are compared between moments of one database, not between a database and its copy.
pub const NOT_IN_DUMPS: [&str; 5] = ["invalid index", "disabled key trigger", "subscription", "database setting", "database grant"];

/// Kind (`table`, `column`, `policy`, …) → object (`public.clauses`, `public.clauses.body`, …) → definition, normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    pub objects: BTreeMap<String, BTreeMap<String, String>>,
    /// Table → its columns in order. Beside the objects: it is compared where it matters and is no part of the fingerprint.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub column_order: BTreeMap<String, String>,
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
        // Compiling so large a query takes seconds and saves nothing.
        session.batch("SET jit = off").await?;
        // A partition's bounds and a default's constant are values, and read as the database's settings have them.
        session.batch(super::data::STABLE_TEXT).await?;
        for row in session.query(SQL, &[&excluded]).await? {
            let (kind, object, definition): (String, String, Option<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let definition = definition.unwrap_or_default();
            // The source text of a function is kept as it is; only what the server writes by itself has two forms.
            let definition = match definition.split_once("\nAS ") {
                Some((head, source)) if matches!(kind.as_str(), "function" | "procedure") => format!("{}\nAS {source}", normal(head)),
                _ => normal(&definition),
            };
            catalog.objects.entry(kind).or_default().insert(object, definition);
        }
        for row in session.query(COLUMN_ORDER, &[&excluded]).await? {
            catalog.column_order.insert(row.try_get(0)?, row.try_get(1)?);
        }
        session.batch("RESET jit").await?;
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
        for kind in ["comment", "security label"] {
            let of_a_subscription = |object: &String| object.starts_with("subscription ");
            if let Some(objects) = catalog.objects.get_mut(kind) {
                objects.retain(|object, _| !of_a_subscription(object));
            }
        }
        catalog.objects.retain(|_, objects| !objects.is_empty());
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

    /// Tables that have the same columns in another order: name, order before, order after.
    pub fn reordered(&self, after: &Self) -> Vec<(String, String, String)> {
        let names = |order: &str| order.split(", ").map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        let both = self.column_order.iter().filter_map(|(table, order)| after.column_order.get(table).map(|now| (table, order, now)));
        both.filter(|(_, was, is)| was != is && names(was) == names(is)).map(|(t, was, is)| (t.clone(), was.clone(), is.clone())).collect()
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
