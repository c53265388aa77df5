//! Applying 300 small files of three statements, against one `psql` process that runs the same files, each between BEGIN and COMMIT.
//!
//! Both sides connect, run everything and leave; both meet a fresh database, in turns, on one throwaway cluster that syncs
//! as a server does by default. Ours also writes the history, row by row with each file.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use migration_ledger::migrate::{ApplyOptions, MigrationSet, Tracer, apply_to, apply_traced, history};
use migration_ledger::pg::{Access, Cluster, ClusterOptions, ConnectSpec, SessionOptions, Target};

use crate::{Failure, Measurement, median};

pub const FILES: usize = 300;
const TURNS: usize = 7;

/// Our wall time over psql's.
pub fn run() -> Result<Measurement, Failure> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("files");
    let driver = generate(&folder)?;
    let cluster = careful_cluster()?;
    let set = MigrationSet::read(&folder.join("migrations"), "auto")?;
    if set.migrations.len() != FILES {
        return Err(format!("{} of {FILES} files were read", set.migrations.len()).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let psql = cluster_psql(&cluster);
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let (our_url, their_url) = runtime.block_on(databases(&cluster, turn))?;
        let mut seconds = [0.0; 2];
        // Who goes first alternates.
        for side in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let clock = Instant::now();
            match side {
                0 => runtime.block_on(through(&our_url, &set, false))?,
                _ => run_psql(&psql, &their_url, &driver)?,
            }
            seconds[side] = clock.elapsed().as_secs_f64();
        }
        runtime.block_on(same(&our_url, &their_url))?;
        // The first turn warms the server.
        if turn > 0 {
            ratios.push(seconds[0] / seconds[1]);
            ours.push(seconds[0]);
            theirs.push(seconds[1]);
        }
    }
    let note = format!(
        "{TURNS} turns, fresh databases: ours {:.0} ms, psql {:.0} ms, PostgreSQL {}",
        median(&ours) * 1e3,
        median(&theirs) * 1e3,
        cluster.postgres().version
    );
    cluster.stop()?;
    Ok(Measurement { turns: ratios, note })
}

/// A throwaway cluster is careless by default; what is measured here is a server that keeps its promises.
pub fn careful_cluster() -> Result<Cluster, Failure> {
    let settings = ["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name.to_owned(), "on".to_owned()));
    let options = ClusterOptions { settings: settings.into(), ..ClusterOptions::default() };
    Ok(Cluster::start(&options).map_err(|error| format!("{error}; {}", error.hint()))?)
}

/// Writes the files into a new folder, and the script that psql is given; returns the script's path.
pub fn generate(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let migrations = folder.join("migrations");
    std::fs::create_dir_all(&migrations)?;
    let mut driver = String::new();
    for number in 1..=FILES {
        let name = format!("{number:03}_table_{number}.sql");
        let text = format!(
            "-- Table {number} of {FILES}.\n\
             CREATE TABLE public.t{number} (id integer PRIMARY KEY, code text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());\n\
             CREATE INDEX t{number}_code_idx ON public.t{number} (code);\n\
             INSERT INTO public.t{number} (id, code) SELECT i, 'c; ' || i FROM generate_series(1, 50) AS i;\n"
        );
        let path = migrations.join(&name);
        std::fs::write(&path, text)?;
        writeln!(driver, "BEGIN;\n\\i {}\nCOMMIT;", path.display())?;
    }
    let path = folder.join("driver.sql");
    std::fs::write(&path, driver)?;
    Ok(path)
}

/// Two fresh databases.
async fn databases(cluster: &Cluster, turn: usize) -> Result<(String, String), Failure> {
    let server = Target::open(ConnectSpec::parse(&cluster.url("postgres"))?, "ledger/bench").await?;
    let session = server.session(Access::ReadWrite).await?;
    let names = [format!("ours_{turn}"), format!("psql_{turn}")];
    for name in &names {
        session.batch(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    }
    session.batch("CHECKPOINT").await?;
    Ok((cluster.url(&names[0]), cluster.url(&names[1])))
}

/// A fresh database of this name.
pub async fn database(cluster: &Cluster, name: &str) -> Result<String, Failure> {
    let server = Target::open(ConnectSpec::parse(&cluster.url("postgres"))?, "ledger/bench").await?;
    let session = server.session(Access::ReadWrite).await?;
    session.batch(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    session.batch("CHECKPOINT").await?;
    Ok(cluster.url(name))
}

/// Connects, applies every file with its history, and leaves; with the locks looked at or not.
pub async fn through(url: &str, set: &MigrationSet, traced: bool) -> Result<(), Failure> {
    let connect = SessionOptions {
        application_name: "ledger/bench".into(),
        access: Access::ReadWrite,
        statement_timeout_ms: 600_000,
        lock_timeout_ms: 5_000,
    };
    let session = ConnectSpec::parse(url)?.session(&connect).await?;
    let options = ApplyOptions {
        run: "bench".into(),
        lock_timeout_ms: 5_000,
        statement_timeout_ms: 600_000,
        concurrently_timeout_ms: 3_600_000,
        history: true,
    };
    if !traced {
        let applied = apply_to(&session, set, None, &options).await?;
        return match applied.iter().find_map(|one| one.failure.as_ref()) {
            Some(failure) => Err(failure.to_string().into()),
            None if applied.len() == set.migrations.len() => Ok(()),
            None => Err(format!("{} of {} files were applied", applied.len(), set.migrations.len()).into()),
        };
    }
    let target = Target::open(ConnectSpec::parse(url)?, "ledger/bench").await?;
    let tracer = Tracer::beside(&target, &session).await?;
    history::ensure(&session, set, None).await?;
    for migration in &set.migrations {
        let applied = apply_traced(&session, migration, &options, Some(&tracer), &mut |_| {}).await;
        match (applied.failure, applied.execution.traced) {
            (Some(failure), _) => return Err(failure.to_string().into()),
            (None, false) => return Err("a file was not traced".into()),
            (None, true) => {}
        }
    }
    Ok(())
}

/// psql beside the server's programs, else the one of PATH.
fn cluster_psql(cluster: &Cluster) -> std::path::PathBuf {
    let beside = cluster.postgres().path.with_file_name("psql");
    if beside.exists() { beside } else { "psql".into() }
}

fn run_psql(psql: &Path, url: &str, driver: &Path) -> Result<(), Failure> {
    let status = Command::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(driver)
        .arg(url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run {}: {error}", psql.display()))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("psql ended with {status}").into()),
    }
}

/// Both sides did the work: the same number of tables, indexes, keys and rows.
async fn same(ours: &str, theirs: &str) -> Result<(), Failure> {
    let mut counts = Vec::new();
    for url in [ours, theirs] {
        let target = Target::open(ConnectSpec::parse(url)?, "ledger/bench").await?;
        let session = target.session(Access::ReadOnly).await?;
        let row = session
            .one(
                "SELECT (SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace),
                        (SELECT count(*) FROM pg_catalog.pg_indexes WHERE schemaname = 'public'),
                        (SELECT count(*) FROM public.t300)",
                &[],
            )
            .await?;
        counts.push((row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?, row.try_get::<_, i64>(2)?));
    }
    match counts[0] == counts[1] && counts[0] == (900, 600, 50) {
        true => Ok(()),
        false => Err(format!("the two sides differ: {counts:?}").into()),
    }
}
