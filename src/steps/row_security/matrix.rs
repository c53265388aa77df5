//! The isolation matrix: table × command × context, each cell tried for real in the scratch copy, in a savepoint that is rolled back.
//!
//! For each role and context connections of its own (a setting that was ever set is never NULL again). In each cell: the
//! statement as the application's role, deferred constraints made immediate, then back to the connecting role, which bypasses row
//! security and looks what really happened. A refusal counts only with its positive control: the same statement on the session's
//! own row, by a member, is admitted.

use std::collections::{BTreeMap, BTreeSet};

use super::asking::Asking;
use super::context::Context;
use super::controls::Controls;
use super::hop;
use super::identity;
use super::labels::{Label, Place};
use super::model::{Model, Scope};
use super::probe::{Control, Probe};
use super::second::Twice;
use super::seed::{Rights, Seeded, client_path, closed_to_all, prepare, rights, without_tenant};
use super::shape::{Shape, Table};
use super::world::Worlds;
use crate::domain::product::{CellVerdict, IsolationCell};
use crate::pg::{PgError, Target};

/// Why nothing of a table was tried as a role.
pub(super) const NO_PRIVILEGE: &str = "no privilege";

/// The command that asks no policy.
pub(super) const TRUNCATE: &str = "TRUNCATE";

/// A statement that runs longer leaves its cell undecided.
pub(super) const CELL_TIMEOUT_MS: u64 = 5_000;
/// Tables that are asked on one connection: what a server process keeps of each (plans, triggers' states) is looked through at every
/// change of role, so that its statements become slower with every table.
pub(super) const A_CONNECTION: usize = 125;
/// Statements without a WHERE are tried on tables up to this size, bytes.
pub(super) const BLIND_BYTES: u64 = 8 << 20;

/// One cell, with what the checks need beyond the product.
#[derive(Clone, Debug)]
pub struct Cell {
    pub table: i64,
    pub context: Context,
    pub role: String,
    pub cell: IsolationCell,
    /// The statements that were tried, separated by `;`, values replaced by words in `<>`. `None`: nothing was tried, `why` says why.
    pub statement: Option<String>,
    /// Of a leak: the attempt with its values, for the script that shows it again. Never recorded as it stands.
    pub tried: Option<Tried>,
}

/// An attempt as it was sent, and what counts the foreign rows it reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// As the connecting role, before; empty for nothing.
    pub preparation: String,
    /// A query whose one value `answer` reads as the setting `ledger.before`; empty for nothing.
    pub before: String,
    /// As the application's role; empty where the answer itself is what must not be seen.
    pub statement: String,
    /// One number, more than 0 for the leak.
    pub answer: String,
    /// Whether the answer is what the application's role sees; else the connecting role counts.
    pub seen: bool,
}

impl Tried {
    /// A row that must not be changed: one version of it less is the leak.
    pub(super) fn touch(table: &Table, at: &str, preparation: &str, statement: &str) -> Self {
        Self {
            preparation: preparation.to_owned(),
            before: format!("SELECT ctid FROM {} WHERE {at}", table.sql),
            statement: statement.to_owned(),
            answer: format!(
                "SELECT 1 - pg_catalog.count(*) FROM {} WHERE ctid = pg_catalog.current_setting('ledger.before')::pg_catalog.tid",
                table.sql
            ),
            seen: false,
        }
    }

    /// Rows of a kind that must not grow more.
    pub(super) fn growth(table: &Table, of: &str, preparation: &str, statement: &str) -> Self {
        let count = format!("pg_catalog.count(*) FROM {} WHERE {of}", table.sql);
        Self {
            preparation: preparation.to_owned(),
            before: format!("SELECT {count}"),
            statement: statement.to_owned(),
            answer: format!("SELECT -pg_catalog.current_setting('ledger.before')::pg_catalog.int8 + {count}"),
            seen: false,
        }
    }

    /// Whether a text stands in any of it.
    pub(super) fn holds(&self, text: &str) -> bool {
        [&self.preparation, &self.before, &self.statement, &self.answer].iter().any(|sql| sql.contains(text))
    }

    /// Rows that must not be seen.
    pub(super) fn sight(table: &Table, of: &str, statement: &str) -> Self {
        let answer = format!("SELECT pg_catalog.count(*) FROM {} WHERE {of}", table.sql);
        Self { statement: statement.to_owned(), answer, seen: true, ..Self::default() }
    }
}

/// What the probe found.
#[derive(Debug, Default)]
pub struct Matrix {
    pub cells: Vec<Cell>,
    /// Tables whose policies raise for a member: SQLSTATE by table and role.
    pub raising: Vec<(String, String, String)>,
    /// Tables that show a member rows that are neither its own nor B's: table, role, how many, how many without any tenant.
    pub existing: Vec<(String, String, u64, u64)>,
    /// Tables counted for `existing`.
    pub counted: Vec<String>,
    /// What a member of two tenants sees of each table, and what each membership alone shows.
    pub twice: Vec<Twice>,
    /// Why nobody was made a member of two tenants; for the log.
    pub once: Option<String>,
    /// Tables given up because a statement took too long.
    pub(super) stopped: BTreeSet<i64>,
}

impl Matrix {
    /// Probes every table of the model. `say` is told what is going on.
    pub async fn probe(target: &Target, shape: &Shape, model: &Model, worlds: &Worlds, say: &dyn Fn(&str)) -> Result<Self, PgError> {
        let mut matrix = Self::default();
        let truth = super::seed::session(target).await?;
        // Operators of extension types are found as the application finds them.
        client_path(&truth, target.spec().user()).await?;
        let identities = identity::functions_that_read(shape);
        let mut seeded = Vec::new();
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            if scoped.scope == Scope::None
                && let Some((verdict, why)) = without_tenant(shape, model, table, &identities)
            {
                matrix.push(table, "every command", "", "any", Context::Member, verdict, why, None);
                continue;
            }
            match prepare(&truth, model, worlds, table, scoped).await {
                Ok(ready) => seeded.push(ready),
                Err(why) => {
                    let (verdict, why) = match closed_to_all(shape, model, table) {
                        Some(why) => (CellVerdict::Denied, why),
                        None => (CellVerdict::Undecided, why),
                    };
                    matrix.push(table, "every command", "", "any", Context::Member, verdict, why, None);
                }
            }
        }
        drop(truth);
        let asking = Asking::of(shape);
        let concerned: Vec<BTreeSet<i64>> = model.labels.iter().map(|label| concerned(shape, &asking, label)).collect();
        let mut controls = Controls::default();
        for role in &model.roles {
            for context in Context::of(model) {
                matrix
                    .context(
                        target,
                        Asked { shape, model, worlds, asking: &asking, role, context },
                        &seeded,
                        &concerned,
                        &mut controls,
                        say,
                    )
                    .await?;
            }
        }
        let nobody = String::new();
        let asked = Asked { shape, model, worlds, asking: &asking, role: &nobody, context: Context::Member };
        matrix.seconds(target, asked, &seeded, &controls, say).await?;
        matrix.owners(target, asked, &seeded, say).await?;
        matrix.settle(shape, &controls);
        matrix.weigh(shape, model);
        Ok(matrix)
    }

    /// Every table as one role in one context, on connections of its own.
    async fn context(
        &mut self,
        target: &Target,
        asked: Asked<'_>,
        seeded: &[Seeded<'_>],
        concerned: &[BTreeSet<i64>],
        controls: &mut Controls,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let mut parts = seeded.chunks(A_CONNECTION).peekable();
        while let Some(part) = parts.next() {
            self.part(target, asked, (seeded, part), parts.peek().is_none(), concerned, controls, say).await?;
        }
        Ok(())
    }

    /// Some of the tables on a connection; on the last one the second look at all of them.
    #[allow(clippy::too_many_arguments, reason = "what a connection is asked, and of what")]
    async fn part(
        &mut self,
        target: &Target,
        asked: Asked<'_>,
        (seeded, part): (&[Seeded<'_>], &[Seeded<'_>]),
        last: bool,
        concerned: &[BTreeSet<i64>],
        controls: &mut Controls,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let Asked { shape, model, worlds, asking, role, context } = asked;
        let session = super::seed::session(target).await?;
        client_path(&session, context.role(model, role)).await?;
        session.batch(&format!("{}; BEGIN", context.sql(model, role))).await?;
        let shown = format!("{role}, {}", context.shown(model));
        // A label that cannot be put in place (a CHECK, no row of A) makes no context.
        let Some(label) = context.label_sql(shape, model, worlds) else { return Ok(()) };
        match session.batch(&label).await {
            Ok(()) => {}
            Err(error) if error.disconnected => return Err(error),
            Err(_) => return Ok(()),
        }
        let acting = context.role(model, role);
        let rights = rights(&session, acting, if last { seeded } else { part }).await;
        let api_only = shape.api_only(role);
        let probe = Probe { session: &session, shape, model, worlds, role: acting, shown: &shown, context, api_only, seeded };
        for ready in part {
            if let Context::Labelled(n) = context
                && !concerned.get(n).is_some_and(|tables| tables.contains(&ready.table.oid))
            {
                continue;
            }
            if self.stopped.contains(&ready.table.oid) {
                continue;
            }
            say(&format!("{} · {shown}", ready.table.sql));
            let rights = match &rights {
                Ok(rights) => rights.get(&ready.table.oid).cloned().unwrap_or_default(),
                Err(error) => {
                    self.push(ready.table, "every command", role, &shown, context, CellVerdict::Undecided, error.to_string(), None);
                    continue;
                }
            };
            if !rights.any() {
                // Once in either question: as whom it is asked makes no difference.
                if [Context::Member, Context::Fresh].contains(&context) {
                    self.push(ready.table, "every command", role, &shown, context, CellVerdict::Denied, NO_PRIVILEGE.into(), None);
                }
                continue;
            }
            let oid = ready.table.oid;
            let control = match context.is_member() {
                true => {
                    let control = probe.controls(ready, &rights).await?;
                    if let Control::Error(state) = &control[0] {
                        self.raising.push((ready.table.sql.clone(), role.clone(), state.clone()));
                    }
                    let slow = control.iter().any(|control| *control == Control::Error("57014".into()));
                    controls.add(role, oid, context, &control);
                    if slow {
                        // Each further cell would take as long: the table is given up.
                        self.stopped.insert(oid);
                        let why = format!("a member's own statement took longer than {CELL_TIMEOUT_MS} ms (57014)");
                        self.push(ready.table, "every command", role, &shown, context, CellVerdict::Undecided, why, None);
                        continue;
                    }
                    control
                }
                false => controls.best(role, oid),
            };
            probe.table(ready, &rights, &control, self, &|_| false).await?;
        }
        let label = match context {
            Context::Labelled(n) => concerned.get(n),
            _ => None,
        };
        if last
            && (matches!(context, Context::Member | Context::Stranger) || label.is_some())
            && let Ok(rights) = &rights
        {
            self.hops(&probe, asking, seeded, rights, label, say).await?;
        }
        session.batch("ROLLBACK").await?;
        Ok(())
    }

    /// The second look, at the tables that were closed at the first.
    async fn hops(
        &mut self,
        probe: &Probe<'_>,
        asking: &Asking<'_>,
        seeded: &[Seeded<'_>],
        rights: &BTreeMap<i64, Rights>,
        label: Option<&BTreeSet<i64>>,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        // Closed to a member, and not open to this one: a label's context asks only the tables that the label concerns.
        let read = |cell: &&Cell| cell.role == probe.role && cell.cell.command == "SELECT";
        let open: BTreeSet<i64> = self
            .cells
            .iter()
            .filter(read)
            .filter(|cell| cell.context == probe.context && cell.cell.verdict == CellVerdict::Leak)
            .map(|cell| cell.table)
            .collect();
        let closed: BTreeSet<i64> = self
            .cells
            .iter()
            .filter(read)
            .filter(|cell| cell.context == Context::Member && cell.cell.verdict == CellVerdict::Isolated && !open.contains(&cell.table))
            .map(|cell| cell.table)
            .collect();
        let closed: Vec<&Seeded<'_>> = seeded.iter().filter(|ready| closed.contains(&ready.table.oid)).collect();
        let (words, asked) = (hop::words(probe.shape), hop::asked_words(probe.shape));
        let principals = probe.model.principals(probe.shape);
        for ready in seeded {
            let table = ready.table;
            if self.stopped.contains(&table.oid) || label.is_some_and(|tables| !tables.contains(&table.oid)) {
                continue;
            }
            if probe.context == Context::Stranger {
                if let Some(rights) = rights.get(&table.oid).filter(|_| probe.model.lookups.contains(&table.oid) && !closed.is_empty()) {
                    probe.arrival(ready, rights, &closed, self).await?;
                }
                continue;
            }
            let of_a_person = table.columns.iter().any(|column| principals.contains(&probe.model.class(table.oid, column.number)));
            // A row that policies look other rows up by may open them, whoever's it is.
            let links = asked.contains(table.name.as_str()) && probe.shape.keys_of(table.oid).nth(1).is_some();
            if !(of_a_person && words.contains(table.name.as_str()) || links) {
                continue;
            }
            let Some(rights) = rights.get(&table.oid) else { continue };
            say(&format!("{} · two-step hop", table.sql));
            // Only what is asked of this table, however far away, can change by a write to it.
            let dependent = asking.tables(probe.shape, &[], BTreeSet::from([table.oid]));
            // Its own rows too, where a key tells B's from A's changed one.
            let apart = |other: &&Seeded<'_>| other.table.oid != table.oid || !table.key().is_empty();
            let looked: Vec<&Seeded<'_>> =
                closed.iter().copied().filter(apart).filter(|other| dependent.contains(&other.table.oid)).collect();
            probe.hop(ready, rights, &looked, self).await?;
        }
        Ok(())
    }

    /// Whether a statement on the table was cancelled.
    pub(super) fn took_too_long(&self, table: i64) -> bool {
        self.stopped.contains(&table)
    }

    #[allow(clippy::too_many_arguments, reason = "a cell has that many coordinates")]
    pub(super) fn push(
        &mut self,
        table: &Table,
        command: &str,
        role: &str,
        shown: &str,
        context: Context,
        verdict: CellVerdict,
        why: String,
        statement: Option<String>,
    ) {
        if verdict == CellVerdict::Undecided && why.contains("57014") {
            self.stopped.insert(table.oid);
        }
        let cell = IsolationCell { table: table.sql.clone(), command: command.to_owned(), context: shown.to_owned(), verdict, why };
        self.cells.push(Cell { table: table.oid, context, role: role.to_owned(), cell, statement, tried: None });
    }

    /// Keeps the attempt behind the cell that was pushed last, if it is a leak.
    pub(super) fn tried(&mut self, tried: Tried) {
        if let Some(last) = self.cells.last_mut().filter(|last| last.cell.verdict == CellVerdict::Leak) {
            last.tried = Some(tried);
        }
    }
}

/// What one connection is asked as.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) shape: &'a Shape,
    pub(super) model: &'a Model,
    pub(super) worlds: &'a Worlds,
    pub(super) asking: &'a Asking<'a>,
    pub(super) role: &'a String,
    pub(super) context: Context,
}

/// The tables whose policies ask for a label: in their own text, in a function they call, or through the policies of a table they read.
pub(super) fn concerned(shape: &Shape, asking: &Asking<'_>, label: &Label) -> BTreeSet<i64> {
    let mut words = vec![
        format!("'{}'", label.label.replace('\'', "''")),
        format!("{{{}}}", label.label),
        format!(",{}", label.label),
        format!("{},", label.label),
    ];
    let mut tables = BTreeSet::new();
    if let Place::Row { table, sql, .. } = &label.place {
        tables.insert(*table);
        if label.listed.is_some() || label.label == "true" || label.label.parse::<f64>().is_ok() {
            words = vec![sql.clone()];
        }
    }
    asking.tables(shape, &words, tables)
}
