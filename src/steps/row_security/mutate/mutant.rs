//! The ways to break a table: what is done, and what comes of its policies.

use std::collections::BTreeSet;

use crate::steps::row_security::model::Model;
use crate::steps::row_security::seed::identifier;
use crate::steps::row_security::shape::{Policy, Shape, Table};
use crate::steps::row_security::{identity, openings};

/// How a table is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Drop,
    UsingTrue,
    CheckTrue,
    NoForce,
    Disable,
    /// The policy made anew without its WITH CHECK.
    NoCheck,
    /// For every command instead of its own.
    AllCommands,
    /// For everybody instead of its roles.
    Public,
    /// `column = <who asks>` weakened to `column IS NOT NULL`.
    NotNull,
    /// A restrictive policy that only adds.
    Permissive,
}

impl Kind {
    fn rank(self) -> u8 {
        match self {
            Self::UsingTrue => 0,
            Self::Disable => 1,
            Self::CheckTrue => 2,
            Self::NotNull => 3,
            Self::Permissive | Self::NoForce => 4,
            Self::Drop => 5,
            Self::NoCheck => 6,
            Self::AllCommands | Self::Public => 7,
        }
    }
}

/// One way to break one table.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub(super) oid: i64,
    /// The table, as findings name it.
    pub(super) table: String,
    /// `alerts_select: USING (true)`.
    pub(super) what: String,
    pub(super) sql: String,
    pub(super) kind: Kind,
    pub(super) policy: Option<Policy>,
    /// What stands in the policy's place.
    pub(super) after: Option<Policy>,
}

impl Mutant {
    /// The commands that it changes anything for, as the catalog writes them.
    pub(super) fn commands(&self) -> &'static [&'static str] {
        let of = self.policy.as_ref().map_or("*", |policy| policy.command.as_str());
        match (self.kind, of) {
            (Kind::AllCommands, "r") => &["a", "w", "d"],
            (Kind::CheckTrue, "*") => &["a", "w"],
            (Kind::AllCommands, _) | (_, "*") => &["r", "a", "w", "d"],
            (_, "r") => &["r"],
            (_, "a") => &["a"],
            (_, "w") => &["w"],
            _ => &["d"],
        }
    }
}

/// Every mutant of the model's tables, the tables in turns.
pub fn mutants(shape: &Shape, model: &Model) -> Vec<Mutant> {
    let tables = model.tables.iter().filter_map(|scoped| shape.table(scoped.oid)).filter(|table| table.rls);
    let identities = identity::functions_that_read(shape);
    let mut piles: Vec<std::vec::IntoIter<Mutant>> = tables.map(|table| of_table(shape, table, &identities).into_iter()).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(piles.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

fn of_table(shape: &Shape, table: &Table, identities: &BTreeSet<String>) -> Vec<Mutant> {
    let name = &table.sql;
    let mutant = |what: String, sql: String, kind: Kind, policy: Option<&Policy>| Mutant {
        oid: table.oid,
        table: name.clone(),
        what,
        sql,
        kind,
        policy: policy.cloned(),
        after: policy.and_then(|policy| broken(policy, kind)),
    };
    let mut all = Vec::new();
    for policy in shape.policies_of(table.oid) {
        let (shown, quoted) = (&policy.name, identifier(&policy.name));
        let is_true = |text: &Option<String>| text.as_deref() == Some("true");
        if policy.using.is_some() && !is_true(&policy.using) {
            let sql = format!("ALTER POLICY {quoted} ON {name} USING (true)");
            all.push(mutant(format!("{shown}: USING (true)"), sql, Kind::UsingTrue, Some(policy)));
        }
        if matches!(policy.command.as_str(), "a" | "w" | "*")
            && !is_true(&policy.check)
            && (policy.check.is_some() || !is_true(&policy.using))
        {
            let sql = format!("ALTER POLICY {quoted} ON {name} WITH CHECK (true)");
            all.push(mutant(format!("{shown}: WITH CHECK (true)"), sql, Kind::CheckTrue, Some(policy)));
        }
        all.push(mutant(format!("{shown}: dropped"), format!("DROP POLICY {quoted} ON {name}"), Kind::Drop, Some(policy)));
        all.extend(
            anew(table, policy, identities).into_iter().map(|(what, sql, kind, after)| Mutant {
                after: Some(after),
                ..mutant(format!("{shown}: {what}"), sql, kind, Some(policy))
            }),
        );
    }
    if table.force {
        all.push(mutant("NO FORCE".into(), format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"), Kind::NoForce, None));
    }
    all.push(mutant("DISABLE".into(), format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"), Kind::Disable, None));
    // What opens most comes first, for the time may be over before the last.
    all.sort_by_key(|mutant| (mutant.kind.rank(), mutant.policy.as_ref().is_some_and(|policy| policy.command != "r")));
    all
}

/// The policy with an expression that is always true, or nothing where it is dropped.
fn broken(policy: &Policy, kind: Kind) -> Option<Policy> {
    let always = Some("true".to_owned());
    match kind {
        Kind::UsingTrue => Some(Policy { using: always, ..policy.clone() }),
        Kind::CheckTrue => Some(Policy { check: always, ..policy.clone() }),
        Kind::Drop => None,
        _ => Some(policy.clone()),
    }
}

/// The ways to break a policy that take making it anew, or another expression: what is done, by what, and what comes of the policy.
fn anew(table: &Table, policy: &Policy, identities: &BTreeSet<String>) -> Vec<(String, String, Kind, Policy)> {
    let mut all = Vec::new();
    let (using, check) = (policy.using.as_deref(), policy.check.as_deref());
    if policy.using.is_some() && check.is_some() && check != using && matches!(policy.command.as_str(), "w" | "*") {
        let after = Policy { check: None, ..policy.clone() };
        all.push(("without WITH CHECK".to_owned(), remade(table, &after), Kind::NoCheck, after));
    }
    if policy.permissive && policy.command != "*" {
        let using = policy.using.clone().or_else(|| policy.check.clone());
        let after = Policy { command: "*".into(), using, ..policy.clone() };
        all.push(("for ALL commands".to_owned(), remade(table, &after), Kind::AllCommands, after));
    }
    if !policy.everyone {
        let after = Policy { everyone: true, roles: Vec::new(), ..policy.clone() };
        all.push(("to PUBLIC".to_owned(), remade(table, &after), Kind::Public, after));
    }
    if let Some(weak) = using.and_then(|text| weakened(table, text, identities)) {
        let what = format!("USING ({weak})");
        let after = Policy { using: Some(weak), ..policy.clone() };
        all.push((what, remade(table, &after), Kind::NotNull, after));
    }
    if let Some(weak) = check.and_then(|text| weakened(table, text, identities)) {
        let what = format!("WITH CHECK ({weak})");
        let after = Policy { check: Some(weak), ..policy.clone() };
        all.push((what, remade(table, &after), Kind::NotNull, after));
    }
    if !policy.permissive {
        let after = Policy { permissive: true, ..policy.clone() };
        all.push(("permissive".to_owned(), remade(table, &after), Kind::Permissive, after));
    }
    all
}

/// Drops the policy and makes it again, as it is given.
fn remade(table: &Table, new: &Policy) -> String {
    let command = match new.command.as_str() {
        "r" => "SELECT",
        "a" => "INSERT",
        "w" => "UPDATE",
        "d" => "DELETE",
        _ => "ALL",
    };
    let to = match new.everyone {
        true => "PUBLIC".to_owned(),
        false => new.roles.iter().map(|role| identifier(role)).collect::<Vec<_>>().join(", "),
    };
    let clause = |word: &str, text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!(" {word} ({text})"));
    let (name, quoted) = (&table.sql, identifier(&new.name));
    format!(
        "DROP POLICY {quoted} ON {name}; CREATE POLICY {quoted} ON {name} AS {} FOR {command} TO {to}{}{}",
        if new.permissive { "PERMISSIVE" } else { "RESTRICTIVE" },
        clause("USING", &new.using),
        clause("WITH CHECK", &new.check)
    )
}

/// The expression with its first comparison of a column of the table, between ANDs or alone, weakened to IS NOT NULL.
fn weakened(table: &Table, text: &str, identities: &BTreeSet<String>) -> Option<String> {
    let parts = openings::conjuncts(text);
    let asks = |part: &str| identity::reads_identity(part, identities) || part.contains("SELECT");
    let (at, column) = parts.iter().enumerate().filter(|(_, part)| asks(part)).find_map(|(at, part)| {
        let (left, right) = part.split_once(" = ")?;
        let is = |side: &str| table.columns.iter().find(|column| side.trim_matches(|c| "() ".contains(c)) == column.sql);
        Some((at, is(left).or_else(|| is(right))?))
    })?;
    let weak: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| if n == at { format!("{} IS NOT NULL", column.sql) } else { format!("({part})") })
        .collect();
    Some(weak.join(" AND "))
}
