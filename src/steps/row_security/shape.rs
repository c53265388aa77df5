//! The shape of a database: tables, columns, keys, policies and functions, read in one question.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::arguments;
use crate::pg::{PgError, Session};

/// All that discovery and the probe know of a database's structure.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Shape {
    pub tables: Vec<Table>,
    pub keys: Vec<ForeignKey>,
    pub policies: Vec<Policy>,
    pub functions: Vec<Function>,
    /// Roles with table grants that are neither owners nor administrators.
    pub grantees: Vec<String>,
    /// Roles that are members of grantees.
    pub members: Vec<Member>,
    /// Owners of tables that are no administrators.
    pub owners: Vec<String>,
    #[serde(skip)]
    pub(super) by_oid: HashMap<i64, usize>,
    #[serde(skip)]
    pub(super) policies_by_table: HashMap<i64, Vec<usize>>,
    #[serde(skip)]
    pub(super) keys_by_table: HashMap<i64, Vec<usize>>,
    /// Column name → literals that policies and functions compare a column of this name with.
    #[serde(skip)]
    pub(super) asked: HashMap<String, Vec<String>>,
    /// Column name → literals that are handed to functions which compare a column of this name with them.
    #[serde(skip)]
    pub(super) handed: HashMap<String, Vec<String>>,
    /// Every literal in policies and functions, `{a,b}` taken apart.
    #[serde(skip)]
    pub(super) literals: BTreeSet<String>,
    /// Tables that list roles, and the keys of their rows, the plainest first and without those above the tenants. Never recorded.
    #[serde(skip)]
    pub(super) listed: HashMap<i64, Vec<String>>,
}

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// Columns that say what a listed role is called, beside its key.
static NAMES: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)name|code|key|slug|role|title|label"));

/// Rows that a list of roles has at most.
const LISTED: usize = 20;

/// `column = 'a'`, `(column)::text IN ('a', 'b')`, `column = ANY (ARRAY['a'::text, 'b'::text])`.
static ASKED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)("(?:[^"]|"")+"|[a-z_][\w$]*)\)*(?:::[\w. ]+)?\)*\s*(?:=|\bin\b|\blike\b|~~)\s*(?:any\s*)?\(*(?:array\[)?\(*((?:'(?:[^']|'')*'(?:::[\w. "\[\]]+)?\)*(?:\s*,\s*)?)+)"#,
    )
});
static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"'((?:[^']|'')*)'"));

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
    /// Columns of its partition key (0: an expression), unless it is partitioned by hash.
    pub partition_key: Option<Vec<i16>>,
    /// It has triggers of its own that are not switched off.
    pub triggers: bool,
    /// What its leaf partitions want of a row; empty where any row finds a place.
    pub bounds: Vec<String>,
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
    /// Of a composite type: how many.
    pub attributes: usize,
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
    pub name: String,
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
    /// Names of what it is given, in order; empty where it names none.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What its last parameters are given where a call leaves them out, separated by commas and closed by a parenthesis.
    #[serde(default)]
    pub defaults: String,
    pub body: String,
}

/// A role that has another's privileges.
#[derive(Clone, Debug, Deserialize)]
pub struct Member {
    pub role: String,
    pub of: String,
    /// It is what PostgREST logs in as: it sends no statement but those of its API.
    pub api: bool,
}

/// What an expression compares a column with, where that is a literal: `tenant_id = 1`, `(name = 'a'::text)`.
pub fn literal_of(text: &str, column: &str) -> Option<String> {
    let after = text.split(&format!("{column} = ")).nth(1)?.trim_start_matches('(');
    match after.strip_prefix('\'') {
        Some(quoted) => quoted.split('\'').next().map(str::to_owned),
        None => Some(after.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect::<String>()).filter(|number| !number.is_empty()),
    }
}

/// The columns that a text compares with literals, and those.
fn asked_in(text: &str) -> impl Iterator<Item = (String, Vec<String>)> {
    ASKED.captures_iter(text).filter_map(|hit| {
        let (name, list) = (hit.get(1)?, hit.get(2)?);
        let labels = QUOTED.captures_iter(list.as_str()).filter_map(|hit| hit.get(1)).map(|label| label.as_str().replace("''", "'"));
        Some((super::identity::unquoted(name.as_str()), labels.filter(|label| !label.is_empty()).collect()))
    })
}

impl Shape {
    /// Reads it; nothing is changed.
    pub async fn read(session: &Session) -> Result<Self, PgError> {
        let row = session.one(include_str!("shape.sql"), &[]).await?;
        let document: serde_json::Value = row.try_get(0)?;
        let shape: Self =
            serde_json::from_value(document).map_err(|error| PgError::other(format!("the catalog's answer cannot be read: {error}")))?;
        let mut shape = shape.indexed();
        shape.read_lists(session).await;
        Ok(shape)
    }

    /// Reads the keys of small tables that list roles: a member's role must be one of them. What cannot be read is not listed.
    async fn read_lists(&mut self, session: &Session) {
        let roles = self.keys.iter().filter(|key| key.columns.len() == 1 && key.parent != key.child);
        let parents: BTreeSet<i64> = roles
            .filter(|key| {
                let named = self.table(key.child).and_then(|table| table.column(key.columns[0]));
                named.is_some_and(|column| super::labels::is_role_like(&column.name))
            })
            .map(|key| key.parent)
            .filter(|parent| self.keys_of(*parent).next().is_none())
            .collect();
        for parent in parents {
            let Some(table) = self.table(parent) else { continue };
            let [number] = table.key() else { continue };
            let Some(column) = table.column(*number) else { continue };
            // A key may be a number or a uuid: what the role is called says which is the plainest.
            let names = table.columns.iter().filter(|c| ["S", "E"].contains(&c.category.as_str()) && NAMES.is_match(&c.name));
            let called: Vec<String> = std::iter::once(column).chain(names).map(|c| format!("{}::text", c.sql)).collect();
            let sql = format!(
                "SELECT {}::text, pg_catalog.concat_ws(' ', {}) FROM {} ORDER BY 2, 1 LIMIT {}",
                column.sql,
                called.join(", "),
                table.sql,
                LISTED + 1
            );
            let Ok(rows) = session.query(&sql, &[]).await else { continue };
            let mut listed: Vec<(String, String)> =
                rows.iter().filter_map(|row| Some((row.try_get(0).ok()?, row.try_get(1).ok()?))).collect();
            if !(1..=LISTED).contains(&listed.len()) {
                continue;
            }
            listed.sort_by_key(|(_, name)| {
                (super::labels::is_above(name), super::value::is_privileged(name), super::value::is_leading(name))
            });
            let within = listed.iter().filter(|(_, name)| !super::labels::is_above(name)).count().max(1);
            self.listed.insert(parent, listed.into_iter().take(within).map(|(key, _)| key).collect());
        }
    }

    /// The table that lists the roles which a column may hold, and the keys of its rows, the plainest first.
    pub fn lookup(&self, table: i64, column: i16) -> Option<(&Table, &[String])> {
        let key = self.keys_of(table).find(|key| key.columns == [column])?;
        let keys = self.listed.get(&key.parent)?;
        Some((self.table(key.parent)?, keys))
    }

    fn indexed(mut self) -> Self {
        self.by_oid = self.tables.iter().enumerate().map(|(at, table)| (table.oid, at)).collect();
        for (at, policy) in self.policies.iter().enumerate() {
            self.policies_by_table.entry(policy.table).or_default().push(at);
        }
        for (at, key) in self.keys.iter().enumerate() {
            self.keys_by_table.entry(key.child).or_default().push(at);
        }
        let (mut asked, mut literals): (HashMap<String, Vec<String>>, _) = (HashMap::new(), BTreeSet::new());
        for text in self.texts() {
            for (name, labels) in asked_in(text) {
                let known = asked.entry(name).or_default();
                for label in labels {
                    if !known.contains(&label) {
                        known.push(label);
                    }
                }
            }
            for literal in QUOTED.captures_iter(text).filter_map(|hit| hit.get(1)).map(|m| m.as_str()) {
                match literal.strip_prefix('{').and_then(|list| list.strip_suffix('}')) {
                    Some(list) => literals.extend(list.split(',').map(|item| item.trim().trim_matches('"').to_owned())),
                    None => drop(literals.insert(literal.to_owned())),
                }
            }
        }
        (self.asked, self.literals) = (asked, literals);
        self.handed = arguments::handed(&self);
        self
    }

    /// Literals that policies and functions compare a column of this name with, as they are met.
    pub fn asked_for(&self, column: &str) -> &[String] {
        self.asked.get(column).map(Vec::as_slice).unwrap_or_default()
    }

    /// Literals that are asked of the column where others look into the table: in the policies of other tables and in functions.
    pub fn asked_from_outside(&self, table: i64, column: &str) -> Vec<String> {
        let policies =
            self.policies.iter().filter(|policy| policy.table != table).flat_map(|policy| [&policy.using, &policy.check]).flatten();
        let texts = policies.chain(self.functions.iter().map(|function| &function.body));
        texts.flat_map(|text| asked_in(text)).filter(|(name, _)| name == column).flat_map(|(_, labels)| labels).collect()
    }

    /// Literals for a column of this name that stand where a function is called rather than where the column is compared:
    /// `has_role(tenant_id, 'admin')`.
    pub fn handed_for(&self, column: &str) -> &[String] {
        self.handed.get(column).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether policies or functions speak of this literal.
    pub fn mentions(&self, literal: &str) -> bool {
        self.literals.contains(literal)
    }

    /// The table of this oid.
    pub fn table(&self, oid: i64) -> Option<&Table> {
        self.by_oid.get(&oid).and_then(|at| self.tables.get(*at))
    }

    /// The table of this name: quoted, or plain `schema.table`, or the bare name when only one table has it.
    pub fn named(&self, name: &str) -> Option<&Table> {
        let exact = self.tables.iter().find(|table| table.sql == name || format!("{}.{}", table.schema, table.name) == name);
        exact.or_else(|| {
            let mut bare = self.tables.iter().filter(|table| table.name == name);
            bare.next().filter(|_| bare.next().is_none())
        })
    }

    /// Whether a role is reached through PostgREST alone, which sends no statement but those of its API.
    pub fn api_only(&self, role: &str) -> bool {
        self.members.iter().any(|member| member.api && member.of == role)
    }

    /// Policies by table.
    pub fn policies_of(&self, oid: i64) -> impl Iterator<Item = &Policy> {
        self.policies_by_table.get(&oid).into_iter().flatten().filter_map(|at| self.policies.get(*at))
    }

    /// The same database with one policy changed, or without it.
    pub fn with_policy(&self, policy: &Policy, after: Option<&Policy>) -> Self {
        let mut shape = self.clone();
        let is = |other: &Policy| other.table == policy.table && other.name == policy.name;
        match after {
            Some(after) => shape.policies.iter_mut().filter(|other| is(other)).for_each(|other| other.clone_from(after)),
            None => shape.policies.retain(|other| !is(other)),
        }
        shape.policies_by_table.clear();
        for (at, policy) in shape.policies.iter().enumerate() {
            shape.policies_by_table.entry(policy.table).or_default().push(at);
        }
        shape
    }

    /// What the policies of a table say, in one text.
    pub fn policy_text(&self, oid: i64) -> String {
        self.policies_of(oid).flat_map(|policy| [policy.using.as_deref(), policy.check.as_deref()]).flatten().collect::<Vec<_>>().join("\n")
    }

    /// All policy expressions and function bodies: where an application says how it identifies a session.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter().flat_map(|policy| [policy.using.as_deref(), policy.check.as_deref()]).flatten();
        policies.chain(self.functions.iter().map(|function| function.body.as_str()))
    }

    /// The foreign keys of a table.
    pub fn keys_of(&self, oid: i64) -> impl Iterator<Item = &ForeignKey> {
        self.keys_by_table.get(&oid).into_iter().flatten().filter_map(|at| self.keys.get(*at))
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
