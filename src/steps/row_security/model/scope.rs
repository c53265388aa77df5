//! Which tables are examined, and how the rows of each belong to a tenant: a column, or a path of keys to one.

use std::collections::{BTreeSet, VecDeque};

use super::naming::names_column;
use super::{KeyClass, Meaning, Model, Scope, Scoped};
use crate::config::Tenancy;
use crate::steps::row_security::shape::{self, Column, Shape, Table};

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
