//! The second thoughts about the cells of a whole matrix: what was refused to everybody shows nothing, what is shown on purpose leaks
//! nothing.

use super::context::Context;
use super::controls::Controls;
use super::matrix::{Cell, Matrix, TRUNCATE};
use super::model::{Model, Scoped};
use super::openings;
use super::probe::Control;
use super::shape::{Policy, Shape, Table};
use crate::domain::product::CellVerdict;

impl Matrix {
    /// A role that sees nothing of its own is denied where another role or label proves that the identity is understood, or where no
    /// policy speaks of it; otherwise nothing was shown, and its cells are undecided.
    pub(super) fn settle(&mut self, shape: &Shape, controls: &Controls) {
        for cell in self.cells.iter_mut().filter(|cell| cell.cell.verdict == CellVerdict::Denied && !cell.role.is_empty()) {
            let Some(table) = shape.table(cell.table) else { continue };
            if cell.cell.command == "every command" {
                continue;
            }
            let [select, insert, update, delete] = controls.best(&cell.role, cell.table);
            let own = match cell.cell.command.as_str() {
                "SELECT" => select,
                "INSERT foreign" | "INSERT own into B" | "upsert" => insert,
                "DELETE foreign" => delete,
                TRUNCATE => continue,
                _ => update,
            };
            let nothing_shown = matches!(own, Control::Refused | Control::Error(_));
            let spoken = policy_applies(shape, table, command_letter(&cell.cell.command), &cell.role);
            if nothing_shown && spoken && !controls.understood(cell.table) {
                cell.cell.verdict = CellVerdict::Undecided;
                cell.cell.why = match own {
                    Control::Error(state) => format!("no positive control: a member of A's own row raises {state}"),
                    _ => "no positive control: a member of A is refused its own row as well".into(),
                };
            }
        }
    }

    /// Puts what is meant in the place of the leaks that it is seen by.
    pub(super) fn weigh(&mut self, shape: &Shape, model: &Model) {
        for scoped in &model.tables {
            let Some(table) = shape.table(scoped.oid) else { continue };
            let weighed = meant(shape, model, table, scoped);
            if let Some((verdict, why)) = weighed {
                let read =
                    |cell: &&mut Cell| cell.table == table.oid && cell.cell.command == "SELECT" && cell.cell.verdict == CellVerdict::Leak;
                for cell in self.cells.iter_mut().filter(read) {
                    cell.cell.verdict = verdict;
                    cell.cell.why.clone_from(&why);
                }
            }
            for opening in model.openings.iter().filter(|opening| opening.table == table.oid && !opening.certain) {
                let why = format!(
                    "policy {} shows rows to every tenant where {}: meant for everybody, or the tenant is forgotten; if it is meant, name the table in [tenancy] everybodys",
                    opening.policy, opening.condition
                );
                self.push(table, "SELECT", "", "any", Context::Member, CellVerdict::Undecided, why, None);
            }
        }
    }
}

/// What is shown on purpose, or perhaps: a table of persons' own rows that a policy shows to everybody who comes is everybody's to read,
/// and a condition that may as well have forgotten the tenant leaves the table undecided.
pub(super) fn meant(shape: &Shape, model: &Model, table: &Table, scoped: &Scoped) -> Option<(CellVerdict, String)> {
    if model.everybodys.contains(&table.oid) {
        return Some((CellVerdict::Shared, "ledger.toml says that everybody may read it".to_owned()));
    }
    let shown = openings::shown_to_all(shape, model, table)
        .filter(|_| model.is_of_person(shape, table, &scoped.scope) || model.is_of_group(table, &scoped.scope));
    shown.map(|(policy, before_signing_in)| match before_signing_in {
        true => (CellVerdict::Shared, format!("policy {policy} shows every row to sessions that did not sign in")),
        false => (
            CellVerdict::Undecided,
            format!(
                "policy {policy} shows every person's row to whoever signed in: a directory, or forgotten; if it is meant, name the table in [tenancy] everybodys"
            ),
        ),
    })
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
