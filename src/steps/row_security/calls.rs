//! Functions of the definer, called by a member of A with what identifies B's rows: what comes back, and what became of B's rows.

use super::shape::Shape;
use super::value::{World, literal};
use super::world::Worlds;

/// Calls tried per function.
const CALLS: usize = 8;
/// What reaches beyond the scratch copy, or waits: never called.
const OUTSIDE: [&str; 12] =
    ["http", "net.", "dblink", "cron.", "pg_notify", "notify ", "pg_sleep", "pg_terminate", "lo_export", "copy ", "fdw", "pg_cancel"];

/// Columns whose value is itself the right to what it opens: nobody else's session has it.
const SECRET: [&str; 12] =
    ["token", "secret", "hash", "passw", "passcode", "otp", "pin", "api_key", "apikey", "nonce", "code", "signature"];

/// A function as it can be called.
#[derive(Clone, Debug)]
pub struct Function {
    /// `schema.name`, quoted where it must be.
    pub name: String,
    pub names: Vec<String>,
    pub types: Vec<String>,
    pub needed: usize,
    /// Marked STABLE or IMMUTABLE.
    pub reads_only: bool,
}

/// One call: with what identifies B's rows, with A's in the same places, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub of_b: String,
    pub of_a: String,
    pub shown: String,
}

impl Function {
    /// `schema.name(uuid, text)`.
    pub fn signature(&self) -> String {
        format!("{}({})", self.name, self.types.join(", "))
    }

    /// Whether calling it stays within the scratch copy.
    pub fn is_safe(body: &str) -> bool {
        let lower = body.to_lowercase();
        !OUTSIDE.iter().any(|word| lower.contains(word))
    }

    /// The calls to try: each argument one of the values that the rows behind the function hold, the likeliest first.
    pub fn calls(&self, shape: &Shape, worlds: &Worlds, bases: &[i64]) -> Vec<Call> {
        let mut choices: Vec<Vec<(String, String, String)>> = Vec::new();
        for (position, kind) in self.types.iter().enumerate() {
            let name = self.names.get(position).map(String::as_str).unwrap_or_default();
            let found = candidates(shape, worlds, bases, name, kind);
            if found.is_empty() && position >= self.needed {
                break; // it has a default, and so has what follows
            }
            choices.push(match found.is_empty() {
                true => vec![ordinary(kind)],
                false => found,
            });
        }
        let mut calls = vec![(Vec::new(), Vec::new(), Vec::new())];
        for choice in &choices {
            calls = calls
                .into_iter()
                .flat_map(|(of_b, of_a, shown)| {
                    choice.iter().map(move |(b, a, word)| {
                        let with = |list: &[String], more: &String| list.iter().chain([more]).cloned().collect::<Vec<_>>();
                        (with(&of_b, b), with(&of_a, a), with(&shown, word))
                    })
                })
                .take(CALLS)
                .collect();
        }
        let of = |list: Vec<String>| format!("{}({})", self.name, list.join(", "));
        calls.into_iter().map(|(of_b, of_a, shown)| Call { of_b: of(of_b), of_a: of(of_a), shown: of(shown) }).collect()
    }
}

/// Values of the argument's type in the worlds' rows: B's, A's, and a word for them.
fn candidates(shape: &Shape, worlds: &Worlds, bases: &[i64], name: &str, kind: &str) -> Vec<(String, String, String)> {
    let bare = name.to_lowercase();
    let bare = ["p_", "_", "in_", "v_", "arg_", "the_", "target_"].iter().find_map(|start| bare.strip_prefix(start)).unwrap_or(&bare);
    let mut found: Vec<(usize, (String, String, String))> = Vec::new();
    // What both worlds' rows have alike (a position, a status) identifies nobody, but without it the call may reach no row.
    let mut alike = None;
    for table in bases.iter().filter_map(|oid| shape.table(*oid)) {
        let (Some(a), Some(b)) = (worlds.row(table.oid, World::A), worlds.row(table.oid, World::B)) else { continue };
        let singular = table.name.to_lowercase();
        let singular = singular.trim_end_matches('s');
        for column in table.columns.iter().filter(|column| plain_type(&column.type_name) == plain_type(kind)) {
            let (Some(Some(of_a)), Some(Some(of_b))) = (a.get(&column.number), b.get(&column.number)) else { continue };
            let key = table.key().contains(&column.number);
            if SECRET.iter().any(|word| column.name.to_lowercase().contains(word)) {
                continue;
            }
            let column_name = column.name.to_lowercase();
            if of_a == of_b {
                if column_name == bare {
                    let value = format!("{}::{kind}", literal(Some(of_a)));
                    alike = Some((value.clone(), value, format!("<the {}.{} of both>", table.sql, column.sql)));
                }
                continue;
            }
            let rank = match () {
                () if !bare.is_empty() && column_name == bare => 0,
                () if key && !bare.is_empty() && bare.contains(singular) => 1,
                () if !bare.is_empty() && (column_name.contains(bare) || bare.contains(&column_name)) => 2,
                () if key => 3,
                () => 5,
            };
            let value = |text: &String| format!("{}::{kind}", literal(Some(text)));
            found.push((rank, (value(of_b), value(of_a), format!("<B's {}.{}>", table.sql, column.sql))));
        }
    }
    found.sort();
    let best = found.first().map_or(usize::MAX, |(rank, _)| *rank);
    if let Some(alike) = alike.filter(|_| best > 0) {
        return vec![alike];
    }
    let mut found: Vec<_> = found.into_iter().filter(|(rank, _)| *rank <= best.max(3)).map(|(_, found)| found).collect();
    found.dedup_by(|one, other| one.0 == other.0);
    found.truncate(3);
    found
}

fn plain_type(kind: &str) -> &str {
    match kind.split('(').next().unwrap_or(kind).trim() {
        "character varying" | "character" | "citext" | "name" => "text",
        other => other,
    }
}

/// For what no row holds: a value that asks for much and names nobody.
fn ordinary(kind: &str) -> (String, String, String) {
    let value = match plain_type(kind) {
        "integer" | "bigint" | "smallint" | "numeric" => "100",
        "boolean" => "true",
        "text" => "a",
        "jsonb" | "json" => "{}",
        "date" | "timestamp with time zone" | "timestamp without time zone" => "2026-01-02",
        _ => return (format!("NULL::{kind}"), format!("NULL::{kind}"), "NULL".to_owned()),
    };
    let text = format!("{}::{kind}", literal(Some(value)));
    (text.clone(), text, format!("<{kind}>"))
}
