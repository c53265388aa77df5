//! What is known before a cell is tried: where the worlds' rows stand, and what a role may do.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::SimpleQueryMessage;

use super::identity;
use super::matrix::CELL_TIMEOUT_MS;
use super::model::{Model, Scope, Scoped};
use super::openings;
use super::shape::{Column, Policy, Shape, Table};
use super::value::{World, literal};
use super::world::{Row, Worlds, condition};
use crate::domain::product::CellVerdict;
use crate::pg::{Access, PgError, Session, Target};

/// A session for cells: bounded, and without just-in-time compilation, which costs a second wherever the planner fears a large table.
pub(super) async fn session(target: &Target) -> Result<Session, PgError> {
    let session = target.session_with(Access::ReadWrite, CELL_TIMEOUT_MS, 2_000).await?;
    session.batch("SET jit = off").await?;
    Ok(session)
}

/// A role's privileges on a table and the columns it may update.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    pub(super) select: bool,
    pub(super) insert: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
    pub(super) truncate: bool,
    pub(super) updatable: Vec<i16>,
    pub(super) insertable: Vec<i16>,
}

impl Rights {
    /// What of a row the role may give: a column without the privilege keeps its default.
    pub(super) fn given(&self, mut row: Row) -> Row {
        row.retain(|number, _| self.insertable.contains(number));
        row
    }

    pub(super) fn any(&self) -> bool {
        self.select || self.insert || self.update || self.delete || self.truncate
    }
}

/// What is known of a seeded table before probing.
pub(super) struct Seeded<'a> {
    pub(super) table: &'a Table,
    pub(super) scope: &'a Scope,
    pub(super) a: &'a Row,
    pub(super) b: &'a Row,
    pub(super) at_a: String,
    pub(super) at_b: String,
    pub(super) ctid_a: String,
    pub(super) ctid_b: String,
    /// Rows whose scope columns are B's.
    pub(super) with_b: u64,
    pub(super) without: u64,
    pub(super) bytes: u64,
}

/// Reads what the cells compare with: where the rows stand, how many rows there are already.
pub(super) async fn prepare<'a>(
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
            true => {
                "policies decide by the role's own name, but no two roles that stand for tenants were found; state them in [tenancy] roles"
            }
            false => "no setting or claim that identifies a session was found in policies or functions; state it in [tenancy], or single-tenant = \"reason\" there",
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

/// What a table comes to that no way leads from to a tenant: denied where no policy lets the application in, everybody's where the
/// policies ask nothing of the row that depends on who asks. `None`: it may belong to somebody all the same.
pub(super) fn without_tenant(shape: &Shape, model: &Model, table: &Table, identities: &BTreeSet<String>) -> Option<(CellVerdict, String)> {
    if !table.rls {
        return None;
    }
    let mine = |policy: &&Policy| policy.permissive && (policy.everyone || policy.roles.iter().any(|role| model.roles.contains(role)));
    let policies: Vec<&Policy> = shape.policies_of(table.oid).filter(mine).collect();
    if policies.is_empty() {
        return Some((CellVerdict::Denied, "row security without a policy for the application's roles: no row is reached".into()));
    }
    // Part by part: a part on the row alone beside one on the session alone ties nobody to the row.
    let belongs =
        policies.iter().flat_map(|policy| [&policy.using, &policy.check]).flatten().flat_map(|text| openings::atoms(text)).any(|text| {
            // The server writes a column bare, or behind its table's name where a subquery reads another table.
            let named =
                |column: &Column| stands_bare(text, &column.sql) || text.contains(&format!("{}.{}", quoted(&table.sql), column.sql));
            identity::reads_identity(text, identities) && table.columns.iter().any(named)
        });
    if belongs {
        return None;
    }
    // `TO north USING (site = 'N')`, `TO south USING (site = 'S')`: whose a row is, is asked of the role.
    let by_role = |policy: &&&Policy| {
        let alike = |other: &&Policy| match (&policy.using, &other.using) {
            (Some(one), Some(two)) => one != two && without_literals(one) == without_literals(two),
            _ => false,
        };
        !policy.everyone && policies.iter().any(|other| other.command == policy.command && other.roles != policy.roles && alike(other))
    };
    if let Some(policy) = policies.iter().find(by_role) {
        let why = format!(
            "policy {} and others let each role see other rows: which stand for tenants is not known; state them in [tenancy] tenant-roles",
            policy.name
        );
        return Some((CellVerdict::Undecided, why));
    }
    Some({
        let commands: BTreeSet<&str> = policies
            .iter()
            .map(|policy| match policy.command.as_str() {
                "r" => "SELECT",
                "a" => "INSERT",
                "w" => "UPDATE",
                "d" => "DELETE",
                _ => "all commands",
            })
            .collect();
        let commands = commands.into_iter().collect::<Vec<_>>().join(", ");
        (
            CellVerdict::Shared,
            format!("no tenant: no column and no key leads to one, and no policy asks whose a row is (policies for {commands})"),
        )
    })
}

/// An expression without what stands between quotes, and without its numbers.
fn without_literals(text: &str) -> String {
    let outside = text.split('\'').step_by(2).flat_map(str::chars);
    outside.filter(|c| !c.is_ascii_digit()).collect()
}

/// Why no row of the table is reached through row security, where no policy speaks to the application's roles.
pub(super) fn closed_to_all(shape: &Shape, model: &Model, table: &Table) -> Option<String> {
    match without_tenant(shape, model, table, &BTreeSet::new()) {
        Some((CellVerdict::Denied, why)) => Some(why),
        _ => None,
    }
}

/// Whether an expression names the column without a table before it.
fn stands_bare(text: &str, column: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_.'".contains(c));
    let after = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_('".contains(c));
    text.match_indices(column).any(|(at, _)| !inside(text[..at].chars().next_back()) && !after(text[at + column.len()..].chars().next()))
}

/// The table's own name, as the server writes it before a column.
fn quoted(sql: &str) -> &str {
    let mut inside = false;
    let dot = sql.char_indices().find(|(_, c)| {
        inside ^= *c == '"';
        *c == '.' && !inside
    });
    dot.map_or(sql, |(at, _)| &sql[at + 1..])
}

/// `tenant_id = <B>`: rows stamped with the other world.
pub(super) fn scope_condition(table: &Table, scope: &Scope, row: &Row) -> Option<String> {
    let Scope::Path { columns, .. } = scope else { return None };
    let terms: Option<Vec<String>> =
        columns.iter().map(|n| Some(format!("{} = {}", table.column(*n)?.sql, literal(Some(row.get(n)?.as_deref()?))))).collect();
    terms.filter(|terms| !terms.is_empty()).map(|terms| terms.join(" AND "))
}

pub(super) fn null_condition(table: &Table, scope: &Scope) -> Option<String> {
    let Scope::Path { columns, .. } = scope else { return None };
    let first = table.column(*columns.first()?)?;
    (!first.not_null).then(|| format!("{} IS NULL", first.sql))
}

pub(super) async fn rights(session: &Session, role: &str, seeded: &[Seeded<'_>]) -> Result<BTreeMap<i64, Rights>, PgError> {
    let oids: Vec<i64> = seeded.iter().map(|ready| ready.table.oid).collect();
    rights_on(session, role, &oids).await
}

/// What a role may do with tables.
pub(super) async fn rights_on(session: &Session, role: &str, oids: &[i64]) -> Result<BTreeMap<i64, Rights>, PgError> {
    let sql = "SELECT o.oid, u.use AND has(o.oid, 'SELECT'), u.use AND has(o.oid, 'INSERT'), u.use AND has(o.oid, 'UPDATE'), u.use AND has(o.oid, 'DELETE'),
                      u.use AND has(o.oid, 'TRUNCATE'),
                      ARRAY(SELECT a.attnum FROM pg_catalog.pg_attribute a WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
                              AND pg_catalog.has_column_privilege(r.oid, o.oid, a.attnum, 'UPDATE')),
                      ARRAY(SELECT a.attnum FROM pg_catalog.pg_attribute a WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
                              AND pg_catalog.has_column_privilege(r.oid, o.oid, a.attnum, 'INSERT'))
               FROM pg_catalog.unnest($2::bigint[]) AS x(n)
               CROSS JOIN LATERAL (SELECT x.n::pg_catalog.oid AS oid) o
               JOIN pg_catalog.pg_class c ON c.oid = o.oid
               CROSS JOIN (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1) r
               CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE') AS use) u"
        .replace("has(o.oid, 'DELETE')", "pg_catalog.has_table_privilege(r.oid, o.oid, 'DELETE')")
        .replace("has(o.oid, 'TRUNCATE')", "pg_catalog.has_table_privilege(r.oid, o.oid, 'TRUNCATE')");
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
        let updatable: Vec<i16> = row.try_get(6)?;
        let of = Rights {
            select: row.try_get(1)?,
            insert: row.try_get(2)?,
            update: row.try_get(3)?,
            delete: row.try_get(4)?,
            truncate: row.try_get(5)?,
            updatable,
            insertable: row.try_get(7)?,
        };
        rights.insert(i64::from(oid), of);
    }
    Ok(rights)
}

/// Gives a session of ours, whose `search_path` is empty, the one that the application has as a role: functions and triggers name things
/// without a schema; what it is. The role's own setting, the database's, else the server's default and the schema where platforms put extensions.
pub(super) async fn client_path(session: &Session, role: &str) -> Result<String, PgError> {
    let sql = "SELECT pg_catalog.set_config('search_path', COALESCE(
        (SELECT pg_catalog.substr(c.setting, 13) FROM pg_catalog.pg_db_role_setting s
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
         LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
         CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c(setting)
         WHERE pg_catalog.starts_with(c.setting, 'search_path=') AND (s.setrole = 0 OR r.rolname = $1)
           AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
         ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1),
        (SELECT p.boot_val || ', extensions' FROM pg_catalog.pg_settings p WHERE p.name = 'search_path')), false)";
    Ok(session.one(sql, &[&role]).await?.try_get(0)?)
}

/// A quoted identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
