//! How much the examination is worth: every policy is broken in turn, and somebody must notice.
//!
//! 1. The mutants of each tenant table, in turns, so that a short time still reaches every table.
//! 2. The team's check files, each on a connection of its own, with the mutant made in the test's own transaction.
//! 3. The matrix's cells of the table and its catalog checks, in one transaction with the mutant, rolled back. Whatever is found beyond
//!    the findings before is a notice. What is found only for one role or context ends the search for that mutant.
//! 4. A survivor is explained where its policy cannot matter; the others are the finding.

mod explain;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::context::Context;
use super::identity;
use super::matrix::Matrix;
use super::model::Model;
use super::openings;
use super::own_tests;
use super::probe::{Control, Probe};
use super::seed::{Rights, Seeded, client_path, identifier, prepare, rights_on};
use super::shape::{Policy, Shape, Table};
use super::world::{Worlds, put_through};
use crate::checks::ask::ask;
use crate::checks::find;
use crate::checks::user::UserCheck;
use crate::domain::SubjectRow;
use crate::domain::product::{CellVerdict, Mutation, Survivor};
use crate::pg::{PgError, Session, Target};

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
    oid: i64,
    /// The table, as findings name it.
    table: String,
    /// `alerts_select: USING (true)`.
    what: String,
    sql: String,
    kind: Kind,
    policy: Option<Policy>,
    /// What stands in the policy's place.
    after: Option<Policy>,
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

/// The trial of all mutants of one copy.
pub struct Trial {
    mutants: Vec<Mutant>,
    tried: Vec<Tried>,
    tests: bool,
    /// What any role examined may do, by table; only of tables with rows of two tenants.
    granted: BTreeMap<i64, Rights>,
    /// The same of each role, of every table.
    granted_to: BTreeMap<(String, i64), Rights>,
}

impl Trial {
    /// Nothing was tried yet.
    pub fn of(shape: &Shape, model: &Model) -> Self {
        let mutants = mutants(shape, model);
        Self { tried: vec![Tried::default(); mutants.len()], mutants, tests: false, granted: BTreeMap::new(), granted_to: BTreeMap::new() }
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
        let truth = super::seed::session(copy).await?;
        let mut seeded: Vec<Seeded<'_>> = Vec::new();
        let mut known: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for table in model.tables.iter().filter_map(|scoped| shape.table(scoped.oid)) {
            known.insert(table.oid, catalog(&truth, table, &model.roles).await);
        }
        client_path(&truth, copy.spec().user()).await?;
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            if let Ok(ready) = prepare(&truth, model, worlds, table, scoped).await {
                seeded.push(ready);
            }
        }
        drop(truth);
        let places: BTreeMap<i64, usize> = seeded.iter().enumerate().map(|(place, ready)| (ready.table.oid, place)).collect();
        for (number, role) in model.roles.iter().enumerate() {
            let mut sessions: Vec<(Context, Session)> = Vec::new();
            for context in Context::of(model) {
                let session = super::seed::session(copy).await?;
                client_path(&session, context.role(model, role)).await?;
                let setup = context.sql(model, role);
                if !setup.is_empty() {
                    session.batch(&setup).await?;
                }
                sessions.push((context, session));
            }
            let Some((_, first)) = sessions.first() else { continue };
            first.batch("BEGIN").await?;
            let oids: Vec<i64> = self.mutants.iter().map(|mutant| mutant.oid).collect::<BTreeSet<_>>().into_iter().collect();
            let rights = rights_on(first, role, &oids).await;
            first.batch("ROLLBACK").await?;
            let Ok(rights) = rights else { continue };
            let mut unbroken: BTreeMap<(Context, i64), [Control; 4]> = BTreeMap::new();
            for (oid, of) in &rights {
                self.granted_to.insert((role.clone(), *oid), of.clone());
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
                let changed = mutant.policy.as_ref().map(|policy| shape.with_policy(policy, mutant.after.as_ref()));
                let unbroken_shape = shape;
                let shape = changed.as_ref().unwrap_or(shape);
                let mut control = None;
                for (context, session) in &sessions {
                    let ready = places.get(&mutant.oid).and_then(|place| seeded.get(*place));
                    let shown = format!("{role}, {}", context.shown(model));
                    let probe = Probe {
                        session,
                        shape,
                        model,
                        worlds,
                        role: context.role(model, role),
                        shown: &shown,
                        context: *context,
                        api_only: shape.api_only(role),
                        seeded: &seeded,
                    };
                    let rights = rights.get(&mutant.oid).cloned().unwrap_or_default();
                    session.batch("BEGIN").await?;
                    let known_controls = unbroken.entry((*context, mutant.oid));
                    if let (Some(ready), true, Entry::Vacant(vacant)) = (ready, context.is_member(), known_controls)
                        && labelled(session, *context, grounds).await
                    {
                        vacant.insert(probe.controls(ready, &rights).await?);
                        session.batch("ROLLBACK; BEGIN").await?;
                    }
                    if let Err(error) = session.batch(&mutant.sql).await {
                        session.batch("ROLLBACK").await?;
                        tried.refused = Some(error.to_string());
                        break;
                    }
                    if number == 0 && *context == Context::Member {
                        let before = known.get(&mutant.oid);
                        // The checks' questions are written for an empty path, and what they read of policies is compared with that.
                        session.batch("SET LOCAL search_path = ''").await?;
                        let now = catalog(session, table, &model.roles).await;
                        client_path(session, context.role(model, role)).await?;
                        tried.by_checks = now.iter().any(|found| before.is_none_or(|before| !before.contains(found)));
                        tried.probed = true;
                    }
                    if let (Kind::AllCommands, Some(ready), Some(after)) = (mutant.kind, ready, &mutant.after) {
                        // What the worlds closed because it was only shown to everybody, they would not have closed then.
                        for gap in after.using.as_deref().map(openings::disjuncts).unwrap_or_default() {
                            put_through(session, shape, model, table, &ready.at_b, gap).await?;
                        }
                    }
                    if let Some(ready) = ready
                        && labelled(session, *context, grounds).await
                    {
                        let own = match context.is_member() {
                            true => Some(probe.controls(ready, &rights).await?),
                            false => None,
                        };
                        // A member who is refused what was its own before notices as well.
                        let lost = own.iter().zip(unbroken.get(&(*context, mutant.oid))).any(|(now, before)| {
                            now.iter().zip(before).any(|(now, before)| *before == Control::Admitted && *now != Control::Admitted)
                        });
                        tried.by_probe = lost;
                        if let Some(own) = own {
                            control.get_or_insert(own);
                        }
                        let mut matrix = Matrix::default();
                        if let (false, Some(control)) = (lost, &control) {
                            probe.table(ready, &rights, control, &mut matrix).await?;
                            matrix.weigh(unbroken_shape, model);
                        }
                        let new = |cell: &super::matrix::Cell| {
                            let cell = &cell.cell;
                            cell.verdict == CellVerdict::Leak
                                && !leaks.contains(&(cell.table.clone(), cell.command.clone(), cell.context.clone()))
                        };
                        tried.by_probe |= matrix.cells.iter().any(new);
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
                        let why = self.explain(&grounds.shape, &grounds.model, mutant);
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

/// Puts the context's label in place; whether it could be.
async fn labelled(session: &Session, context: Context, grounds: &Grounds) -> bool {
    match context.label_sql(&grounds.shape, &grounds.model, &grounds.worlds) {
        Some(sql) => session.batch(&sql).await.is_ok(),
        None => false,
    }
}

/// Whether the connecting role may break it so.
async fn possible(copy: &Target, sql: &str) -> Result<(), PgError> {
    let session = super::seed::session(copy).await?;
    session.batch(&format!("BEGIN; {sql}; ROLLBACK")).await
}

/// What [`CHECKS`] find about the table.
async fn catalog(session: &Session, table: &Table, roles: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for check in CHECKS.iter().filter_map(|code| find(code)) {
        let evidence = ask(session, check, json!({ "tables": [table.sql], "roles": roles, "force": true }), "scratch").await;
        // With what was observed, for a table that is open in one way already may be opened in another.
        let seen = |row: &SubjectRow| format!("{} {} {} {}", check.code, row.subject, row.observed, row.detail);
        found.extend(evidence.rows.iter().filter(|row| row.ok == Some(false)).map(seen));
    }
    found
}
