//! Whom a session of the application is: a role and what its settings say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::identity::{ROLE_NAME, Source};
use super::labels::{Label, Place};
use super::model::{Meaning, Model};
use super::shape::Shape;
use super::value::{World, literal};
use super::world::Worlds;

/// What a session says about its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// A member of tenant A.
    Member,
    /// A member of tenant A with this label of the model (owner, admin …).
    Labelled(usize),
    /// A member of tenant A and of a third one.
    Second,
    /// A plain member of tenant A who has this label of the model in a third one.
    SecondLabelled(usize),
    /// A member of tenant A who has become the tables' owner.
    Owner,
    /// Well identified, but of a tenant that has no rows.
    Stranger,
    /// Claims that name a role and nobody, as PostgREST gives them to a session that did not sign in.
    Anonymous,
    /// A fresh connection on which no setting was ever set: it reads NULL.
    Fresh,
    /// Every setting is the empty string, as after a transaction that set it locally.
    Empty,
}

impl Context {
    /// Those of a model, in the order in which they are probed: members first, for they are the positive controls.
    pub fn of(model: &Model) -> Vec<Self> {
        let mut contexts = vec![Self::Member];
        contexts.extend((0..model.labels.len()).map(Self::Labelled));
        if model.tenant_roles.is_empty() || model.tenant_roles.len() > 2 {
            contexts.push(Self::Stranger);
        }
        if model.sources.iter().any(|(source, _)| !source.claim.is_empty()) {
            contexts.push(Self::Anonymous);
        }
        // A role that is a tenant's is never without one.
        if model.tenant_roles.is_empty() || model.sources.iter().any(|(source, _)| source.setting != ROLE_NAME) {
            contexts.extend([Self::Fresh, Self::Empty]);
        }
        contexts
    }

    /// The word in cells and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member of A",
            Self::Labelled(_) => "member of A with a label",
            Self::Second => "member of A and C",
            Self::SecondLabelled(_) => "member of A and C with a label there",
            Self::Owner => "owner",
            Self::Stranger => "non-member",
            Self::Anonymous => "anonymous",
            Self::Fresh => "no context",
            Self::Empty => "empty context",
        }
    }

    /// With its label.
    pub fn shown(self, model: &Model) -> String {
        match self {
            Self::Labelled(n) => format!("member of A, {}", model.labels.get(n).map(Label::shown).unwrap_or_default()),
            Self::SecondLabelled(n) => format!("member of A and C, there {}", model.labels.get(n).map(Label::shown).unwrap_or_default()),
            other => other.word().to_owned(),
        }
    }

    /// What puts the context's label in place, inside a transaction; empty where there is none to put, `None` where it cannot be.
    pub fn label_sql(self, shape: &Shape, model: &Model, worlds: &Worlds) -> Option<String> {
        match self {
            Self::Labelled(n) => model.labels.get(n)?.sql(shape, worlds),
            _ => Some(String::new()),
        }
    }

    /// Whether the session is a member of A.
    pub fn is_member(self) -> bool {
        matches!(self, Self::Member | Self::Labelled(_) | Self::Second | Self::SecondLabelled(_) | Self::Owner)
    }

    /// Whether the session says nothing about its tenant.
    pub fn is_without(self) -> bool {
        matches!(self, Self::Anonymous | Self::Fresh | Self::Empty)
    }

    /// The role that the session takes on, where each tenant has its own.
    pub fn role<'a>(self, model: &'a Model, role: &'a str) -> &'a str {
        match self {
            _ if self.is_member() => model.role_in(role, World::A),
            Self::Stranger => model.role_in(role, World::Stranger),
            _ => role,
        }
    }

    /// The statement that makes a session so, or nothing.
    pub fn sql(self, model: &Model, role: &str) -> String {
        match self {
            Self::Member | Self::Owner => identity_sql(model, role, World::A, false),
            Self::Second | Self::SecondLabelled(_) => set_sql(settings(model, role, World::A, None, &[World::A, World::Stranger]), false),
            Self::Labelled(n) => match model.labels.get(n).map(|label| (&label.place, &label.label)) {
                Some((Place::Claim(source), word)) => set_sql(settings(model, role, World::A, Some((source, word)), &[World::A]), false),
                _ => identity_sql(model, role, World::A, false),
            },
            Self::Stranger => identity_sql(model, role, World::Stranger, false),
            Self::Anonymous => {
                let settings: BTreeSet<&String> =
                    model.sources.iter().filter(|(s, _)| !s.claim.is_empty()).map(|(s, _)| &s.setting).collect();
                let nobody = Value::Object(Map::from_iter([("role".to_owned(), Value::String(role.to_owned()))])).to_string();
                set_sql(settings.into_iter().map(|setting| (setting.clone(), nobody.clone())).collect(), false)
            }
            Self::Fresh => String::new(),
            Self::Empty => {
                let settings = model.sources.iter().map(|(source, _)| source.setting.clone()).filter(|setting| setting != ROLE_NAME);
                set_sql(settings.map(|setting| (setting, String::new())).collect(), false)
            }
        }
    }
}

/// The settings of a member of a world. `local`: until the end of the (sub)transaction.
pub fn identity_sql(model: &Model, role: &str, world: World, local: bool) -> String {
    set_sql(settings(model, role, world, None, &[world]), local)
}

/// The settings of a member of A until the end of the transaction, with these tenants where a claim lists several.
pub(super) fn identity_in(model: &Model, role: &str, listed: &[World]) -> String {
    set_sql(settings(model, role, World::A, None, listed), true)
}

fn settings(model: &Model, role: &str, world: World, label: Option<(&Source, &String)>, listed: &[World]) -> BTreeMap<String, String> {
    let mut plain: BTreeMap<String, String> = BTreeMap::new();
    let mut objects: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (source, meaning) in model.sources.iter().filter(|(source, _)| source.setting != ROLE_NAME) {
        let text = match (label, meaning) {
            (Some((of, label)), _) if of == source => label.clone(),
            (_, Meaning::Key(class)) => model.key(class, None, world, 0),
            (_, Meaning::Role) => role.to_owned(),
            (_, Meaning::Word(word)) => word.clone(),
            // Whoever uses the application has one of these, whatever it says.
            (_, Meaning::Unknown) if source.claim.is_empty() => match model.demanded.get(&source.setting) {
                Some(says_nothing) => (*says_nothing).to_owned(),
                None => continue,
            },
            (_, Meaning::Unknown) => continue,
        };
        match source.claim.is_empty() {
            true => {
                plain.insert(source.setting.clone(), text);
            }
            false => {
                let value = match (model.lists.contains(source), meaning) {
                    (true, Meaning::Key(class)) => {
                        Value::Array(listed.iter().map(|world| Value::String(model.key(class, None, *world, 0))).collect())
                    }
                    (true, _) => Value::Array(vec![Value::String(text)]),
                    (false, _) => Value::String(text),
                };
                put(objects.entry(source.setting.clone()).or_default(), &source.claim, value);
            }
        }
    }
    for (setting, mut object) in objects {
        object.entry("role").or_insert_with(|| Value::String(role.to_owned()));
        plain.insert(setting, Value::Object(object).to_string());
    }
    plain
}

fn put(object: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        object.entry(first.clone()).or_insert(value);
        return;
    }
    let inner = object.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
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
