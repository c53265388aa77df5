//! The tenant model: who the tenants are, by which columns and keys a row belongs to one, how a session says who it is, and
//! which roles the application uses. Found in catalog, policies and function bodies; `[tenancy]` of ledger.toml overrides any of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

mod keys;
mod naming;
mod roles;
mod scope;

pub(super) use naming::names_column;
use naming::{Named, TENANT_COLUMN, by_name, is_common, is_person, is_switch, majority, parent_of, plural, tenant_column};
use roles::roles;

use super::hop;
use super::identity::{self, Found, Source};
use super::labels::{self, Label};
use super::openings::{self, Opening};
use super::shape::{Column, Shape, Table};
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
    /// Settings without which policies raise, and a value for each that says nothing.
    pub demanded: BTreeMap<String, &'static str>,
    /// Roles within a tenant, each probed as a context of its own.
    pub labels: Vec<Label>,
    /// Roles above the tenants (a platform's administrators): named, not probed.
    pub above: Vec<String>,
    /// Tables that ledger.toml says every tenant may read.
    pub everybodys: BTreeSet<i64>,
    /// Rows that policies show to everybody for what they are.
    pub openings: Vec<Opening>,
    /// What people are made members of, where that is no tenant by its name: keys of other tables.
    pub groups: Vec<KeyClass>,
    /// People to whom what a session names leads: it says which login or token it has, and a row of that says whose it is.
    persons: Vec<KeyClass>,
    /// What a session names beside its tenant that tenants have in common (which application): the same in both worlds.
    common: BTreeSet<KeyClass>,
    /// Tables in which policies look up what a person may see: memberships, enrolments, shares.
    pub lookups: BTreeSet<i64>,
    /// A session says nothing but which person it is.
    people: bool,
    resolved: BTreeMap<(i64, i16), KeyClass>,
    forms: BTreeMap<KeyClass, Form>,
}

/// Whether the key is a column of roles.
fn is_of_roles(shape: &Shape, class: &KeyClass) -> bool {
    match class {
        KeyClass::Column(oid, number) => {
            shape.table(*oid).and_then(|table| table.column(*number)).is_some_and(|column| labels::is_role_like(&column.name))
        }
        KeyClass::Named(_) => false,
    }
}

impl Model {
    /// Finds the model in a shape; what `stated` says wins.
    pub fn find(shape: &Shape, stated: &Tenancy) -> Self {
        let mut found = identity::find(shape);
        labels::of_claims(shape, &mut found);
        let mut said = Vec::new();
        let column = stated.column.clone().or_else(|| tenant_column(shape, &found));
        if stated.column.is_some() {
            said.push("column");
        }
        if !stated.everybodys.is_empty() {
            said.push("everybodys");
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
            demanded: found.demanded.clone(),
            labels: Vec::new(),
            above: Vec::new(),
            everybodys: stated.everybodys.iter().filter_map(|name| shape.named(name)).map(|table| table.oid).collect(),
            openings: Vec::new(),
            groups: Vec::new(),
            persons: Vec::new(),
            common: BTreeSet::new(),
            lookups: BTreeSet::new(),
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
        model.common = model.find_common(shape);
        model.persons = model.find_persons(shape);
        model.groups = model.find_groups(shape);
        model.lookups = model.find_lookups(shape);
        model.choose_tables(shape, stated);
        model.forms = model.shape_forms(shape);
        match stated.tenant_roles.is_empty() {
            true => model.find_tenant_roles(shape),
            false => model.state_tenant_roles(shape, &stated.tenant_roles),
        }
        let (labels, above) = labels::find(shape, &model, &found);
        model.labels = labels;
        if !stated.labels.is_empty() {
            model.stated.push("labels");
            model.labels = labels::stated(shape, &model, &stated.labels);
        }
        model.above.extend(above);
        model.openings = openings::find(shape, &model);
        model
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
        keys.extend(self.persons.iter().filter(|class| !keys.contains(class)).cloned().collect::<Vec<_>>());
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
    pub(super) fn of_people(&self) -> bool {
        self.people
    }

    /// Values named by a session that stand in rows of a tenant beside the tenant's own key, refer to nothing and identify no row.
    fn find_common(&self, shape: &Shape) -> BTreeSet<KeyClass> {
        let Some(tenant) = self.tenant_class(shape).filter(|_| !self.columns.is_empty()) else { return BTreeSet::new() };
        let is_common = |class: &KeyClass| {
            let KeyClass::Column(oid, number) = class else { return false };
            let Some((table, column)) = shape.table(*oid).and_then(|table| Some((table, table.column(*number)?))) else { return false };
            let alone = table.uniques.iter().any(|unique| unique.columns.as_deref() == Some(&[*number]));
            let holds = |table: &Table, class: &KeyClass| table.columns.iter().any(|column| self.class(table.oid, column.number) == *class);
            *class != tenant
                && is_common(&column.name)
                && !alone
                && !shape.keys.iter().any(|key| key.parent == *oid && key.parent_columns.contains(number))
                && shape.tables.iter().all(|table| !holds(table, class) || holds(table, &tenant))
        };
        let keys = self.sources.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::Key(class) => Some(class),
            _ => None,
        });
        keys.filter(|class| is_common(class)).cloned().collect()
    }

    /// Keys of people's tables that the table of what a session names refers to, in every row of it.
    fn find_persons(&self, shape: &Shape) -> Vec<KeyClass> {
        let tenant = self.tenant_class(shape);
        let of = |meaning: &Meaning| match meaning {
            Meaning::Key(KeyClass::Column(oid, number)) => shape.table(*oid).filter(|table| table.key() == [*number]),
            _ => None,
        };
        let mut persons = Vec::new();
        for table in self.sources.iter().filter_map(|(_, meaning)| of(meaning)).filter(|table| !is_person(&table.name)) {
            for column in table.columns.iter().filter(|column| column.not_null && is_person(&column.name)) {
                let class = self.class(table.oid, column.number);
                let KeyClass::Column(oid, number) = class else { continue };
                let people = shape.table(oid).is_some_and(|parent| parent.key() == [number] && is_person(&parent.name));
                if people && oid != table.oid && tenant.as_ref() != Some(&class) && !persons.contains(&class) {
                    persons.push(class);
                }
            }
        }
        persons
    }

    /// Keys that a table ties to a person, where policies or functions look there who a session is: a family, a board, a unit. The one
    /// that most tables lead to comes first.
    fn find_groups(&self, shape: &Shape) -> Vec<KeyClass> {
        let (principals, tenant, words) = (self.principals(shape), self.tenant_class(shape), hop::asked_words(shape));
        let mut groups: BTreeMap<KeyClass, usize> = BTreeMap::new();
        for table in shape.tables.iter().filter(|table| !table.partition && words.contains(table.name.as_str())) {
            // A role within a tenant is no tenant, though a table may list the roles.
            let columns = table.columns.iter().filter(|column| !labels::is_role_like(&column.name));
            let classes: Vec<KeyClass> = columns.map(|column| self.class(table.oid, column.number)).collect();
            if !classes.iter().any(|class| principals.contains(class)) {
                continue;
            }
            let of_another = |class: &&KeyClass| match class {
                KeyClass::Column(oid, number) => *oid != table.oid && shape.table(*oid).is_some_and(|parent| parent.key() == [*number]),
                KeyClass::Named(_) => false,
            };
            // Grades that stand in a table of their own are labels, no groups: they belong to no tenant where the membership does.
            let belongs = tenant.as_ref().filter(|tenant| !self.of_people() && classes.contains(tenant));
            let of_labels = |class: &&KeyClass| {
                let parent = match class {
                    KeyClass::Column(oid, _) => shape.table(*oid),
                    KeyClass::Named(_) => None,
                };
                belongs.zip(parent).is_some_and(|(tenant, parent)| self.scope_to(shape, parent, tenant).is_none())
            };
            for class in classes
                .iter()
                .filter(of_another)
                .filter(|class| !of_labels(class))
                .filter(|class| !principals.contains(class) && Some(*class) != tenant.as_ref())
            {
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

    /// Tables with a person's column that policies, or functions they call, look into.
    fn find_lookups(&self, shape: &Shape) -> BTreeSet<i64> {
        let (principals, words) = (self.principals(shape), hop::asked_words(shape));
        let of_person = |table: &&Table| table.columns.iter().any(|column| principals.contains(&self.class(table.oid, column.number)));
        shape.tables.iter().filter(|table| words.contains(table.name.as_str())).filter(of_person).map(|table| table.oid).collect()
    }

    /// A column out of whose path the table's policies read whose a row is.
    fn path_column(&self, shape: &Shape, table: &Table) -> Option<i16> {
        let columns = table.columns.iter().filter(|column| !column.generated && !self.is_reference(table.oid, column.number));
        columns.into_iter().find(|column| self.path(shape, table, column, World::A).is_some()).map(|c| c.number)
    }

    /// A path column's value in a world.
    pub fn path(&self, shape: &Shape, table: &Table, column: &Column, world: World) -> Option<String> {
        if column.category != "S" || !table.rls {
            return None;
        }
        let key = |class: KeyClass| self.key(&class, None, world, 0);
        let of_session = |text: &str| {
            let asked = identity::asked_by(shape, text);
            self.sources.iter().find_map(|(source, meaning)| match meaning {
                Meaning::Key(class) if asked.contains(source) => Some(key(class.clone())),
                _ => None,
            })
        };
        let conditions = shape.policies_of(table.oid).flat_map(|policy| [&policy.using, &policy.check]).flatten();
        let conditions = conditions.filter(|text| text.contains("split_part("));
        let mut conditions = conditions.flat_map(|text| openings::disjuncts(text)).map(openings::conjuncts);
        if let Some(path) = conditions.find_map(|all| value::split_path(&all, &column.sql, of_session, world)) {
            return Some(path);
        }
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
            || self.persons.contains(class)
            || self.sources.iter().any(|(_, meaning)| *meaning == Meaning::Key(class.clone()))
    }

    /// Whether a way leads from a row of this table to a tenant (not only to a person).
    pub fn has_tenant(&self, shape: &Shape, table: &Table) -> bool {
        !self.of_people() && self.tenant_class(shape).is_some_and(|class| self.scope_to(shape, table, &class).is_some())
            || self.groups.iter().any(|class| self.scope_to(shape, table, class).is_some())
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
            // A claim that is compared with a column of roles says what somebody may do, not who he is.
            let by_comparison = majority(votes).filter(|class| !labels::is_role_like(source.word()) || !is_of_roles(shape, class));
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
                "means": match meaning { Meaning::Key(key) => class(key), Meaning::Role => "role".into(), Meaning::Word(word) => format!("the word {word}"), Meaning::Unknown => match self.demanded.get(&source.setting) { Some(says_nothing) if source.claim.is_empty() => format!("unknown: '{says_nothing}'"), _ => "unknown: never set".to_owned() } },
            })).collect::<Vec<_>>(),
            "roles": self.roles,
            "tenant_roles": self.tenant_roles,
            "labels": self.labels.iter().map(Label::shown).collect::<Vec<_>>(),
            "above": self.above,
            "groups": self.groups.iter().map(class).collect::<Vec<_>>(),
            "everybodys": self.openings.iter().map(|opening| json!({ "table": name(opening.table), "policy": opening.policy, "condition": opening.condition, "certain": opening.certain })).collect::<Vec<_>>(),
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
