//! Whether what the connecting role counts in the scratch copy is the truth: all rows, whatever policies say.

use super::model::Model;
use super::shape::Shape;
use crate::pg::{PgError, Session};

/// Definer's functions and views that read as the connecting role, and so would see more once row security is no longer forced on it.
const THROUGH_THE_OWNER: &str = "SELECT
    EXISTS (SELECT FROM pg_catalog.pg_proc f WHERE f.prosecdef AND f.proowner = r.oid)
 OR EXISTS (SELECT FROM pg_catalog.pg_class v WHERE v.relkind = 'v' AND v.relowner = r.oid
            AND NOT COALESCE(v.reloptions && '{security_invoker=true,security_invoker=on}'::text[], false))
    FROM pg_catalog.pg_roles r WHERE r.rolname = session_user";

/// Why it is not, if it is not. A superuser and a role with BYPASSRLS see everything. The owner of all tables does where row security is
/// not forced on it; where it is, that is lifted in the copy, for it binds nobody else: unless the application is the owner itself, or
/// comes to the rows through functions and views of the owner, which would then see more than on the target.
pub(super) async fn sees(session: &Session, shape: &Shape, model: &Model) -> Result<Option<String>, PgError> {
    let row = session
        .one("SELECT r.rolsuper OR r.rolbypassrls, r.rolname::text FROM pg_catalog.pg_roles r WHERE r.rolname = session_user", &[])
        .await?;
    if row.try_get(0)? {
        return Ok(None);
    }
    let me: String = row.try_get(1)?;
    let ruled: Vec<_> = shape.tables.iter().filter(|table| table.rls).collect();
    if let Some(other) = ruled.iter().find(|table| table.owner != me) {
        return Ok(Some(format!("does not bypass row security and does not own {}, so it cannot count what really happened", other.sql)));
    }
    let forced: Vec<_> = ruled.into_iter().filter(|table| table.force).collect();
    if model.roles.contains(&me) {
        return Ok(Some("is the application's role and the tables' owner, so nothing is left to count what really happened".into()));
    }
    if forced.is_empty() {
        return Ok(None);
    }
    if session.one(THROUGH_THE_OWNER, &[]).await?.try_get(0)? {
        let why = "does not bypass row security, which is forced on it, and functions or views of its own read as it does";
        return Ok(Some(why.into()));
    }
    for table in forced {
        session.batch(&format!("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY", table.sql)).await?;
    }
    Ok(None)
}
