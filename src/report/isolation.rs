//! The isolation matrix folded for reading: by table, once by what was tried and once by who tried it.
//!
//! Every cell stands for all that it folds, by the worst of them: a leak is never hidden behind what is isolated. The ledger has each one.

use serde::Serialize;

use super::chart::fit;
use crate::domain::product::{CellVerdict, IsolationCell, RowSecurityProduct};

/// Table × what was tried, and table × who tried it.
#[derive(Clone, Debug, Serialize)]
pub struct Isolation {
    pub seq: u64,
    pub width: u32,
    pub height: u32,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Tables that are not drawn; each isolated, denied or everybody's.
    pub omitted: usize,
    pub isolated: usize,
    pub leaks: usize,
    pub denied: usize,
    pub undecided: usize,
}

/// The head of a column.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    pub x: u32,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub y: u32,
    pub table: String,
    /// As it fits beside the cells.
    pub name: String,
    pub cells: Vec<Cell>,
}

/// One cell with a glyph and a title that says it in words.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    pub x: u32,
    pub class: &'static str,
    pub glyph: &'static str,
    pub title: String,
}

const NAME_WIDTH: u32 = 230;
const CELL: u32 = 30;
const ROW: u32 = 20;
/// Room for the slanted heads.
const TOP: u32 = 86;
/// Between the two blocks.
const GAP: u32 = 14;
/// Tables that are drawn at most, beside those that leak or are undecided.
const TABLES: usize = 100;

/// What was tried, in the order of the columns.
const WHAT: [&str; 9] = ["read", "insert", "update", "delete", "truncate", "move", "upsert", "two-step hop", "call"];
/// Who tried it, likewise; any other context has a column of its own after these.
const WHO: [&str; 8] =
    ["member", "member with a role", "member of two tenants", "owner", "non-member", "not signed in", "no context", "empty context"];

/// Folds what the probe found; `None` where it found nothing.
pub fn isolation(product: &RowSecurityProduct, seq: u64) -> Option<Isolation> {
    let cells = &product.cells;
    let what: Vec<&str> = WHAT.into_iter().filter(|what| cells.iter().any(|cell| self::what(&cell.command) == Some(*what))).collect();
    let mut who: Vec<&str> = WHO.into_iter().filter(|who| cells.iter().any(|cell| self::who(&cell.context) == Some(*who))).collect();
    for cell in cells {
        if let Some(other) = self::who(&cell.context).filter(|other| !who.contains(other)) {
            who.push(other);
        }
    }
    let mut tables: Vec<(&str, Vec<&IsolationCell>)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for cell in cells {
        let at = *place.entry(cell.table.as_str()).or_insert(tables.len());
        if at == tables.len() {
            tables.push((&cell.table, Vec::new()));
        }
        if let Some((_, of)) = tables.get_mut(at) {
            of.push(cell);
        }
    }
    if tables.is_empty() {
        return None;
    }
    // What somebody must look at comes first.
    tables.sort_by_key(|(_, of)| of.iter().map(|cell| rank(cell.verdict)).min());
    let calling = tables.iter().filter(|(_, of)| of.iter().any(|cell| rank(cell.verdict) < 2)).count();
    let drawn = tables.len().min(calling + TABLES);
    let x = |n: usize| NAME_WIDTH + n as u32 * CELL + if n >= what.len() { GAP } else { 0 };
    let row = |(n, (table, of)): (usize, &(&str, Vec<&IsolationCell>))| {
        let tried =
            what.iter().map(|what| fold(table, what, of.iter().filter(|cell| self::what(&cell.command).is_none_or(|w| w == *what))));
        let asked = who.iter().map(|who| fold(table, who, of.iter().filter(|cell| self::who(&cell.context).is_none_or(|w| w == *who))));
        let cells = tried.chain(asked).enumerate().map(|(n, cell)| Cell { x: x(n), ..cell }).collect();
        Row { y: TOP + n as u32 * ROW, table: (*table).to_owned(), name: fit(table), cells }
    };
    let of = |verdict: CellVerdict| cells.iter().filter(|cell| cell.verdict == verdict).count();
    let heads = what.iter().chain(&who);
    Some(Isolation {
        seq,
        // The last head leans over its column.
        width: x(what.len() + who.len()) + 70,
        height: TOP + drawn as u32 * ROW + 4,
        columns: heads.enumerate().map(|(n, text)| Column { x: x(n), text: (*text).to_owned() }).collect(),
        rows: tables.iter().take(drawn).enumerate().map(row).collect(),
        omitted: tables.len() - drawn,
        isolated: of(CellVerdict::Isolated),
        leaks: of(CellVerdict::Leak),
        denied: of(CellVerdict::Denied),
        undecided: of(CellVerdict::Undecided),
    })
}

/// The column of a command; `None` for what is said of all of them.
fn what(command: &str) -> Option<&'static str> {
    let first = command.split(' ').next().unwrap_or_default().to_lowercase();
    match first.as_str() {
        "every" => None,
        "select" => Some("read"),
        "two-step" => Some("two-step hop"),
        first => WHAT.into_iter().find(|what| *what == first).or(Some("call")),
    }
}

/// The column of a context (`app, member of A, members.role = admin`); `None` for what is said of all of them.
fn who(context: &str) -> Option<&str> {
    let (role, rest) = context.split_once(", ").unwrap_or(("", context));
    Some(match rest {
        "any" => return None,
        "member of A" => "member",
        "non-member" => "non-member",
        "anonymous" => "not signed in",
        "no context" => "no context",
        "empty context" => "empty context",
        rest if rest.starts_with("member of A and ") => "member of two tenants",
        rest if rest.starts_with("member of A, ") => "member with a role",
        rest if rest.starts_with("owner") || role.starts_with("owner") => "owner",
        rest => rest,
    })
}

/// The worst of what a cell of the chart stands for, with how many of each and the first of the worst in words.
fn fold<'a>(table: &str, column: &str, cells: impl Iterator<Item = &'a &'a IsolationCell>) -> Cell {
    let cells: Vec<&&IsolationCell> = cells.collect();
    let Some(worst) = cells.iter().min_by_key(|cell| rank(cell.verdict)) else {
        return Cell { x: 0, class: "none", glyph: "·", title: format!("{table}, {column}: not probed") };
    };
    let (class, glyph, word) = sign(worst.verdict);
    let alike = cells.iter().filter(|cell| cell.verdict == worst.verdict).count();
    let title = format!("{table}, {column}: {word} ({alike} of {}). {} as {}: {}", cells.len(), worst.command, worst.context, worst.why);
    Cell { x: 0, class, glyph, title }
}

fn rank(verdict: CellVerdict) -> u8 {
    match verdict {
        CellVerdict::Leak => 0,
        CellVerdict::Undecided => 1,
        CellVerdict::Isolated => 2,
        CellVerdict::Shared => 3,
        CellVerdict::Denied => 4,
    }
}

fn sign(verdict: CellVerdict) -> (&'static str, &'static str, &'static str) {
    match verdict {
        CellVerdict::Isolated => ("pass", "✓", "isolated"),
        CellVerdict::Leak => ("fail", "✗", "leak"),
        CellVerdict::Denied => ("denied", "⊘", "denied by privilege"),
        CellVerdict::Shared => ("denied", "○", "no tenant: everybody's"),
        CellVerdict::Undecided => ("unknown", "?", "undecided"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(table: &str, command: &str, context: &str, verdict: CellVerdict) -> IsolationCell {
        IsolationCell { table: table.into(), command: command.into(), context: context.into(), verdict, why: "because".into() }
    }

    fn glyphs(chart: &Isolation, table: &str) -> String {
        chart.rows.iter().find(|row| row.table == table).unwrap().cells.iter().map(|cell| cell.glyph).collect()
    }

    #[test]
    fn a_leak_is_never_behind_what_is_isolated() {
        let product = RowSecurityProduct {
            cells: vec![
                cell("public.a", "SELECT", "app, member of A", CellVerdict::Isolated),
                cell("public.b", "SELECT", "app, member of A", CellVerdict::Isolated),
                cell("public.b", "move own to B", "app, member of A, m.role = admin", CellVerdict::Isolated),
                cell("public.b", "move own to NULL", "anon, member of A, m.role = admin", CellVerdict::Leak),
                cell("public.b", "SELECT", "app, member of A and C", CellVerdict::Denied),
                cell("public.c", "every command", "any", CellVerdict::Shared),
            ],
            ..RowSecurityProduct::default()
        };
        let chart = isolation(&product, 1).unwrap();
        let heads: Vec<&str> = chart.columns.iter().map(|column| column.text.as_str()).collect();
        assert_eq!(heads, ["read", "move", "member", "member with a role", "member of two tenants"]);
        assert_eq!(chart.rows[0].table, "public.b", "what leaks comes first");
        assert_eq!(glyphs(&chart, "public.b"), "✓✗✓✗⊘");
        assert_eq!(glyphs(&chart, "public.a"), "✓·✓··");
        assert_eq!(glyphs(&chart, "public.c"), "○○○○○", "what is said of all commands and contexts stands in each");
        assert!(chart.rows[0].cells[1].title.contains("leak (1 of 2). move own to NULL as anon"), "{}", chart.rows[0].cells[1].title);
    }

    #[test]
    fn of_many_tables_those_that_call_are_all_drawn() {
        let of = |n: usize| {
            let verdict = if n % 300 == 299 { CellVerdict::Undecided } else { CellVerdict::Isolated };
            cell(&format!("public.t{n}"), "SELECT", "app, member of A", verdict)
        };
        let product = RowSecurityProduct { cells: (0..900).map(of).collect(), ..RowSecurityProduct::default() };
        let chart = isolation(&product, 1).unwrap();
        assert_eq!((chart.rows.len(), chart.omitted), (103, 797));
        assert_eq!(chart.rows.iter().filter(|row| row.cells[0].glyph == "?").count(), 3);
    }
}
