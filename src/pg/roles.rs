//! Roles for a scratch server of one's own: what a backup refers to must be there before it can be restored.
//!
//! Those that the database depends on (`pg_shdepend`), those they are members of, and their members; without login and without passwords, with
//! the attributes and memberships that row security depends on. A role that is there already is left as it is.

use std::collections::BTreeSet;

use super::{PgError, Session};

/// The roles a database refers to, and how they hang together: one row each, `role` with its attributes, or `member` of `role`.
const REFERRED: &str = "
    WITH RECURSIVE wanted AS (
        SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER
      UNION
        SELECT d.refobjid FROM pg_catalog.pg_shdepend AS d
        WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = pg_catalog.current_database())
      UNION
        SELECT CASE WHEN m.member = w.oid THEN m.roleid ELSE m.member END
        FROM wanted AS w JOIN pg_catalog.pg_auth_members AS m ON m.member = w.oid OR (m.roleid = w.oid AND m.roleid >= 16384)
    ), named AS (
        SELECT r.* FROM pg_catalog.pg_roles AS r JOIN wanted AS w ON w.oid = r.oid
    )
    SELECT n.rolname::text, NULL::text,
           pg_catalog.concat_ws(' ', CASE WHEN n.rolsuper THEN 'SUPERUSER' END, CASE WHEN n.rolbypassrls THEN 'BYPASSRLS' END,
                                CASE WHEN NOT n.rolinherit THEN 'NOINHERIT' END, CASE WHEN n.rolcreaterole THEN 'CREATEROLE' END,
                                CASE WHEN n.rolcreatedb THEN 'CREATEDB' END)
    FROM named AS n WHERE n.rolname !~ '^pg_'
  UNION ALL
    SELECT g.rolname::text, m.rolname::text,
           -- Since 16 a membership says by itself whether it inherits and whether its role may be set.
           COALESCE(' WITH INHERIT ' || (pg_catalog.to_jsonb(a) ->> 'inherit_option') || ', SET ' || (pg_catalog.to_jsonb(a) ->> 'set_option'), '')
    FROM pg_catalog.pg_auth_members AS a JOIN named AS m ON m.oid = a.member JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid
    WHERE m.rolname !~ '^pg_'
    ORDER BY 2 NULLS FIRST, 1";

/// A role as a scratch server must have it.
#[derive(Clone, Debug)]
pub(super) struct Role {
    name: String,
    attributes: String,
}

/// What a database refers to.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    roles: Vec<Role>,
    /// Role, member, options.
    memberships: Vec<(String, String, String)>,
}

impl Roles {
    /// Of the database that `session` is connected to.
    pub async fn of(session: &Session) -> Result<Self, PgError> {
        let mut read = Self::default();
        for row in session.query(REFERRED, &[]).await? {
            let (name, member, said): (String, Option<String>, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            match member {
                None => read.roles.push(Role { name, attributes: said }),
                Some(member) => read.memberships.push((name, member, said)),
            }
        }
        Ok(read)
    }

    /// Makes those that are missing on the server of `session`, each with this comment. Returns the names of what was made. What the session may
    /// not make stays missing: the restore then says which role it needed.
    pub async fn bring(&self, session: &Session, comment: &str) -> Result<Vec<String>, PgError> {
        let there: BTreeSet<String> = session
            .query("SELECT rolname::text FROM pg_catalog.pg_roles", &[])
            .await?
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?;
        let superuser: bool =
            session.one("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER", &[]).await?.try_get(0)?;
        let number: i32 = session.one("SELECT pg_catalog.current_setting('server_version_num')::int", &[]).await?.try_get(0)?;
        let mut made = Vec::new();
        for role in self.roles.iter().filter(|role| !there.contains(&role.name)) {
            let name = quoted(&role.name);
            let whole = session.batch(&format!("CREATE ROLE {name} NOLOGIN {}", role.attributes)).await;
            // Some attributes are a superuser's to give.
            if whole.is_err() && session.batch(&format!("CREATE ROLE {name} NOLOGIN")).await.is_err() {
                continue;
            }
            made.push(role.name.clone());
            let row = session.one("SELECT pg_catalog.quote_literal($1::text)", &[&comment]).await?;
            session.batch(&format!("COMMENT ON ROLE {name} IS {}", row.try_get::<_, String>(0)?)).await?;
            if !superuser {
                // To give objects to a role one must be able to act as it.
                let options = if number >= 160_000 { " WITH INHERIT TRUE, SET TRUE" } else { "" };
                session.batch(&format!("GRANT {name} TO CURRENT_USER{options}")).await?;
            }
        }
        for (role, member, options) in &self.memberships {
            // Memberships of roles that were there are that server's own business.
            if made.contains(member) {
                let _ = session.batch(&format!("GRANT {} TO {}{options}", quoted(role), quoted(member))).await;
            }
        }
        Ok(made)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
