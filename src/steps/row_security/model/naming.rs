//! What names say: of columns, settings and claims, where nothing else speaks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Model;
use crate::steps::row_security::identity::Found;
use crate::steps::row_security::shape::Shape;

#[allow(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
pub(super) static TENANT_COLUMN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^(tenant|org|organi[sz]ation|company|account|workspace|team|customer|client|merchant|store|shop|business|household|clinic|school|agency|acct|mandant|firm|family|club|practice)_?(id|uuid|no|nr|key|uid)$",
    )
    .unwrap()
});

/// A word that says no more than on or off.
pub(super) fn is_switch(word: &str) -> bool {
    ["on", "off", "true", "false", "t", "f", "yes", "no", "1", "0", "enabled", "disabled"].contains(&word.to_lowercase().as_str())
}

/// Whether a name speaks of what many tenants share: the application that they use, where it runs.
pub(super) fn is_common(name: &str) -> bool {
    #[allow(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
    static COMMON: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)^(current_?)?(app|application|product|service|platform|env|environment|stage|region|zone|namespace|cluster|system|module)(_?(id|name|code|key))?$").unwrap()
    });
    COMMON.is_match(name)
}

/// Whether a name speaks of a person.
pub(super) fn is_person(word: &str) -> bool {
    let word = word.to_lowercase();
    word == "sub"
        || ["user", "usr", "uid", "principal", "actor", "person", "people", "profile", "login", "employee"]
            .iter()
            .any(|part| word.contains(part))
}

/// What a word speaks of.
pub(super) enum Named {
    Tenant,
    Principal,
    Role,
    Nothing,
}

/// What the name of a setting or claim says its value is.
pub(super) fn by_name(word: &str, has_tenant: bool, model: &Model, shape: &Shape) -> Named {
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
pub(super) fn tenant_column(shape: &Shape, found: &Found) -> Option<String> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for table in &shape.tables {
        for column in table.columns.iter().filter(|column| TENANT_COLUMN.is_match(&column.name)) {
            *votes.entry(column.name.as_str()).or_default() += 1;
        }
    }
    // A workspace that only arranges a person's rows is asked about by nobody.
    if !found.comparisons.is_empty() {
        votes.retain(|name, _| shape.texts().any(|text| names_column(text, name)));
    }
    for (name, count) in &mut votes {
        *count += 3 * found.comparisons.iter().filter(|c| c.column == *name).count();
        *count += 2 * shape.policies.iter().filter(|p| [&p.using, &p.check].into_iter().flatten().any(|t| t.contains(*name))).count();
        *count += if name.to_lowercase().starts_with("tenant") { 1 } else { 0 };
    }
    votes.into_iter().max_by_key(|(name, count)| (*count, std::cmp::Reverse(name.len()))).map(|(name, _)| name.to_owned())
}

/// Whether an expression names the column.
pub(in super::super) fn names_column(text: &str, column: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(column).any(|(at, _)| !inside(text[..at].chars().next_back()) && !inside(text[at + column.len()..].chars().next()))
}

/// The table that a column's foreign key points at.
pub(super) fn parent_of(shape: &Shape, table: i64, column: i16) -> Option<i64> {
    shape.keys.iter().find(|key| key.child == table && key.columns == [column]).map(|key| key.parent)
}

/// `tenant_id` without a key: the table `tenants` or `tenant`, if there is one.
pub(super) fn plural(shape: &Shape, column: &str) -> Option<i64> {
    let lower = column.to_lowercase();
    let stem = ["_uuid", "_id", "_key", "_uid"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower).to_owned();
    let ies = stem.strip_suffix('y').map(|stem| format!("{stem}ies"));
    let names = [Some(format!("{stem}s")), ies, Some(stem.clone()), Some(format!("{stem}es"))];
    let mut tables = names.iter().flatten().flat_map(|name| shape.tables.iter().filter(move |table| table.name.to_lowercase() == *name));
    tables.find(|table| table.key().len() == 1).map(|table| table.oid)
}

pub(super) fn majority<T: Ord + Clone>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(item, _)| item)
}
