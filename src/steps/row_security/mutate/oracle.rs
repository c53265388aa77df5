//! What the policies of a broken table say of B's row, asked of them without the table.
//!
//! The cells try statements, and a statement may be stopped by much else: a constraint, a trigger, a key. So before an unnoticed mutant
//! is said not to matter, the policies themselves are asked: B's row, and A's row stamped as B's, are handed to the expressions as they
//! stand now and as they stood unbroken, in the session's own role and settings. What only the broken ones let through contradicts.

use tokio_postgres::SimpleQueryMessage;

use crate::pg::PgError;
use crate::steps::row_security::model::Scope;
use crate::steps::row_security::probe::Probe;
use crate::steps::row_security::seed::{Rights, Seeded, identifier};
use crate::steps::row_security::shape::{Policy, Shape, Table};
use crate::steps::row_security::value::literal;

/// What the policies answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The same as unbroken, or no.
    No,
    /// They let through what they did not: the command, and which row.
    Yes(String),
    /// They could not be asked.
    Unknown,
}

/// The part of a policy that a command asks.
#[derive(Clone, Copy)]
enum Side {
    Using,
    Check,
}

/// A part of the policies, and the row that it is asked of.
type Question<'a> = (Side, &'a String);

/// Asks for each of the commands that the role has the privilege for.
pub(super) async fn ask(
    probe: &Probe<'_>,
    unbroken: &Shape,
    ready: &Seeded<'_>,
    rights: &Rights,
    commands: &[&str],
) -> Result<Answer, PgError> {
    let Some((a, b)) = rows(probe, ready).await? else { return Ok(Answer::Unknown) };
    let mut asked: Vec<(&str, Vec<Vec<Question<'_>>>, &str)> = Vec::new();
    let columns: &[i16] = match ready.scope {
        Scope::Path { columns, .. } => columns,
        _ => &[],
    };
    let all: Vec<i16> = ready.table.columns.iter().filter(|c| !c.generated).map(|c| c.number).collect();
    let stamped = with(ready, &a, &b, columns);
    // What could become of B's row: nothing, A's by its stamp, A's by all that may be changed.
    let may = |column: &i16| rights.updatable.contains(column);
    let taken: Vec<String> =
        [&[][..], columns, &all].map(|of| with(ready, &b, &a, &of.iter().copied().filter(may).collect::<Vec<_>>())).into();
    for command in commands {
        match *command {
            "r" if rights.select => asked.push(("r", vec![vec![(Side::Using, &b)]], "B's row")),
            "d" if rights.delete => asked.push(("d", vec![vec![(Side::Using, &b)]], "B's row")),
            // A new row of what the tenants are belongs to nobody yet.
            "a" if rights.insert && !columns.is_empty() && columns.iter().all(|n| rights.insertable.contains(n)) => {
                asked.push(("a", vec![vec![(Side::Check, &b)]], "B's row"));
                asked.push(("a", vec![vec![(Side::Check, &stamped)]], "A's row as B's"));
            }
            "w" if rights.update => {
                asked.push(("w", vec![vec![(Side::Using, &b)], taken.iter().map(|row| (Side::Check, row)).collect()], "B's row"));
                if !columns.is_empty() && columns.iter().all(may) {
                    asked.push(("w", vec![vec![(Side::Using, &a)], vec![(Side::Check, &stamped)]], "A's row as B's"));
                }
            }
            _ => {}
        }
    }
    for (command, of_each, shown) in asked {
        let admits = async |shape: &Shape| -> Result<Option<bool>, PgError> {
            let one = |(side, row): &Question<'_>| counted(shape, ready.table, command, *side, row);
            let any = |of: &Vec<Question<'_>>| format!("({})", of.iter().map(one).collect::<Vec<_>>().join(" + "));
            let sql = format!("SELECT {}", of_each.iter().map(any).collect::<Vec<_>>().join(" * "));
            Ok(match probe.attempt("", &sql, "SELECT 0").await? {
                Ok(numbers) => Some(numbers.first().is_some_and(|n| *n > 0)),
                Err(error) => unasked(&error),
            })
        };
        match admits(probe.shape).await? {
            Some(false) => {}
            Some(true) if admits(unbroken).await? == Some(true) => {}
            Some(true) => return Ok(Answer::Yes(format!("{} of {shown}", word(command)))),
            None => return Ok(Answer::Unknown),
        }
    }
    Ok(Answer::No)
}

fn word(command: &str) -> &'static str {
    match command {
        "r" => "SELECT",
        "a" => "INSERT",
        "w" => "UPDATE",
        _ => "DELETE",
    }
}

/// An expression that raises (a setting that was never set: 42704) lets nothing through; one that cannot be asked so, or took too long, says
/// nothing.
fn unasked(error: &PgError) -> Option<bool> {
    let state = error.sqlstate.as_deref().unwrap_or_default();
    match state {
        "42501" | "42P17" | "42704" => Some(false),
        "" | "57014" | "55P03" => None,
        state if state.starts_with("42") => None,
        _ => Some(false),
    }
}

/// The rows of A and B as `jsonb` literals.
async fn rows(probe: &Probe<'_>, ready: &Seeded<'_>) -> Result<Option<(String, String)>, PgError> {
    let name = &ready.table.sql;
    let sql = format!(
        "SELECT (SELECT pg_catalog.to_jsonb(t)::text FROM {name} AS t WHERE {}), (SELECT pg_catalog.to_jsonb(t)::text FROM {name} AS t WHERE {})",
        ready.at_a, ready.at_b
    );
    let answer = probe.session.simple(&sql).await?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?, row.get(1)?)),
        _ => None,
    });
    let as_json = |text: &str| format!("{}::pg_catalog.jsonb", literal(Some(text)));
    Ok(row.map(|(a, b)| (as_json(a), as_json(b))))
}

/// A row with another's values in some columns.
fn with(ready: &Seeded<'_>, row: &str, other: &str, columns: &[i16]) -> String {
    let names: Vec<String> = columns.iter().filter_map(|n| ready.table.column(*n)).map(|column| literal(Some(&column.name))).collect();
    match names.is_empty() {
        true => row.to_owned(),
        false => format!(
            "({row} || (SELECT pg_catalog.jsonb_object_agg(e.key, e.value) FROM pg_catalog.jsonb_each({other}) AS e WHERE e.key = ANY (ARRAY[{}]::text[])))",
            names.join(", ")
        ),
    }
}

/// Whether the policies let a row through that is handed to them: 1 or 0.
fn counted(shape: &Shape, table: &Table, command: &str, side: Side, row: &str) -> String {
    format!(
        "(SELECT pg_catalog.count(*) FROM (SELECT (pg_catalog.jsonb_populate_record(NULL::{}, {row})).*) AS {} WHERE {})",
        table.sql,
        identifier(&table.name),
        together(shape, table, command, side)
    )
}

/// What a table's policies for a command say together: one permissive one lets the row through, and each restrictive one.
fn together(shape: &Shape, table: &Table, command: &str, side: Side) -> String {
    let said = |policy: &Policy| {
        let text = match side {
            Side::Using => policy.using.as_ref(),
            Side::Check => policy.check.as_ref().or(policy.using.as_ref()),
        };
        text.map_or("true", String::as_str).to_owned()
    };
    let speaks = |policy: &Policy| match policy.everyone {
        true => "true".to_owned(),
        false => {
            let roles = policy.roles.iter().map(|role| literal(Some(role)));
            let may = roles.map(|role| format!("pg_catalog.pg_has_role(current_user, {role}::name, 'USAGE')"));
            may.collect::<Vec<_>>().join(" OR ")
        }
    };
    let of = |permissive: bool| {
        shape.policies_of(table.oid).filter(move |p| p.permissive == permissive && (p.command == "*" || p.command == command))
    };
    let permissive: Vec<String> = of(true).map(|policy| format!("(({}) AND ({}))", speaks(policy), said(policy))).collect();
    let restrictive: Vec<String> = of(false).map(|policy| format!("(NOT ({}) OR ({}))", speaks(policy), said(policy))).collect();
    let permissive = if permissive.is_empty() { "false".to_owned() } else { permissive.join(" OR ") };
    std::iter::once(format!("({permissive})")).chain(restrictive).collect::<Vec<_>>().join(" AND ")
}
