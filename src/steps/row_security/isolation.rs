//! The isolation matrix in a scratch copy, and what it says of each table: one row a subject in either question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};

use super::matrix::{Cell, Matrix, NO_PRIVILEGE, TRUNCATE};
use super::model::Model;
use super::mutate::Grounds;
use super::second::Twice;
use super::seed::client_path;
use super::shape::Shape;
use super::world::Worlds;
use super::{context, opened, reach, truth};
use crate::checks::ask::Asked;
use crate::checks::{Check, find};
use crate::config::Tenancy;
use crate::domain::product::CellVerdict;
use crate::domain::{Evidence, SubjectRow};
use crate::pg::{Access, PgError, Target};

/// What the probe is asked of, in the evidence.
pub(super) const COPY: &str = "scratch:post-migration";
const PROBES: [&str; 7] = [
    "rls-isolation",
    "rls-isolation-no-context",
    "rls-isolation-existing-rows",
    "rls-policy-error",
    "rls-other-ways",
    "rls-second-membership",
    "rls-truncate",
];

/// What the probe came to.
#[derive(Debug, Default)]
pub struct Isolation {
    pub cells: Vec<Cell>,
    pub evidence: Vec<Evidence>,
    /// For the log.
    pub lines: Vec<String>,
    pub replica: bool,
    pub connected_as: String,
    pub duration_us: i64,
    /// Tables in the order of the model.
    pub tables: Vec<String>,
    /// What it was tried on: the copy as it stands.
    pub grounds: Option<Box<Grounds>>,
    /// What row security does with every table.
    pub rules: BTreeMap<String, opened::Rules>,
}

impl Isolation {
    pub(super) fn unanswered(why: &str) -> Self {
        let evidence = PROBES
            .iter()
            .filter_map(|code| find(code))
            .map(|check| Asked::unmeasured().unanswered(check, COPY, Value::Null, why))
            .collect();
        Self { evidence, lines: vec![format!("isolation: unknown: {why}")], ..Self::default() }
    }
}

/// Builds the worlds in a scratch database (it is changed for good) and tries the matrix.
pub async fn isolate(scratch: &Target, stated: &Tenancy, say: &dyn Fn(&str)) -> Result<Isolation, PgError> {
    let clock = Instant::now();
    let asked: Vec<(&Check, Asked)> = PROBES.iter().filter_map(|code| find(code)).map(|check| (check, Asked::now())).collect();
    let session = scratch.session_with(Access::ReadWrite, 30_000, 5_000).await?;
    session.batch("SET jit = off").await?;
    let connected_as = scratch.spec().user().to_owned();
    let shape = Shape::read(&session).await?;
    let model = Model::find(&shape, stated);
    if let Some(why) = truth::sees(&session, &shape, &model).await? {
        return Ok(Isolation::unanswered(&format!("{connected_as} {why}; connect as a role with BYPASSRLS or a superuser")));
    }
    client_path(&session, &connected_as).await?;
    say("two worlds");
    let worlds = Worlds::build(&session, &shape, &model, stated.seed.as_deref()).await?;
    drop(session);
    let built = clock.elapsed();
    let mut matrix = Matrix::probe(scratch, &shape, &model, &worlds, say).await?;
    let reached = reach::probe(scratch, &shape, &model, &worlds, &stated.everybodys, say).await?;
    let tables: Vec<String> = model.tables.iter().filter_map(|scoped| shape.table(scoped.oid)).map(|table| table.sql.clone()).collect();
    let duration_us = i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX);
    let mut contexts = context::Context::of(&model);
    let beyond: BTreeSet<context::Context> = matrix.cells.iter().map(|cell| cell.context).collect();
    contexts.extend(beyond.into_iter().filter(|context| !context::Context::of(&model).contains(context)));
    let parameters = json!({ "contexts": contexts.into_iter().map(|context| context.shown(&model)).collect::<Vec<_>>(), "roles": model.roles, "replica": worlds.replica });
    let evidence = asked
        .into_iter()
        .map(|(check, asked)| {
            let rows = match check.code.as_str() {
                "rls-isolation" => verdicts(&tables, &model.missing, &matrix, false),
                "rls-isolation-no-context" => verdicts(&tables, &model.missing, &matrix, true),
                "rls-isolation-existing-rows" => existing(&matrix),
                "rls-second-membership" => Twice::subjects(&matrix.twice),
                "rls-truncate" => emptied(&tables, &matrix),
                "rls-other-ways" => reached
                    .names
                    .iter()
                    .map(|name| verdict(name, &reached.cells.iter().filter(|c| c.cell.table == *name).collect::<Vec<_>>()))
                    .collect(),
                _ => raising(&tables, &matrix),
            };
            asked.answered(check, COPY, parameters.clone(), rows)
        })
        .collect();
    matrix.cells.extend(reached.cells);
    let unseeded = worlds.unseeded.len();
    let mut lines = vec![format!(
        "probe: {} cells on {} tables, connected as {connected_as}, worlds built in {} ms{}, {} tables without rows, {} ms in all",
        matrix.cells.len(),
        tables.len(),
        built.as_millis(),
        if worlds.replica { " in replica mode" } else { " without replica mode" },
        unseeded,
        clock.elapsed().as_millis()
    )];
    lines.extend(worlds.unseeded.iter().filter_map(|(oid, why)| Some(format!("{}: {why}", shape.table(*oid)?.sql))));
    lines.extend(matrix.once);
    let (cells, replica) = (matrix.cells, worlds.replica);
    let rules = opened::rules(&shape);
    let asked_with = super::parameters(&shape, &model, stated);
    let grounds = Some(Box::new(Grounds { shape, model, worlds, asked_with }));
    Ok(Isolation { cells, evidence, lines, replica, connected_as, duration_us, tables, rules, grounds })
}

/// One row per table that TRUNCATE was tried on: no policy decides about it, so that no policy is to blame.
fn emptied(tables: &[String], matrix: &Matrix) -> Vec<SubjectRow> {
    let of = |table: &String| -> Vec<&Cell> {
        matrix.cells.iter().filter(|cell| cell.cell.command == TRUNCATE && cell.cell.table == *table).collect()
    };
    tables
        .iter()
        .map(|table| (table, of(table)))
        .filter(|(_, cells)| !cells.is_empty())
        .map(|(table, cells)| verdict(table, &cells))
        .collect()
}

/// One row per table: its cells in (or outside) the contexts without a tenant.
fn verdicts(tables: &[String], missing: &[String], matrix: &Matrix, without: bool) -> Vec<SubjectRow> {
    // What could not be decided for any context stands in a cell of its own and counts in both questions.
    let mut cells: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    let asks_policies = |cell: &&Cell| cell.cell.command != TRUNCATE;
    for cell in matrix.cells.iter().filter(asks_policies).filter(|c| c.role.is_empty() || c.context.is_without() == without) {
        cells.entry(cell.cell.table.as_str()).or_default().push(cell);
    }
    let mut rows: Vec<SubjectRow> =
        tables.iter().map(|table| verdict(table, cells.get(table.as_str()).map(Vec::as_slice).unwrap_or_default())).collect();
    rows.extend(missing.iter().map(|table| SubjectRow::undecided(table, "isolated", "the table does not exist")));
    rows
}

fn verdict(table: &str, cells: &[&Cell]) -> SubjectRow {
    let of = |verdict: CellVerdict| cells.iter().filter(move |cell| cell.cell.verdict == verdict);
    let said = |cell: &Cell| format!("{} as {}: {}", cell.cell.command, cell.cell.context, cell.cell.why);
    let detail = |wanted: CellVerdict| {
        let cells: Vec<Value> = of(wanted)
            .map(|cell| json!({ "command": cell.cell.command, "context": cell.cell.context, "why": cell.cell.why, "statement": cell.statement }))
            .collect();
        json!({ "cells": cells })
    };
    if let Some(first) = of(CellVerdict::Leak).next() {
        let more = of(CellVerdict::Leak).count() - 1;
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        return SubjectRow::new(table, false, "isolated", format!("LEAK: {}{more}", said(first))).with_detail(detail(CellVerdict::Leak));
    }
    if let Some(first) = of(CellVerdict::Undecided).next() {
        return SubjectRow::undecided(table, "isolated", said(first)).with_detail(detail(CellVerdict::Undecided));
    }
    if cells.is_empty() {
        return SubjectRow::undecided(table, "isolated", "no cell was probed");
    }
    if let Some(shared) = of(CellVerdict::Shared).next() {
        return SubjectRow::new(table, true, "isolated, or everybody's", format!("everybody's: {}", shared.cell.why));
    }
    if cells.iter().all(|cell| cell.cell.why == NO_PRIVILEGE) {
        return SubjectRow::new(table, true, "isolated", "denied to all: no role of the application has a privilege on it");
    }
    let (isolated, denied) = (of(CellVerdict::Isolated).count(), of(CellVerdict::Denied).count());
    SubjectRow::new(table, true, "isolated", format!("{isolated} cells isolated, {denied} denied"))
}

fn existing(matrix: &Matrix) -> Vec<SubjectRow> {
    let mut tables: Vec<&String> = matrix.counted.iter().collect();
    tables.sort();
    tables.dedup();
    tables
        .into_iter()
        .map(|table| {
            let most = matrix.existing.iter().filter(|(name, ..)| name == table).max_by_key(|(_, _, rows, _)| *rows);
            match most {
                Some((_, role, rows, without)) => SubjectRow::new(
                    table,
                    false,
                    "0 rows but its own",
                    format!("{rows} rows visible to a new tenant as {role}, {without} rows without a tenant"),
                ),
                None => SubjectRow::new(table, true, "0 rows but its own", "0"),
            }
        })
        .collect()
}

fn raising(tables: &[String], matrix: &Matrix) -> Vec<SubjectRow> {
    let answered = |cell: &&Cell| !cell.role.is_empty() || matches!(cell.cell.verdict, CellVerdict::Shared | CellVerdict::Denied);
    let probed: BTreeSet<&str> = matrix.cells.iter().filter(answered).map(|cell| cell.cell.table.as_str()).collect();
    tables
        .iter()
        .map(|table| match matrix.raising.iter().find(|(name, ..)| name == table) {
            Some((_, role, state)) => SubjectRow::new(table, false, "evaluated", format!("SELECT as {role} raises {state}")),
            None if probed.contains(table.as_str()) => SubjectRow::new(table, true, "evaluated", "evaluated"),
            None => SubjectRow::undecided(table, "evaluated", "not probed"),
        })
        .collect()
}
