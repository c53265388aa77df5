//! Histories shared with the real tools, both ways round: half applied by theirs and half by ours, then half by ours and half by theirs.
//!
//! `tools/peers.sh` installs the tools under target/peers/bin. A tool that is not there is skipped, loudly and by name. The tests of the
//! tools that are large or are compiled are ignored: `make test-peers` runs them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use migration_ledger::migrate::history::schema_state;
use migration_ledger::migrate::revert::revert_one;
use migration_ledger::migrate::{MigrationSet, SchemaState, apply_to};
use migration_ledger::pg::{Cluster, Session};

use crate::fixtures::{FIXTURES, Fixture};
use crate::support;
use crate::table::{ALL, made, options};

/// A server that also listens on a port, since not every tool knows sockets.
struct Server {
    _cluster: Cluster,
    port: u16,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        // The port is free now; whoever takes it before the server does makes this fail by name.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut options = support::cluster_options();
        options.settings.push(("listen_addresses".into(), "127.0.0.1".into()));
        options.settings.push(("port".into(), port.to_string()));
        options.hba = Some("local all all trust\nhost all all 127.0.0.1/32 trust\n".into());
        Server { _cluster: Cluster::start(&options).unwrap(), port }
    })
}

/// A project, and a database for it.
struct Site {
    folder: tempfile::TempDir,
    fixture: &'static Fixture,
    program: PathBuf,
    database: String,
}

impl Site {
    async fn new(fixture: &'static Fixture, program: &Path, database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fixture.write(folder.path());
        let admin = support::connect(&url("postgres")).await;
        admin.batch(&format!("CREATE DATABASE \"{database}\"")).await.unwrap();
        Self { folder, fixture, program: program.to_owned(), database: database.to_owned() }
    }

    fn url(&self) -> String {
        url(&self.database)
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join(self.fixture.dir)
    }

    fn set(&self) -> MigrationSet {
        MigrationSet::read(&self.dir(), self.fixture.layout).unwrap()
    }

    /// Takes the third migration's files away.
    fn hide_third(&self) {
        let set = self.set();
        let third = &set.migrations[2];
        for script in [Some(&third.up), third.down.as_ref()].into_iter().flatten() {
            // It may lie in the same file as the way up.
            let _ = std::fs::remove_file(self.dir().join(&script.file));
        }
    }

    fn run(&self, arguments: &[&str]) {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DATABASE_URL", self.url())
            .env("ROOT_DATABASE_URL", url("postgres"))
            .env("SHADOW_DATABASE_URL", url("postgres"))
            .env("HOME", self.folder.path())
            .env("SQITCH_FULLNAME", "Ada Example")
            .env("SQITCH_EMAIL", "ada@example.com")
            .env("TZ", "UTC")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{} {arguments:?}: {}\n{}{}",
            self.fixture.layout,
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn url(database: &str) -> String {
    format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", server().port)
}

/// How a tool is called.
struct Peer {
    layout: &'static str,
    program: &'static str,
    /// Everything up.
    up: fn(&Site),
    /// Only the first two up, where taking the third one's files away is not enough.
    two: Option<fn(&Site)>,
    /// The last one down, where the tool can.
    down: Option<fn(&Site)>,
}

async fn versions(session: &Session, set: &MigrationSet) -> Vec<String> {
    match schema_state(session, set, None).await.unwrap() {
        SchemaState::History(rows) => {
            for row in &rows {
                let migration = set.find(&row.version).unwrap_or_else(|| panic!("{}: no migration {row:?}", set.layout.name()));
                assert_eq!(row.name, migration.name, "{}", set.layout.name());
                if let (Some(theirs), Some(ours)) = (&row.checksum, &migration.checksum) {
                    assert_eq!(theirs, ours, "{}: {}", set.layout.name(), row.version);
                }
            }
            rows.into_iter().map(|row| row.version).collect()
        }
        other => panic!("{}: {other:?}", set.layout.name()),
    }
}

/// Whether a tool is not there, or not wanted; said loudly.
pub fn skipped(name: &str, program: &Path) -> bool {
    let unwanted = std::env::var_os("LEDGER_TEST_PEERS").is_some_and(|value| value == "off");
    if unwanted || !program.is_file() {
        let why = if unwanted { "LEDGER_TEST_PEERS=off" } else { "tools/peers.sh has not installed it" };
        // Straight to the stream: what a passing test prints is not shown.
        std::io::stderr().write_all(format!("NOT TESTED against {name}: {why}\n").as_bytes()).unwrap();
        return true;
    }
    false
}

async fn both_ways(peer: &Peer) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin").join(peer.program);
    if skipped(peer.program, &program) {
        return;
    }
    let layout = peer.layout;
    let fixture = FIXTURES.iter().find(|fixture| fixture.layout == layout).unwrap();
    let all: Vec<String> = fixture.versions.map(str::to_owned).to_vec();

    // Theirs, then ours.
    let site = Site::new(fixture, &program, &format!("{layout}_theirs_first")).await;
    let set = site.set();
    let session = support::connect(&site.url()).await;
    match peer.two {
        Some(two) => two(&site),
        None => {
            site.hide_third();
            (peer.up)(&site);
            fixture.write(site.folder.path());
        }
    }
    assert_eq!(versions(&session, &set).await, all[..2], "{layout}: what theirs applied");
    let applied = apply_to(&session, &set, None, &options()).await.unwrap();
    assert!(applied.len() == 1 && applied[0].failure.is_none(), "{layout}: {applied:#?}");
    assert_eq!(made(&session).await, ALL, "{layout}");
    (peer.up)(&site);
    assert_eq!((versions(&session, &set).await, made(&session).await), (all.clone(), ALL), "{layout}: theirs has nothing left to do");
    if let Some(down) = peer.down {
        down(&site);
        assert_eq!(versions(&session, &set).await, all[..2], "{layout}: theirs takes back what ours applied");
        assert_eq!(made(&session).await[2], 0, "{layout}");
    }

    // Ours, then theirs.
    let site = Site::new(fixture, &program, &format!("{layout}_ours_first")).await;
    let session = support::connect(&site.url()).await;
    let applied = apply_to(&session, &set, Some(fixture.versions[1]), &options()).await.unwrap();
    assert!(applied.len() == 2 && applied.iter().all(|one| one.failure.is_none()), "{layout}: {applied:#?}");
    (peer.up)(&site);
    assert_eq!((versions(&session, &set).await, made(&session).await), (all.clone(), ALL), "{layout}: theirs goes on where ours stopped");
    if set.migrations[2].down.is_some() {
        let reverted = revert_one(&session, &set.migrations[2], &options(), &mut |_| {}).await;
        assert!(reverted.done(), "{layout}: {reverted:#?}");
        assert_eq!(versions(&session, &set).await, all[..2], "{layout}: ours takes back what theirs applied");
        (peer.up)(&site);
        assert_eq!((versions(&session, &set).await, made(&session).await), (all, ALL), "{layout}: theirs applies it again");
    }
}

#[tokio::test]
async fn dbmate() {
    let up = |site: &Site| site.run(&["--url", &site.url(), "-d", "db/migrations", "--no-dump-schema", "migrate"]);
    let down = |site: &Site| site.run(&["--url", &site.url(), "-d", "db/migrations", "--no-dump-schema", "rollback"]);
    both_ways(&Peer { layout: "dbmate", program: "dbmate", up, two: None, down: Some(down) }).await;
}

#[tokio::test]
async fn sqitch() {
    fn target(site: &Site) -> String {
        format!("db:pg://postgres@127.0.0.1:{}/{}", server().port, site.database)
    }
    let up = |site: &Site| {
        site.run(&["deploy", "--verify", &target(site)]);
        site.run(&["verify", &target(site)]);
    };
    let two = |site: &Site| site.run(&["deploy", "--verify", "--to", "keys/parts", &target(site)]);
    let down = |site: &Site| site.run(&["revert", "-y", "--to", "@HEAD^", &target(site)]);
    both_ways(&Peer { layout: "sqitch", program: "sqitch", up, two: Some(two), down: Some(down) }).await;
}

#[tokio::test]
async fn sql_migrate() {
    fn configured(site: &Site) {
        let source = format!("host=127.0.0.1 port={} dbname={} user=postgres sslmode=disable", server().port, site.database);
        let text = format!("development:\n  dialect: postgres\n  datasource: {source}\n  dir: migrations\n");
        std::fs::write(site.folder.path().join("dbconfig.yml"), text).unwrap();
    }
    let up = |site: &Site| {
        configured(site);
        site.run(&["up"]);
    };
    let down = |site: &Site| {
        configured(site);
        site.run(&["down", "-limit=1"]);
    };
    both_ways(&Peer { layout: "sql-migrate", program: "sql-migrate", up, two: None, down: Some(down) }).await;
}

#[tokio::test]
async fn graphile_migrate() {
    let up = |site: &Site| site.run(&["migrate"]);
    both_ways(&Peer { layout: "graphile-migrate", program: "graphile-migrate", up, two: None, down: None }).await;
}

#[tokio::test]
async fn node_pg_migrate() {
    let up = |site: &Site| site.run(&["up"]);
    let down = |site: &Site| site.run(&["down"]);
    both_ways(&Peer { layout: "node-pg-migrate", program: "node-pg-migrate", up, two: None, down: Some(down) }).await;
}

#[tokio::test]
async fn yoyo() {
    fn target(site: &Site) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{}", server().port, site.database)
    }
    let up = |site: &Site| site.run(&["apply", "--batch", "--no-config-file", "--database", &target(site), "migrations"]);
    let down = |site: &Site| {
        site.run(&["rollback", "--batch", "--no-config-file", "--revision", "0003.index", "--database", &target(site), "migrations"]);
    };
    both_ways(&Peer { layout: "yoyo", program: "yoyo", up, two: None, down: Some(down) }).await;
}

#[tokio::test]
#[ignore = "large: make test-peers"]
async fn supabase() {
    let up = |site: &Site| site.run(&["db", "push", "--db-url", &site.url(), "--yes"]);
    both_ways(&Peer { layout: "supabase", program: "supabase", up, two: None, down: None }).await;
}

#[tokio::test]
#[ignore = "needs Java: make test-peers"]
async fn liquibase() {
    fn run(site: &Site, file: &str, command: &[&str]) {
        let classpath = format!("--classpath={}", site.dir().display());
        let file = format!("--changeLogFile={file}");
        let target = format!("--url=jdbc:postgresql://127.0.0.1:{}/{}", server().port, site.database);
        let fixed = [classpath.as_str(), &file, &target, "--username=postgres", "--logLevel=warning"];
        site.run(&[&fixed, command].concat());
    }
    let two = |site: &Site| run(site, "a.sql", &["update"]);
    let up = |site: &Site| {
        run(site, "a.sql", &["update"]);
        run(site, "b.sql", &["update"]);
    };
    let down = |site: &Site| run(site, "b.sql", &["rollbackCount", "1"]);
    both_ways(&Peer { layout: "liquibase", program: "liquibase", up, two: Some(two), down: Some(down) }).await;
}

#[tokio::test]
#[ignore = "compiled: make test-peers"]
async fn sqlx() {
    let up = |site: &Site| site.run(&["migrate", "run", "--source", "migrations", "--database-url", &site.url()]);
    let down = |site: &Site| site.run(&["migrate", "revert", "--source", "migrations", "--database-url", &site.url()]);
    both_ways(&Peer { layout: "sqlx", program: "sqlx", up, two: None, down: Some(down) }).await;
}

#[tokio::test]
#[ignore = "compiled: make test-peers"]
async fn diesel() {
    let up = |site: &Site| site.run(&["migration", "run", "--migration-dir", "migrations", "--database-url", &site.url()]);
    let down = |site: &Site| site.run(&["migration", "revert", "--migration-dir", "migrations", "--database-url", &site.url()]);
    // diesel stops at a folder without up.sql, so the whole folder goes, and comes back.
    let two = |site: &Site| {
        std::fs::remove_dir_all(site.dir().join("2026-01-03-000000_index")).unwrap();
        site.run(&["migration", "run", "--migration-dir", "migrations", "--database-url", &site.url()]);
        site.fixture.write(site.folder.path());
    };
    both_ways(&Peer { layout: "diesel", program: "diesel", up, two: Some(two), down: Some(down) }).await;
}

#[tokio::test]
#[ignore = "compiled: make test-peers"]
async fn refinery() {
    let up = |site: &Site| site.run(&["migrate", "-e", "DATABASE_URL", "-p", "migrations"]);
    both_ways(&Peer { layout: "refinery", program: "refinery", up, two: None, down: None }).await;
}
