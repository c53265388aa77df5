//! Whom a session of the application is: a role and what its settings say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::model::{Meaning, Model};
use super::shape::Shape;
use super::value::{self, World, literal};

/// What a session says about its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// A member of tenant A.
    Member,
    /// Well identified, but of a tenant that has no rows.
    Stranger,
    /// A fresh connection on which no setting was ever set: it reads NULL.
    Fresh,
    /// Every setting is the empty string, as after a transaction that set it locally.
    Empty,
}

/// In the order in which they are probed.
pub const CONTEXTS: [Context; 4] = [Context::Member, Context::Stranger, Context::Fresh, Context::Empty];

impl Context {
    /// The word in cells and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member of A",
            Self::Stranger => "non-member",
            Self::Fresh => "no context",
            Self::Empty => "empty context",
        }
    }

    /// Whether the session says nothing about its tenant.
    pub fn is_without(self) -> bool {
        matches!(self, Self::Fresh | Self::Empty)
    }

    /// The statement that makes a session so, or nothing.
    pub fn sql(self, shape: &Shape, model: &Model, role: &str) -> String {
        match self {
            Self::Member => identity_sql(shape, model, role, World::A, false),
            Self::Stranger => identity_sql(shape, model, role, World::Stranger, false),
            Self::Fresh => String::new(),
            Self::Empty => set_sql(model.sources.iter().map(|(source, _)| (source.setting.clone(), String::new())).collect(), false),
        }
    }
}

/// The settings of a member of a world. `local`: until the end of the (sub)transaction.
pub fn identity_sql(shape: &Shape, model: &Model, role: &str, world: World, local: bool) -> String {
    let mut plain: BTreeMap<String, String> = BTreeMap::new();
    let mut objects: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (source, meaning) in &model.sources {
        let text = match meaning {
            Meaning::Key(class) => value::key(shape, class, None, world, 0),
            Meaning::Role => role.to_owned(),
            Meaning::Unknown => continue,
        };
        match source.claim.is_empty() {
            true => {
                plain.insert(source.setting.clone(), text);
            }
            false => put(objects.entry(source.setting.clone()).or_default(), &source.claim, text),
        }
    }
    for (setting, mut object) in objects {
        object.entry("role").or_insert_with(|| Value::String(role.to_owned()));
        plain.insert(setting, Value::Object(object).to_string());
    }
    set_sql(plain, local)
}

fn put(object: &mut Map<String, Value>, path: &[String], text: String) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        object.entry(first.clone()).or_insert(Value::String(text));
        return;
    }
    let inner = object.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, text);
    }
}

fn set_sql(settings: BTreeMap<String, String>, local: bool) -> String {
    let sets: Vec<String> = settings
        .iter()
        .map(|(name, text)| format!("pg_catalog.set_config({}, {}, {local})", literal(Some(name)), literal(Some(text))))
        .collect();
    match sets.is_empty() {
        true => String::new(),
        // In a subquery that yields no row to the caller, so that the answer holds the probe's own rows alone.
        false => format!("DO $ledger$ BEGIN PERFORM {}; END $ledger$", sets.join(", ")),
    }
}
