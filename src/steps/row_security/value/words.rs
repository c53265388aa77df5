//! Labels: the words that a column may hold, which of them policies ask for, and what a word says about who sees the row.

use std::sync::LazyLock;

use regex::Regex;

use super::{NUMBER, QUOTED, bound, pattern};
use crate::steps::row_security::shape::{Column, Shape, Table};

/// Labels that open more than their own tenant: never chosen where another will do.
pub(super) static PRIVILEGED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)admin|super|root|staff|system|service|internal|operator|support|moderator"));
pub(super) static PUBLIC: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)public|publish|shared|everyone|global|anyone|(^|[_ -])all($|[_ -])|open_to|template|listed|featured"));
pub(super) static CLOSED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)delete|remov|archiv|revok|inactive|disabled|suspend|banned|reject|expired|cancel"));

pub(super) fn is_open(name: &str) -> bool {
    let lower = name.to_lowercase();
    !PUBLIC.is_match(&lower)
        && !PRIVILEGED.is_match(&lower)
        && !CLOSED.is_match(&lower)
        && ["active", "enabled", "approved", "accepted", "verified", "confirmed"].iter().any(|word| lower.contains(word))
}

/// For columns that take labels: one that policies ask for and that opens no more than its own tenant; else one of those allowed.
pub(super) fn label(shape: &Shape, table: &Table, column: &Column) -> Option<String> {
    let allowed = allowed(table, column);
    let wanted = shape.asked_for(&column.name);
    let good = |label: &&String| !PRIVILEGED.is_match(label) && !PUBLIC.is_match(label) && !CLOSED.is_match(label);
    let calm = |label: &&String| !PRIVILEGED.is_match(label) && !PUBLIC.is_match(label);
    match allowed.is_empty() {
        true if ["S", "E"].contains(&column.category.as_str()) && column.base != "bytea" => wanted.iter().find(good).cloned(),
        true => None,
        false => {
            let asked = wanted.iter().filter(|label| allowed.contains(label)).find(good);
            asked
                .or_else(|| allowed.iter().find(good))
                .or_else(|| allowed.iter().find(calm))
                .or_else(|| allowed.iter().rfind(|label| !PRIVILEGED.is_match(label)))
                // Nothing but privileges: enums list the highest first more often than last.
                .or_else(|| allowed.last())
                .cloned()
        }
    }
}

/// Whether the column may hold this label, and it opens no more than its own tenant nor says that something has ended.
pub fn opens_no_more(table: &Table, column: &Column, label: &str) -> bool {
    let allowed = allowed(table, column);
    (allowed.is_empty() || allowed.iter().any(|other| other == label))
        && ![&PRIVILEGED, &PUBLIC, &CLOSED].iter().any(|words| words.is_match(label))
}

/// Whether the column takes labels rather than keys: another column of each of its unique indexes tells rows apart.
pub fn is_label(table: &Table, column: &Column) -> bool {
    !allowed(table, column).is_empty()
        && table
            .uniques
            .iter()
            .filter_map(|unique| unique.columns.as_ref())
            .all(|columns| !columns.contains(&column.number) || columns.len() > 1)
}

/// The labels of a column that takes some, ordinary ones first; empty for any other column.
pub fn labels(shape: &Shape, table: &Table, column: &Column) -> Vec<String> {
    let mut labels = allowed(table, column);
    if labels.is_empty() && column.category == "S" {
        labels = asked(shape, column);
    }
    labels.sort_by_key(|label| PRIVILEGED.is_match(label));
    labels
}

/// What policies and functions ask of a column, where they compare it or in what they hand to a function that does.
pub fn asked(shape: &Shape, column: &Column) -> Vec<String> {
    let mut labels = shape.asked_for(&column.name).to_vec();
    labels.extend(shape.handed_for(&column.name).iter().filter(|label| !labels.contains(label)).cloned().collect::<Vec<_>>());
    labels
}

/// Whether a label's or flag's name says that it opens more than its own tenant.
pub fn is_privileged(name: &str) -> bool {
    PRIVILEGED.is_match(name)
}

/// Whether a role's name says that it leads its tenant.
pub fn is_leading(name: &str) -> bool {
    static LEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)owner|creator|manager|lead|chief|head|director"));
    LEADING.is_match(name)
}

/// Whether a label's or flag's name says that a row is meant for everybody.
pub fn is_public(name: &str) -> bool {
    PUBLIC.is_match(name)
}

/// The CHECKs that speak of this column alone, its domain's among them.
pub(super) fn own_checks<'a>(table: &'a Table, column: &'a Column) -> impl Iterator<Item = &'a String> {
    let own = table.checks.iter().filter(|check| check.columns.as_deref() == Some(&[column.number])).map(|check| &check.text);
    own.chain(&column.checks)
}

/// The only values a column may have: its enum's, those of an IN list, or its partitions'.
pub(super) fn allowed(table: &Table, column: &Column) -> Vec<String> {
    let mut allowed: Vec<String> = column.labels.clone();
    if allowed.is_empty() && table.partition_key.as_ref().is_some_and(|key| key.contains(&column.number)) {
        // Of each leaf: the first value it names for this column. A range's lower bound is within it.
        for bound in &table.bounds {
            let value = self::bound(bound, &column.sql);
            allowed.extend(value.filter(|value| !allowed.contains(value)));
        }
    }
    // What a document, an identifier or bytes are compared with are its parts, or its length.
    let labels = ["S", "U", "N"].contains(&column.category.as_str())
        && !["json", "jsonb", "uuid", "bytea", "xml", "hstore", "inet", "cidr", "tsvector"].contains(&column.base.as_str());
    if allowed.is_empty() && labels {
        for text in own_checks(table, column) {
            if text.contains('~')
                || text.contains("LIKE")
                || text.contains("length")
                || text.contains("<>")
                || text.contains("pos(")
                || text.contains(" OR ") && !text.contains(" = ")
            {
                continue;
            }
            match column.category.as_str() {
                "N" if text.contains("= ANY (ARRAY[") => {
                    allowed.extend(NUMBER.find_iter(text.split("ARRAY[").nth(1).unwrap_or_default()).map(|m| m.as_str().to_owned()))
                }
                "N" => {}
                _ => allowed.extend(QUOTED.captures_iter(text).filter_map(|hit| hit.get(1)).map(|label| label.as_str().replace("''", "'"))),
            }
        }
    }
    allowed
}
