//! Before and after: the same probe on a copy from before the migrations, so that what they opened has a name, and what they did to
//! the policies is told in words.

use std::collections::BTreeMap;

use serde_json::json;

use super::Isolation;
use super::shape::{Policy, Shape};
use crate::domain::SubjectRow;
use crate::domain::product::CellVerdict;

/// What row security does with a table: flags and policies, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rls: bool,
    force: bool,
    policies: BTreeMap<String, Facts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Facts {
    command: &'static str,
    permissive: bool,
    roles: String,
    using: Option<String>,
    check: Option<String>,
}

impl Facts {
    fn of(policy: &Policy) -> Self {
        let command = match policy.command.as_str() {
            "r" => "SELECT",
            "a" => "INSERT",
            "w" => "UPDATE",
            "d" => "DELETE",
            _ => "ALL",
        };
        let roles = if policy.everyone { "PUBLIC".to_owned() } else { policy.roles.join(", ") };
        Self { command, permissive: policy.permissive, roles, using: policy.using.clone(), check: policy.check.clone() }
    }

    fn told(&self) -> String {
        let mut told = format!("{} for {} to {}", if self.permissive { "permissive" } else { "restrictive" }, self.command, self.roles);
        for (word, text) in [("USING", &self.using), ("WITH CHECK", &self.check)] {
            if let Some(text) = text {
                told.push_str(&format!(", {word} {}", one_line(text)));
            }
        }
        told
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The rules of every table, by its name.
pub fn rules(shape: &Shape) -> BTreeMap<String, Rules> {
    let mut rules: BTreeMap<String, Rules> = shape
        .tables
        .iter()
        .map(|table| (table.sql.clone(), Rules { rls: table.rls, force: table.force, policies: BTreeMap::new() }))
        .collect();
    for policy in &shape.policies {
        if let Some(of_table) = shape.table(policy.table).and_then(|table| rules.get_mut(&table.sql)) {
            of_table.policies.insert(policy.name.clone(), Facts::of(policy));
        }
    }
    rules
}

/// What changed in the rules of a table, one sentence each.
pub fn told(before: Option<&Rules>, after: Option<&Rules>) -> Vec<String> {
    let (Some(after), nothing) = (after, Rules::default()) else { return vec!["the table is gone".into()] };
    let mut told = Vec::new();
    let old = before.unwrap_or(&nothing);
    if before.is_none() {
        told.push("the table is new".to_owned());
    }
    match (old.rls, after.rls) {
        (true, false) => told.push("row security was switched off".into()),
        (false, true) if before.is_some() => told.push("row security was switched on".into()),
        (_, false) if before.is_none() => told.push("it has no row security".into()),
        _ => {}
    }
    match (old.force, after.force) {
        (true, false) => told.push("row security is no longer forced on its owner".into()),
        (false, true) if before.is_some() => told.push("row security is now forced on its owner".into()),
        _ => {}
    }
    for (name, facts) in &after.policies {
        let Some(old) = old.policies.get(name) else {
            told.push(format!("policy {name} is new: {}", facts.told()));
            continue;
        };
        if old.permissive != facts.permissive {
            told.push(format!("policy {name} became {}", if facts.permissive { "permissive" } else { "restrictive" }));
        }
        if old.command != facts.command {
            told.push(format!("policy {name} was for {}, is now for {}", old.command, facts.command));
        }
        if old.roles != facts.roles {
            told.push(format!("policy {name} was to {}, is now to {}", old.roles, facts.roles));
        }
        for (word, was, is) in [("USING", &old.using, &facts.using), ("WITH CHECK", &old.check, &facts.check)] {
            let shown = |text: &Option<String>| text.as_deref().map_or_else(|| "nothing".to_owned(), one_line);
            if was != is {
                told.push(format!("policy {name}: {word} was {}, is now {}", shown(was), shown(is)));
            }
        }
    }
    told.extend(
        old.policies
            .iter()
            .filter(|(name, _)| !after.policies.contains_key(*name))
            .map(|(name, facts)| format!("policy {name} was dropped ({})", facts.told())),
    );
    told
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Closed,
    Open,
    Undecided,
}

fn state(isolation: &Isolation, table: &str) -> State {
    let has = |verdict| isolation.cells.iter().any(|cell| cell.cell.table == table && cell.cell.verdict == verdict);
    match isolation.tables.iter().any(|name| name == table) {
        // Not a table to keep apart there, so nothing of it was tried.
        false if isolation.rules.contains_key(table) => State::Undecided,
        false => State::Absent,
        true if has(CellVerdict::Leak) => State::Open,
        true if has(CellVerdict::Undecided) => State::Undecided,
        true => State::Closed,
    }
}

/// One row per table of the migrated database: whether the migrations opened it.
pub fn compare(before: &Isolation, after: &Isolation) -> Vec<SubjectRow> {
    let rows = after.tables.iter().map(|table| {
        let changes = told(before.rules.get(table), after.rules.get(table));
        let said = if changes.is_empty() { String::new() } else { format!(": {}", changes.join("; ")) };
        let leak = || {
            let cell = after.cells.iter().find(|cell| cell.cell.table == *table && cell.cell.verdict == CellVerdict::Leak);
            cell.map(|cell| format!("{} as {}: {}", cell.cell.command, cell.cell.context, cell.cell.why)).unwrap_or_default()
        };
        const WANTED: &str = "not opened";
        let row = match (state(before, table), state(after, table)) {
            (State::Closed, State::Open) => {
                SubjectRow::new(table, false, WANTED, format!("this migration opened {table} ({}){said}", leak()))
            }
            (State::Absent, State::Open) => {
                SubjectRow::new(table, false, WANTED, format!("this migration made {table}, and made it open ({}){said}", leak()))
            }
            (State::Open, State::Open) => SubjectRow::new(table, true, WANTED, format!("open before and after{said}")),
            (State::Open, State::Closed) => SubjectRow::new(table, true, WANTED, format!("this migration closed it{said}")),
            (State::Undecided, State::Open) => {
                SubjectRow::undecided(table, WANTED, format!("open now; what it was before is undecided{said}"))
            }
            (_, State::Undecided) => SubjectRow::undecided(table, WANTED, format!("undecided after the migrations{said}")),
            (State::Absent, _) => SubjectRow::new(table, true, WANTED, "new, and isolated"),
            _ => SubjectRow::new(table, true, WANTED, format!("as closed as before{said}")),
        };
        row.with_detail(json!({ "changes": changes }))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(using: &str, force: bool) -> Rules {
        let facts = Facts { command: "SELECT", permissive: true, roles: "app".into(), using: Some(using.into()), check: None };
        Rules { rls: true, force, policies: BTreeMap::from([("read".to_owned(), facts)]) }
    }

    #[test]
    fn what_was_done_to_a_policy_is_told_in_words() {
        let (old, new) = (rules_of("(tenant_id = 1)", true), rules_of("true", false));
        assert_eq!(
            told(Some(&old), Some(&new)),
            ["row security is no longer forced on its owner", "policy read: USING was (tenant_id = 1), is now true"]
        );
        assert_eq!(told(Some(&old), Some(&old)), Vec::<String>::new());
        let none = Rules { rls: false, ..Rules::default() };
        assert_eq!(told(Some(&old), Some(&none))[0], "row security was switched off");
        assert!(told(Some(&old), Some(&none)).last().unwrap().starts_with("policy read was dropped (permissive for SELECT to app"));
        assert_eq!(told(None, Some(&none)), ["the table is new", "it has no row security"]);
    }
}
