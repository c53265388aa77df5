//! The tenant model: who the tenants are, by which columns and keys a row belongs to one, how a session says who it is, and
//! which roles the application uses. Found in catalog, policies and function bodies; `[tenancy]` of ledger.toml overrides any of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::hop;
use super::identity::{self, Found, Source};
use super::labels::{self, Label};
use super::openings::{self, Opening};
use super::shape::{self, Column, Shape, Table};
use super::value::{self, Form, World};
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
    /// A fixed word that policies ask for, and that opens no more than the own tenant.
    Word(String),
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
    /// Where the role's own name decides: a role of A, one of B and, if there is a third, one of nobody.
    pub tenant_roles: Vec<String>,
    /// Sources whose value is a list.
    pub lists: BTreeSet<Source>,
    /// Roles within a tenant, each probed as a context of its own.
    pub labels: Vec<Label>,
    /// Roles above the tenants (a platform's administrators): named, not probed.
    pub above: Vec<String>,
    /// Rows that policies show to everybody for what they are.
    pub openings: Vec<Opening>,
    /// What people are made members of, where that is no tenant by its name: keys of other tables.
    pub groups: Vec<KeyClass>,
    /// A session says nothing but which person it is.
    people: bool,
    resolved: BTreeMap<(i64, i16), KeyClass>,
    forms: BTreeMap<KeyClass, Form>,
}

#[allow(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static TENANT_COLUMN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^(tenant|org|organi[sz]ation|company|account|workspace|team|customer|client|merchant|store|shop|business|household|clinic|school|agency|acct|mandant|firm|family|club|practice)_?(id|uuid|no|nr|key|uid)$",
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
        // A tenant's own parts may outnumber it (teams of an organisation): the tenant is what they all belong to.
        let mut column = column;
        if stated.root.is_none() && stated.column.is_none() {
            for _ in 0..3 {
                let above = root.and_then(|oid| shape.table(oid)).and_then(|table| {
                    let parts = table.columns.iter().filter(|c| c.not_null && TENANT_COLUMN.is_match(&c.name));
                    parts
                        .into_iter()
                        .find_map(|c| Some((parent_of(shape, table.oid, c.number).filter(|oid| *oid != table.oid)?, c.name.clone())))
                });
                let Some((oid, name)) = above else { break };
                (root, column) = (Some(oid), Some(name));
            }
        }
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
            tenant_roles: Vec::new(),
            lists: found.lists.clone(),
            labels: Vec::new(),
            above: Vec::new(),
            openings: Vec::new(),
            groups: Vec::new(),
            people: false,
            resolved: BTreeMap::new(),
            forms: BTreeMap::new(),
        };
        model.resolve_keys(shape);
        model.bind(shape, &found, stated);
        // Principal columns found by comparison are anchors of their own when no tenant was found.
        if model.root.is_none() && model.columns.is_empty() {
            model.root = model.root_of_sources(shape);
            model.people = model.are_people(shape);
        }
        (model.roles, model.above) = roles(shape, stated, &mut model.stated);
        model.groups = model.find_groups(shape);
        model.choose_tables(shape, stated);
        model.forms = model.shape_forms(shape);
        model.find_tenant_roles(shape);
        let (labels, above) = labels::find(shape, &model, &found);
        model.labels = labels;
        model.above.extend(above);
        model.openings = openings::find(shape, &model);
        model
    }

    /// Where policies compare the role's own name: roles that stand for a tenant each, and the keys that are their names.
    fn find_tenant_roles(&mut self, shape: &Shape) {
        let named = self.sources.iter().find_map(|(source, meaning)| match meaning {
            Meaning::Key(class) if source.setting == identity::ROLE_NAME => Some(class.clone()),
            _ => None,
        });
        let mut literals: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
        // `TO acme USING (tenant_id = 1)`: a policy per tenant.
        let anchored = self.sources.iter().any(|(_, meaning)| matches!(meaning, Meaning::Key(_)));
        if !anchored && let Some(column) = self.columns.iter().next() {
            for policy in shape.policies.iter().filter(|policy| policy.roles.len() == 1) {
                for text in [&policy.using, &policy.check].into_iter().flatten() {
                    let found = shape::literal_of(text, column);
                    literals.entry(&policy.roles[0]).or_default().extend(found);
                }
            }
            literals.retain(|_, of| of.len() == 1);
        }
        let distinct: BTreeSet<&String> = literals.values().flatten().collect();
        let per_role = distinct.len() >= 2 && distinct.len() == literals.len();
        let (roles, class, values) = match (named, per_role) {
            (Some(class), _) => {
                let members: BTreeSet<&String> = shape.members.iter().filter(|m| self.roles.contains(&m.of)).map(|m| &m.role).collect();
                let alone: Vec<String> = self.roles.iter().filter(|role| !shape.members.iter().any(|m| m.of == **role)).cloned().collect();
                let roles: Vec<String> = if members.len() >= 2 { members.into_iter().cloned().collect() } else { alone };
                (roles.clone(), class, roles)
            }
            (None, true) => match self.tenant_class(shape) {
                Some(class) => {
                    let roles = literals.keys().map(|role| (*role).clone()).collect();
                    (roles, class, literals.values().flatten().cloned().collect())
                }
                None => return,
            },
            _ => return,
        };
        if roles.len() < 2 {
            return;
        }
        if let Some(form) = self.forms.get_mut(&class) {
            form.only(&values);
        }
        if per_role && !self.sources.iter().any(|(_, meaning)| *meaning == Meaning::Key(class.clone())) {
            self.sources.push((Source { setting: identity::ROLE_NAME.to_owned(), claim: Vec::new() }, Meaning::Key(class)));
        }
        self.tenant_roles = roles;
        self.roles = self.tenant_roles.iter().take(1).cloned().collect();
    }

    /// The role that a session of a world takes on, where each tenant has its own; else the one given.
    pub fn role_in<'a>(&'a self, role: &'a str, world: World) -> &'a str {
        if self.tenant_roles.is_empty() {
            return role;
        }
        let at = match world {
            World::A => 0,
            World::B => 1,
            World::Stranger => 2,
        };
        self.tenant_roles.get(at).map_or(role, String::as_str)
    }

    /// Keys that identify a person rather than a tenant.
    pub fn principals(&self, shape: &Shape) -> Vec<KeyClass> {
        let tenant = self.tenant_class(shape);
        let keys = self.sources.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::Key(class) if Some(class) != tenant.as_ref() => Some(class.clone()),
            _ => None,
        });
        let mut keys: Vec<KeyClass> = keys.collect();
        keys.dedup();
        if keys.is_empty() && self.of_people() {
            keys.extend(tenant);
        }
        keys
    }

    /// The table that a session's keys identify; of several the one that the others' tables refer to.
    fn root_of_sources(&self, shape: &Shape) -> Option<i64> {
        let of = |meaning: &Meaning| match meaning {
            Meaning::Key(KeyClass::Column(oid, number)) => shape.table(*oid).filter(|table| table.key() == [*number]),
            _ => None,
        };
        let tables: Vec<&Table> = self.sources.iter().filter_map(|(_, meaning)| of(meaning)).collect();
        let refers = |one: &Table, other: &Table| {
            let keys = one.columns.iter().filter(|c| !one.key().contains(&c.number));
            one.oid != other.oid
                && keys.into_iter().any(|c| matches!(self.class(one.oid, c.number), KeyClass::Column(oid, _) if oid == other.oid))
        };
        let above = tables.iter().find(|table| tables.iter().any(|other| refers(other, table)));
        above.or(tables.first()).map(|table| table.oid)
    }

    /// Whether a session says nothing but which person it is.
    fn are_people(&self, shape: &Shape) -> bool {
        let tenant = self.tenant_class(shape);
        let mut keys = self.sources.iter().filter(|(_, meaning)| matches!(meaning, Meaning::Key(_))).peekable();
        let table = match &tenant {
            Some(KeyClass::Column(oid, _)) => shape.table(*oid).map(|table| table.name.to_lowercase()).unwrap_or_default(),
            _ => String::new(),
        };
        keys.peek().is_some()
            && keys.all(|(source, meaning)| {
                let same = matches!(meaning, Meaning::Key(class) if tenant.as_ref().is_none_or(|tenant| tenant == class));
                same && (is_person(source.word()) || is_person(&table))
            })
    }

    /// Whether people are all that tells sessions apart, and so stand for the tenants.
    fn of_people(&self) -> bool {
        self.people
    }

    /// Keys that a table ties to a person, where policies or functions look there who a session is: a family, a board, a unit. The one
    /// that most tables lead to comes first.
    fn find_groups(&self, shape: &Shape) -> Vec<KeyClass> {
        let (principals, tenant, words) = (self.principals(shape), self.tenant_class(shape), hop::asked_words(shape));
        let mut groups: BTreeMap<KeyClass, usize> = BTreeMap::new();
        for table in shape.tables.iter().filter(|table| !table.partition && words.contains(table.name.as_str())) {
            let classes: Vec<KeyClass> = table.columns.iter().map(|column| self.class(table.oid, column.number)).collect();
            if !classes.iter().any(|class| principals.contains(class)) {
                continue;
            }
            let of_another = |class: &&KeyClass| match class {
                KeyClass::Column(oid, number) => *oid != table.oid && shape.table(*oid).is_some_and(|parent| parent.key() == [*number]),
                KeyClass::Named(_) => false,
            };
            for class in classes.iter().filter(of_another).filter(|class| !principals.contains(class) && Some(*class) != tenant.as_ref()) {
                groups.entry(class.clone()).or_default();
            }
        }
        for (class, count) in &mut groups {
            *count = self.resolved.values().filter(|other| *other == class).count();
        }
        let mut groups: Vec<(KeyClass, usize)> = groups.into_iter().collect();
        groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        groups.into_iter().map(|(class, _)| class).collect()
    }

    /// A column out of whose path the table's policies read whose a row is.
    fn path_column(&self, shape: &Shape, table: &Table) -> Option<i16> {
        let text = shape.policy_text(table.oid);
        let columns = table.columns.iter().filter(|column| column.category == "S" && !column.generated);
        columns.into_iter().find(|column| value::path(&text, &column.sql, Some(String::new()), None, World::A).is_some()).map(|c| c.number)
    }

    /// A path column's value in a world.
    pub fn path(&self, shape: &Shape, table: &Table, column: &Column, world: World) -> Option<String> {
        if column.category != "S" || !table.rls {
            return None;
        }
        let key = |class: KeyClass| self.key(&class, None, world, 0);
        value::path(
            &shape.policy_text(table.oid),
            &column.sql,
            self.principals(shape).into_iter().next().map(key),
            if self.of_people() { self.groups.first().cloned() } else { None }.or_else(|| self.tenant_class(shape)).map(key),
            world,
        )
    }

    /// Whether what the key identifies is a tenant or a person.
    pub fn is_identity(&self, shape: &Shape, class: &KeyClass) -> bool {
        self.tenant_class(shape).as_ref() == Some(class)
            || self.groups.contains(class)
            || self.sources.iter().any(|(_, meaning)| *meaning == Meaning::Key(class.clone()))
    }

    /// Whether a way leads from a row of this table to a tenant (not only to a person).
    pub fn has_tenant(&self, shape: &Shape, table: &Table) -> bool {
        !self.of_people() && self.tenant_class(shape).is_some_and(|class| self.scope_to(shape, table, &class).is_some())
            || self.groups.iter().any(|class| self.scope_to(shape, table, class).is_some())
    }

    /// What is known of every key's values, from all columns that hold it.
    fn shape_forms(&self, shape: &Shape) -> BTreeMap<KeyClass, Form> {
        let mut columns: BTreeMap<KeyClass, Vec<(&Table, &Column)>> = BTreeMap::new();
        for table in &shape.tables {
            for column in table.columns.iter().filter(|column| !column.generated) {
                let class = self.class(table.oid, column.number);
                let own = class == KeyClass::Column(table.oid, column.number);
                let of_class = columns.entry(class).or_default();
                match own {
                    true => of_class.insert(0, (table, column)),
                    false => of_class.push((table, column)),
                }
            }
        }
        columns
            .into_iter()
            .map(|(class, columns)| {
                let form = Form::of(shape, &class, &columns, self.is_identity(shape, &class));
                (class, form)
            })
            .collect()
    }

    /// A key's value in a world. `fresh` counts rows beyond the world's own (0). `column`: where it is put.
    pub fn key(&self, class: &KeyClass, column: Option<&Column>, world: World, fresh: u64) -> String {
        match self.forms.get(class) {
            Some(form) => form.value(column, world, fresh),
            None => Form::of(&Shape::default(), class, &[], false).value(column, world, fresh),
        }
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
        // Schemas without foreign keys: `project_id` is the key of `projects`, where there is one of the same type.
        let mut by_name: BTreeMap<&str, Option<(i64, i16, &str)>> = BTreeMap::new();
        for table in &shape.tables {
            for column in table
                .columns
                .iter()
                .filter(|c| c.name.ends_with("_id") && !table.key().contains(&c.number) || c.name.ends_with("_id") && table.key().len() > 1)
            {
                let from = (table.oid, column.number);
                if next.contains_key(&from) {
                    continue;
                }
                let to = by_name.entry(column.name.as_str()).or_insert_with(|| {
                    let oid = plural(shape, &column.name)?;
                    let parent = shape.table(oid)?;
                    let number = *parent.key().first()?;
                    Some((oid, number, parent.column(number)?.base.as_str()))
                });
                if let Some((oid, number, base)) = to
                    && *base == column.base
                    && *oid != table.oid
                {
                    next.insert(from, (*oid, *number));
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

    /// Where only a name says that a session is a person: the key of the people's table.
    fn principal_by_name(&self, shape: &Shape) -> KeyClass {
        let names = ["auth.users", "users", "user", "people", "profiles", "accounts", "members", "employees"];
        let table = names.iter().find_map(|name| {
            let mut tables = shape.tables.iter().filter(|t| t.key().len() == 1);
            tables.find(|t| t.name.to_lowercase() == *name || format!("{}.{}", t.schema, t.name) == *name)
        });
        match table.and_then(|table| table.key().first().map(|number| self.class(table.oid, *number))) {
            Some(class) => class,
            None => KeyClass::Named("principal".into()),
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
            let words = found.literals.get(source);
            let named = match by_name(source.word(), tenant.is_some(), self, shape) {
                // `role` is the database's role where PostgREST puts it; elsewhere it is a word like any other.
                Named::Role if words.is_some() && source.claim != ["role"] && !source.setting.ends_with(".claim.role") => Named::Nothing,
                named => named,
            };
            let meaning = match (is_stated, by_comparison, named) {
                (true, _, _) if tenant.is_some() => tenant.clone().map_or(Meaning::Unknown, Meaning::Key),
                (_, Some(class), _) => Meaning::Key(class),
                (_, None, Named::Tenant) => tenant.clone().map_or(Meaning::Unknown, Meaning::Key),
                (_, None, Named::Principal) => Meaning::Key(self.principal_by_name(shape)),
                (_, None, Named::Role) => Meaning::Role,
                (_, None, Named::Nothing) => {
                    match found.literals.get(source).and_then(|words| words.iter().find(|word| !value::is_privileged(word))) {
                        // A setting that is on or off switches something, as a rule the policies themselves.
                        Some(_) if source.claim.is_empty() && words.is_some_and(|words| words.iter().all(|word| is_switch(word))) => {
                            Meaning::Unknown
                        }
                        Some(word) if !value::is_privileged(source.word()) => Meaning::Word(word.clone()),
                        _ => Meaning::Unknown,
                    }
                }
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
        anchors.extend(self.groups.iter().filter(|class| !anchors.contains(class)).cloned().collect::<Vec<_>>());
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

    /// The shortest way from a row to an anchor, the tenant's first. Where there is no tenant by its name, what people are members of is
    /// a tenant too, and of several ways the one counts whose columns the table's own policies name.
    fn scope(&self, shape: &Shape, table: &Table, anchors: &[KeyClass]) -> Scope {
        let ways: Vec<Scope> = anchors.iter().filter_map(|anchor| self.scope_to(shape, table, anchor)).collect();
        if self.of_people() && !self.groups.is_empty() {
            let own = |class: &KeyClass| matches!(class, KeyClass::Column(oid, number) if *oid == table.oid && table.key() == [*number]);
            if self.groups.iter().any(own) {
                return Scope::Anchor;
            }
            let text = shape.policy_text(table.oid);
            let asked = |scope: &&Scope| match scope {
                Scope::Path { columns, .. } => {
                    columns.iter().all(|n| table.column(*n).is_some_and(|column| names_column(&text, &column.sql)))
                }
                _ => true,
            };
            if let Some(way) = ways.iter().find(asked) {
                return way.clone();
            }
        }
        ways.into_iter().next().unwrap_or(Scope::None)
    }

    fn scope_to(&self, shape: &Shape, table: &Table, anchor: &KeyClass) -> Option<Scope> {
        if matches!(anchor, KeyClass::Column(oid, number) if *oid == table.oid && table.key() == [*number]) {
            return Some(Scope::Anchor);
        }
        if let Some(number) = self.path_column(shape, table) {
            return Some(Scope::Path { columns: vec![number], through: Vec::new() });
        }
        let direct = |t: &Table| -> Vec<i16> {
            let mut hits: Vec<&Column> = t.columns.iter().filter(|c| self.class(t.oid, c.number) == *anchor).collect();
            // Several columns may refer to the anchor (owner, editor): the tenant column, else one that every row has, decides.
            let asked = |c: &Column| {
                shape.policies_of(t.oid).any(|p| [&p.using, &p.check].into_iter().flatten().any(|text| names_column(text, &c.sql)))
            };
            hits.sort_by_key(|c| (!self.columns.contains(&c.name), !asked(c), !c.not_null, c.number));
            hits.first().map(|c| c.number).into_iter().collect()
        };
        let own = direct(table);
        if !own.is_empty() {
            return Some(Scope::Path { columns: own, through: Vec::new() });
        }
        // A key that every row has says whose it is; one that may be empty (an assignee) only where no other does.
        [true, false].iter().find_map(|whole| self.way(shape, table, &direct, *whole))
    }

    /// The shortest way over foreign keys to a table with a column of the anchor's. `whole`: only over keys that every row has.
    fn way(&self, shape: &Shape, table: &Table, direct: &dyn Fn(&Table) -> Vec<i16>, whole: bool) -> Option<Scope> {
        let mut queue: VecDeque<(i64, Vec<i16>, Vec<String>)> = VecDeque::from([(table.oid, Vec::new(), Vec::new())]);
        let mut seen = BTreeSet::from([table.oid]);
        while let Some((at, first, through)) = queue.pop_front() {
            let Some(child) = shape.table(at) else { continue };
            let full = |key: &&&shape::ForeignKey| key.columns.iter().all(|n| child.column(*n).is_some_and(|c| c.not_null));
            let mut keys: Vec<_> = shape.keys_of(at).filter(|key| !whole || full(&key)).collect();
            keys.sort_by_key(|key| !full(&key));
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
                "means": match meaning { Meaning::Key(key) => class(key), Meaning::Role => "role".into(), Meaning::Word(word) => format!("the word {word}"), Meaning::Unknown => "unknown: never set".to_owned() },
            })).collect::<Vec<_>>(),
            "roles": self.roles,
            "tenant_roles": self.tenant_roles,
            "labels": self.labels.iter().map(Label::shown).collect::<Vec<_>>(),
            "above": self.above,
            "groups": self.groups.iter().map(class).collect::<Vec<_>>(),
            "everybodys": self.openings.iter().map(|opening| json!({ "table": name(opening.table), "policy": opening.policy, "condition": opening.condition })).collect::<Vec<_>>(),
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

/// A word that says no more than on or off.
fn is_switch(word: &str) -> bool {
    ["on", "off", "true", "false", "t", "f", "yes", "no", "1", "0", "enabled", "disabled"].contains(&word.to_lowercase().as_str())
}

/// Whether a name speaks of a person.
fn is_person(word: &str) -> bool {
    let word = word.to_lowercase();
    word == "sub"
        || ["user", "usr", "uid", "principal", "actor", "person", "people", "profile", "login", "employee"]
            .iter()
            .any(|part| word.contains(part))
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
    } else if is_person(&word) {
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

/// Whether an expression names the column.
pub(super) fn names_column(text: &str, column: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(column).any(|(at, _)| !inside(text[..at].chars().next_back()) && !inside(text[at + column.len()..].chars().next()))
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

/// What the application connects as or switches to, and beside it the roles that are left out because they work for all tenants.
fn roles(shape: &Shape, stated: &Tenancy, said: &mut Vec<&'static str>) -> (Vec<String>, Vec<String>) {
    if !stated.roles.is_empty() {
        said.push("roles");
        return (stated.roles.clone(), Vec::new());
    }
    let named = shape.policies.iter().flat_map(|policy| policy.roles.iter().cloned());
    // A role of a policy that owns the tables or administers is no application role; grants say who reaches a table at all.
    let granted: BTreeSet<String> = shape.grantees.iter().cloned().collect();
    let mut roles: BTreeSet<String> = named.filter(|role| granted.contains(role)).collect();
    roles.extend(granted);
    if roles.is_empty() {
        roles.extend(shape.owners.iter().cloned());
    }
    // One that no policy asks anything of, and that is named for it, works for all tenants.
    let mut above: BTreeSet<String> = roles.iter().filter(|role| is_service(shape, role)).cloned().collect();
    match above.len() < roles.len() {
        true => roles.retain(|role| !above.contains(role)),
        false => above.clear(),
    }
    let roles = roles.into_iter().filter(|role| !stated.trusted_roles.contains(role)).collect();
    (roles, above.into_iter().map(|role| format!("role {role}")).collect())
}

/// Names of roles that do a platform's work.
#[allow(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static SERVICE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)worker|service|(^|_)(svc|job|jobs|cron|batch|etl|backup|admin|system|sys|maint|maintenance|migrat\w*|superuser|root)(_|$)",
    )
    .unwrap()
});

/// Whether a role is let into every row on purpose: policies of its own alone, each of them `true`, and a name that says so.
fn is_service(shape: &Shape, role: &str) -> bool {
    let mut own = shape.policies.iter().filter(|policy| policy.roles.iter().any(|name| name == role)).peekable();
    SERVICE.is_match(role)
        && own.peek().is_some()
        && own.all(|policy| [&policy.using, &policy.check].into_iter().flatten().all(|text| text == "true"))
}

fn majority<T: Ord + Clone>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(item, _)| item)
}
