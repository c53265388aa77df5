//! The commands of the matrix that read and make rows, and the order of all.

use super::context::Context;
use super::matrix::{BLIND_BYTES, Matrix, TRUNCATE, Tried};
use super::model::Scope;
use super::probe::{Control, Probe, names, quiet, refused, shown_insert, stored};
use super::seed::{Rights, Seeded, scope_condition};
use super::value::World;
use super::world::{REPLICA, condition, insert_sql};
use crate::domain::product::CellVerdict;
use crate::pg::PgError;

impl Probe<'_> {
    /// All cells of a table in this context, or those up to the first after which it is enough.
    pub(super) async fn table(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &[Control; 4],
        matrix: &mut Matrix,
        enough: &dyn Fn(&Matrix) -> bool,
    ) -> Result<(), PgError> {
        let [read, insert, update, delete] = control;
        self.select(ready, rights, read, matrix).await?;
        if !enough(matrix) {
            self.insert_foreign(ready, rights, insert, matrix).await?;
        }
        if !enough(matrix) {
            self.update_foreign(ready, rights, update, matrix).await?;
        }
        if !enough(matrix) {
            self.delete_foreign(ready, rights, delete, matrix).await?;
        }
        if rights.truncate && matches!(self.context, Context::Member | Context::Fresh) && !enough(matrix) {
            self.truncate(ready, matrix).await?;
        }
        if !self.context.is_member() || enough(matrix) {
            return Ok(());
        }
        self.insert_into(ready, rights, insert, matrix).await?;
        self.insert_under(ready, rights, insert, matrix).await?;
        if !enough(matrix) {
            self.move_own(ready, rights, update, matrix).await?;
        }
        if !enough(matrix) {
            self.move_to_nobody(ready, rights, update, matrix).await?;
            self.upsert(ready, rights, insert, matrix).await?;
        }
        Ok(())
    }

    pub(super) async fn select(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
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
        let seen_at_all = format!("({}) OR ({})", ready.at_a, ready.at_b);
        let shown =
            format!("SELECT (SELECT count(*) FROM {name} WHERE <key of A's row>), (SELECT count(*) FROM {name} WHERE <key of B's row>)");
        let (verdict, why) = match self.attempt("", &statement, &truth).await? {
            Ok(numbers) => match numbers.as_slice() {
                [_, _, 0] => (CellVerdict::Undecided, "B's row is not there".to_owned()),
                [own, foreign, _] => {
                    let strange = if self.context.is_member() { *foreign } else { own + foreign };
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
        matrix.tried(Tried::sight(ready.table, if self.context.is_member() { &ready.at_b } else { &seen_at_all }, ""));
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

    /// TRUNCATE asks no policy.
    async fn truncate(&self, ready: &Seeded<'_>, matrix: &mut Matrix) -> Result<(), PgError> {
        let statement = format!("TRUNCATE {} CASCADE", ready.table.sql);
        let (verdict, why) = match self.api_only {
            true => (CellVerdict::Denied, "granted, but the API that this role is reached through sends no TRUNCATE".to_owned()),
            false => match self
                .attempt("", &statement, &format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", ready.table.sql, ready.at_b))
                .await?
            {
                Ok(numbers) if numbers.last() == Some(&0) => (CellVerdict::Leak, "B's row is gone: TRUNCATE asks no policy".into()),
                Ok(_) => (CellVerdict::Isolated, "B's row is still there".into()),
                Err(error) => (CellVerdict::Denied, format!("refused with {}", error.sqlstate.as_deref().unwrap_or("no SQLSTATE"))),
            },
        };
        let tried = Tried::touch(ready.table, &ready.at_b, "", &statement);
        let statement = (!self.api_only).then_some(statement);
        self.cell(ready, TRUNCATE, verdict, why, statement, matrix);
        matrix.tried(tried);
        Ok(())
    }

    pub(super) async fn insert_foreign(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &Control,
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
        const COMMAND: &str = "INSERT foreign";
        let name = &ready.table.sql;
        if !rights.insert {
            self.cell(ready, COMMAND, CellVerdict::Denied, "no privilege", None, matrix);
            return Ok(());
        }
        let Some((preparation, row)) = self.insertable(ready, World::B, ready.b, &ready.at_b) else {
            self.cell(
                ready,
                COMMAND,
                CellVerdict::Undecided,
                "no second row of B can be made: neither replica mode nor the owner's rights are to be had",
                None,
                matrix,
            );
            return Ok(());
        };
        let stamped = scope_condition(ready.table, ready.scope, &row);
        let row = rights.given(row);
        let stamped = stamped.map_or_else(String::new, |scope| format!(" AND {scope}"));
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}{stamped}", stored(ready, &row));
        let insert = insert_sql(ready.table, &row, "");
        let (attempt, past) = self.past_triggers(&preparation, &insert, &truth).await?;
        let before = past.as_ref().map_or_else(|| preparation.clone(), |_| format!("{preparation}; {REPLICA}"));
        let tried = Tried::growth(ready.table, &format!("{}{stamped}", condition(ready.table, &row)), &before, &insert);
        let (verdict, why) = match attempt {
            // A key that happens to be taken or missing stops this row, not the next one.
            Ok(numbers)
                if past.as_deref().is_some_and(|state| !["23503", "23505"].contains(&state))
                    && numbers.last() == Some(&1)
                    && *ready.scope != Scope::Anchor =>
            {
                (CellVerdict::Isolated, "no policy refuses B's row, but a trigger or a constraint does".into())
            }
            // A new tenant (or principal) belongs to nobody yet.
            Ok(numbers) if numbers.last() == Some(&1) && *ready.scope == Scope::Anchor => {
                let owners = self.model.owners(self.shape, ready.table);
                match owners.iter().any(|n| row.get(n).is_some_and(|value| value.is_some() && Some(value) == ready.b.get(n))) {
                    true => (CellVerdict::Leak, format!("1 row in the name of B's person was stored ({})", names(ready.table, &owners))),
                    false => (CellVerdict::Isolated, "a new row of its own kind is admitted; it belongs to nobody yet".into()),
                }
            }
            Ok(numbers) if numbers.last() == Some(&1) => (CellVerdict::Leak, "1 row of B was stored (expected 0)".into()),
            Ok(_) => quiet(control, "the row was not stored as B's"),
            Err(error) => refused(&error, control, COMMAND),
        };
        self.cell(ready, COMMAND, verdict, why, Some(shown_insert(ready.table, &row, "a row of B")), matrix);
        matrix.tried(tried);
        Ok(())
    }

    /// A row of A's own making in B's tenant: how one joins a tenant oneself, or leaves things there.
    pub(super) async fn insert_into(
        &self,
        ready: &Seeded<'_>,
        rights: &Rights,
        control: &Control,
        matrix: &mut Matrix,
    ) -> Result<(), PgError> {
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
        let mut row = self.own_elsewhere(ready);
        for number in columns {
            row.insert(*number, ready.b.get(number).cloned().flatten());
        }
        let stamped = scope_condition(ready.table, ready.scope, &row).unwrap_or_else(|| "true".into());
        let row = rights.given(row);
        let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {} AND {stamped}", stored(ready, &row));
        let insert = insert_sql(ready.table, &row, "");
        let (mut preparation, mut attempt) = (String::new(), self.attempt("", &insert, &truth).await?);
        if matches!(&attempt, Err(error) if error.is("23505"))
            && let Some(away) = self.worlds.away(self.shape, ready.table, &ready.at_a)
        {
            // Whoever has no such row yet may make it there in the first place.
            attempt = self.attempt(&away, &insert, &truth).await?;
            preparation = away;
        }
        let (verdict, why) = match attempt {
            Ok(numbers) if numbers.last() == Some(&1) => {
                let meant = match self.meant(ready, columns, "a", &insert).await? {
                    None => self.shared(ready, columns, "a", &insert, &row).await?,
                    meant => meant,
                };
                match meant {
                    Some(why) => (CellVerdict::Isolated, why),
                    None => (CellVerdict::Leak, "1 row of A was stored as B's (expected 0)".into()),
                }
            }
            Ok(_) => quiet(control, "the row was not stored as B's"),
            Err(error) if error.sqlstate.as_deref().is_some_and(|state| state.starts_with("23")) => {
                (CellVerdict::Isolated, format!("stopped by a constraint ({})", error.sqlstate.unwrap_or_default()))
            }
            Err(error) => refused(&error, control, COMMAND),
        };
        let shown = shown_insert(ready.table, &row, &format!("a row of A, {} = B's", names(ready.table, columns)));
        self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
        matrix.tried(Tried::growth(ready.table, &format!("{} AND {stamped}", condition(ready.table, &row)), &preparation, &insert));
        Ok(())
    }

    /// A row of A's own person in something of B's that A cannot see: a line in a conversation among others.
    async fn insert_under(&self, ready: &Seeded<'_>, rights: &Rights, control: &Control, matrix: &mut Matrix) -> Result<(), PgError> {
        const COMMAND: &str = "INSERT own under B";
        let (name, Scope::Path { columns, .. }) = (&ready.table.sql, ready.scope) else { return Ok(()) };
        if !self.model.of_people() || !rights.insert || *control != Control::Admitted {
            return Ok(());
        }
        for (key, parent) in self.model.shared_parents(self.shape, ready.table, columns) {
            let Some(above) = self.seeded.iter().find(|other| other.table.oid == parent) else { continue };
            let look = format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", above.table.sql, above.at_b);
            let hidden = matches!(self.attempt("", &look, "SELECT 0").await?, Ok(numbers) if numbers.first() == Some(&0));
            let apart = key.iter().all(|n| ready.a.get(n) != ready.b.get(n));
            let Some((preparation, mut row)) = self.own_insert(ready).filter(|_| hidden && apart) else { continue };
            for number in &key {
                row.insert(*number, ready.b.get(number).cloned().flatten());
            }
            let row = rights.given(row);
            let truth = format!("SELECT pg_catalog.count(*) FROM {name} WHERE {}", stored(ready, &row));
            let insert = insert_sql(ready.table, &row, "");
            let (attempt, past) = self.past_triggers(&preparation, &insert, &truth).await?;
            let before = past.map_or_else(|| preparation.clone(), |_| format!("{preparation}; {REPLICA}"));
            let under = &above.table.sql;
            let (verdict, why) = match attempt {
                Ok(numbers) if numbers.last() == Some(&1) => {
                    (CellVerdict::Leak, format!("1 row of A's was stored under B's row of {under}, which A cannot see (expected 0)"))
                }
                Ok(_) => quiet(control, "the row was not stored"),
                Err(error) => refused(&error, control, COMMAND),
            };
            let shown = shown_insert(ready.table, &row, &format!("a row of A, {} = B's", names(ready.table, &key)));
            self.cell(ready, COMMAND, verdict, why, Some(shown), matrix);
            matrix.tried(Tried::growth(ready.table, &condition(ready.table, &row), &before, &insert));
        }
        Ok(())
    }
}
