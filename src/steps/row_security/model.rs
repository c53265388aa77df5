//! The tenant model: who the tenants are, by which columns and keys a row belongs to one, how a session says who it is, and
//! which roles the application uses. Found in catalog, policies and function bodies; `[tenancy]` of ledger.toml overrides any of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::{Value, json};

use super::identity::{self, Found, Source};
use super::shape::{Column, Shape, Table};
use crate::config::Tenancy;

/// What a key value identifies. Equal classes have equal values in one world, whatever table they stand in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyClass {
    /// A column that refers to nothing further: table oid and column number.
    Column(i64, i16),
    /// A name without a table of its own: a tenant column, or a principal of an identity provider.
    Named(String),
}

/// What a source's value is in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    Key(KeyClass),
    /// The database role's name.
    Role,
    /// Not known: never set.
    Unknown,
}

/// How a table's rows belong to a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Its rows are the tenants (or the principals).
    Anchor,
    /// A column of its own, or the first column of a path of keys: the columns, and the tables on the way to the anchor.
    Path { columns: Vec<i16>, through: Vec<String> },
    /// No way to an anchor was found.
    None,
}

/// A table to probe.
#[derive(Clone, Debug)]
pub struct Scoped {
    pub oid: i64,
    pub scope: Scope,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The table whose rows are tenants.
    pub root: Option<i64>,
    /// Names of tenant columns without (or with) a foreign key.
    pub columns: BTreeSet<String>,
    /// What each source's value is.
    pub sources: Vec<(Source, Meaning)>,
    pub roles: Vec<String>,
    pub tables: Vec<Scoped>,
    /// Tables of `[tenancy]` that the database does not have.
    pub missing: Vec<String>,
    /// What was stated in ledger.toml rather than found.
    pub stated: Vec<&'static str>,
    /// Policies that decide by the role's own name.
    pub by_role: bool,
    resolved: BTreeMap<(i64, i16), KeyClass>,
}

#[allow(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static TENANT_COLUMN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^(tenant|org|organi[sz]ation|company|account|workspace|team|customer|client|merchant|store|shop|business|household|clinic|school|agency)_?(id|uuid|key|uid)$",
    )
    .unwrap()
});

impl Model {
    /// Finds the model in a shape; what `stated` says wins.
    pub fn find(shape: &Shape, stated: &Tenancy) -> Self {
        let mut found = identity::find(shape);
        let mut said = Vec::new();
        let column = stated.column.clone().or_else(|| tenant_column(shape, &found));
        if stated.column.is_some() {
            said.push("column");
        }
        let by_fk = |name: &str| majority(shape.tables.iter().filter_map(|t| parent_of(shape, t.oid, t.column_named(name)?.number)));
        let mut root = stated.root.as_deref().and_then(|name| shape.named(name)).map(|table| table.oid);
        if root.is_some() {
            said.push("root");
        }
        root = root.or_else(|| column.as_deref().and_then(by_fk)).or_else(|| column.as_deref().and_then(|c| plural(shape, c)));
        if let Some(identity) = &stated.identity {
            said.push("identity");
            let claim = identity.claim.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
            found.sources.insert(Source { setting: identity.setting.clone(), claim });
        }
        let mut model = Self {
            root,
            columns: column.iter().cloned().collect(),
            sources: Vec::new(),
            roles: Vec::new(),
            tables: Vec::new(),
            missing: Vec::new(),
            stated: said,
            by_role: found.by_role,
            resolved: BTreeMap::new(),
        };
        model.resolve_keys(shape);
        model.bind(shape, &found, stated);
        // Principal columns found by comparison are anchors of their own when no tenant was found.
        if model.root.is_none() && model.columns.is_empty() {
            model.root = model.sources.iter().find_map(|(_, meaning)| match meaning {
                Meaning::Key(KeyClass::Column(oid, number)) => shape.table(*oid).filter(|table| table.key() == [*number]).map(|t| t.oid),
                _ => None,
            });
        }
        model.roles = roles(shape, stated, &mut model.stated);
        model.choose_tables(shape, stated);
        model
    }

    /// What a column's values identify.
    pub fn class(&self, table: i64, column: i16) -> KeyClass {
        self.resolved.get(&(table, column)).cloned().unwrap_or(KeyClass::Column(table, column))
    }

    /// Whether the column's value is given by what it refers to.
    pub fn is_reference(&self, table: i64, column: i16) -> bool {
        self.resolved.contains_key(&(table, column))
    }

    /// The class of a tenant's key.
    pub fn tenant_class(&self, shape: &Shape) -> Option<KeyClass> {
        let root = self.root.and_then(|oid| shape.table(oid));
        match root.and_then(|table| table.key().first().map(|number| self.class(table.oid, *number))) {
            Some(class) => Some(class),
            None => self.columns.iter().next().map(|name| KeyClass::Named(name.clone())),
        }
    }

    /// Follows every foreign key to where it ends, then gives tenant columns without a key the tenant's class.
    fn resolve_keys(&mut self, shape: &Shape) {
        let mut next: BTreeMap<(i64, i16), (i64, i16)> = BTreeMap::new();
        for key in &shape.keys {
            for (child, parent) in key.columns.iter().zip(&key.parent_columns) {
                let from = (key.child, *child);
                let to = (key.parent, *parent);
                // A column of several keys: the one that does not point at its own table says more.
                let better = next.get(&from).is_none_or(|old| old.0 == key.child);
                if from != to && better {
                    next.insert(from, to);
                }
            }
        }
        let tenant = self.tenant_class(shape);
        for table in &shape.tables {
            for column in &table.columns {
                let start = (table.oid, column.number);
                let mut at = start;
                let mut seen = BTreeSet::from([start]);
                while let Some(to) = next.get(&at) {
                    at = *to;
                    if !seen.insert(at) {
                        // A cycle of keys: its smallest member stands for all of it.
                        at = seen.iter().next().copied().unwrap_or(at);
                        break;
                    }
                }
                let owner = shape.table(at.0).and_then(|t| t.column(at.1).map(|c| (t, c)));
                let class = match (&tenant, owner) {
                    (Some(tenant), Some((t, c))) if self.columns.contains(&c.name) && Some(t.oid) != self.root => tenant.clone(),
                    _ => KeyClass::Column(at.0, at.1),
                };
                if class != KeyClass::Column(start.0, start.1) {
                    self.resolved.insert(start, class);
                }
            }
        }
    }

    /// Binds each source to what it is compared with; without a comparison, to what its name says.
    fn bind(&mut self, shape: &Shape, found: &Found, stated: &Tenancy) {
        let tenant = self.tenant_class(shape);
        let mut free_names: BTreeMap<String, KeyClass> = BTreeMap::new();
        for source in &found.sources {
            let is_stated = stated.identity.as_ref().is_some_and(|i| i.setting == source.setting && i.claim == source.claim.join("."));
            let votes = found.comparisons.iter().filter(|c| c.source == *source).filter_map(|comparison| {
                let tables: Vec<&Table> = match comparison.table.and_then(|oid| shape.table(oid)) {
                    Some(table) if table.column_named(&comparison.column).is_some() => vec![table],
                    _ => {
                        shape.tables.iter().filter(|t| t.column_named(&comparison.column).is_some() && comparison.column != "id").collect()
                    }
                };
                majority(tables.iter().filter_map(|t| t.column_named(&comparison.column).map(|c| self.class(t.oid, c.number))))
            });
            let by_comparison = majority(votes);
            let meaning = match (is_stated, by_comparison, by_name(source.word(), tenant.is_some(), self, shape)) {
                (true, _, _) if tenant.is_some() => tenant.clone().map_or(Meaning::Unknown, Meaning::Key),
                (_, Some(class), _) => Meaning::Key(class),
                (_, None, Named::Tenant) => tenant.clone().map_or(Meaning::Unknown, Meaning::Key),
                (_, None, Named::Principal) => Meaning::Key(KeyClass::Named("principal".into())),
                (_, None, Named::Role) => Meaning::Role,
                (_, None, Named::Nothing) => Meaning::Unknown,
            };
            // A column without a key that is compared with this source is the source's value in every table that has it.
            if let Meaning::Key(class) = &meaning {
                for comparison in found.comparisons.iter().filter(|c| c.source == *source && c.column != "id") {
                    free_names.entry(comparison.column.clone()).or_insert_with(|| class.clone());
                }
            }
            // A column that refers to nothing but is what a session is compared with is a key all the same.
            if let Meaning::Key(KeyClass::Column(oid, number)) = &meaning
                && shape.table(*oid).is_some_and(|table| !table.key().contains(number))
            {
                self.resolved.entry((*oid, *number)).or_insert(KeyClass::Column(*oid, *number));
            }
            self.sources.push((source.clone(), meaning));
        }
        for table in &shape.tables {
            for column in &table.columns {
                let at = (table.oid, column.number);
                if let Some(class) = free_names.get(&column.name)
                    && !self.resolved.contains_key(&at)
                    && *class != KeyClass::Column(at.0, at.1)
                {
                    self.resolved.insert(at, class.clone());
                }
            }
        }
    }

    /// The tables to examine: those stated, else every table with row security, with a tenant column, or with a path of keys that
    /// every row has (NOT NULL) to the tenants.
    fn choose_tables(&mut self, shape: &Shape, stated: &Tenancy) {
        let mut anchors: Vec<KeyClass> = self.tenant_class(shape).into_iter().collect();
        for (_, meaning) in &self.sources {
            if let Meaning::Key(class) = meaning
                && !anchors.contains(class)
            {
                anchors.push(class.clone());
            }
        }
        if !stated.tables.is_empty() {
            self.stated.push("tables");
            for name in &stated.tables {
                match shape.named(name) {
                    Some(table) => self.tables.push(Scoped { oid: table.oid, scope: self.scope(shape, table, &anchors) }),
                    None => self.missing.push(name.clone()),
                }
            }
            return;
        }
        for table in shape.tables.iter().filter(|table| !table.partition && !stated.left_out.contains(&table.schema)) {
            let scope = self.scope(shape, table, &anchors);
            let belongs = match &scope {
                Scope::Anchor => true,
                Scope::Path { columns, .. } => {
                    columns.iter().all(|n| table.column(*n).is_some_and(|c| c.not_null || self.columns.contains(&c.name)))
                }
                Scope::None => false,
            };
            // A path to a principal alone (created_by) makes no tenant table; a path to the tenant does.
            let to_tenant = belongs && self.reaches_tenant(shape, &scope, table, &anchors);
            if table.rls || to_tenant {
                self.tables.push(Scoped { oid: table.oid, scope });
            }
        }
    }

    fn reaches_tenant(&self, shape: &Shape, scope: &Scope, table: &Table, anchors: &[KeyClass]) -> bool {
        let Some(tenant) = anchors.first() else { return false };
        *scope == Scope::Anchor || self.scope(shape, table, std::slice::from_ref(tenant)) != Scope::None
    }

    /// The shortest way from a row to an anchor, the tenant's first.
    fn scope(&self, shape: &Shape, table: &Table, anchors: &[KeyClass]) -> Scope {
        for anchor in anchors {
            if let Some(scope) = self.scope_to(shape, table, anchor) {
                return scope;
            }
        }
        Scope::None
    }

    fn scope_to(&self, shape: &Shape, table: &Table, anchor: &KeyClass) -> Option<Scope> {
        if matches!(anchor, KeyClass::Column(oid, number) if *oid == table.oid && table.key() == [*number]) {
            return Some(Scope::Anchor);
        }
        let direct = |t: &Table| -> Vec<i16> {
            let mut hits: Vec<&Column> = t.columns.iter().filter(|c| self.class(t.oid, c.number) == *anchor).collect();
            // Several columns may refer to the anchor (owner, editor): the tenant column, else one that every row has, decides.
            hits.sort_by_key(|c| (!self.columns.contains(&c.name), !c.not_null, c.number));
            hits.first().map(|c| c.number).into_iter().collect()
        };
        let own = direct(table);
        if !own.is_empty() {
            return Some(Scope::Path { columns: own, through: Vec::new() });
        }
        // Breadth first over foreign keys; keys that every row has come before nullable ones.
        let by_child = shape.keys_by_child();
        let mut queue: VecDeque<(i64, Vec<i16>, Vec<String>)> = VecDeque::from([(table.oid, Vec::new(), Vec::new())]);
        let mut seen = BTreeSet::from([table.oid]);
        while let Some((at, first, through)) = queue.pop_front() {
            let Some(child) = shape.table(at) else { continue };
            let mut keys: Vec<_> = by_child.get(&at).cloned().unwrap_or_default();
            keys.sort_by_key(|key| !key.columns.iter().all(|n| child.column(*n).is_some_and(|c| c.not_null)));
            for key in keys {
                let Some(parent) = shape.table(key.parent) else { continue };
                if !seen.insert(parent.oid) {
                    continue;
                }
                let first = if first.is_empty() { key.columns.clone() } else { first.clone() };
                let mut through = through.clone();
                through.push(parent.sql.clone());
                if !direct(parent).is_empty() {
                    return Some(Scope::Path { columns: first, through });
                }
                queue.push_back((parent.oid, first, through));
            }
        }
        None
    }

    /// For the record: names only.
    pub fn to_json(&self, shape: &Shape) -> Value {
        let name = |oid: i64| shape.table(oid).map(|table| table.sql.clone());
        let class = |class: &KeyClass| match class {
            KeyClass::Column(oid, number) => shape
                .table(*oid)
                .and_then(|table| table.column(*number).map(|column| format!("{}.{}", table.sql, column.sql)))
                .unwrap_or_default(),
            KeyClass::Named(name) => name.clone(),
        };
        json!({
            "root": self.root.and_then(name),
            "columns": self.columns,
            "identity": self.sources.iter().map(|(source, meaning)| json!({
                "source": source.shown(),
                "means": match meaning { Meaning::Key(key) => class(key), Meaning::Role => "role".into(), Meaning::Unknown => "unknown: never set".to_owned() },
            })).collect::<Vec<_>>(),
            "roles": self.roles,
            "stated": self.stated,
            "missing": self.missing,
            "tables": self.tables.iter().map(|scoped| {
                let table = shape.table(scoped.oid);
                let columns = |numbers: &[i16]| numbers.iter().filter_map(|n| table?.column(*n)).map(|c| c.name.clone()).collect::<Vec<_>>();
                json!({
                    "table": name(scoped.oid),
                    "belongs": match &scoped.scope {
                        Scope::Anchor => json!("its rows are the tenants or principals"),
                        Scope::Path { columns: numbers, through } => json!({ "columns": columns(numbers), "through": through }),
                        Scope::None => json!("no way to a tenant found"),
                    },
                })
            }).collect::<Vec<_>>(),
        })
    }
}

enum Named {
    Tenant,
    Principal,
    Role,
    Nothing,
}

fn by_name(word: &str, has_tenant: bool, model: &Model, shape: &Shape) -> Named {
    let word = word.to_lowercase();
    let root = model.root.and_then(|oid| shape.table(oid)).map(|table| table.name.trim_end_matches('s').to_lowercase());
    let is_column = model.columns.iter().any(|column| column.to_lowercase() == word);
    if word == "role" {
        Named::Role
    } else if ["admin", "super", "bypass", "role", "aud", "iss", "exp", "email"].iter().any(|part| word.contains(part)) {
        Named::Nothing
    } else if is_column || root.is_some_and(|root| !root.is_empty() && word.contains(&root)) || TENANT_COLUMN.is_match(&word) {
        Named::Tenant
    } else if word == "sub" || word.contains("user") || word.contains("uid") || word.contains("principal") || word.contains("actor") {
        Named::Principal
    } else if has_tenant && ["tenant", "org", "account", "company", "workspace", "team", "customer"].iter().any(|part| word.contains(part))
    {
        Named::Tenant
    } else {
        Named::Nothing
    }
}

/// The name of the tenant column: the candidate that most tables have, weighing those compared with an identity.
fn tenant_column(shape: &Shape, found: &Found) -> Option<String> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for table in &shape.tables {
        for column in table.columns.iter().filter(|column| TENANT_COLUMN.is_match(&column.name)) {
            *votes.entry(column.name.as_str()).or_default() += 1;
        }
    }
    for (name, count) in &mut votes {
        *count += 3 * found.comparisons.iter().filter(|c| c.column == *name).count();
        *count += 2 * shape.policies.iter().filter(|p| [&p.using, &p.check].into_iter().flatten().any(|t| t.contains(*name))).count();
        *count += if name.to_lowercase().starts_with("tenant") { 1 } else { 0 };
    }
    votes.into_iter().max_by_key(|(name, count)| (*count, std::cmp::Reverse(name.len()))).map(|(name, _)| name.to_owned())
}

/// The table that a column's foreign key points at.
fn parent_of(shape: &Shape, table: i64, column: i16) -> Option<i64> {
    shape.keys.iter().find(|key| key.child == table && key.columns == [column]).map(|key| key.parent)
}

/// `tenant_id` without a key: the table `tenants` or `tenant`, if there is one.
fn plural(shape: &Shape, column: &str) -> Option<i64> {
    let lower = column.to_lowercase();
    let stem = ["_uuid", "_id", "_key", "_uid"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower).to_owned();
    let ies = stem.strip_suffix('y').map(|stem| format!("{stem}ies"));
    let names = [Some(format!("{stem}s")), ies, Some(stem.clone()), Some(format!("{stem}es"))];
    let mut tables = names.iter().flatten().flat_map(|name| shape.tables.iter().filter(move |table| table.name.to_lowercase() == *name));
    tables.find(|table| table.key().len() == 1).map(|table| table.oid)
}

fn roles(shape: &Shape, stated: &Tenancy, said: &mut Vec<&'static str>) -> Vec<String> {
    if !stated.roles.is_empty() {
        said.push("roles");
        return stated.roles.clone();
    }
    let named = shape.policies.iter().flat_map(|policy| policy.roles.iter().cloned());
    // A role of a policy that owns the tables or administers is no application role; grants say who reaches a table at all.
    let granted: BTreeSet<String> = shape.grantees.iter().cloned().collect();
    let mut roles: BTreeSet<String> = named.filter(|role| granted.contains(role)).collect();
    roles.extend(granted);
    roles.into_iter().filter(|role| !stated.trusted_roles.contains(role)).collect()
}

fn majority<T: Ord + Clone>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(item, _)| item)
}
