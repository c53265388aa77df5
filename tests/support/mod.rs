//! Real PostgreSQL for tests: one throwaway cluster per test binary, one database per test, all in parallel.
//!
//! `LEDGER_TEST_PG_BIN` names the folder of another major's programs. The cluster ends with the test process (see `pg::cluster`).
//! Roles on every cluster: `postgres` (superuser), `migrator` (LOGIN CREATEDB BYPASSRLS, member of app_user and pg_monitor, may set
//! session_replication_role) and `app_user` (NOLOGIN).
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use migration_ledger::pg::{Access, Cluster, ClusterOptions, ConnectSpec, Session, Target};

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static TEMPLATES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Options of a cluster for tests: the major that `LEDGER_TEST_PG_BIN` asks for.
pub fn cluster_options() -> ClusterOptions {
    let bin = std::env::var_os("LEDGER_TEST_PG_BIN").filter(|bin| !bin.is_empty()).map(PathBuf::from);
    ClusterOptions { bin, ..ClusterOptions::default() }
}

/// This test binary's cluster, started at first use.
pub fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| started(&[("wal_level", "logical")]))
}

fn started(settings: &[(&str, &str)]) -> Cluster {
    let mut options = cluster_options();
    options.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let cluster = Cluster::start(&options).unwrap_or_else(|error| panic!("no test cluster: {error} ({})", error.hint()));
    let url = cluster.url("postgres");
    let major = cluster.postgres().major;
    blocking(async move {
        let session = connect(&url).await;
        let membership = if major >= 16 { "WITH INHERIT TRUE, SET TRUE" } else { "" };
        session
            .batch(&format!(
                "CREATE ROLE app_user NOLOGIN; CREATE ROLE migrator LOGIN CREATEDB BYPASSRLS;
                     GRANT app_user TO migrator {membership}; GRANT pg_monitor TO migrator {membership};
                     GRANT SET ON PARAMETER session_replication_role TO migrator"
            ))
            .await
            .unwrap();
    });
    cluster
}

/// Says what a test did not do, past the test runner, which would keep it to itself.
pub fn not_tested(what: &str) {
    use std::io::Write;
    std::io::stderr().write_all(format!("NOT TESTED: {what}\n").as_bytes()).unwrap();
}

/// Whether the server has the extensions that come with PostgreSQL's sources. Some builds leave them out; then the test that needs them
/// says aloud that it did nothing.
pub fn contrib(test: &str) -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let there = *THERE.get_or_init(|| {
        blocking(async {
            let admin = connect(&cluster().url("postgres")).await;
            let wanted = "SELECT FROM pg_available_extensions WHERE name IN ('btree_gin', 'citext', 'hstore')";
            admin.query(wanted, &[]).await.unwrap().len() == 3
        })
    });
    if !there {
        not_tested(&format!("{test}: this build of PostgreSQL lacks the extensions that come with its sources"));
    }
    there
}

/// How backups are made in tests: with the programs of the cluster.
pub fn backup_config() -> migration_ledger::config::Backup {
    migration_ledger::config::Backup { pg_dump: Some(cluster().bin().join("pg_dump")), ..Default::default() }
}

/// A database of one test's own.
pub struct TestDb {
    pub name: String,
    /// The server of this test alone; `None`: the test binary's.
    own: Option<Arc<Cluster>>,
}

impl TestDb {
    /// An empty database owned by `migrator`.
    pub async fn empty() -> Self {
        Self::made("template1").await
    }

    /// A database with this SQL run in it by the superuser.
    pub async fn with(sql: &str) -> Self {
        let db = Self::empty().await;
        db.admin().await.batch(sql).await.unwrap();
        db
    }

    /// A database with this SQL run in it by `migrator`, who then owns what it makes.
    pub async fn with_as_migrator(sql: &str) -> Self {
        let db = Self::empty().await;
        db.session("migrator").await.batch(sql).await.unwrap();
        db
    }

    /// A copy of a template, which the first test to ask for `key` builds with the SQL as `role`.
    pub async fn from_template(key: &str, role: &str, sql: &str) -> Self {
        cluster();
        let (key, role, sql) = (key.to_owned(), role.to_owned(), sql.to_owned());
        let template = tokio::task::spawn_blocking(move || {
            let mut templates = TEMPLATES.lock().unwrap();
            if let Some(name) = templates.get(&key) {
                return name.clone();
            }
            let name = blocking(async move {
                let db = Self::empty().await;
                db.session(&role).await.batch(&sql).await.unwrap();
                db.name
            });
            templates.insert(key, name.clone());
            name
        })
        .await
        .unwrap();
        Self::made(&template).await
    }

    async fn made(template: &str) -> Self {
        let url = tokio::task::spawn_blocking(|| cluster().url("postgres")).await.unwrap();
        let name = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let session = connect(&url).await;
        // The session that built a template may still be leaving.
        for attempt in 0.. {
            match session.batch(&format!("CREATE DATABASE {name} TEMPLATE {template} OWNER migrator")).await {
                Ok(()) => break,
                Err(error) if error.is("55006") && attempt < 100 => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                Err(error) => panic!("cannot make a test database: {error}"),
            }
        }
        Self { name, own: None }
    }

    /// A database on a server of its own, which may be restarted and stopped: what it says is committed outlives that.
    pub async fn apart() -> Self {
        let own = tokio::task::spawn_blocking(|| started(&[("synchronous_commit", "on")])).await.unwrap();
        let session = connect(&own.url("postgres")).await;
        session.batch("CREATE DATABASE apart OWNER migrator").await.unwrap();
        Self { name: "apart".to_owned(), own: Some(Arc::new(own)) }
    }

    /// The server that the database is on.
    pub fn server(&self) -> &Cluster {
        self.own.as_deref().unwrap_or_else(|| cluster())
    }

    /// The server that is this test's alone.
    pub fn own_server(&self) -> Arc<Cluster> {
        self.own.clone().expect("made by `apart`")
    }

    /// The URL for the superuser.
    pub fn url(&self) -> String {
        self.server().url(&self.name)
    }

    /// The URL for a role.
    pub fn url_as(&self, role: &str) -> String {
        self.server().url_as(role, &self.name)
    }

    /// A read-write session of the superuser, with `search_path = public`.
    pub async fn admin(&self) -> Session {
        self.session("postgres").await
    }

    /// A read-write session of a role, with `search_path = public`.
    pub async fn session(&self, role: &str) -> Session {
        connect(&self.url_as(role)).await
    }

    /// The database as a step sees it.
    pub async fn target(&self, role: &str) -> Target {
        Target::open(ConnectSpec::parse(&self.url_as(role)).unwrap(), "ledger/test").await.unwrap()
    }
}

/// A read-write session with `search_path = public`, so that test SQL reads as people write it.
pub async fn connect(url: &str) -> Session {
    let options = migration_ledger::pg::SessionOptions {
        application_name: "ledger-test".into(),
        access: Access::ReadWrite,
        statement_timeout_ms: 120_000,
        lock_timeout_ms: 30_000,
    };
    let session = ConnectSpec::parse(url).unwrap().session(&options).await.unwrap();
    session.batch("SET search_path = public").await.unwrap();
    session
}

/// Runs a future to its end on a runtime of its own, on a thread of its own.
pub fn blocking<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    std::thread::spawn(move || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)).join().unwrap()
}
