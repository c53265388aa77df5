//! Data safety against what one would write by hand: orphans of every key against a psql script, the digest of a table against reading it,
//! the backup drill against pg_dump and pg_restore.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use migration_ledger::config;
use migration_ledger::pg::data::{table_states, table_states_of};
use migration_ledger::pg::dump::{Tools, workers};
use migration_ledger::pg::{Access, Catalog, Cluster, ClusterOptions, ConnectSpec, ScratchPool, Session, SessionOptions, Target};
use migration_ledger::steps::counting::{Question, answer_all};
use migration_ledger::steps::foreign_keys::{inventory, questions};

use crate::{Failure, Measurement, median};

const TURNS: usize = 5;

/// How much of the stage the drill is played on: it writes all of it many times over.
const DRILL: u32 = 5;

/// A parent of 300,000 rows, four children of 400,000 to 1,000,000, one key each; every twentieth row of a child has none.
const FILL: &str = "
    CREATE TABLE public.parents (id bigint PRIMARY KEY, name text NOT NULL, made timestamptz NOT NULL DEFAULT now());
    INSERT INTO public.parents SELECT i, md5(i::text) FROM generate_series(1, 300000 / $part) i;
    DO $$ DECLARE n int; BEGIN FOR n IN 1..4 LOOP
      EXECUTE format('CREATE TABLE public.children_%s (id bigint PRIMARY KEY, parent_id bigint, note text)', n);
      EXECUTE format('INSERT INTO public.children_%s SELECT i, CASE WHEN i %% 20 > 0 THEN 1 + i::bigint * 7919 %% (300000 / $part) END, md5((i * 2)::text) FROM generate_series(1, %s) i', n, (200000 + n * 200000) / $part);
      EXECUTE format('CREATE INDEX ON public.children_%s (parent_id)', n);
      EXECUTE format('ALTER TABLE public.children_%s ADD FOREIGN KEY (parent_id) REFERENCES public.parents', n);
    END LOOP; END $$";

struct Stage {
    cluster: Cluster,
    target: Target,
    session: Session,
}

/// With one `part`-th of the rows.
async fn stage(part: u32) -> Result<Stage, Failure> {
    // What the server does by itself is not measured.
    let settings = [("shared_buffers", "256MB"), ("max_wal_size", "4GB"), ("autovacuum", "off")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = ClusterOptions { settings: settings.into(), ..ClusterOptions::default() };
    let cluster = Cluster::start(&options).map_err(|error| format!("{error}; {}", error.hint()))?;
    let spec = ConnectSpec::parse(&cluster.url("postgres"))?;
    let target = Target::open(spec.clone(), "bench").await?;
    let options =
        SessionOptions { application_name: "bench".into(), access: Access::ReadWrite, statement_timeout_ms: 0, lock_timeout_ms: 0 };
    let session = spec.session(&options).await?;
    session.batch(&FILL.replace("$part", &part.to_string())).await?;
    // Twice: beside any older snapshot the first marks no page all-visible, and whether indexes alone answer would be chance.
    session.batch("VACUUM ANALYZE").await?;
    session.batch("VACUUM").await?;
    session.batch("CHECKPOINT").await?;
    Ok(Stage { cluster, target, session })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn succeeds(command: &mut Command) -> Result<(), Failure> {
    let status = command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Both sides in turns, who goes first alternating; the first turn warms the server and is not counted.
struct Turns {
    ratios: Vec<f64>,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Turns {
    fn take(mut ours: impl FnMut() -> Result<(), Failure>, mut theirs: impl FnMut() -> Result<(), Failure>) -> Result<Self, Failure> {
        let mut turns = Self { ratios: Vec::new(), ours: Vec::new(), theirs: Vec::new() };
        for turn in 0..=TURNS {
            let mut seconds = [0.0; 2];
            for side in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
                let clock = Instant::now();
                if side == 0 {
                    ours()?
                } else {
                    theirs()?
                }
                seconds[side] = clock.elapsed().as_secs_f64();
            }
            if turn > 0 {
                turns.ratios.push(seconds[0] / seconds[1]);
                turns.ours.push(seconds[0]);
                turns.theirs.push(seconds[1]);
            }
        }
        Ok(turns)
    }

    fn measurement(self, what: &str, cluster: &Cluster) -> Measurement {
        let note = format!(
            "{TURNS} turns, {what}: ours {:.0} ms, theirs {:.0} ms, PostgreSQL {}",
            median(&self.ours) * 1e3,
            median(&self.theirs) * 1e3,
            cluster.postgres().major
        );
        Measurement { turns: self.ratios, note }
    }
}

/// Orphans of all keys: ours over a psql script that runs LEFT JOIN … IS NULL key by key.
pub fn orphans() -> Result<Measurement, Failure> {
    let runtime = runtime()?;
    let stage = runtime.block_on(stage(1))?;
    let keys = runtime.block_on(inventory::read(&stage.session, &[]))?;
    let asked: Vec<Question> = keys.iter().map(questions::orphans).collect();
    if asked.len() != 4 {
        return Err(format!("{} keys instead of 4", asked.len()).into());
    }
    let script: String = (1..=4)
        .map(|n| {
            format!(
                "SELECT count(*) FROM public.children_{n} c LEFT JOIN public.parents p ON p.id = c.parent_id WHERE c.parent_id IS NOT NULL AND p.id IS NULL;\n"
            )
        })
        .collect();
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    let (psql, url) = (program(&stage.cluster, "psql"), stage.cluster.url("postgres"));
    let turns = Turns::take(
        || {
            let answers = runtime.block_on(answer_all(&stage.target, &asked, 0, |_, _| {}))?;
            match answers.iter().all(|answer| answer.as_ref().is_some_and(|answer| answer.number() == Some(0))) {
                true => Ok(()),
                false => Err("a key was not counted".into()),
            }
        },
        || succeeds(Command::new(&psql).args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file.path()).arg(&url)),
    )?;
    Ok(turns.measurement("4 keys, 2.8 M child rows", &stage.cluster))
}

/// The digest of a table: ours over `count(*)` and making every row's text once, which is the floor.
pub fn digest() -> Result<Measurement, Failure> {
    let runtime = runtime()?;
    let stage = runtime.block_on(stage(1))?;
    let excluded = Vec::new();
    runtime.block_on(
        stage.session.batch("SET max_parallel_workers_per_gather = 0; DROP TABLE public.children_1, public.children_2, public.children_3"),
    )?;
    let turns = Turns::take(
        || {
            let states = runtime.block_on(table_states(&stage.session, &excluded))?;
            if states.len() == 2 { Ok(()) } else { Err(format!("{} tables", states.len()).into()) }
        },
        || {
            for (table, row) in [("parents", "id, made, name"), ("children_4", "id, note, parent_id")] {
                runtime.block_on(stage.session.query(&format!("SELECT count(*) FROM ONLY public.{table}"), &[]))?;
                let read = format!("SELECT sum(length(r)) FROM (SELECT ROW({row})::text AS r FROM ONLY public.{table} OFFSET 0) x");
                runtime.block_on(stage.session.query(&read, &[]))?;
            }
            Ok(())
        },
    )?;
    Ok(turns.measurement("1.3 M rows, one session; the floor is count(*) and every row's text", &stage.cluster))
}

/// Backup, restore and comparison: ours over pg_dump and pg_restore with as many jobs.
pub fn drill() -> Result<Measurement, Failure> {
    let runtime = runtime()?;
    let stage = runtime.block_on(stage(DRILL))?;
    let config = config::Backup { pg_dump: Some(program(&stage.cluster, "pg_dump")), jobs: 2, ..config::Backup::default() };
    let tools = Tools::find(stage.target.major(), &config)?;
    let folder = crate::on_disk()?;
    let turn = std::cell::Cell::new(0);
    let file = |side: &str| -> PathBuf { folder.path().join(format!("{side}_{}.dump", turn.get())) };
    let url = stage.cluster.url("postgres");
    let ours = || {
        turn.set(turn.get() + 1);
        let file = file("ours");
        runtime.block_on(drill_once(&stage.target, &tools, &config, &file))?;
        std::fs::remove_file(file)?;
        Ok(())
    };
    let theirs = || {
        turn.set(turn.get() + 1);
        let file = file("theirs");
        succeeds(Command::new(program(&stage.cluster, "pg_dump")).args(["-Fc", "-f"]).arg(&file).arg(&url))?;
        succeeds(Command::new(program(&stage.cluster, "createdb")).args(["-T", "template0", "--maintenance-db"]).arg(&url).arg("theirs"))?;
        succeeds(
            Command::new(program(&stage.cluster, "pg_restore")).args(["-e", "-j2", "-d"]).arg(stage.cluster.url("theirs")).arg(&file),
        )?;
        succeeds(Command::new(program(&stage.cluster, "dropdb")).args(["--maintenance-db"]).arg(&url).arg("theirs"))?;
        std::fs::remove_file(file)?;
        Ok(())
    };
    let turns = Turns::take(ours, theirs)?;
    Ok(turns.measurement("0.6 M rows, 2 jobs", &stage.cluster))
}

async fn drill_once(target: &Target, tools: &Tools, config: &config::Backup, file: &Path) -> Result<(), Failure> {
    let (facts, source) = tools.dump_whole(target, file, "bench.dump", config, &|_| {}).await?;
    let pool = ScratchPool::new(target.clone(), Some(tools.clone()));
    let (copy, _) = pool.restored(file).await?;
    let session = copy.session(Access::ReadOnly).await?;
    let same = Catalog::read(&session, &[]).await?.as_dumped() == source.catalog
        && table_states_of(copy.target(), &[], workers(config), None, &|_, _| {}).await? == facts.tables;
    drop(session);
    pool.close().await?;
    if same { Ok(()) } else { Err("the copy differs".into()) }
}

fn program(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.bin().join(name)
}
