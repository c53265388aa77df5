//! How much the examination is worth: every policy is broken in turn, and somebody must notice.
//!
//! 1. The mutants of each tenant table, in turns, so that a short time still reaches every table.
//! 2. The team's check files, each on a connection of its own, with the mutant made in the test's own transaction.
//! 3. The matrix's cells of the table and its catalog checks, in one transaction with the mutant, rolled back. Whatever is found beyond
//!    the findings before is a notice. What is found only for one role or context ends the search for that mutant.
//! 4. A survivor is explained where its policy cannot matter; the others are the finding.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::context::Context;
use super::matrix::{CELL_TIMEOUT_MS, Matrix};
use super::model::Model;
use super::own_tests;
use super::probe::Probe;
use super::seed::{Rights, Seeded, identifier, prepare, rights};
use super::shape::{Policy, Shape, Table};
use super::world::Worlds;
use crate::checks::ask::ask;
use crate::checks::find;
use crate::checks::user::UserCheck;
use crate::domain::SubjectRow;
use crate::domain::product::{CellVerdict, Mutation, Survivor};
use crate::pg::{Access, PgError, Session, Target};

/// The catalog checks that a broken policy can concern.
const CHECKS: [&str; 5] = ["rls-enabled", "rls-forced", "rls-policies-per-command", "rls-no-tautology", "rls-write-check"];

/// What the worlds were built on: the copy's own shape, with the rows that stand in it.
#[derive(Debug)]
pub struct Grounds {
    pub shape: Shape,
    pub model: Model,
    pub worlds: Worlds,
}

/// How a table is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Drop,
    UsingTrue,
    CheckTrue,
    NoForce,
    Disable,
}

/// One way to break one table.
#[derive(Clone, Debug)]
pub struct Mutant {
    oid: i64,
    /// The table, as findings name it.
    table: String,
    /// `alerts_select: USING (true)`.
    what: String,
    sql: String,
    kind: Kind,
    policy: Option<Policy>,
}

/// What became of a mutant.
#[derive(Clone, Debug, Default)]
struct Tried {
    probed: bool,
    by_probe: bool,
    by_checks: bool,
    tested: bool,
    by_tests: bool,
    /// Why it could not be made.
    refused: Option<String>,
}

/// A mutant, what was tried, and whether it survived.
type Fate<'a> = (&'a Mutant, &'a Tried, Option<Survivor>);

/// Every mutant of the model's tables, the tables in turns.
pub fn mutants(shape: &Shape, model: &Model) -> Vec<Mutant> {
    let tables = model.tables.iter().filter_map(|scoped| shape.table(scoped.oid)).filter(|table| table.rls);
    let mut piles: Vec<std::vec::IntoIter<Mutant>> = tables.map(|table| of_table(shape, table).into_iter()).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(piles.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

fn of_table(shape: &Shape, table: &Table) -> Vec<Mutant> {
    let name = &table.sql;
    let mutant = |what: String, sql: String, kind: Kind, policy: Option<&Policy>| Mutant {
        oid: table.oid,
        table: name.clone(),
        what,
        sql,
        kind,
        policy: policy.cloned(),
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
    }
    if table.force {
        all.push(mutant("NO FORCE".into(), format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"), Kind::NoForce, None));
    }
    all.push(mutant("DISABLE".into(), format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"), Kind::Disable, None));
    all
}

/// The trial of all mutants of one copy.
pub struct Trial {
    mutants: Vec<Mutant>,
    tried: Vec<Tried>,
    tests: bool,
    /// What any role examined may do, by table; only of tables with rows of two tenants.
    granted: BTreeMap<i64, Rights>,
}

impl Trial {
    /// Nothing was tried yet.
    pub fn of(shape: &Shape, model: &Model) -> Self {
        let mutants = mutants(shape, model);
        Self { tried: vec![Tried::default(); mutants.len()], mutants, tests: false, granted: BTreeMap::new() }
    }

    /// Runs the team's tests against each mutant until one of them fails. Only tests that pass unbroken can tell anything.
    pub async fn by_tests(&mut self, copy: &Target, tests: &[&UserCheck], budget: Duration, say: &dyn Fn(&str)) {
        let clock = Instant::now();
        let mut order: Vec<&UserCheck> = tests.to_vec();
        self.tests = !order.is_empty();
        for (mutant, tried) in self.mutants.iter().zip(&mut self.tried) {
            if order.is_empty() || clock.elapsed() > budget {
                return;
            }
            say(&format!("own tests · {} {}", mutant.table, mutant.what));
            if let Err(error) = possible(copy, &mutant.sql).await {
                tried.refused = Some(error.to_string());
                continue;
            }
            let mut noticed = None;
            for (place, test) in order.iter().enumerate() {
                let run = own_tests::run_on(copy, test, &mutant.sql).await;
                if run.subject().ok != Some(true) {
                    noticed = Some(place);
                    break;
                }
            }
            (tried.tested, tried.by_tests) = (true, noticed.is_some());
            // The test that noticed one is likely to notice the next.
            if let Some(place) = noticed {
                order[..=place].rotate_right(1);
            }
        }
    }

    /// Tries the cells and the catalog checks of each mutant's table. `leaks` are those found unbroken: table, command, context.
    pub async fn by_probe(
        &mut self,
        copy: &Target,
        grounds: &Grounds,
        leaks: &BTreeSet<(String, String, String)>,
        budget: Duration,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let clock = Instant::now();
        let Grounds { shape, model, worlds } = grounds;
        let truth = copy.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
        let mut seeded: Vec<Seeded<'_>> = Vec::new();
        let mut known: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            if let Ok(ready) = prepare(&truth, model, worlds, table, scoped).await {
                seeded.push(ready);
            }
            known.insert(table.oid, catalog(&truth, table, &model.roles).await);
        }
        drop(truth);
        let places: BTreeMap<i64, usize> = seeded.iter().enumerate().map(|(place, ready)| (ready.table.oid, place)).collect();
        for (number, role) in model.roles.iter().enumerate() {
            let mut sessions: Vec<(Context, Session)> = Vec::new();
            for context in Context::of(model) {
                let session = copy.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
                let setup = context.sql(model, role);
                if !setup.is_empty() {
                    session.batch(&setup).await?;
                }
                sessions.push((context, session));
            }
            let Some((_, first)) = sessions.first() else { continue };
            first.batch("BEGIN").await?;
            let rights = rights(first, role, &seeded).await;
            first.batch("ROLLBACK").await?;
            let Ok(rights) = rights else { continue };
            for (oid, of) in &rights {
                let any = self.granted.entry(*oid).or_default();
                any.select |= of.select;
                any.insert |= of.insert;
                any.update |= of.update;
                any.delete |= of.delete;
            }
            for (mutant, tried) in self.mutants.iter().zip(&mut self.tried) {
                if clock.elapsed() > budget {
                    return Ok(());
                }
                let Some(table) = shape.table(mutant.oid) else { continue };
                if tried.by_probe || tried.refused.is_some() {
                    continue;
                }
                say(&format!("{} {}", mutant.table, mutant.what));
                let mut control = None;
                for (context, session) in &sessions {
                    session.batch("BEGIN").await?;
                    if let Err(error) = session.batch(&mutant.sql).await {
                        session.batch("ROLLBACK").await?;
                        tried.refused = Some(error.to_string());
                        break;
                    }
                    if number == 0 && *context == Context::Member {
                        let before = known.get(&mutant.oid);
                        let now = catalog(session, table, &model.roles).await;
                        tried.by_checks = now.iter().any(|code| before.is_none_or(|before| !before.contains(code)));
                        tried.probed = true;
                    }
                    let labelled = match context.label_sql(shape, model, worlds) {
                        Some(sql) => session.batch(&sql).await.is_ok(),
                        None => false,
                    };
                    if labelled && let Some(ready) = places.get(&mutant.oid).and_then(|place| seeded.get(*place)) {
                        let shown = format!("{role}, {}", context.shown(model));
                        let (acting, api_only) = (context.role(model, role), shape.api_only(role));
                        let context = *context;
                        let probe =
                            Probe { session, shape, model, worlds, role: acting, shown: &shown, context, api_only, seeded: &seeded };
                        let rights = rights.get(&mutant.oid).cloned().unwrap_or_default();
                        if control.is_none() {
                            control = Some(probe.controls(ready, &rights).await?);
                        }
                        let mut matrix = Matrix::default();
                        if let Some(control) = &control {
                            probe.table(ready, &rights, control, &mut matrix).await?;
                        }
                        let new = |cell: &super::matrix::Cell| {
                            let cell = &cell.cell;
                            cell.verdict == CellVerdict::Leak
                                && !leaks.contains(&(cell.table.clone(), cell.command.clone(), cell.context.clone()))
                        };
                        tried.by_probe = matrix.cells.iter().any(new);
                    }
                    session.batch("ROLLBACK").await?;
                    if tried.by_probe {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The counts, and one row per table.
    pub fn result(&self, grounds: &Grounds) -> (Mutation, Vec<SubjectRow>) {
        let mut sum = Mutation { total: self.mutants.len() as u64, ..Mutation::default() };
        let mut rows: BTreeMap<&str, Vec<Fate<'_>>> = BTreeMap::new();
        for (mutant, tried) in self.mutants.iter().zip(&self.tried) {
            let mut survivor = None;
            if tried.probed {
                sum.tried += 1;
                sum.by_probe += u64::from(tried.by_probe);
                sum.by_checks += u64::from(tried.by_checks);
                match tried.by_probe || tried.by_checks {
                    true => sum.noticed += 1,
                    false => {
                        let why = explain(&grounds.shape, &grounds.model, mutant, self.granted.get(&mutant.oid));
                        sum.explained += u64::from(why.is_some());
                        let found = Survivor {
                            table: mutant.table.clone(),
                            mutant: mutant.what.clone(),
                            explained: why.is_some(),
                            why: why.unwrap_or_else(|| match self.granted.contains_key(&mutant.oid) {
                                true => "no cell and no check saw a difference".into(),
                                false => "its cells could not be tried: no rows of two tenants".into(),
                            }),
                        };
                        sum.survivors.push(found.clone());
                        survivor = Some(found);
                    }
                }
            }
            sum.tested += u64::from(tried.tested);
            sum.by_tests += u64::from(tried.by_tests);
            rows.entry(&mutant.table).or_default().push((mutant, tried, survivor));
        }
        sum.has_tests = self.tests;
        (sum, rows.into_iter().map(|(table, of)| row(table, &of)).collect())
    }
}

fn row(table: &str, of: &[Fate<'_>]) -> SubjectRow {
    const EXPECTED: &str = "every broken policy noticed";
    let tried = of.iter().filter(|(_, tried, _)| tried.probed).count();
    if tried == 0 {
        let why = of.iter().find_map(|(_, tried, _)| tried.refused.clone()).unwrap_or_else(|| "the time was over".into());
        return SubjectRow::undecided(table, EXPECTED, format!("not tried: {why}"));
    }
    let count = |wanted: fn(&Tried) -> bool| of.iter().filter(|(_, tried, _)| wanted(tried)).count();
    let noticed = count(|t| t.probed && (t.by_probe || t.by_checks));
    let survivors: Vec<&Survivor> = of.iter().filter_map(|(.., survivor)| survivor.as_ref()).collect();
    let open = survivors.iter().filter(|survivor| !survivor.explained).count();
    let mut said = format!("{noticed} of {tried} noticed");
    if survivors.len() > open {
        said.push_str(&format!(", {} cannot matter", survivors.len() - open));
    }
    if tried < of.len() {
        said.push_str(&format!(", {} not tried", of.len() - tried));
    }
    if let Some(first) = survivors.iter().find(|survivor| !survivor.explained) {
        said.push_str(&format!("; not noticed: {}", first.mutant));
    }
    let detail = json!({
        "by_probe": count(|t| t.by_probe),
        "by_checks": count(|t| t.by_checks),
        "by_own_tests": count(|t| t.by_tests),
        "survivors": survivors,
    });
    SubjectRow::new(table, open == 0, EXPECTED, said).with_detail(detail)
}

/// Whether the connecting role may break it so.
async fn possible(copy: &Target, sql: &str) -> Result<(), PgError> {
    let session = copy.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
    session.batch(&format!("BEGIN; {sql}; ROLLBACK")).await
}

/// The codes of [`CHECKS`] that find the table.
async fn catalog(session: &Session, table: &Table, roles: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for check in CHECKS.iter().filter_map(|code| find(code)) {
        let evidence = ask(session, check, json!({ "tables": [table.sql], "roles": roles, "force": true }), "scratch").await;
        if evidence.findings().next().is_some() {
            found.insert(check.code.to_string());
        }
    }
    found
}

/// Why a survivor cannot matter.
fn explain(shape: &Shape, model: &Model, mutant: &Mutant, granted: Option<&Rights>) -> Option<String> {
    let policy = mutant.policy.as_ref()?;
    if !policy.everyone && !policy.roles.iter().any(|role| model.roles.contains(role)) {
        return Some("the policy speaks to no role that was examined".into());
    }
    let allowed = granted.is_none_or(|may| match policy.command.as_str() {
        "r" => may.select,
        "a" => may.insert,
        "w" => may.update,
        "d" => may.delete,
        _ => may.select || may.insert || may.update || may.delete,
    });
    if !allowed {
        return Some("no role examined has the privilege for its command".into());
    }
    let beside = |permissive: bool| {
        let same = |other: &&Policy| {
            other.name != policy.name
                && other.permissive == permissive
                && (other.command == "*" || other.command == policy.command)
                && (other.everyone || policy.roles.iter().all(|role| other.roles.contains(role)) && !policy.everyone)
        };
        shape.policies_of(mutant.oid).find(same)
    };
    match (mutant.kind, policy.permissive) {
        (Kind::Drop, true) => beside(true).map(|other| format!("{} admits the same command", other.name)),
        (Kind::UsingTrue | Kind::CheckTrue, true) => {
            beside(false).map(|other| format!("{} is restrictive and still narrows it", other.name))
        }
        (_, false) => Some("restrictive: the permissive policies keep the tenants apart without it".into()),
        _ => None,
    }
}
