//! Rows that a policy shows to everybody for what they are: published, active, in the bucket of the avatars.
//!
//! Such a row is meant to be seen, and says nothing about how others are kept. A part of a SELECT policy that asks only about the row,
//! and by its words or because a session may use it that did not sign in is meant for everybody, is an opening: named in the model, and
//! closed in the worlds (the flag turned, another label, no time of publication), so that the rest of the policy is what is tried.
//! What cannot be closed so, or asks only whether a row is deleted, is no opening: it leaks. A condition on the row alone that no word says is
//! meant for everybody is a gap: the worlds' rows are put into it, so that what it lets through is seen.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::identity;
use super::model::{KeyClass, Model, names_column};
use super::shape::{Column, Policy, Shape, Table};
use super::value::{self, literal};

/// Values tried per opening and row.
const ATTEMPTS: usize = 24;

#[allow(clippy::unwrap_used, reason = "constant patterns; a test compiles each")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// Roles that a session has before it signs in.
static ANONYMOUS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(^|_)(anon|anonymous|guest|visitor|unauthenticated|web_public)($|_)"));
/// Words of columns and labels that are meant for everybody.
static MEANT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)public|publish|shared|everyone|anyone|global|listed|featured|visib|discover|template|(^|[_ -])all($|[_ -])")
});
/// Those of them that leave no doubt: they speak of everybody, and not of a row that was finished and shown to somebody.
static EVERYBODY: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)public|everyone|anyone|global|template|discover|(^|[_ -])all($|[_ -])"));
/// Columns that nobody shows to the world on purpose.
static INTIMATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)mail|phone|mobile|address|street|birth|dob|ssn|iban|bic$|passport|tax|salary|token|secret|passw|hash|ip_addr|card|api_?key|account_(no|number)|stripe|customer_id|medical|diagnos|balance",
    )
});
/// Columns that only say that a row is still there.
static THERE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)delete|remov|archiv|trash|purge"));

/// Names of policies that say they show one's own rows.
static SAYS_OWN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(own|owns|owner|owners|their|theirs|my|mine|self|his|her|same)\b|(^|_)(own|self|owner)(_|$)"));
/// A condition under which a table's rows are everybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub table: i64,
    pub policy: String,
    /// As the server writes it.
    pub condition: String,
    /// Whether it is meant for everybody beyond doubt: by its words, because a session may use it that did not sign in, or as ledger.toml
    /// says. Another one may as well have forgotten the tenant.
    pub certain: bool,
}

/// The openings of every table with row security.
pub fn find(shape: &Shape, model: &Model) -> Vec<Opening> {
    let identities = identity::functions_that_read(shape);
    let anonymous = |role: &String| ANONYMOUS.is_match(role) && model.roles.contains(role);
    // Where one role serves whoever comes, signed in or not, that a policy speaks to it says nothing of whom it is meant for.
    let anyone = model.roles.iter().any(anonymous) && !model.roles.iter().all(anonymous);
    let mut openings: Vec<Opening> = Vec::new();
    for table in shape.tables.iter().filter(|table| table.rls) {
        for policy in shape.policies_of(table.oid).filter(|policy| policy.permissive && policy.command == "r") {
            let before_signing_in = policy.everyone && anyone || policy.roles.iter().any(anonymous);
            for condition in policy.using.as_deref().map(disjuncts).unwrap_or_default() {
                if identity::reads_identity(condition, &identities) || condition.contains("SELECT") {
                    continue;
                }
                let named: Vec<&Column> = table.columns.iter().filter(|column| names_column(condition, &column.sql)).collect();
                let told =
                    named.iter().any(|column| MEANT.is_match(&column.name)) || literals(condition).iter().any(|word| MEANT.is_match(word));
                let about = named.iter().any(|column| !THERE.is_match(&column.name));
                if about && (told || before_signing_in) {
                    let beyond_doubt = named.iter().any(|column| EVERYBODY.is_match(&column.name))
                        || literals(condition).iter().any(|word| EVERYBODY.is_match(word));
                    let certain = before_signing_in || beyond_doubt || model.of_people() || model.everybodys.contains(&table.oid);
                    let (table, policy, condition) = (table.oid, policy.name.clone(), condition.to_owned());
                    openings.push(Opening { table, policy, condition, certain });
                }
            }
        }
    }
    // What sessions see before they sign in, those that did may see as well.
    let beyond_doubt: BTreeSet<(i64, String)> =
        openings.iter().filter(|opening| opening.certain).map(|opening| (opening.table, opening.condition.clone())).collect();
    for opening in &mut openings {
        opening.certain |= beyond_doubt.contains(&(opening.table, opening.condition.clone()));
    }
    openings
}

/// Conditions of a policy on the row alone that nothing says are meant for everybody: whoever asks, such a row is let through.
pub fn gaps(shape: &Shape, model: &Model) -> Vec<(i64, String)> {
    let identities = identity::functions_that_read(shape);
    let mut gaps = Vec::new();
    for table in shape.tables.iter().filter(|table| table.rls) {
        for policy in shape.policies_of(table.oid).filter(|policy| policy.permissive) {
            for condition in policy.using.as_deref().map(disjuncts).unwrap_or_default() {
                // Of a policy that lets rows be changed as well it is none of those that only show them.
                let known = policy.command == "r"
                    && model.openings.iter().any(|opening| opening.table == table.oid && opening.condition == condition);
                let of_the_row = table.columns.iter().any(|column| names_column(condition, &column.sql));
                if of_the_row && !known && !identity::reads_identity(condition, &identities) && !condition.contains("SELECT") {
                    gaps.push((table.oid, condition.to_owned()));
                }
            }
        }
    }
    gaps.dedup();
    gaps
}

/// Assignments under which a row could be let through by such a condition: one column, then two of them, never whose the row is.
pub fn ways_through(shape: &Shape, model: &Model, table: &Table, condition: &str) -> Vec<Vec<(i16, Option<String>)>> {
    let spoken = literals(condition);
    let mut by_column: Vec<Vec<(i16, Option<String>)>> = Vec::new();
    for column in table.columns.iter().filter(|column| names_column(condition, &column.sql)) {
        if column.generated || table.key().contains(&column.number) {
            continue;
        }
        let mut values: Vec<Option<String>> = Vec::new();
        if !model.is_reference(table.oid, column.number) {
            match column.category.as_str() {
                "B" => values.extend(["true", "false"].map(|word| Some(word.to_owned()))),
                "D" => values.extend(["2020-01-01", "2999-01-01"].map(|day| Some(day.to_owned()))),
                "N" => values.extend(numbers(condition).into_iter().map(Some)),
                "S" | "E" => values.extend(spoken.iter().take(4).cloned().map(Some)),
                _ => {}
            }
        }
        let of_whom = model.is_identity(shape, &model.class(table.oid, column.number));
        if !column.not_null && !of_whom {
            values.push(None);
        }
        by_column.push(values.into_iter().map(|value| (column.number, value)).collect());
    }
    let mut ways: Vec<Vec<(i16, Option<String>)>> = by_column.iter().flatten().map(|one| vec![one.clone()]).collect();
    for (at, first) in by_column.iter().enumerate() {
        for second in by_column.iter().skip(at + 1) {
            ways.extend(first.iter().flat_map(|one| second.iter().map(move |two| vec![one.clone(), two.clone()])));
        }
    }
    ways.truncate(ATTEMPTS);
    ways
}

/// A policy that shows every row of the table, where no column is one that nobody shows to the world on purpose: its name, and whether
/// it speaks to sessions that did not sign in.
pub fn shown_to_all<'a>(shape: &'a Shape, model: &Model, table: &Table) -> Option<(&'a str, bool)> {
    let anonymous = |role: &String| ANONYMOUS.is_match(role) && model.roles.contains(role);
    let anyone = model.roles.iter().any(anonymous);
    let intimate = table.columns.iter().any(|column| INTIMATE.is_match(&column.name));
    let restricted = shape.policies_of(table.oid).any(|policy| !policy.permissive);
    // What is called one's own and shows everybody's is no directory.
    let plain = |policy: &&Policy| {
        policy.permissive && policy.command == "r" && policy.using.as_deref() == Some("true") && !SAYS_OWN.is_match(&policy.name)
    };
    let to_anyone = |policy: &Policy| policy.everyone && anyone || policy.roles.iter().any(anonymous);
    let mut plain: Vec<&Policy> = shape.policies_of(table.oid).filter(plain).collect();
    plain.sort_by_key(|policy| !to_anyone(policy));
    let first = plain.first()?;
    (!intimate && !restricted).then(|| (first.name.as_str(), to_anyone(first)))
}

/// What could close an opening for one row: assignments, the likeliest first.
pub fn closings(shape: &Shape, model: &Model, table: &Table, opening: &Opening) -> Vec<(i16, Option<String>)> {
    let spoken: BTreeSet<String> = literals(&opening.condition).into_iter().collect();
    let mut all = Vec::new();
    for column in table.columns.iter().filter(|column| names_column(&opening.condition, &column.sql)) {
        let label = ["S", "E"].contains(&column.category.as_str());
        let fixed = column.generated || table.key().contains(&column.number) || THERE.is_match(&column.name);
        if fixed || model.is_reference(table.oid, column.number) && !label {
            continue;
        }
        let mut values: Vec<Option<String>> = Vec::new();
        match column.category.as_str() {
            "B" => values.extend(["false", "true"].map(|word| Some(word.to_owned()))),
            "D" => values.push(Some("2999-01-01".to_owned())),
            _ if label => {
                let mut labels = value::labels(shape, table, column);
                labels.extend(shape.asked_for(&column.name).iter().cloned());
                labels.retain(|label| !spoken.contains(label));
                labels.sort_by_key(|label| (value::is_privileged(label), value::is_public(label)));
                labels.dedup();
                values.extend(labels.into_iter().map(Some));
            }
            _ => {}
        }
        if !column.not_null && !model.is_reference(table.oid, column.number) {
            values.push(None);
        }
        all.extend(values.into_iter().map(|value| (column.number, value)));
    }
    all.truncate(ATTEMPTS);
    all
}

/// Whether a row that stands between a person and somebody else's (an order in a shop) is meant to: every policy that lets a role write
/// it asks who the session is, a column of it is a person, and what the columns refer to is shown to everybody, by an opening or `true`.
pub fn between_two(shape: &Shape, model: &Model, table: &Table, columns: &[i16], role: &str, letter: &str) -> Option<Vec<String>> {
    let identities = identity::functions_that_read(shape);
    let of = |policy: &&Policy, letter: &str| {
        policy.permissive
            && (policy.command == letter || policy.command == "*")
            && (policy.everyone || policy.roles.iter().any(|r| r == role))
    };
    let asks =
        |policy: &Policy| policy.check.as_ref().or(policy.using.as_ref()).is_some_and(|text| identity::reads_identity(text, &identities));
    let principals = model.principals(shape);
    let is_person = |oid: i64, number: i16| principals.contains(&model.class(oid, number));
    // A person, or the record that stands for one (a customer with an account).
    let person = |column: &Column| {
        let record = |class: KeyClass| match class {
            KeyClass::Column(oid, _) => shape.table(oid).is_some_and(|of| of.columns.iter().any(|c| is_person(oid, c.number))),
            KeyClass::Named(_) => false,
        };
        !columns.contains(&column.number)
            && (is_person(table.oid, column.number)
                || model.is_reference(table.oid, column.number) && record(model.class(table.oid, column.number)))
    };
    let keys = shape.keys_of(table.oid).filter(|key| key.columns.iter().any(|n| columns.contains(n)));
    let parents: Vec<&Table> = keys.filter_map(|key| shape.table(key.parent)).collect();
    let shown = |parent: &&Table| {
        let plain = |policy: &Policy| policy.using.as_deref() == Some("true");
        let opened = model.openings.iter().any(|opening| opening.table == parent.oid);
        parent.rls && (opened || shape.policies_of(parent.oid).any(|policy| of(&policy, "r") && plain(policy)))
    };
    let meant = table.rls
        && shape.policies_of(table.oid).filter(|policy| of(policy, letter)).all(asks)
        && table.columns.iter().any(person)
        && !parents.is_empty()
        && parents.iter().all(shown);
    meant.then(|| parents.iter().map(|parent| parent.sql.clone()).collect())
}

/// The UPDATE that tries a closing, and the question whether the row is still open.
pub fn try_sql(table: &Table, at: &str, opening: &Opening, column: &Column, value: Option<&str>) -> (String, String) {
    (
        format!("UPDATE {} SET {} = {} WHERE {at}", table.sql, column.sql, literal(value)),
        format!("SELECT pg_catalog.count(*) FROM {} WHERE {at} AND ({})", table.sql, opening.condition),
    )
}

/// The parts of an expression that are joined by OR at its top, parentheses around them taken away.
pub(super) fn disjuncts(text: &str) -> Vec<&str> {
    parts(text, " OR ")
}

/// The parts of an expression that are joined by AND at its top, parentheses around them taken away; one that has an OR at its top whole.
pub(super) fn conjuncts(text: &str) -> Vec<&str> {
    match disjuncts(text).len() {
        1 => parts(text, " AND "),
        _ => vec![bare(text)],
    }
}

/// The parts of an expression however AND and OR join them, parentheses around them taken away.
pub(super) fn atoms(text: &str) -> Vec<&str> {
    let parts = match disjuncts(text) {
        parts if parts.len() > 1 => parts,
        _ => conjuncts(text),
    };
    match parts.as_slice() {
        [one] => vec![*one],
        _ => parts.into_iter().flat_map(atoms).collect(),
    }
}

fn parts<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
    let text = bare(text);
    let (mut depth, mut quoted, mut named, mut from) = (0_i32, false, false, 0);
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            '\'' if !named => quoted = !quoted,
            '"' if !quoted => named = !named,
            '(' | '[' if !quoted && !named => depth += 1,
            ')' | ']' if !quoted && !named => depth -= 1,
            ' ' if !quoted && !named && depth == 0 && text[at..].starts_with(word) => {
                found.push(&text[from..at]);
                from = at + word.len();
            }
            _ => {}
        }
    }
    if from == 0 {
        return vec![text];
    }
    found.push(&text[from..]);
    found.into_iter().flat_map(|part| parts(part, word)).collect()
}

/// Without the parentheses around the whole of it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return text };
    let (mut depth, mut quoted, mut named) = (0_i32, false, false);
    for c in inner.chars() {
        match c {
            '\'' if !named => quoted = !quoted,
            '"' if !quoted => named = !named,
            '(' if !quoted && !named => depth += 1,
            ')' if !quoted && !named => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return text;
        }
    }
    bare(inner)
}

fn numbers(text: &str) -> Vec<String> {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^\w.'])(\d+)"));
    let found = NUMBER.captures_iter(text).filter_map(|hit| hit.get(1)?.as_str().parse::<i64>().ok());
    found.take(2).flat_map(|n| [n, n + 1, n - 1]).map(|n| n.to_string()).collect()
}

fn literals(text: &str) -> Vec<String> {
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"'((?:[^']|'')*)'"));
    QUOTED.captures_iter(text).filter_map(|hit| hit.get(1)).map(|hit| hit.as_str().replace("''", "'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_comes_apart_at_its_top() {
        let text = "((a = 'x OR y'::text) OR ((b = ANY (ARRAY['(', 'c'])) OR (\"d OR e\" IS NULL)) OR (f AND (g OR h)))";
        assert_eq!(disjuncts(text), ["a = 'x OR y'::text", "b = ANY (ARRAY['(', 'c'])", "\"d OR e\" IS NULL", "f AND (g OR h)"]);
        assert_eq!(disjuncts("(a) AND (b)"), ["(a) AND (b)"]);
        assert_eq!(disjuncts("true"), ["true"]);
        assert_eq!(conjuncts("((a = 1) AND ((b OR c) AND (d)))"), ["a = 1", "b OR c", "d"]);
        assert_eq!(conjuncts("((a AND b) OR c)"), ["(a AND b) OR c"]);
    }
}
