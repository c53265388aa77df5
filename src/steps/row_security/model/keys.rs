//! What the values of a column identify: every key followed to where it ends, and what is known of each.

use std::collections::{BTreeMap, BTreeSet};

use super::naming::plural;
use super::{KeyClass, Model};
use crate::steps::row_security::shape::{Column, Shape, Table};
use crate::steps::row_security::value::{Form, World};

impl Model {
    /// What is known of every key's values, from all columns that hold it.
    pub(super) fn shape_forms(&self, shape: &Shape) -> BTreeMap<KeyClass, Form> {
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
        let world = if world == World::B && self.common.contains(class) { World::A } else { world };
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
    pub(super) fn resolve_keys(&mut self, shape: &Shape) {
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
    pub(super) fn principal_by_name(&self, shape: &Shape) -> KeyClass {
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
}
