//! What server, connection and role say of themselves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::pg::target::Identity;
use crate::pg::{PgError, Session};

/// TLS as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    pub protocol: String,
    pub cipher: String,
}

/// Facts of the session that asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    pub server_version: String,
    pub server_version_num: i32,
    pub system_identifier: String,
    pub database: String,
    pub database_bytes: u64,
    pub role: String,
    pub superuser: bool,
    pub bypass_rls: bool,
    pub create_db: bool,
    /// The server's address as the server sees it; `None`: a unix socket.
    pub address: Option<String>,
    pub tls: Option<Tls>,
    /// Settings that shape a migration, by name; defaults where our own session overrides them.
    pub settings: BTreeMap<String, String>,
    /// Only for roles that may see it.
    #[serde(skip)]
    data_directory: Option<PathBuf>,
}

impl Facts {
    /// Reads them in one session.
    pub async fn read(session: &Session, identity: &Identity) -> Result<Self, PgError> {
        let row = session
            .one(
                "SELECT pg_catalog.pg_database_size(pg_catalog.current_database()), CURRENT_USER::text, r.rolsuper, r.rolbypassrls, r.rolcreatedb,
                        pg_catalog.host(pg_catalog.inet_server_addr()), s.version, s.cipher,
                        (SELECT p.setting FROM pg_catalog.pg_settings p WHERE p.name = 'data_directory')
                 FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = pg_catalog.pg_backend_pid() AND s.ssl
                 WHERE r.rolname = CURRENT_USER",
                &[],
            )
            .await?;
        let settings = session
            .query(
                "SELECT name, CASE source WHEN 'session' THEN reset_val ELSE pg_catalog.current_setting(name) END FROM pg_catalog.pg_settings
                 WHERE name IN ('server_encoding', 'TimeZone', 'max_connections', 'shared_buffers', 'work_mem', 'maintenance_work_mem', 'wal_level',
                                'max_wal_size', 'lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'deadlock_timeout',
                                'default_transaction_isolation', 'default_transaction_read_only', 'row_security', 'session_replication_role',
                                'max_locks_per_transaction', 'autovacuum', 'synchronous_commit', 'jit')",
                &[],
            )
            .await?;
        let tls = row.try_get::<_, Option<String>>(6)?.zip(row.try_get::<_, Option<String>>(7)?);
        let mut read = BTreeMap::new();
        for setting in settings {
            read.insert(setting.try_get(0)?, setting.try_get::<_, Option<String>>(1)?.unwrap_or_default());
        }
        Ok(Self {
            server_version: identity.server_version.clone(),
            server_version_num: identity.server_version_num,
            system_identifier: identity.system_identifier.clone(),
            database: identity.database.clone(),
            database_bytes: u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default(),
            role: row.try_get(1)?,
            superuser: row.try_get(2)?,
            bypass_rls: row.try_get(3)?,
            create_db: row.try_get(4)?,
            address: row.try_get(5)?,
            tls: tls.map(|(protocol, cipher)| Tls { protocol, cipher }),
            settings: read,
            data_directory: row.try_get::<_, Option<String>>(8)?.map(PathBuf::from),
        })
    }

    /// `TLSv1.3, TLS_AES_256_GCM_SHA384`, `local socket` or `none`.
    pub fn tls(&self) -> String {
        match (&self.tls, &self.address) {
            (Some(tls), _) => format!("{}, {}", tls.protocol, tls.cipher),
            (None, None) => "local socket".to_owned(),
            (None, Some(_)) => "none".to_owned(),
        }
    }

    /// The server's data folder, if the server is on this machine and we may know where: over a unix socket it is.
    pub fn local_data_directory(&self) -> Option<PathBuf> {
        self.data_directory.clone().filter(|path| self.address.is_none() && path.exists())
    }
}
