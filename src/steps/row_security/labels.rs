//! Roles within a tenant (owner, admin, member …): labels in the rows that make a person a member, or words in the claims.
//!
//! Each label that policies or functions speak of is a context of its own. A label that stands above the tenants (a platform's
//! administrators) opens every tenant by design: it is named in the model and not probed.

use std::sync::LazyLock;

use regex::Regex;

use super::identity::{Found, Source};
use super::model::{KeyClass, Meaning, Model, names_column};
use super::openings;
use super::shape::{Column, Shape, Table};
use super::value::{self, World, literal};
use super::world::Worlds;

/// Labels probed per column.
const MOST: usize = 6;

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static ROLE_LIKE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)role|level|permission|privilege|access|rank|position|user_type|member_type"));
/// Whether a column's name says that it holds a member's role.
pub fn is_role_like(column: &str) -> bool {
    ROLE_LIKE.is_match(column)
}

/// Labels that no tenant gives.
static ABOVE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)super|platform|system|sys[_-]?admin|root|global|staff|support|service|internal|operator|god"));

/// Whether a role's name says that no tenant gives it.
pub fn is_above(name: &str) -> bool {
    ABOVE.is_match(name)
}

/// One label as a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub label: String,
    pub place: Place,
    /// Where a row lists it: that is shown instead of its value, for rows are not recorded.
    pub listed: Option<String>,
}

/// Where a label stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Table, its name, column number and quoted column.
    Row {
        table: i64,
        name: String,
        column: i16,
        sql: String,
        /// The column refers to a table of labels.
        list: Option<List>,
    },
    Claim(Source),
}

/// A table of labels (`roles`): its name, the column referred to and the one with the label, quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub table: String,
    pub key: String,
    pub label: String,
}

impl Label {
    /// `public.memberships.role = owner`.
    pub fn shown(&self) -> String {
        let label = self.listed.as_ref().unwrap_or(&self.label);
        match &self.place {
            Place::Row { name, sql, .. } => format!("{name}.{sql} = {label}"),
            Place::Claim(source) => format!("{} = {label}", source.shown()),
        }
    }

    /// Makes A's member so, as a role that bypasses row security; empty for a claim.
    pub fn sql(&self, shape: &Shape, worlds: &Worlds) -> Option<String> {
        let Place::Row { table, .. } = &self.place else { return Some(String::new()) };
        self.sql_at(shape, worlds, &worlds.locate(shape.table(*table)?, World::A)?)
    }

    /// Gives it to the member whose row this condition finds.
    pub(super) fn sql_at(&self, shape: &Shape, worlds: &Worlds, at: &str) -> Option<String> {
        let Place::Row { table, sql, list, .. } = &self.place else { return Some(String::new()) };
        let table = shape.table(*table)?;
        let label = literal(Some(&self.label));
        let update = match list {
            None => format!("UPDATE {} SET {sql} = {label} WHERE {at}", table.sql),
            // The label that is there, else the member's own is renamed.
            Some(List { table: list, key, label: text }) => format!(
                "UPDATE {0} SET {sql} = COALESCE((SELECT {key} FROM {list} WHERE {text} = {label} LIMIT 1), {sql}) WHERE {at}; \
                 UPDATE {list} SET {text} = {label} WHERE {key} = (SELECT {sql} FROM {0} WHERE {at}) AND {text} <> {label}",
                table.sql
            ),
        };
        Some(match worlds.replica {
            true => format!("SET LOCAL session_replication_role = replica; {update}; SET LOCAL session_replication_role = origin"),
            false => update,
        })
    }
}

/// The labels that ledger.toml states; what names nothing of the database is left out.
pub fn stated(shape: &Shape, model: &Model, lines: &[String]) -> Vec<Label> {
    let of_line = |line: &String| {
        let (place, label) = line.split_once('=').map(|(place, label)| (place.trim(), label.trim().to_owned()))?;
        let claim = model.sources.iter().find(|(source, _)| source.shown() == place || source.shown().replace('→', ".") == place);
        if let Some((source, _)) = claim {
            return Some(Label { label, place: Place::Claim(source.clone()), listed: None });
        }
        let (name, column) = place.rsplit_once('.')?;
        let table = shape.named(name)?;
        let column = table.column_named(column)?;
        let place = Place::Row { table: table.oid, name: table.sql.clone(), column: column.number, sql: column.sql.clone(), list: None };
        Some(Label { label, place, listed: None })
    };
    lines.iter().filter_map(of_line).collect()
}

/// Gives a claim that is compared with a column of roles the roles that the column may hold as its words.
pub fn of_claims(shape: &Shape, found: &mut Found) {
    let compared = found.comparisons.iter().filter(|c| is_role_like(c.source.word()) && is_role_like(&c.column));
    let mut words: Vec<(Source, String)> = Vec::new();
    for comparison in compared {
        for table in &shape.tables {
            let Some(column) = table.column_named(&comparison.column) else { continue };
            words.extend(value::labels(shape, table, column).into_iter().map(|label| (comparison.source.clone(), label)));
        }
    }
    for (source, word) in words {
        let known = found.literals.entry(source).or_default();
        if !known.contains(&word) {
            known.push(word);
        }
    }
}

/// The labels to probe, and those that stand above the tenants.
pub fn find(shape: &Shape, model: &Model, found: &Found) -> (Vec<Label>, Vec<String>) {
    let (mut labels, mut above) = (Vec::new(), Vec::new());
    let principals = model.principals(shape);
    for table in shape.tables.iter().filter(|table| !table.partition) {
        if !table.columns.iter().any(|column| principals.contains(&model.class(table.oid, column.number)))
            && !is_principal(table, &principals)
        {
            continue;
        }
        let within = model.has_tenant(shape, table);
        for column in table.columns.iter().filter(|column| !column.generated) {
            if column.base == "bool" && (value::is_leading(&column.name) || value::is_privileged(&column.name)) {
                if shape.texts().any(|text| names_column(text, &column.sql)) {
                    let (name, sql) = (table.sql.clone(), column.sql.clone());
                    let place = Place::Row { table: table.oid, name, column: column.number, sql, list: None };
                    let label = Label { label: "true".to_owned(), place, listed: None };
                    match within && !ABOVE.is_match(&column.name) {
                        true => labels.push(label),
                        false => above.push(label.shown()),
                    }
                }
                continue;
            }
            let named = list_of(shape, model, table, column);
            if named.is_none() && !is_role_like(&column.name) {
                continue;
            }
            if let Some((parent, keys)) = shape.lookup(table.oid, column.number).filter(|_| within && named.is_none()) {
                for (number, key) in keys.iter().enumerate().skip(1).take(MOST) {
                    let place = Place::Row {
                        table: table.oid,
                        name: table.sql.clone(),
                        column: column.number,
                        sql: column.sql.clone(),
                        list: None,
                    };
                    let listed = Some(format!("row {} of {}", number + 1, parent.sql));
                    let label = Label { label: key.clone(), place, listed };
                    match ABOVE.is_match(key) {
                        true => above.push(label.shown()),
                        false => labels.push(label),
                    }
                }
                continue;
            }
            let (all, list) = match named {
                Some((list, labels)) => (labels, Some(list)),
                None => (value::labels(shape, table, column), None),
            };
            let usual = match &column.default_text {
                Some(text) => Some(text.split('\'').nth(1).unwrap_or(text).to_owned()),
                None => value::plain(shape, table, column),
            };
            let mut taken = 0;
            for label in all.into_iter().filter(|label| Some(label) != usual.as_ref() && speaks_of(shape, &column.name, label)) {
                let list = list.clone();
                let place = Place::Row { table: table.oid, name: table.sql.clone(), column: column.number, sql: column.sql.clone(), list };
                let label = Label { label, place, listed: None };
                if !within && value::is_privileged(&label.label) || ABOVE.is_match(&label.label) {
                    above.push(label.shown());
                } else if within && taken < MOST {
                    taken += 1;
                    labels.push(label);
                }
            }
        }
    }
    for (source, meaning) in &model.sources {
        let usual = match meaning {
            Meaning::Word(usual) => Some(usual),
            // A claim with nothing but privileged words has none that is usual.
            Meaning::Unknown if !source.claim.is_empty() => None,
            _ => continue,
        };
        for word in found.literals.get(source).into_iter().flatten().filter(|word| Some(*word) != usual).take(MOST) {
            let label = Label { label: word.clone(), place: Place::Claim(source.clone()), listed: None };
            match ABOVE.is_match(word) || usual.is_none() && !is_beside_a_column(shape, word) {
                true => above.push(label.shown()),
                false => labels.push(label),
            }
        }
    }
    (labels, above)
}

/// The table of labels that a column refers to, and those of its labels that are asked for.
fn list_of(shape: &Shape, model: &Model, table: &Table, column: &Column) -> Option<(List, Vec<String>)> {
    let key = shape.keys_of(table.oid).find(|key| key.columns == [column.number])?;
    let (parent, referred) = (shape.table(key.parent)?, *key.parent_columns.first()?);
    if parent.oid == table.oid || model.is_identity(shape, &model.class(parent.oid, referred)) {
        return None;
    }
    let alone = |c: &Column| parent.uniques.iter().any(|unique| unique.columns.as_deref() == Some(&[c.number]));
    let mut names: Vec<(&Column, Vec<String>)> = parent
        .columns
        .iter()
        .filter(|c| ["S", "E"].contains(&c.category.as_str()) && !c.generated)
        .map(|c| (c, value::asked(shape, c)))
        .collect();
    // What the referring column itself is compared with is the key's own text.
    if let Some((_, asked)) = names.iter_mut().find(|(c, _)| c.number == referred) {
        asked.extend(value::asked(shape, column).into_iter().filter(|label| !asked.contains(label)).collect::<Vec<_>>());
    }
    names.retain(|(_, asked)| !asked.is_empty());
    names.sort_by_key(|(c, asked)| (!alone(c), std::cmp::Reverse(asked.len())));
    let (label, mut labels) = names.into_iter().next()?;
    labels.sort_by_key(|label| value::is_privileged(label));
    Some((List { table: parent.sql.clone(), key: parent.column(referred)?.sql.clone(), label: label.sql.clone() }, labels))
}

/// Whether every policy that asks for a word asks about its row as well: a role within a tenant rather than above all.
fn is_beside_a_column(shape: &Shape, word: &str) -> bool {
    let quoted = format!("'{}'", word.replace('\'', "''"));
    let mut met = false;
    for policy in &shape.policies {
        let Some(table) = shape.table(policy.table) else { continue };
        for part in [&policy.using, &policy.check].into_iter().flatten().flat_map(|text| openings::disjuncts(text)) {
            if part.contains(&quoted) {
                met = true;
                if !table.columns.iter().any(|column| names_column(part, &column.sql)) {
                    return false;
                }
            }
        }
    }
    met
}

fn is_principal(table: &Table, principals: &[KeyClass]) -> bool {
    principals.iter().any(|class| matches!(class, KeyClass::Column(oid, _) if *oid == table.oid))
}

/// Whether a policy or function asks for this label: by its text, or for numbers by a comparison with the column.
fn speaks_of(shape: &Shape, column: &str, label: &str) -> bool {
    match label.parse::<f64>() {
        Ok(_) => shape.texts().any(|text| text.contains(column)),
        Err(_) => shape.mentions(label),
    }
}
