//! Which tables are examined, and how the rows of each belong to a tenant: a column, or a path of keys to one.

use std::collections::{BTreeSet, VecDeque};

use super::naming::names_column;
use super::{KeyClass, Meaning, Model, Scope, Scoped};
use crate::config::Tenancy;
use crate::steps::row_security::shape::{self, Column, Shape, Table};

/// Whether a policy of another table or a function speaks of the table's column.
fn is_spoken_of(shape: &Shape, table: &Table, column: &Column) -> bool {
    let own = shape.policy_text(table.oid);
    names_column(&own, &column.sql)
        || shape.texts().any(|text| names_column(text, &column.sql) && names_column(text, &table.name) && !own.contains(text))
}

impl Model {
    /// The tables to examine: those stated, else every table with row security, with a tenant column, or with a path of keys that
    /// every row has (NOT NULL) to the tenants.
    pub(super) fn choose_tables(&mut self, shape: &Shape, stated: &Tenancy) {
        let mut anchors: Vec<KeyClass> = self.tenant_class(shape).into_iter().collect();
        for (_, meaning) in &self.sources {
            if let Meaning::Key(class) = meaning
                && !anchors.contains(class)
            {
                anchors.push(class.clone());
            }
        }
        anchors.extend(self.persons.iter().filter(|class| !anchors.contains(class)).cloned().collect::<Vec<_>>());
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

    pub(super) fn reaches_tenant(&self, shape: &Shape, scope: &Scope, table: &Table, anchors: &[KeyClass]) -> bool {
        let Some(tenant) = anchors.first() else { return false };
        *scope == Scope::Anchor || self.scope(shape, table, std::slice::from_ref(tenant)) != Scope::None
    }

    /// The shortest way from a row to an anchor, the tenant's first. Where there is no tenant by its name, what people are members of is
    /// a tenant too, and of several ways the one counts whose columns the table's own policies name.
    pub(super) fn scope(&self, shape: &Shape, table: &Table, anchors: &[KeyClass]) -> Scope {
        let ways: Vec<Scope> = anchors.iter().filter_map(|anchor| self.scope_to(shape, table, anchor)).collect();
        if self.of_people() && !self.groups.is_empty() {
            let own = |class: &KeyClass| matches!(class, KeyClass::Column(oid, number) if *oid == table.oid && table.key() == [*number]);
            if self.groups.iter().any(own) {
                return self.owned(shape, table).unwrap_or(Scope::Anchor);
            }
            let asked = |scope: &&Scope| !matches!(scope, Scope::Path { .. }) || self.is_asked(shape, table, scope);
            if let Some(way) = ways.iter().find(asked) {
                return way.clone();
            }
        }
        // A tenant that a row may name and nothing ever asks for (a person's favourite) says nothing about whose it is.
        if let Some(Scope::Path { columns, .. }) = ways.first()
            && let Some(other) = ways.iter().skip(1).find(|way| self.is_asked(shape, table, way))
            && columns.iter().all(|n| table.column(*n).is_some_and(|column| !column.not_null && !is_spoken_of(shape, table, column)))
        {
            return other.clone();
        }
        ways.into_iter().next().unwrap_or(Scope::None)
    }

    /// Whether the table's own policies name the columns of a way, or its key where its rows are what the way leads to.
    fn is_asked(&self, shape: &Shape, table: &Table, scope: &Scope) -> bool {
        let text = shape.policy_text(table.oid);
        let named = |numbers: &[i16]| {
            !numbers.is_empty() && numbers.iter().all(|n| table.column(*n).is_some_and(|column| names_column(&text, &column.sql)))
        };
        match scope {
            Scope::Path { columns, .. } => named(columns),
            Scope::Anchor => named(table.key()),
            Scope::None => false,
        }
    }

    /// Whether a table's rows are persons', or each is one person's own, and no tenant's.
    pub(in crate::steps::row_security) fn is_of_person(&self, shape: &Shape, table: &Table, scope: &Scope) -> bool {
        let principals = self.principals(shape);
        let is_person = |n: &i16| principals.contains(&self.class(table.oid, *n));
        match scope {
            Scope::Anchor => table.key().iter().all(is_person),
            Scope::Path { columns, through } => through.is_empty() && columns.iter().all(is_person),
            Scope::None => false,
        }
    }

    /// Whether a table's rows are what people join (a course, a board), where a session says nothing but which person it is.
    pub(in crate::steps::row_security) fn is_of_group(&self, table: &Table, scope: &Scope) -> bool {
        let own = |class: &KeyClass| matches!(class, KeyClass::Column(oid, number) if *oid == table.oid && table.key() == [*number]);
        self.of_people() && *scope == Scope::Anchor && self.groups.iter().any(own)
    }

    /// By whom a row of something that people share is owned: the person whom every policy that lets it be written asks for.
    fn owned(&self, shape: &Shape, table: &Table) -> Option<Scope> {
        let writes = || shape.policies_of(table.oid).filter(|policy| policy.permissive && policy.command != "r");
        let asked = |column: &&Column| {
            writes().all(|policy| [&policy.using, &policy.check].into_iter().flatten().any(|text| names_column(text, &column.sql)))
        };
        let principals = self.principals(shape);
        let persons = table.columns.iter().filter(|column| {
            !table.key().contains(&column.number) && principals.contains(&self.class(table.oid, column.number)) && !column.generated
        });
        writes().next()?;
        persons.into_iter().find(asked).map(|column| Scope::Path { columns: vec![column.number], through: Vec::new() })
    }

    /// Columns of persons, or of records that stand for one, that the table's UPDATE policies ask for.
    pub(in crate::steps::row_security) fn parties(&self, shape: &Shape, table: &Table) -> Vec<i16> {
        let principals = self.principals(shape);
        let of_person = |column: &Column| match self.class(table.oid, column.number) {
            class if principals.contains(&class) => true,
            KeyClass::Column(oid, _) if oid != table.oid => shape
                .table(oid)
                .is_some_and(|parent| parent.columns.iter().any(|column| principals.contains(&self.class(parent.oid, column.number)))),
            _ => false,
        };
        let asked = |column: &Column| {
            let mut policies = shape.policies_of(table.oid).filter(|p| p.permissive && ["w", "*"].contains(&p.command.as_str()));
            policies.any(|p| [&p.using, &p.check].into_iter().flatten().any(|text| names_column(text, &column.sql)))
        };
        let columns = table.columns.iter().filter(|column| !column.generated && asked(column) && of_person(column));
        columns.map(|column| column.number).collect()
    }

    /// Keys to something that people share (a conversation, a board), where the table's SELECT policies read them: columns and parent.
    pub(in crate::steps::row_security) fn shared_parents(&self, shape: &Shape, table: &Table, own: &[i16]) -> Vec<(Vec<i16>, i64)> {
        let principals = self.principals(shape);
        let is_person = |oid: i64, number: i16| principals.contains(&self.class(oid, number));
        // A record of its own that a person has once (a shop, a customer with an account) stands for him.
        let stands_for_one = |parent: &Table| {
            let alone = |columns: &Vec<i16>| matches!(columns.as_slice(), [number] if is_person(parent.oid, *number));
            parent.uniques.iter().filter_map(|unique| unique.columns.as_ref()).any(alone)
        };
        let asked = |column: &Column| {
            let mut policies = shape.policies_of(table.oid).filter(|p| p.permissive && ["r", "*"].contains(&p.command.as_str()));
            policies.any(|policy| policy.using.as_deref().is_some_and(|text| names_column(text, &column.sql)))
        };
        let keys = shape.keys_of(table.oid).filter(|key| {
            !key.columns.iter().any(|n| own.contains(n) || is_person(table.oid, *n) || !table.column(*n).is_some_and(asked))
                && shape.table(key.parent).is_some_and(|parent| parent.oid != table.oid && parent.rls && !stands_for_one(parent))
        });
        keys.map(|key| (key.columns.clone(), key.parent)).collect()
    }

    /// Columns that say which person a row is of, where the policies that let it be changed or removed ask for him.
    pub fn owners(&self, shape: &Shape, table: &Table) -> Vec<i16> {
        let principals = self.principals(shape);
        let asked = |column: &Column| {
            shape
                .policies_of(table.oid)
                .filter(|policy| policy.permissive && ["w", "d", "*"].contains(&policy.command.as_str()))
                .any(|policy| policy.using.as_deref().is_some_and(|text| names_column(text, &column.sql)))
        };
        let persons =
            table.columns.iter().filter(|c| !table.key().contains(&c.number) && principals.contains(&self.class(table.oid, c.number)));
        persons.filter(|column| asked(column)).map(|column| column.number).collect()
    }

    pub(super) fn scope_to(&self, shape: &Shape, table: &Table, anchor: &KeyClass) -> Option<Scope> {
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
    pub(super) fn way(&self, shape: &Shape, table: &Table, direct: &dyn Fn(&Table) -> Vec<i16>, whole: bool) -> Option<Scope> {
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
}
