//! The question for the locks that a session holds, asked in that session, and its answer.

use tokio_postgres::SimpleQueryRow;

use crate::domain::locks::LockMode;

/// Every name and operator is qualified: the file may have set any search path or role. Relations of initdb (oid below 16384) are
/// the server's own.
pub const LOOK: &str = "SELECT l.relation, l.mode, c.relfilenode, CASE WHEN n.nspname IS NOT NULL THEN pg_catalog.format('%I.%I', n.nspname, c.relname) END, c.relkind \
     FROM pg_catalog.pg_lock_status() l \
     LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation \
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
     WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted \
     AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid AND c.relkind IS DISTINCT FROM 't'";

/// One lock of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub relation: u32,
    pub mode: LockMode,
    /// `None`: the relation is dropped.
    pub filenode: Option<u32>,
    pub name: Option<String>,
    pub kind: char,
}

/// A row of [`LOOK`]; `None`: a mode or number that is none.
pub fn read_look(row: &SimpleQueryRow) -> Option<Look> {
    Some(Look {
        relation: row.get(0)?.parse().ok()?,
        mode: LockMode::of_server(row.get(1)?)?,
        filenode: row.get(2).and_then(|node| node.parse().ok()),
        name: row.get(3).map(str::to_owned),
        kind: row.get(4).and_then(|kind| kind.chars().next()).unwrap_or('?'),
    })
}
