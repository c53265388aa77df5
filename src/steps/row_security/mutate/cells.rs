//! The cells and the catalog checks of each broken table, in a transaction with what breaks it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::mutant::{Kind, Mutant};
use super::oracle::{self, Answer};
use super::{Grounds, Trial, Tried};
use crate::checks::ask::ask;
use crate::checks::find;
use crate::domain::SubjectRow;
use crate::domain::product::CellVerdict;
use crate::pg::{Access, PgError, Session, Target};
use crate::steps::row_security::asking::Asking;
use crate::steps::row_security::context::Context;
use crate::steps::row_security::matrix::{Cell, Matrix, concerned};
use crate::steps::row_security::openings;
use crate::steps::row_security::probe::{Control, Probe};
use crate::steps::row_security::seed::{self, Rights, Seeded, client_path, prepare, rights_on};
use crate::steps::row_security::shape::{Shape, Table};
use crate::steps::row_security::weigh::meant;
use crate::steps::row_security::world::put_through;

/// The catalog checks that a broken policy can concern.
const CHECKS: [&str; 6] =
    ["rls-enabled", "rls-forced", "rls-policies-per-command", "rls-no-tautology", "rls-write-check", "rls-policy-for-anon"];

/// Tables whose owner goes round row security in any case, or is none of the roles given and none of those they are members of, and owns no
/// definer's function and no view that reads as its owner: row security that is forced on the owner binds nobody whom the application can be.
const OWNED_APART: &str = "WITH RECURSIVE reach(oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($1::text[])
    UNION SELECT m.roleid FROM reach JOIN pg_catalog.pg_auth_members m ON m.member = reach.oid
) SELECT c.oid::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles owner ON owner.oid = c.relowner
  WHERE c.oid::bigint = ANY ($2::bigint[]) AND (owner.rolsuper OR owner.rolbypassrls OR c.relowner NOT IN (SELECT oid FROM reach)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc f WHERE f.prosecdef AND f.proowner = c.relowner
                      AND f.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_class v JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
                    WHERE v.relkind IN ('v', 'm') AND v.relowner = c.relowner AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                      AND NOT COALESCE(v.reloptions && '{security_invoker=true,security_invoker=on}'::text[], false)))";

/// How long a statement may take on a table one of whose statements was cancelled already.
pub(super) const SLOW_TIMEOUT_MS: u64 = 250;

/// Cells that leak unbroken: table, command, context.
pub type Leaks = BTreeSet<(String, String, String)>;

/// What is known of the copy before anything is broken.
struct Unbroken<'a> {
    grounds: &'a Grounds,
    leaks: &'a Leaks,
    blind_to: Vec<String>,
    seeded: Vec<Seeded<'a>>,
    /// Where in `seeded` a table is.
    places: BTreeMap<i64, usize>,
    /// What the catalog checks find.
    catalog: BTreeMap<i64, BTreeSet<String>>,
    /// By label, the tables whose policies ask for it.
    concerned: Vec<BTreeSet<i64>>,
}

impl<'a> Unbroken<'a> {
    async fn read(copy: &Target, grounds: &'a Grounds, leaks: &'a Leaks, blind_to: &[String]) -> Result<Self, PgError> {
        let Grounds { shape, model, worlds, .. } = grounds;
        let truth = seed::session(copy).await?;
        let mut seeded: Vec<Seeded<'_>> = Vec::new();
        let mut found = BTreeMap::new();
        for table in model.tables.iter().filter_map(|scoped| shape.table(scoped.oid)) {
            found.insert(table.oid, catalog(&truth, grounds, table).await);
        }
        client_path(&truth, copy.spec().user()).await?;
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            if let Ok(ready) = prepare(&truth, model, worlds, table, scoped).await {
                seeded.push(ready);
            }
        }
        let places = seeded.iter().enumerate().map(|(place, ready)| (ready.table.oid, place)).collect();
        let asking = Asking::of(shape);
        let concerned = model.labels.iter().map(|label| concerned(shape, &asking, label)).collect();
        Ok(Self { grounds, leaks, blind_to: blind_to.to_vec(), seeded, places, catalog: found, concerned })
    }

    fn ready(&self, oid: i64) -> Option<&Seeded<'a>> {
        self.places.get(&oid).and_then(|place| self.seeded.get(*place))
    }

    /// Whether a context makes any difference to a table.
    fn concerns(&self, context: Context, oid: i64) -> bool {
        match context {
            Context::Labelled(n) => self.concerned.get(n).is_some_and(|tables| tables.contains(&oid)),
            _ => true,
        }
    }

    /// Whether the matrix found what was not found unbroken and is not meant for everybody.
    fn is_noticed(&self, matrix: &Matrix, table: &Table) -> bool {
        let Grounds { shape, model, .. } = self.grounds;
        let meant = model.tables.iter().find(|scoped| scoped.oid == table.oid).and_then(|scoped| meant(shape, model, table, scoped));
        let new = |Cell { cell, .. }: &Cell| {
            let known = self.leaks.contains(&(cell.table.clone(), cell.command.clone(), cell.context.clone()));
            let shown = cell.command == "SELECT" && meant.is_some();
            cell.verdict == CellVerdict::Leak && !known && !shown && !self.blind_to.contains(&cell.command)
        };
        matrix.cells.iter().any(new)
    }
}

/// One role's sessions, and what its members could do unbroken.
struct AsRole<'a> {
    unbroken: &'a Unbroken<'a>,
    role: &'a str,
    sessions: Vec<(Context, Session)>,
    rights: BTreeMap<i64, Rights>,
    controls: BTreeMap<(Context, i64), [Control; 4]>,
}

impl Trial {
    /// Tries the cells and the catalog checks of each mutant's table, for as long as the budget lasts.
    pub async fn by_probe(
        &mut self,
        copy: &Target,
        grounds: &Grounds,
        leaks: &Leaks,
        budget: Duration,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let clock = Instant::now();
        let unbroken = Unbroken::read(copy, grounds, leaks, &self.blind_to).await?;
        let oids: Vec<i64> = self.mutants.iter().map(|mutant| mutant.oid).collect::<BTreeSet<_>>().into_iter().collect();
        self.leaks.clone_from(leaks);
        self.owned_apart = owned_apart(copy, &grounds.model.roles, &oids).await?;
        // Tables one of whose statements was cancelled.
        let mut slow: BTreeSet<i64> = BTreeSet::new();
        for role in &grounds.model.roles {
            let Some(mut asked) = AsRole::connect(copy, &unbroken, role, &oids).await? else {
                self.roles -= 1;
                continue;
            };
            self.granted_to.extend(asked.rights.iter().map(|(oid, of)| ((role.clone(), *oid), of.clone())));
            for (mutant, tried) in self.mutants.iter().zip(&mut self.tried) {
                if clock.elapsed() > budget {
                    return Ok(());
                }
                if tried.by_probe || tried.refused.is_some() {
                    continue;
                }
                say(&format!("{} {}", mutant.table, mutant.what));
                let late = || clock.elapsed() > budget;
                asked.mutant(mutant, tried, &mut slow, &late).await?;
            }
        }
        Ok(())
    }
}

impl<'a> AsRole<'a> {
    /// Connects once for each context. `None`: the connecting role may not act as this one.
    async fn connect(copy: &Target, unbroken: &'a Unbroken<'a>, role: &'a str, oids: &[i64]) -> Result<Option<Self>, PgError> {
        let model = &unbroken.grounds.model;
        let mut sessions: Vec<(Context, Session)> = Vec::new();
        for context in Context::of(model) {
            let session = seed::session(copy).await?;
            client_path(&session, context.role(model, role)).await?;
            let setup = context.sql(model, role);
            if !setup.is_empty() {
                session.batch(&setup).await?;
            }
            // A label that cannot be put in place makes no context.
            session.batch("BEGIN").await?;
            let possible = labelled(&session, context, unbroken.grounds).await;
            session.batch("ROLLBACK").await?;
            if possible {
                sessions.push((context, session));
            }
        }
        let Some((_, first)) = sessions.first() else { return Ok(None) };
        first.batch("BEGIN").await?;
        let rights = rights_on(first, role, oids).await;
        first.batch("ROLLBACK").await?;
        Ok(rights.ok().map(|rights| Self { unbroken, role, sessions, rights, controls: BTreeMap::new() }))
    }

    /// One mutant in each context, until somebody notices or it is too late.
    async fn mutant(
        &mut self,
        mutant: &Mutant,
        tried: &mut Tried,
        slow: &mut BTreeSet<i64>,
        late: &dyn Fn() -> bool,
    ) -> Result<(), PgError> {
        let shape = &self.unbroken.grounds.shape;
        let changed = mutant.policy.as_ref().map(|policy| shape.with_policy(policy, mutant.after.as_ref()));
        let shape = changed.as_ref().unwrap_or(shape);
        // What a member's own rows answer with the mutant in place: the control of those who are none.
        let mut own = None;
        for place in 0..self.sessions.len() {
            self.in_context(place, mutant, shape, tried, slow, &mut own).await?;
            if tried.by_probe || tried.refused.is_some() || tried.slow {
                break;
            }
            if late() {
                return Ok(());
            }
        }
        tried.roles += 1;
        Ok(())
    }

    /// In one transaction, rolled back: the mutant, the catalog checks (once), the controls and the cells.
    async fn in_context(
        &mut self,
        place: usize,
        mutant: &Mutant,
        shape: &Shape,
        tried: &mut Tried,
        slow: &mut BTreeSet<i64>,
        own: &mut Option<[Control; 4]>,
    ) -> Result<(), PgError> {
        let Self { unbroken, role, sessions, rights, controls } = self;
        let (grounds, oid) = (unbroken.grounds, mutant.oid);
        let Some((context, session)) = sessions.get(place) else { return Ok(()) };
        let (context, Some(table)) = (*context, shape.table(oid)) else { return Ok(()) };
        if !unbroken.concerns(context, oid) {
            return Ok(());
        }
        let ready = unbroken.ready(oid);
        let shown = format!("{role}, {}", context.shown(&grounds.model));
        let probe = Probe {
            session,
            shape,
            model: &grounds.model,
            worlds: &grounds.worlds,
            role: context.role(&grounds.model, role),
            shown: &shown,
            context,
            api_only: shape.api_only(role),
            seeded: &unbroken.seeded,
        };
        let rights = rights.get(&oid).cloned().unwrap_or_default();
        let hurry = format!("SET LOCAL statement_timeout = {SLOW_TIMEOUT_MS}");
        session.batch("BEGIN").await?;
        if let (Some(ready), true, Entry::Vacant(vacant)) = (ready, context.is_member(), controls.entry((context, oid)))
            && labelled(session, context, grounds).await
        {
            if slow.contains(&oid) {
                session.batch(&hurry).await?;
            }
            let known = vacant.insert(probe.controls(ready, &rights).await?);
            if known.contains(&Control::Error("57014".into())) {
                slow.insert(oid);
            }
            session.batch("ROLLBACK; BEGIN").await?;
        }
        if let Err(error) = session.batch(&mutant.sql).await {
            session.batch("ROLLBACK").await?;
            tried.refused = Some(error.to_string());
            return Ok(());
        }
        if tried.roles == 0 && place == 0 {
            let before = unbroken.catalog.get(&oid);
            // The checks' questions are written for an empty path, and what they read of policies is compared with that.
            session.batch("SET LOCAL search_path = ''").await?;
            let now = catalog(session, grounds, table).await;
            client_path(session, context.role(&grounds.model, role)).await?;
            tried.by_checks = now.iter().any(|found| before.is_none_or(|before| !before.contains(found)));
        }
        if let (Kind::AllCommands, Some(ready), Some(after)) = (mutant.kind, ready, &mutant.after) {
            // What the worlds closed because it was only shown to everybody, they would not have closed then.
            for gap in after.using.as_deref().map(openings::disjuncts).unwrap_or_default() {
                put_through(session, shape, &grounds.model, table, &ready.at_b, gap).await?;
            }
        }
        if let Some(ready) = ready
            && labelled(session, context, grounds).await
        {
            if slow.contains(&oid) {
                session.batch(&hurry).await?;
            }
            tried.cells = true;
            let now = match context.is_member() {
                true => Some(probe.controls(ready, &rights).await?),
                false => None,
            };
            // A member who is refused what was its own before notices as well.
            let lost = now
                .iter()
                .zip(controls.get(&(context, oid)))
                .any(|(now, before)| now.iter().zip(before).any(|(now, before)| *before == Control::Admitted && *now != Control::Admitted));
            tried.by_probe = lost;
            if let Some(now) = now {
                own.get_or_insert(now);
            }
            let mut matrix = Matrix::default();
            if let (false, Some(own)) = (lost, &own) {
                probe.table(ready, &rights, own, &mut matrix, &|matrix| unbroken.is_noticed(matrix, table)).await?;
            }
            tried.by_probe |= unbroken.is_noticed(&matrix, table);
            if matrix.took_too_long(oid) {
                slow.insert(oid);
                tried.slow = true;
            }
            if !tried.by_probe && mutant.policy.is_some() && !matches!(tried.policies, Some(Answer::Yes(_))) {
                let answer = oracle::ask(&probe, &grounds.shape, ready, &rights, mutant.commands()).await?;
                tried.hear(answer, &shown);
            }
        }
        session.batch("ROLLBACK").await?;
        Ok(())
    }
}

async fn owned_apart(copy: &Target, roles: &[String], oids: &[i64]) -> Result<BTreeSet<i64>, PgError> {
    let session = copy.session(Access::ReadOnly).await?;
    let rows = session.query(OWNED_APART, &[&roles, &oids]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Puts the context's label in place; whether it could be.
async fn labelled(session: &Session, context: Context, grounds: &Grounds) -> bool {
    match context.label_sql(&grounds.shape, &grounds.model, &grounds.worlds) {
        Some(sql) => session.batch(&sql).await.is_ok(),
        None => false,
    }
}

/// What [`CHECKS`] find about the table.
async fn catalog(session: &Session, grounds: &Grounds, table: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut parameters = grounds.asked_with.clone();
    parameters["tables"] = json!([table.sql]);
    for check in CHECKS.iter().filter_map(|code| find(code)) {
        let evidence = ask(session, check, parameters.clone(), "scratch").await;
        // With what was observed, for a table that is open in one way already may be opened in another.
        let seen = |row: &SubjectRow| format!("{} {} {} {}", check.code, row.subject, row.observed, row.detail);
        found.extend(evidence.rows.iter().filter(|row| row.ok == Some(false)).map(seen));
    }
    found
}
