//! One row of a world: what stands in each column, and how it is sent and found again.

use std::collections::BTreeMap;

use super::labels;
use super::model::{Model, Scope};
use super::shape::{Shape, Table};
use super::value::{self, World, literal};

/// A row as it is sent: column number → value. Columns that are not in it get their defaults.
pub type Row = BTreeMap<i16, Option<String>>;

/// The row of a world. `fresh` > 0 makes another row of the same world with new keys of its own.
pub fn compose(shape: &Shape, model: &Model, table: &Table, world: World, fresh: u64, template: Option<&Row>) -> Row {
    let scope_columns: Vec<i16> = model
        .tables
        .iter()
        .find(|scoped| scoped.oid == table.oid)
        .map(|scoped| match &scoped.scope {
            Scope::Path { columns, .. } => columns.clone(),
            _ => Vec::new(),
        })
        .unwrap_or_default();
    let template = template.filter(|row| !row.is_empty());
    let mut row = Row::new();
    for column in table.columns.iter().filter(|column| !column.generated) {
        let class = model.class(table.oid, column.number);
        let refers = model.is_reference(table.oid, column.number);
        let to_itself = shape.keys_of(table.oid).any(|key| key.parent == table.oid && key.columns.contains(&column.number));
        let like = template.and_then(|row| row.get(&column.number));
        let value = if let Some(path) = model.path(shape, table, column, world) {
            Some(path)
        } else if let Some(word) = fixed_reference(shape, model, table, column).filter(|_| refers) {
            Some(word)
        } else if refers && to_itself && !column.not_null && !table.key().contains(&column.number) {
            None
        } else if refers {
            let empty_here = like.is_some_and(Option::is_none) && !column.not_null;
            match empty_here && !scope_columns.contains(&column.number) && !model.columns.contains(&column.name) {
                true => None,
                false => Some(model.key(&class, Some(column), world, 0)),
            }
        } else if table.is_unique_part(column.number) && value::is_label(table, column) && !in_partition_key(table, column.number) {
            value::plain(shape, table, column)
        } else if table.is_unique_part(column.number) && column.base != "bool" || in_partition_key(table, column.number) {
            Some(model.key(&class, Some(column), world, fresh))
        } else if let Some(label) = value::plain(shape, table, column).filter(|_| needs_value(column, like)) {
            Some(label)
        } else if let Some(word) = standing(shape, model, table, column) {
            Some(word)
        } else if let Some(like) = like.filter(|like| !opens_more(shape, table, column, like.as_deref())) {
            like.clone()
        } else if let Some(calm) = like.and_then(|_| calm(shape, table, column)) {
            Some(calm)
        } else if column.default || !column.not_null {
            continue;
        } else {
            None
        };
        row.insert(column.number, value);
    }
    row
}

/// A reference that policies compare with a literal (`bucket_id = 'avatars'`) is that of both worlds.
fn fixed_reference(shape: &Shape, model: &Model, table: &Table, column: &super::shape::Column) -> Option<String> {
    if let Some((_, keys)) = shape.lookup(table.oid, column.number).filter(|_| table.key() != [column.number]) {
        return keys.first().cloned();
    }
    if column.category != "S" || model.columns.contains(&column.name) || table.key() == [column.number] {
        return None;
    }
    let asked = shape.asked_for(&column.name);
    let word = asked.iter().find(|word| !value::is_public(word)).or(asked.first())?;
    (!model.is_identity(shape, &model.class(table.oid, column.number))).then(|| word.clone())
}

/// Where the partitions decide what a value may be.
fn in_partition_key(table: &Table, number: i16) -> bool {
    !table.bounds.is_empty() && table.partition_key.as_ref().is_some_and(|key| key.contains(&number))
}

/// Whether a value of our own is better than the existing row's, the default or NULL: flags that open, labels, what must not be NULL.
fn needs_value(column: &super::shape::Column, like: Option<&Option<String>>) -> bool {
    let name = column.name.to_lowercase();
    match column.base.as_str() {
        // Flags such as is_public would show a row to everybody by design.
        "bool" => like.is_some() || column.not_null && !column.default,
        _ if name.starts_with("deleted") || name.starts_with("archived") => column.not_null && !column.default && like.is_none(),
        _ if column.category == "E" || ["status", "state", "role", "visibility", "kind", "type"].iter().any(|word| name.contains(word)) => {
            like.is_none() && (column.not_null && !column.default) || name.contains("visibility")
        }
        _ => like.is_none() && column.not_null && !column.default,
    }
}

/// A condition on the key's columns, or without a key on every column that was given a value.
pub fn condition(table: &Table, row: &Row) -> String {
    let key = table.key();
    let numbers: Vec<i16> = match !key.is_empty() && key.iter().all(|n| row.get(n).is_some_and(Option::is_some)) {
        true => key.to_vec(),
        false => {
            let comparable = |n: &&i16| {
                table.column(**n).is_some_and(|c| {
                    !["json", "xml", "point", "box", "path", "polygon", "circle", "line", "lseg"].contains(&c.base.as_str())
                })
            };
            row.keys().filter(comparable).copied().collect()
        }
    };
    let terms: Vec<String> = numbers
        .iter()
        .filter_map(|n| {
            let column = table.column(*n)?;
            Some(match row.get(n)?.as_deref() {
                None => format!("{} IS NULL", column.sql),
                Some(text) => format!("{} = {}", column.sql, literal(Some(text))),
            })
        })
        .collect();
    match terms.is_empty() {
        true => "false".into(),
        false => terms.join(" AND "),
    }
}

/// Where policies look memberships up, one counts only in a certain state (`status = 'active'`): both worlds' are in it. Not what makes
/// somebody more than a member.
fn standing(shape: &Shape, model: &Model, table: &Table, column: &super::shape::Column) -> Option<String> {
    if !model.lookups.contains(&table.oid) || labels::is_role_like(&column.name) {
        return None;
    }
    let usual = column.default_text.as_deref()?;
    match column.base.as_str() {
        "bool" => (usual == "false").then(|| value::plain(shape, table, column)).flatten().filter(|word| word == "true"),
        _ if ["S", "E"].contains(&column.category.as_str()) => {
            let (asked, usual) = (shape.asked_from_outside(table.oid, &column.name), usual.split('\'').nth(1)?);
            match asked.iter().any(|word| word == usual) {
                true => None,
                false => asked.into_iter().find(|word| value::opens_no_more(table, column, word)),
            }
        }
        _ => None,
    }
}

/// Whether an existing row's value makes it more than an ordinary member's: an administrator's role, a flag in a document.
fn opens_more(shape: &Shape, table: &Table, column: &super::shape::Column, like: Option<&str>) -> bool {
    let Some(text) = like else { return false };
    match column.base.as_str() {
        "json" | "jsonb" => value::is_privileged(text),
        _ => {
            let of_labels = || labels::is_role_like(&column.name) || !value::labels(shape, table, column).is_empty();
            (value::is_privileged(text) || labels::is_above(text)) && of_labels()
        }
    }
}

/// What stands there instead: a label that opens no more; the default where there is one.
fn calm(shape: &Shape, table: &Table, column: &super::shape::Column) -> Option<String> {
    match column.default {
        true => None,
        false => value::plain(shape, table, column),
    }
}

/// An INSERT of exactly this row.
pub fn insert_sql(table: &Table, row: &Row, tail: &str) -> String {
    let columns: Vec<&str> = row.keys().filter_map(|n| table.column(*n)).map(|column| column.sql.as_str()).collect();
    let values: Vec<String> = row.iter().filter(|(n, _)| table.column(**n).is_some()).map(|(_, v)| literal(v.as_deref())).collect();
    match columns.is_empty() {
        true => format!("INSERT INTO {} DEFAULT VALUES{tail}", table.sql),
        false => {
            format!("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}){tail}", table.sql, columns.join(", "), values.join(", "))
        }
    }
}
