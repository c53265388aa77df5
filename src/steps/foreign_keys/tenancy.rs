//! Keys that lead from one tenant's row to another's: legal to PostgreSQL, a leak to the business.
//!
//! 1. A table with the tenant column says itself whose its rows are.
//! 2. Any other table is owned through its keys: the shortest path of keys to a table with the column.
//! 3. A key is comparable when both ends have an owner and the child's is not found through the key itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::inventory::Key;
use crate::checks::Check;
use crate::checks::ask::Asked;
use crate::config::Tenancy;
use crate::domain::Evidence;
use crate::pg::{PgError, Session};
use crate::steps::counting::Question;
use crate::steps::undeclared;

/// Names that tenant columns go by, in order of preference.
const USUAL_NAMES: [&str; 7] = ["tenant_id", "organization_id", "org_id", "workspace_id", "account_id", "company_id", "team_id"];

/// The tenant column's name: as configured, else the usual name that most tables have: two at least, or one from which a key leads on.
pub async fn tenant_column(session: &Session, config: &Tenancy) -> Result<Option<String>, PgError> {
    if config.column.is_some() {
        return Ok(config.column.clone());
    }
    let names: Vec<&str> = USUAL_NAMES.to_vec();
    let rows = session
        .query(
            "SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE a.attname::text = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
               AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
             GROUP BY a.attname
             HAVING pg_catalog.count(*) > 1 OR pg_catalog.bool_or(EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)))
             ORDER BY pg_catalog.count(*) DESC, pg_catalog.array_position($1, a.attname::text) LIMIT 1",
            &[&names],
        )
        .await?;
    rows.first().map(|row| row.try_get(0).map_err(PgError::from)).transpose()
}

/// Without a tenant column, what is asked by it was not examined.
pub fn no_column(asked: Asked, check: &Check, asked_of: &str, config: &Tenancy) -> Evidence {
    let none = ("[tenancy] single-tenant", config.single_tenant.as_deref());
    undeclared(asked, check, asked_of, none, "no tenant column was found; set [tenancy] column in ledger.toml to its name")
}

/// Tables (by oid) that have the column themselves.
pub async fn tables_with(session: &Session, column: &str) -> Result<BTreeSet<i64>, PgError> {
    let rows = session
        .query(
            "SELECT c.oid::bigint FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
             WHERE a.attname = $1 AND a.attnum > 0 AND NOT a.attisdropped",
            &[&column],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0).map_err(PgError::from)).collect()
}

/// The ownership of tables through keys.
pub struct Ownership<'a> {
    column: &'a str,
    with_column: &'a BTreeSet<i64>,
    by_child: BTreeMap<i64, Vec<usize>>,
    keys: &'a [Key],
}

impl<'a> Ownership<'a> {
    /// `column`: the tenant column, unquoted; `with_column`: the tables that have it.
    pub fn new(column: &'a str, with_column: &'a BTreeSet<i64>, keys: &'a [Key]) -> Self {
        let mut by_child: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (index, key) in keys.iter().enumerate() {
            // A key to itself leads nowhere new; a temporal key has no single parent row.
            if key.child_oid != key.parent_oid && !key.temporal {
                by_child.entry(key.child_oid).or_default().push(index);
            }
        }
        // A reference that must be there says more about the owner than one that may be.
        for indexes in by_child.values_mut() {
            indexes.sort_by_key(|&index| keys[index].columns.iter().any(|column| column.child_nullable));
        }
        Self { column, with_column, by_child, keys }
    }

    /// The keys that lead from a table to its owner's column, shortest first found; empty: the table has it. `without`: a key
    /// that must not be the first step.
    fn path(&self, table: i64, without: Option<usize>) -> Option<Vec<usize>> {
        if self.with_column.contains(&table) {
            return Some(Vec::new());
        }
        let mut seen = BTreeSet::from([table]);
        let mut open: VecDeque<(i64, Vec<usize>)> = VecDeque::from([(table, Vec::new())]);
        while let Some((at, path)) = open.pop_front() {
            for &index in self.by_child.get(&at).map(Vec::as_slice).unwrap_or_default() {
                if path.is_empty() && Some(index) == without {
                    continue;
                }
                let parent = self.keys[index].parent_oid;
                let mut longer = path.clone();
                longer.push(index);
                if self.with_column.contains(&parent) {
                    return Some(longer);
                }
                if seen.insert(parent) {
                    open.push_back((parent, longer));
                }
            }
        }
        None
    }

    /// The question how many child rows of a key belong to another tenant than their parent, and how both ends know their owner.
    /// `None`: there are not two owners to compare.
    pub fn crossing(&self, index: usize) -> Option<(Question, String)> {
        let key = &self.keys[index];
        if key.temporal {
            return None;
        }
        let child = self.path(key.child_oid, Some(index))?;
        let parent = self.path(key.parent_oid, None)?;
        let mut from = format!("{} AS c JOIN {} AS p ON {}", key.child_rows_of(), key.parent_rows_of(), key.matches("p", "c"));
        let child_owner = self.joined(&mut from, "c", &child);
        let parent_owner = self.joined(&mut from, "p", &parent);
        let column = quoted(self.column);
        // NULL owners are another check's finding; `<>` leaves them out.
        let condition = format!("{child_owner}.{column}::pg_catalog.text <> {parent_owner}.{column}::pg_catalog.text");
        Some((Question::rows(&from, &condition), format!("{}, {}", self.told(&key.child, &child), self.told(&key.parent, &parent))))
    }

    /// Joins a path onto `alias`; the alias of the table that has the column.
    fn joined(&self, from: &mut String, alias: &str, path: &[usize]) -> String {
        let mut at = alias.to_owned();
        for (step, &index) in path.iter().enumerate() {
            let key = &self.keys[index];
            let next = format!("{alias}{}", step + 1);
            from.push_str(&format!(" JOIN {} AS {next} ON {}", key.parent_rows_of(), key.matches(&next, &at)));
            at = next;
        }
        at
    }

    fn told(&self, table: &str, path: &[usize]) -> String {
        let steps: Vec<&str> = path.iter().map(|&index| self.keys[index].parent.as_str()).collect();
        match steps.is_empty() {
            true => format!("{table} by its own {}", self.column),
            false => format!("{table} through {}", steps.join(", ")),
        }
    }
}

/// An identifier as SQL needs it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
