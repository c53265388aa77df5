//! 300 small migrations in the layout of each other tool that is installed, applied by that tool and by ours, in turns, on fresh
//! databases: theirs over ours. Both sides are one process that starts, reads the folder, connects, applies, writes the history, leaves.
//!
//! `tools/peers.sh all` installs the tools; what is not there is said, and is in no figure. Not a part of `make bench`: `make bench-peers`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use migration_ledger::migrate::MigrationSet;
use migration_ledger::pg::{Access, Cluster, ClusterOptions, ConnectSpec, Target};
use nix::sys::resource::UsageWho;
use sha1::{Digest, Sha1};

use crate::apply::{FILES, through};
use crate::{Failure, median, processor_seconds};

const TURNS: usize = 3;

/// The first argument of the process that is our side.
const OURS: &str = "--apply-in-a-process-of-its-own";

/// A tool, its layout, how 300 files are written for it, and how it is told to apply them.
struct Peer {
    name: &'static str,
    layout: &'static str,
    /// The migrations folder, relative to the project.
    dir: &'static str,
    write: fn(&Path) -> std::io::Result<()>,
    /// Arguments for a database's URL and its parts.
    arguments: fn(&At) -> Vec<String>,
}

/// Where a turn's database is.
struct At {
    url: String,
    port: u16,
    database: String,
    dir: PathBuf,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const PEERS: [Peer; 12] = [
    Peer {
        name: "dbmate",
        layout: "dbmate",
        dir: "db/migrations",
        write: |root| {
            each(root, "db/migrations", |n| {
                (format!("{}_t.sql", stamp(n)), format!("-- migrate:up\n{}\n-- migrate:down\n{}", up(n), down(n)))
            })
        },
        arguments: |at| words(&["--url", &at.url, "-d", "db/migrations", "--no-dump-schema", "migrate"]),
    },
    Peer {
        name: "sql-migrate",
        layout: "sql-migrate",
        dir: "migrations",
        write: |root| {
            each(root, "migrations", |n| (format!("{n:04}_t.sql"), format!("-- +migrate Up\n{}\n-- +migrate Down\n{}", up(n), down(n))))
        },
        arguments: |_| words(&["up"]),
    },
    Peer { name: "graphile-migrate", layout: "graphile-migrate", dir: "migrations", write: graphile, arguments: |_| words(&["migrate"]) },
    Peer {
        name: "node-pg-migrate",
        layout: "node-pg-migrate",
        dir: "migrations",
        write: |root| {
            each(root, "migrations", |n| {
                (
                    format!("{}_t.sql", 1_767_225_600_000_u64 + n as u64),
                    format!("-- Up Migration\n{}\n-- Down Migration\n{}", up(n), down(n)),
                )
            })
        },
        arguments: |_| words(&["up"]),
    },
    Peer {
        name: "yoyo",
        layout: "yoyo",
        dir: "migrations",
        write: |root| {
            each(root, "migrations", |n| {
                let depends = if n > 1 { format!("-- depends: {:04}.t\n\n", n - 1) } else { "-- depends:\n\n".to_owned() };
                (format!("{n:04}.t.sql"), depends + &up(n))
            })?;
            each(root, "migrations", |n| (format!("{n:04}.t.rollback.sql"), down(n)))
        },
        arguments: |at| {
            words(&[
                "apply",
                "--batch",
                "--no-config-file",
                "--database",
                &format!("postgresql://postgres@127.0.0.1:{}/{}", at.port, at.database),
                "migrations",
            ])
        },
    },
    Peer {
        name: "sqitch",
        layout: "sqitch",
        dir: ".",
        write: sqitch,
        arguments: |at| words(&["deploy", &format!("db:pg://postgres@127.0.0.1:{}/{}", at.port, at.database)]),
    },
    Peer {
        name: "supabase",
        layout: "supabase",
        dir: "supabase/migrations",
        write: |root| {
            each(root, "supabase/migrations", |n| (format!("{}_t.sql", stamp(n)), up(n)))?;
            std::fs::write(root.join("supabase/config.toml"), "project_id = \"bench\"\n")
        },
        arguments: |at| words(&["db", "push", "--db-url", &at.url, "--yes"]),
    },
    Peer {
        name: "liquibase",
        layout: "liquibase",
        dir: "changelog",
        write: |root| {
            std::fs::create_dir_all(root.join("changelog"))?;
            let mut text = "--liquibase formatted sql\n".to_owned();
            (1..=FILES).for_each(|n| text.push_str(&format!("\n--changeset ada:t{n}\n{}--rollback {}", up(n), down(n))));
            std::fs::write(root.join("changelog/all.sql"), text)
        },
        arguments: |at| {
            words(&[
                &format!("--classpath={}", at.dir.display()),
                "--changeLogFile=all.sql",
                &format!("--url=jdbc:postgresql://127.0.0.1:{}/{}", at.port, at.database),
                "--username=postgres",
                "--logLevel=warning",
                "update",
            ])
        },
    },
    Peer {
        name: "sqlx",
        layout: "sqlx",
        dir: "migrations",
        write: |root| each(root, "migrations", |n| (format!("{}_t.sql", stamp(n)), up(n))),
        arguments: |at| words(&["migrate", "run", "--source", "migrations", "--database-url", &at.url]),
    },
    Peer {
        name: "diesel",
        layout: "diesel",
        dir: "migrations",
        write: |root| {
            each(root, "migrations", |n| (format!("{}_t/up.sql", stamp(n)), up(n)))?;
            each(root, "migrations", |n| (format!("{}_t/down.sql", stamp(n)), down(n)))?;
            std::fs::write(root.join("diesel.toml"), "")
        },
        arguments: |at| words(&["migration", "run", "--migration-dir", "migrations", "--database-url", &at.url]),
    },
    Peer {
        name: "refinery",
        layout: "refinery",
        dir: "migrations",
        write: |root| each(root, "migrations", |n| (format!("V{n}__t.sql"), up(n))),
        arguments: |_| words(&["migrate", "-e", "DATABASE_URL", "-p", "migrations"]),
    },
    // The floor: no tool, and no history.
    Peer {
        name: "psql",
        layout: "plain",
        dir: "migrations",
        write: |root| {
            each(root, "migrations", |n| (format!("{n:03}_t.sql"), up(n)))?;
            let mut driver = String::new();
            (1..=FILES).for_each(|n| _ = writeln!(driver, "BEGIN;\n\\i migrations/{n:03}_t.sql\nCOMMIT;"));
            std::fs::write(root.join("driver.sql"), driver)
        },
        arguments: |at| words(&["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "driver.sql", &at.url]),
    },
];

fn up(n: usize) -> String {
    format!(
        "CREATE TABLE public.t{n} (id integer PRIMARY KEY, code text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());\n\
         CREATE INDEX t{n}_code_idx ON public.t{n} (code);\n\
         INSERT INTO public.t{n} (id, code) SELECT i, 'c ' || i FROM generate_series(1, 50) AS i;\n"
    )
}

fn down(n: usize) -> String {
    format!("DROP TABLE public.t{n};\n")
}

/// 14 digits, as timestamps have them.
fn stamp(n: usize) -> String {
    format!("202601{:02}{:02}{:02}00", 1 + n / 100, n % 100 / 10, n % 10)
}

fn each(root: &Path, dir: &str, file: impl Fn(usize) -> (String, String)) -> std::io::Result<()> {
    for n in 1..=FILES {
        let (name, text) = file(n);
        let path = root.join(dir).join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Each file names the hash of the one before.
fn graphile(root: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(root.join("migrations/committed"))?;
    let mut previous: Option<String> = None;
    for n in 1..=FILES {
        let body = up(n);
        let hash = Sha1::digest(format!("{}\n{}", previous.as_deref().unwrap_or_default(), body.trim()).trim().to_owned() + "\n");
        let hash = format!("sha1:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let text = format!("--! Previous: {}\n--! Hash: {hash}\n\n{body}", previous.as_deref().unwrap_or("-"));
        std::fs::write(root.join(format!("migrations/committed/{n:06}.sql")), text)?;
        previous = Some(hash);
    }
    std::fs::write(root.join("migrations/current.sql"), "")?;
    std::fs::write(root.join(".gmrc"), "{}\n")
}

fn sqitch(root: &Path) -> std::io::Result<()> {
    each(root, "deploy", |n| (format!("t{n}.sql"), format!("BEGIN;\n{}COMMIT;\n", up(n))))?;
    each(root, "revert", |n| (format!("t{n}.sql"), format!("BEGIN;\n{}COMMIT;\n", down(n))))?;
    let mut plan = "%syntax-version=1.0.0\n%project=bench\n\n".to_owned();
    (1..=FILES).for_each(|n| plan.push_str(&format!("t{n} 2026-01-01T00:00:00Z Ada Example <ada@example.com> # t{n}\n")));
    std::fs::write(root.join("sqitch.plan"), plan)?;
    std::fs::write(root.join("sqitch.conf"), "[core]\n\tengine = pg\n")
}

/// Our side, where this process was started as that; `None`: it was not.
pub fn child() -> Option<Result<(), Failure>> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(OURS) {
        return None;
    }
    let (Some(url), Some(dir), Some(layout)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Some(Err("URL, folder and layout are wanted".into()));
    };
    let run = || -> Result<(), Failure> {
        let set = MigrationSet::read(Path::new(&dir), &layout)?;
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(through(&url, &set, false))
    };
    Some(run())
}

/// Measures every tool that is there; prints a line for each.
pub fn run() -> Result<(), Failure> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let on = ["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name.to_owned(), "on".to_owned()));
    let mut settings: Vec<(String, String)> = on.into();
    settings.push(("listen_addresses".into(), "127.0.0.1".into()));
    settings.push(("port".into(), port.to_string()));
    let hba = Some("local all all trust\nhost all all 127.0.0.1/32 trust\n".into());
    let cluster = Cluster::start(&ClusterOptions { settings, hba, ..ClusterOptions::default() })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{FILES} migrations of three statements, {TURNS} turns, PostgreSQL {}; medians", cluster.postgres().version);
    println!("{:<18} {:>10} {:>10} {:>14} {:>24}", "tool", "theirs", "ours", "theirs/ours", "its own processor time");
    for peer in &PEERS {
        let program = match peer.name {
            "psql" => cluster.bin().join("psql"),
            name => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin").join(name),
        };
        if !program.is_file() {
            println!("{:<18} NOT MEASURED: tools/peers.sh has not installed it", peer.name);
            continue;
        }
        if let Err(error) = measure(peer, &program, &cluster, port, &runtime) {
            println!("{:<18} NOT MEASURED: {error}", peer.name);
        }
    }
    cluster.stop()?;
    Ok(())
}

fn measure(peer: &Peer, program: &Path, cluster: &Cluster, port: u16, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    (peer.write)(folder.path())?;
    let dir = folder.path().join(peer.dir);
    let found = MigrationSet::read(&dir, peer.layout)?.migrations.len();
    if found != FILES {
        return Err(format!("{found} of {FILES} files were read as {}", peer.layout).into());
    }
    let (mut ratios, mut ours, mut theirs, mut processor) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let mut seconds = [0.0; 2];
        for side in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let database = format!("{}_{turn}_{side}", peer.name.replace('-', "_"));
            let made = runtime.block_on(fresh(cluster, &database))?;
            let url = format!("postgresql://postgres@127.0.0.1:{port}/{database}?sslmode=disable");
            let at = At { url, port, database, dir: dir.clone() };
            let before = processor_seconds(UsageWho::RUSAGE_CHILDREN)?;
            let clock = Instant::now();
            match side {
                0 => ended(Command::new(std::env::current_exe()?).args([OURS, &at.url]).arg(&dir).arg(peer.layout), "ours")?,
                _ => {
                    configure(peer, folder.path(), &at)?;
                    let mut command = Command::new(program);
                    command.args((peer.arguments)(&at)).current_dir(folder.path()).env("DATABASE_URL", &at.url);
                    command.env("ROOT_DATABASE_URL", &made).env("SHADOW_DATABASE_URL", &made).env("HOME", folder.path());
                    command.env("SQITCH_FULLNAME", "Ada Example").env("SQITCH_EMAIL", "ada@example.com").env("TZ", "UTC");
                    ended(&mut command, peer.name)?;
                    processor.push(processor_seconds(UsageWho::RUSAGE_CHILDREN)? - before);
                }
            }
            seconds[side] = clock.elapsed().as_secs_f64();
            runtime.block_on(whole(cluster, &at.database))?;
        }
        ratios.push(seconds[1] / seconds[0]);
        ours.push(seconds[0]);
        theirs.push(seconds[1]);
    }
    println!(
        "{:<18} {:>8.2} s {:>8.2} s {:>14.2} {:>22.2} s",
        peer.name,
        median(&theirs),
        median(&ours),
        median(&ratios),
        median(&processor)
    );
    Ok(())
}

/// What one tool wants in a file and not as an argument.
fn configure(peer: &Peer, root: &Path, at: &At) -> std::io::Result<()> {
    match peer.name {
        "sql-migrate" => std::fs::write(
            root.join("dbconfig.yml"),
            format!(
                "development:\n  dialect: postgres\n  datasource: host=127.0.0.1 port={} dbname={} user=postgres sslmode=disable\n  dir: migrations\n",
                at.port, at.database
            ),
        ),
        _ => Ok(()),
    }
}

fn ended(command: &mut Command, name: &str) -> Result<(), Failure> {
    let out = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {name}: {error}"))?;
    match out.status.success() {
        true => Ok(()),
        false => {
            let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            Err(format!("{name} ended with {}: {}", out.status, said.lines().last().unwrap_or_default()).into())
        }
    }
}

async fn fresh(cluster: &Cluster, name: &str) -> Result<String, Failure> {
    let server = Target::open(ConnectSpec::parse(&cluster.url("postgres"))?, "ledger/bench").await?;
    let session = server.session(Access::ReadWrite).await?;
    session.batch(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    session.batch("CHECKPOINT").await?;
    Ok(cluster.url("postgres"))
}

/// Whoever said that it is done has done it.
async fn whole(cluster: &Cluster, name: &str) -> Result<(), Failure> {
    let target = Target::open(ConnectSpec::parse(&cluster.url(name))?, "ledger/bench").await?;
    let session = target.session(Access::ReadOnly).await?;
    let sql = "SELECT count(*) FROM pg_catalog.pg_indexes WHERE schemaname = 'public' AND tablename ~ '^t[0-9]+$'";
    let indexes: i64 = session.one(sql, &[]).await?.try_get(0)?;
    match usize::try_from(indexes) == Ok(2 * FILES) {
        true => Ok(()),
        false => Err(format!("{name} has {indexes} indexes and not {}", 2 * FILES).into()),
    }
}
