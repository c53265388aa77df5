//! The owner's context: where a role of the application can become the owner of a table (SET ROLE), what it reaches then.
//!
//! Without FORCE no policy binds the owner (PostgreSQL manual, "Row Security Policies"). Where the application's role is itself the owner, or
//! inherits from it, every other context shows that already.

use super::context::Context;
use super::matrix::{Asked, Matrix};
use super::probe::Probe;
use super::seed::{Seeded, rights};
use crate::domain::product::CellVerdict;
use crate::pg::{PgError, Session, Target};

/// Owners that a role can become, and whether whoever asks bypasses row security.
const OWNERS: &str = "SELECT DISTINCT pg_catalog.pg_get_userbyid(c.relowner)::text,
       (SELECT s.rolsuper OR s.rolbypassrls OR s.oid <> c.relowner FROM pg_catalog.pg_roles s WHERE s.rolname = session_user)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.rolname = $1
    WHERE c.oid = ANY ($2::bigint[]::pg_catalog.oid[]) AND c.relowner <> r.oid AND pg_catalog.pg_has_role(r.oid, c.relowner, '$SET$')
    ORDER BY 1";

impl Matrix {
    /// Asks as every owner that a role of the application can become.
    pub(super) async fn owners(
        &mut self,
        target: &Target,
        asked: Asked<'_>,
        seeded: &[Seeded<'_>],
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let model = asked.model;
        if !model.tenant_roles.is_empty() || seeded.is_empty() {
            return Ok(());
        }
        let oids: Vec<i64> = seeded.iter().map(|ready| ready.table.oid).collect();
        // Membership and the right to SET ROLE are two things since 16.
        let sql = OWNERS.replace("$SET$", if target.major() >= 16 { "SET" } else { "MEMBER" });
        // What PostgREST logs in as sends no SET ROLE but its own.
        for role in model.roles.iter().filter(|role| !asked.shape.api_only(role)) {
            let session = super::seed::session(target).await?;
            for row in session.query(&sql, &[role, &oids]).await? {
                let (owner, bound): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
                self.as_owner(&session, Asked { role, ..asked }, seeded, &owner, bound, say).await?;
            }
        }
        Ok(())
    }

    /// The tables of one owner. `bound`: FORCE stands in the copy as it does on the target.
    async fn as_owner(
        &mut self,
        session: &Session,
        asked: Asked<'_>,
        seeded: &[Seeded<'_>],
        owner: &str,
        bound: bool,
        say: &dyn Fn(&str),
    ) -> Result<(), PgError> {
        let Asked { shape, model, worlds, role, .. } = asked;
        let context = Context::Owner;
        let shown = format!("{role}, as the owner {owner}");
        session.batch(&format!("BEGIN; {}", context.sql(model, role))).await?;
        let rights = rights(session, owner, seeded).await;
        for ready in seeded.iter().filter(|ready| ready.table.owner == owner) {
            if self.stopped.contains(&ready.table.oid) {
                continue;
            }
            say(&format!("{} · {shown}", ready.table.sql));
            let open = |matrix: &mut Self, why: String| {
                matrix.push(ready.table, "every command", role, &shown, context, CellVerdict::Undecided, why, None);
            };
            let rights = match &rights {
                Ok(rights) => rights.get(&ready.table.oid).cloned().unwrap_or_default(),
                Err(error) => {
                    open(self, error.to_string());
                    continue;
                }
            };
            if ready.table.force && !bound {
                open(self, "row security is lifted from its owner in the copy, so that the truth can be counted".into());
                continue;
            }
            let probe = Probe { session, shape, model, worlds, role: owner, shown: &shown, context, api_only: false, seeded };
            let own = probe.controls(ready, &rights).await?;
            probe.select(ready, &rights, &own[0], self).await?;
            probe.insert_foreign(ready, &rights, &own[1], self).await?;
            probe.update_foreign(ready, &rights, &own[2], self).await?;
            probe.delete_foreign(ready, &rights, &own[3], self).await?;
        }
        session.batch("ROLLBACK").await
    }
}
