//! The isolation matrix: table × command × context, each cell tried for real in the scratch copy, in a savepoint that is rolled back.
//!
//! For each role and context one connection of its own (a setting that was ever set is never NULL again). In each cell: the
//! statement as the application's role, deferred constraints made immediate, then back to the connecting role, which bypasses row
//! security and looks what really happened. A refusal counts only with its positive control: the same statement on the session's
//! own row, by a member, is admitted.

use std::collections::BTreeMap;

use tokio_postgres::SimpleQueryMessage;

use super::context::{CONTEXTS, Context, identity_sql};
use super::model::{Model, Scope, Scoped};
use super::shape::{Policy, Shape, Table};
use super::value::{World, literal};
use super::world::{Row, Worlds, compose, condition, insert_sql};
use crate::domain::product::{CellVerdict, IsolationCell};
use crate::pg::{Access, PgError, Session, Target};

/// A statement that runs longer leaves its cell undecided.
const CELL_TIMEOUT_MS: u64 = 5_000;
/// Statements without a WHERE are tried on tables up to this size, bytes.
const BLIND_BYTES: u64 = 8 << 20;

/// One cell, with what the checks need beyond the product.
#[derive(Clone, Debug)]
pub struct Cell {
    pub context: Context,
    pub role: String,
    pub cell: IsolationCell,
    /// The statement that leaked, keys replaced by words.
    pub statement: Option<String>,
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
}

/// What the session's own row answered: the positive control.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Control {
    Admitted,
    /// Silently nothing, or 42501.
    Refused,
    Error(String),
    /// Not tried, and why.
    NotTried(&'static str),
}

/// A role's privileges on a table and the columns it may update.
#[derive(Clone, Debug, Default)]
struct Rights {
    select: bool,
    insert: bool,
    update: bool,
    delete: bool,
    updatable: Vec<i16>,
}

/// What is known of a seeded table before probing.
struct Seeded<'a> {
    table: &'a Table,
    scope: &'a Scope,
    a: &'a Row,
    b: &'a Row,
    at_a: String,
    at_b: String,
    ctid_a: String,
    ctid_b: String,
    /// Rows whose scope columns are B's.
    with_b: u64,
    without: u64,
    bytes: u64,
}

struct Probe<'a> {
    session: &'a Session,
    shape: &'a Shape,
    model: &'a Model,
    worlds: &'a Worlds,
    role: &'a str,
    context: Context,
}

/// Whether the role bypasses row security, so that what it counts is the truth.
pub async fn sees_the_truth(session: &Session) -> Result<bool, PgError> {
    let sql = "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = session_user";
    Ok(session.one(sql, &[]).await?.try_get(0)?)
}

impl Matrix {
    /// Probes every table of the model. `say` is told what is going on.
    pub async fn probe(target: &Target, shape: &Shape, model: &Model, worlds: &Worlds, say: &dyn Fn(&str)) -> Result<Self, PgError> {
        let mut matrix = Self::default();
        let truth = target.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
        let mut seeded = Vec::new();
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            match prepare(&truth, model, worlds, table, scoped).await {
                Ok(ready) => seeded.push(ready),
                Err(why) => matrix.undecided(table, "every command", "", Context::Member, why),
            }
        }
        drop(truth);
        let mut controls: BTreeMap<(String, i64), [Control; 4]> = BTreeMap::new();
        for role in &model.roles {
            for context in CONTEXTS {
                let session = target.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
                let setup = format!("{}; BEGIN", context.sql(shape, model, role));
                session.batch(&setup).await?;
                let rights = rights(&session, role, &seeded).await;
                let probe = Probe { session: &session, shape, model, worlds, role, context };
                for ready in &seeded {
                    say(&format!("{} · {role}, {}", ready.table.sql, context.word()));
                    let rights = match &rights {
                        Ok(rights) => rights.get(&ready.table.oid).cloned().unwrap_or_default(),
                        Err(error) => {
                            matrix.undecided(ready.table, "every command", role, context, error.to_string());
                            continue;
                        }
                    };
                    if context == Context::Member {
                        let control = probe.controls(ready, &rights).await?;
                        if let Control::Error(state) = &control[0] {
                            matrix.raising.push((ready.table.sql.clone(), role.clone(), state.clone()));
                        }
                        controls.insert((role.clone(), ready.table.oid), control);
                    }
                    let Some(control) = controls.get(&(role.clone(), ready.table.oid)) else { continue };
                    probe.table(ready, &rights, control, &mut matrix).await?;
                }
                session.batch("ROLLBACK").await?;
            }
        }
        matrix.settle(shape, model, &controls);
        Ok(matrix)
    }

    fn undecided(&mut self, table: &Table, command: &str, role: &str, context: Context, why: String) {
        self.push(table, command, role, context, CellVerdict::Undecided, why, None);
    }

    #[allow(clippy::too_many_arguments, reason = "a cell has that many coordinates")]
    fn push(
        &mut self,
        table: &Table,
        command: &str,
        role: &str,
        context: Context,
        verdict: CellVerdict,
        why: String,
        statement: Option<String>,
    ) {
        let shown = match role.is_empty() {
            true => "any".to_owned(),
            false => format!("{role}, {}", context.word()),
        };
        let cell = IsolationCell { table: table.sql.clone(), command: command.to_owned(), context: shown, verdict, why };
        self.cells.push(Cell { context, role: role.to_owned(), cell, statement });
    }

    /// A role that sees nothing of its own is denied where another role proves that the identity is understood, or where no policy
    /// speaks of it; otherwise nothing was shown, and its cells are undecided.
    fn settle(&mut self, shape: &Shape, model: &Model, controls: &BTreeMap<(String, i64), [Control; 4]>) {
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            let understood = controls.iter().any(|((_, oid), control)| *oid == table.oid && control[0] == Control::Admitted);
            for cell in self.cells.iter_mut().filter(|cell| cell.cell.table == table.sql && cell.cell.verdict == CellVerdict::Denied) {
                let Some(control) = controls.get(&(cell.role.clone(), table.oid)) else { continue };
                let nothing_shown = match cell.cell.command.as_str() {
                    "SELECT" => control[0] == Control::Refused,
                    "INSERT foreign" | "INSERT own into B" | "upsert" => control[1] == Control::Refused,
                    "DELETE foreign" => control[3] == Control::Refused,
                    _ => control[2] == Control::Refused,
                };
                let spoken = policy_applies(shape, table, command_letter(&cell.cell.command), &cell.role);
                if nothing_shown && spoken && !understood {
                    cell.cell.verdict = CellVerdict::Undecided;
                    cell.cell.why = "no positive control: a member of A is refused its own row as well".into();
                }
            }
        }
    }
}

fn command_letter(command: &str) -> &'static str {
    match command {
        "SELECT" => "r",
        "INSERT foreign" | "INSERT own into B" | "upsert" => "a",
        "DELETE foreign" => "d",
        _ => "w",
    }
}

/// Whether row security leaves a role any way in: off, or a permissive policy of the command for the role or for everyone.
/// (Policies reach members of their role too; a role that is such a member shows it by its control.)
fn policy_applies(shape: &Shape, table: &Table, letter: &str, role: &str) -> bool {
    let speaks = |policy: &Policy| {
        policy.permissive
            && (policy.command == "*" || policy.command == letter)
            && (policy.everyone || policy.roles.iter().any(|r| r == role))
    };
    !table.rls || shape.policies_of(table.oid).any(speaks)
}

/// Reads what the cells compare with: where the rows stand, how many rows there are already.
async fn prepare<'a>(
    truth: &Session,
    model: &Model,
    worlds: &'a Worlds,
    table: &'a Table,
    scoped: &'a Scoped,
) -> Result<Seeded<'a>, String> {
    let (Some(a), Some(b)) = (worlds.row(table.oid, World::A), worlds.row(table.oid, World::B)) else {
        return Err(worlds.unseeded.get(&table.oid).cloned().unwrap_or_else(|| "no rows of two tenants".into()));
    };
    if scoped.scope == Scope::None {
        return Err("no column and no key leads from this table to a tenant or a principal".into());
    }
    if !model.sources.iter().any(|(_, meaning)| matches!(meaning, super::model::Meaning::Key(_))) {
        return Err(match model.by_role {
            true => "policies decide by the role's own name (one role per tenant): not probed",
            false => "no setting or claim that identifies a session was found in policies or functions; state it in [tenancy]",
        }
        .into());
    }
    let (at_a, at_b) = (condition(table, a), condition(table, b));
    let scope_b = scope_condition(table, &scoped.scope, b).unwrap_or_else(|| at_b.clone());
    let nulls = null_condition(table, &scoped.scope).unwrap_or_else(|| "false".into());
    let name = &table.sql;
    let sql = format!(
        "SELECT (SELECT ctid FROM {name} WHERE {at_a}), (SELECT ctid FROM {name} WHERE {at_b}), (SELECT pg_catalog.count(*) FROM {name} WHERE {scope_b}),
                (SELECT pg_catalog.count(*) FROM {name} WHERE {nulls}), pg_catalog.pg_total_relation_size({}::oid)",
        table.oid
    );
    let answer = truth.simple(&sql).await.map_err(|error| format!("its rows cannot be counted: {error}"))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let text = |i: usize| row.and_then(|row| row.get(i)).unwrap_or_default().to_owned();
    let count = |i: usize| text(i).parse().unwrap_or(0);
    if a.is_empty() || text(0).is_empty() || text(1).is_empty() {
        return Err("the rows of the two worlds cannot be told apart".into());
    }
    Ok(Seeded {
        table,
        scope: &scoped.scope,
        a,
        b,
        at_a,
        at_b,
        ctid_a: text(0),
        ctid_b: text(1),
        with_b: count(2),
        without: count(3),
        bytes: count(4),
    })
}

/// `tenant_id = <B>`: rows stamped with the other world.
fn scope_condition(table: &Table, scope: &Scope, row: &Row) -> Option<String> {
    let Scope::Path { columns, .. } = scope else { return None };
    let terms: Option<Vec<String>> =
        columns.iter().map(|n| Some(format!("{} = {}", table.column(*n)?.sql, literal(Some(row.get(n)?.as_deref()?))))).collect();
    terms.filter(|terms| !terms.is_empty()).map(|terms| terms.join(" AND "))
}

fn null_condition(table: &Table, scope: &Scope) -> Option<String> {
    let Scope::Path { columns, .. } = scope else { return None };
    let first = table.column(*columns.first()?)?;
    (!first.not_null).then(|| format!("{} IS NULL", first.sql))
}

async fn rights(session: &Session, role: &str, seeded: &[Seeded<'_>]) -> Result<BTreeMap<i64, Rights>, PgError> {
    let oids: Vec<i64> = seeded.iter().map(|ready| ready.table.oid).collect();
    let sql = "SELECT o.oid, u.use AND has(o.oid, 'SELECT'), u.use AND has(o.oid, 'INSERT'), u.use AND has(o.oid, 'UPDATE'), u.use AND has(o.oid, 'DELETE'),
                      ARRAY(SELECT a.attnum FROM pg_catalog.pg_attribute a WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
                              AND pg_catalog.has_column_privilege(r.oid, o.oid, a.attnum, 'UPDATE'))
               FROM pg_catalog.unnest($2::bigint[]) AS x(n)
               CROSS JOIN LATERAL (SELECT x.n::pg_catalog.oid AS oid) o
               JOIN pg_catalog.pg_class c ON c.oid = o.oid
               CROSS JOIN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1) r
               CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE') AS use) u"
        .replace("has(o.oid, 'DELETE')", "pg_catalog.has_table_privilege(r.oid, o.oid, 'DELETE')");
    // SELECT, INSERT and UPDATE may be granted column by column.
    let sql = ["SELECT", "INSERT", "UPDATE"].iter().fold(sql, |sql, privilege| {
        sql.replace(&format!("has(o.oid, '{privilege}')"), &format!("pg_catalog.has_any_column_privilege(r.oid, o.oid, '{privilege}')"))
    });
    let rows = session.query(&sql, &[&role, &oids]).await?;
    if rows.is_empty() && !oids.is_empty() {
        return Err(PgError::other(format!("the role {role} does not exist")));
    }
    let quoted = format!("SAVEPOINT role; SET LOCAL ROLE {}; RESET ROLE; RELEASE role", identifier(role));
    session.batch(&quoted).await.map_err(|error| PgError::other(format!("no right to SET ROLE {role}: {error}")))?;
    let mut rights = BTreeMap::new();
    for row in rows {
        let oid: u32 = row.try_get(0)?;
        let updatable: Vec<i16> = row.try_get(5)?;
        let of = Rights { select: row.try_get(1)?, insert: row.try_get(2)?, update: row.try_get(3)?, delete: row.try_get(4)?, updatable };
        rights.insert(i64::from(oid), of);
    }
    Ok(rights)
}

/// A quoted identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An attempt: the numbers of its answer (the statement's, then the truth's), or the error that stopped it.
type Attempt = Result<Vec<u64>, PgError>;

impl Probe<'_> {
    /// One cell's statement, rolled back. The outer error is a lost connection.
    async fn attempt(&self, preparation: &str, statement: &str, truth: &str) -> Result<Attempt, PgError> {
        let sql = format!(
            "SAVEPOINT cell; {preparation}; SET LOCAL ROLE {}; {statement}; SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE; {truth}; ROLLBACK TO cell; RELEASE cell",
            identifier(self.role)
        );
        match self.session.simple(&sql).await {
            Ok(answer) => {
                let mut numbers = Vec::new();
                for message in &answer {
                    if let SimpleQueryMessage::Row(row) = message {
                        numbers.extend((0..row.len()).map(|i| row.get(i).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)));
                    }
                }
                Ok(Ok(numbers))
            }
            // A cancelled statement (57014) leaves the connection alive.
            Err(error) if error.disconnected && !error.is("57014") => Err(error),
            Err(error) => {
                self.session.batch("ROLLBACK TO cell; RELEASE cell").await?;
                Ok(Err(error))
            }
        }
    }

    /// The positive controls of a table: SELECT, INSERT, UPDATE, DELETE of the member's own row.
    async fn controls(&self, ready: &Seeded<'_>, rights: &Rights) -> Result<[Control; 4], PgError> {
        let name = &ready.table.sql;
        let mut controls = [(); 4].map(|()| Control::NotTried("no privilege"));
        if rights.select {
            let seen = self.attempt("", &format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_a), "SELECT 0").await?;
            controls[0] = control(seen, |numbers| numbers.first() == Some(&1), &[]);
        }
        if rights.insert {
            controls[1] = match self.own_insert(ready) {
                Some((preparation, row)) => {
                    let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", condition(ready.table, &row));
                    // A constraint is checked after the policy: an own row that reaches one was admitted.
                    control(
                        self.attempt(&preparation, &insert_sql(ready.table, &row, ""), &truth).await?,
                        |n| n.last() == Some(&1),
                        &["23"],
                    )
                }
                None => Control::NotTried("no second row of A can be made"),
            };
        }
        if rights.update
            && let Some(set) = self.harmless_set(ready, rights, ready.a)
        {
            let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND ctid = '{}'", ready.at_a, ready.ctid_a);
            let done = self.attempt("", &format!("UPDATE {name} SET {set} WHERE {}", ready.at_a), &truth).await?;
            controls[2] = control(done, |n| n.last() == Some(&0), &["23"]);
        }
        if rights.delete {
            let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_a);
            let done = self.attempt("", &format!("DELETE FROM {name} WHERE {}", ready.at_a), &truth).await?;
            controls[3] = control(done, |n| n.last() == Some(&0), &["23"]);
        }
        Ok(controls)
    }

    /// A further row of A: with fresh keys where the table has any of its own, else the row itself after it was taken away.
    fn own_insert(&self, ready: &Seeded<'_>) -> Option<(String, Row)> {
        self.insertable(ready, World::A, ready.a, &ready.at_a)
    }

    fn insertable(&self, ready: &Seeded<'_>, world: World, like: &Row, at: &str) -> Option<(String, Row)> {
        let fresh = compose(self.shape, self.model, ready.table, world, 1, Some(like));
        let mut row = like.clone();
        let mut renewed = true;
        for unique in ready.table.uniques.iter().filter_map(|unique| unique.columns.as_ref()) {
            let mut any = unique.iter().any(|n| row.get(n).is_some_and(Option::is_none));
            for number in unique.iter().filter(|n| !self.model.is_reference(ready.table.oid, **n)) {
                if let Some(value) = fresh.get(number).filter(|value| value.is_some() && like.get(number) != Some(value)) {
                    row.insert(*number, value.clone());
                    any = true;
                }
            }
            renewed &= any;
        }
        // A tenant under another key is another tenant: the row itself, taken away first.
        renewed &= *ready.scope != Scope::Anchor;
        match (renewed, self.worlds.replica) {
            (true, _) => Some((String::new(), row)),
            (false, true) => Some((away(&ready.table.sql, at), like.clone())),
            (false, false) => None,
        }
    }

    /// `column = its own value`: an update that changes nothing but touches the row.
    fn harmless_set(&self, ready: &Seeded<'_>, rights: &Rights, row: &Row) -> Option<String> {
        let table = ready.table;
        let mut candidates: Vec<i16> = table
            .columns
            .iter()
            .filter(|column| !column.generated && rights.updatable.contains(&column.number) && row.contains_key(&column.number))
            .map(|column| column.number)
            .collect();
        candidates.sort_by_key(|n| (table.key().contains(n), table.is_unique_part(*n), self.model.is_reference(table.oid, *n), *n));
        let column = table.column(*candidates.first()?)?;
        Some(format!("{} = {}", column.sql, literal(row.get(&column.number)?.as_deref())))
    }

    /// All cells of a table in this context.
    async fn table(&self, ready: &Seeded<'_>, rights: &Rights, control: &[Control; 4], matrix: &mut Matrix) -> Result<(), PgError> {
        self.select(ready, rights, &control[0], matrix).await?;
        self.insert_foreign(ready, rights, &control[1], matrix).await?;
        self.update_foreign(ready, rights, &control[2], matrix).await?;
        self.delete_foreign(ready, rights, &control[3], matrix).await?;
        if self.context == Context::Member {
            self.insert_into(ready, rights, &control[1], matrix).await?;
            self.move_own(ready, rights, &control[2], matrix).await?;
            self.move_to_nobody(ready, rights, &control[2], matrix).await?;
            self.upsert(ready, rights, &control[1], matrix).await?;
        }
        Ok(())
    }

    fn cell(
        &self,
        ready: &Seeded<'_>,
        command: &str,
        verdict: CellVerdict,
        why: impl Into<String>,
        statement: Option<String>,
        matrix: &mut Matrix,
    ) {
        let statement = statement.filter(|_| verdict == CellVerdict::Leak);
        matrix.push(ready.table, command, self.role, self.context, verdict, why.into(), statement);
    }

    async fn select(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        let name = &ready.table.sql;
        if !rights.select {
            self.cell(ready, "SELECT", CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let statement = format!(
            "SELECT (SELECT pg_catalog.count(*) FROM {name} WHERE {}), (SELECT pg_catalog.count(*) FROM {name} WHERE {})",
            ready.at_a, ready.at_b
        );
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_b);
        let shown = format!("SELECT … FROM {name} WHERE <key of B's row>");
        let (verdict, why) = match self.attempt("", &statement, &truth).await? {
            Ok(numbers) => match numbers.as_slice() {
                [_, _, 0] => (CellVerdict::Undecided, "B's row is not there".to_owned()),
                [own, foreign, _] => {
                    let strange = if self.context == Context::Member { *foreign } else { own + foreign };
                    match strange {
                        0 if *control == Control::Admitted => (CellVerdict::Isolated, "0 foreign rows read; A reads its own".into()),
                        0 => (CellVerdict::Denied, "no row is visible, not even A's own to A".into()),
                        n => (CellVerdict::Leak, format!("{n} foreign rows read (expected 0)")),
                    }
                }
                _ => (CellVerdict::Undecided, "no answer".into()),
            },
            Err(error) => refused(&error, control, "SELECT"),
        };
        self.cell(ready, "SELECT", verdict, why, Some(shown), matrix);
        if self.context == Context::Member
            && *control == Control::Admitted
            && ready.bytes <= 8 * BLIND_BYTES
            && verdict == CellVerdict::Isolated
        {
            // Rows that were there before belong to nobody the session knows: none may be visible.
            let all = self.attempt("", &format!("SELECT pg_catalog.count(*) FROM {name}"), "SELECT 0").await?;
            if let Ok(numbers) = all {
                matrix.counted.push(name.clone());
                let others = numbers.first().copied().unwrap_or(0).saturating_sub(1);
                if others > 0 {
                    matrix.existing.push((name.clone(), self.role.to_owned(), others, ready.without));
                }
            }
        }
        Ok(())
    }

    async fn insert_foreign(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "INSERT foreign";
        let name = &ready.table.sql;
        if !rights.insert {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let Some((preparation, row)) = self.insertable(ready, World::B, ready.b, &ready.at_b) else {
            self.cell(ready, COMMAND, CellVerdict::Undecided, "no second row of B can be made without replica mode", None, matrix);
            return Ok(());
        };
        let stamped = scope_condition(ready.table, ready.scope, &row).map_or_else(String::new, |scope| format!(" AND {scope}"));
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}{stamped}", condition(ready.table, &row));
        let attempt = self.attempt(&preparation, &insert_sql(ready.table, &row, ""), &truth).await?;
        let (verdict, why) = match attempt {
            // A new tenant (or principal) belongs to nobody yet.
            Ok(numbers) if numbers.last() == Some(&1) && *ready.scope == Scope::Anchor => {
                (CellVerdict::Isolated, "a new row of its own kind is admitted; it belongs to nobody yet".into())
            }
            Ok(numbers) if numbers.last() == Some(&1) => (CellVerdict::Leak, "1 row of B was stored (expected 0)".into()),
            Ok(_) => quiet(control, "the row was not stored as B's"),
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(format!("INSERT INTO {name} (…) VALUES (<a row of B>)")), matrix);
        Ok(())
    }

    /// A row of A's own making in B's tenant: how one joins a tenant oneself, or leaves things there.
    async fn insert_into(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "INSERT own into B";
        let (name, Scope::Path { columns, .. }) = (&ready.table.sql, ready.scope) else { return Ok(()) };
        let others = ready.a.keys().any(|n| !columns.contains(n) && self.model.is_reference(ready.table.oid, *n));
        if !others {
            return Ok(()); // nothing of A's would be in it but its stamp: INSERT foreign has tried that
        }
        if !rights.insert {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let mut row = self.own_insert(ready).map_or_else(|| ready.a.clone(), |(_, row)| row);
        for number in columns {
            row.insert(*number, ready.b.get(number).cloned().flatten());
        }
        let stamped = scope_condition(ready.table, ready.scope, &row).unwrap_or_else(|| "true".into());
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND {stamped}", condition(ready.table, &row));
        let (verdict, why) = match self.attempt("", &insert_sql(ready.table, &row, ""), &truth).await? {
            Ok(numbers) if numbers.last() == Some(&1) => (CellVerdict::Leak, "1 row of A was stored as B's (expected 0)".into()),
            Ok(_) => quiet(control, "the row was not stored as B's"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        let shown = format!("INSERT INTO {name} (…) VALUES (<a row of A, {} = B's>)", names(ready.table, columns));
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        Ok(())
    }

    async fn update_foreign(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "UPDATE foreign";
        let name = &ready.table.sql;
        let Some(set) = rights.update.then(|| self.harmless_set(ready, rights, ready.b)).flatten() else {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        };
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND ctid = '{}'", ready.at_b, ready.ctid_b);
        let touched = |attempt: &Attempt| matches!(attempt, Ok(numbers) if numbers.last() == Some(&0));
        let keyed = self.attempt("", &format!("UPDATE {name} SET {set} WHERE {}", ready.at_b), &truth).await?;
        let mut shown = format!("UPDATE {name} SET … WHERE <key of B's row>");
        let mut hit = touched(&keyed);
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            // Without a WHERE no SELECT policy has a say.
            let blind = self.attempt(REPLICA, &format!("UPDATE {name} SET {set}"), &truth).await?;
            if touched(&blind) {
                hit = true;
                shown = format!("UPDATE {name} SET …");
            }
        }
        let (verdict, why) = match (hit, keyed) {
            (true, _) => (CellVerdict::Leak, "B's row was changed (expected: untouched)".into()),
            (false, Ok(_)) => quiet(control, "B's row is untouched"),
            (false, Err(error)) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        Ok(())
    }

    async fn delete_foreign(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "DELETE foreign";
        let name = &ready.table.sql;
        if !rights.delete {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", ready.at_b);
        let gone = |attempt: &Attempt| match attempt {
            Ok(numbers) => numbers.last() == Some(&0),
            // The row was reached; only what refers to it held it.
            Err(error) => error.is("23503") || error.is("23001"),
        };
        let keyed = self.attempt("", &format!("DELETE FROM {name} WHERE {}", ready.at_b), &truth).await?;
        let mut shown = format!("DELETE FROM {name} WHERE <key of B's row>");
        let mut hit = gone(&keyed);
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            let blind = self.attempt(REPLICA, &format!("DELETE FROM {name}"), &truth).await?;
            if gone(&blind) {
                hit = true;
                shown = format!("DELETE FROM {name}");
            }
        }
        let (verdict, why) = match (hit, keyed) {
            (true, _) => (CellVerdict::Leak, "B's row was deleted (expected: untouched)".into()),
            (false, Ok(_)) => quiet(control, "B's row is untouched"),
            (false, Err(error)) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        Ok(())
    }

    /// A's row handed to B: first its tenant column alone, then, if a foreign key holds it, everything it refers to.
    async fn move_own(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "move own to B";
        let (name, Scope::Path { columns, .. }) = (&ready.table.sql, ready.scope) else { return Ok(()) };
        if !rights.update || !columns.iter().all(|n| rights.updatable.contains(n)) {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let Some(scope_b) = scope_condition(ready.table, ready.scope, ready.b) else {
            self.cell(ready, COMMAND, CellVerdict::Undecided, "B's row has no value in its tenant column", None, matrix);
            return Ok(());
        };
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {scope_b}");
        let references: Vec<i16> = ready
            .b
            .keys()
            .copied()
            .filter(|n| columns.contains(n) || self.model.is_reference(ready.table.oid, *n) && rights.updatable.contains(n))
            .collect();
        let mut attempt = self.attempt("", &self.move_sql(ready, columns), &truth).await?;
        let mut expected = ready.with_b + 1;
        if matches!(&attempt, Err(error) if error.is("23503")) {
            attempt = self.attempt("", &self.move_sql(ready, &references), &truth).await?;
        }
        if matches!(&attempt, Err(error) if error.is("23505")) && self.worlds.replica {
            attempt = self.attempt(&away(name, &ready.at_b), &self.move_sql(ready, columns), &truth).await?;
            expected = ready.with_b.max(1);
        }
        let became = |attempt: &Attempt, expected: u64| matches!(attempt, Ok(numbers) if numbers.last().is_some_and(|n| *n >= expected));
        let mut shown = format!("UPDATE {name} SET {} = <B's> WHERE <key of A's row>", names(ready.table, columns));
        let mut hit = became(&attempt, expected);
        if !hit && self.worlds.replica && ready.bytes <= BLIND_BYTES {
            // With a WHERE the new row must also pass the SELECT policies, which hides a missing WITH CHECK.
            let blind = self.attempt(REPLICA, &format!("UPDATE {name} SET {}", self.sets_sql(ready, columns)), &truth).await?;
            if became(&blind, ready.with_b + 1) {
                hit = true;
                shown = format!("UPDATE {name} SET {} = <B's>", names(ready.table, columns));
            }
        }
        let (verdict, why) = match attempt {
            _ if hit => (CellVerdict::Leak, "A's row became B's (expected: refused)".into()),
            Ok(_) => quiet(control, "A's row stayed A's"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        Ok(())
    }

    fn move_sql(&self, ready: &Seeded<'_>, columns: &[i16]) -> String {
        format!("UPDATE {} SET {} WHERE {}", ready.table.sql, self.sets_sql(ready, columns), ready.at_a)
    }

    fn sets_sql(&self, ready: &Seeded<'_>, columns: &[i16]) -> String {
        let sets: Vec<String> = columns
            .iter()
            .filter_map(|n| Some(format!("{} = {}", ready.table.column(*n)?.sql, literal(ready.b.get(n)?.as_deref()))))
            .collect();
        sets.join(", ")
    }

    /// A's row made nobody's. A leak if B can see it then.
    async fn move_to_nobody(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "move own to NULL";
        let (name, Scope::Path { columns, .. }) = (&ready.table.sql, ready.scope) else { return Ok(()) };
        let Some(column) = columns.first().and_then(|n| ready.table.column(*n)) else { return Ok(()) };
        if column.not_null || ready.table.key().contains(&column.number) {
            return Ok(());
        }
        if !rights.update || !rights.updatable.contains(&column.number) {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let look = format!(
            "RESET ROLE; {}; SET LOCAL ROLE {}; SELECT pg_catalog.count(*) FROM {name} WHERE {}",
            identity_sql(self.shape, self.model, self.role, World::B, true),
            identifier(self.role),
            ready.at_a
        );
        let statement = format!("UPDATE {name} SET {} = NULL WHERE {}; {look}", column.sql, ready.at_a);
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND {} IS NULL", ready.at_a, column.sql);
        let (verdict, why) = match self.attempt("", &statement, &truth).await? {
            Ok(numbers) if numbers.last() == Some(&1) && numbers.first() != Some(&0) => {
                (CellVerdict::Leak, "A's row lost its tenant and B reads it".into())
            }
            Ok(numbers) if numbers.last() == Some(&1) => (CellVerdict::Isolated, "A may give its row up; B does not read it then".into()),
            Ok(_) => quiet(control, "A's row kept its tenant"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(format!("UPDATE {name} SET {} = NULL WHERE <key of A's row>", column.sql)), matrix);
        Ok(())
    }

    /// A row of A under the key of B's row: does ON CONFLICT DO UPDATE take B's row over?
    async fn upsert(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "upsert";
        let (name, key) = (&ready.table.sql, ready.table.key());
        if key.is_empty() {
            return Ok(());
        }
        let Some(set) = (rights.insert && rights.update).then(|| self.harmless_set(ready, rights, ready.b)).flatten() else {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        };
        let mut row = match self.own_insert(ready) {
            Some((_, row)) => row,
            None => ready.a.clone(),
        };
        for number in key {
            row.insert(*number, ready.b.get(number).cloned().flatten());
        }
        let tail = format!(" ON CONFLICT ({}) DO UPDATE SET {set}", names(ready.table, key));
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND ctid = '{}'", ready.at_b, ready.ctid_b);
        let (verdict, why) = match self.attempt("", &insert_sql(ready.table, &row, &tail), &truth).await? {
            Ok(numbers) if numbers.last() == Some(&0) => (CellVerdict::Leak, "B's row was taken over (expected: refused)".into()),
            Ok(_) => quiet(control, "B's row is untouched"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(
            ready,
            COMMAND,
            verdict,
            why,
            Some(format!("INSERT INTO {name} (…) VALUES (<B's key, A's tenant>) ON CONFLICT DO UPDATE")),
            matrix,
        );
        Ok(())
    }
}

const REPLICA: &str = "SET LOCAL session_replication_role = replica";

/// Takes a row away for the length of a cell, past triggers and foreign keys.
fn away(table: &str, at: &str) -> String {
    format!("{REPLICA}; DELETE FROM {table} WHERE {at}; SET LOCAL session_replication_role = origin")
}

fn names(table: &Table, columns: &[i16]) -> String {
    columns.iter().filter_map(|n| table.column(*n)).map(|column| column.sql.clone()).collect::<Vec<_>>().join(", ")
}

fn control(attempt: Attempt, admitted: impl Fn(&[u64]) -> bool, reached: &[&str]) -> Control {
    match attempt {
        Ok(numbers) if admitted(&numbers) => Control::Admitted,
        Ok(_) => Control::Refused,
        Err(error) => match error.sqlstate.as_deref() {
            Some("42501") => Control::Refused,
            Some(state) if reached.iter().any(|class| state.starts_with(class)) => Control::Admitted,
            state => Control::Error(state.unwrap_or("no SQLSTATE").to_owned()),
        },
    }
}

/// Nothing happened, without an error.
fn quiet(control: &Control, what: &str) -> (CellVerdict, String) {
    match control {
        Control::Admitted => (CellVerdict::Isolated, format!("{what}; A's own is admitted")),
        Control::Refused => (CellVerdict::Denied, format!("{what}; A's own is refused as well")),
        Control::Error(state) => (CellVerdict::Undecided, format!("{what}, but A's own raises {state}: no positive control")),
        Control::NotTried(why) => (CellVerdict::Undecided, format!("{what}, but there is no positive control: {why}")),
    }
}

/// An error stopped the statement.
fn refused(error: &PgError, control: &Control, command: &str) -> (CellVerdict, String) {
    let state = error.sqlstate.as_deref().unwrap_or("no SQLSTATE");
    match (state, control) {
        ("57014", _) => (CellVerdict::Undecided, format!("{command} took longer than {CELL_TIMEOUT_MS} ms (57014)")),
        ("55P03" | "40P01", _) => (CellVerdict::Undecided, format!("{command} waited for a lock ({state})")),
        ("42P17", _) => (CellVerdict::Undecided, "the policy recurses (42P17): the table works for nobody".into()),
        (state, _) if state.starts_with("23") => {
            (CellVerdict::Undecided, format!("the policy let it pass; a constraint stopped it ({state})"))
        }
        (state, control) => quiet(control, &format!("refused with {state}")),
    }
}
