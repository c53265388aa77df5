//! The isolation matrix: table × command × context, each cell tried for real in the scratch copy, in a savepoint that is rolled back.
//!
//! For each role and context one connection of its own (a setting that was ever set is never NULL again). In each cell: the
//! statement as the application's role, deferred constraints made immediate, then back to the connecting role, which bypasses row
//! security and looks what really happened. A refusal counts only with its positive control: the same statement on the session's
//! own row, by a member, is admitted.

use std::collections::BTreeMap;

use super::context::{CONTEXTS, Context};
use super::model::Model;
use super::probe::{Control, Probe};
use super::seed::{prepare, rights};
use super::shape::{Policy, Shape, Table};
use super::world::Worlds;
use crate::domain::product::{CellVerdict, IsolationCell};
use crate::pg::{Access, PgError, Session, Target};

/// A statement that runs longer leaves its cell undecided.
pub(super) const CELL_TIMEOUT_MS: u64 = 5_000;
/// Statements without a WHERE are tried on tables up to this size, bytes.
pub(super) const BLIND_BYTES: u64 = 8 << 20;

/// One cell, with what the checks need beyond the product.
#[derive(Clone, Debug)]
pub struct Cell {
    pub context: Context,
    pub role: String,
    pub cell: IsolationCell,
    /// The statements that were tried, separated by `;`, values replaced by words in `<>`. `None`: nothing was tried, `why` says why.
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
    pub(super) fn push(
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
