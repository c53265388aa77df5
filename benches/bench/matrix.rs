//! The isolation matrix: the reference application's fourteen tables in every context, and a schema of 1,000 tables.

use std::path::Path;
use std::time::Instant;

use migration_ledger::config::Tenancy;
use migration_ledger::domain::product::CellVerdict;
use migration_ledger::pg::{Access, Cluster, ClusterOptions, ConnectSpec, Target};
use migration_ledger::steps::row_security::{Isolation, isolate};

use crate::{Failure, Measurement};

const TURNS: usize = 3;
const MANY: usize = 1_000;

/// Blocks of ten tables beside people, tenants and memberships.
const FILL: &str = include_str!("many_tables.sql");
/// Memory that this process may hold, MiB, and how many times what a quarter of the tables takes all of them may take.
const MEMORY: f64 = 200.0;
const GROWTH: f64 = 4.5;

/// A database with a schema, examined once.
async fn examined(cluster: &Cluster, name: &str, schema: &[String]) -> Result<(Isolation, f64), Failure> {
    let admin = Target::open(ConnectSpec::parse(&cluster.url("postgres"))?, "bench").await?;
    let session = admin.session(Access::ReadWrite).await?;
    session.batch(&format!("CREATE DATABASE {name}")).await?;
    let roles = "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['bench_app', 'app_user', 'migrator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r) THEN EXECUTE format('CREATE ROLE %I', r); END IF; END LOOP; END $$";
    session.batch(roles).await?;
    let target = Target::open(ConnectSpec::parse(&cluster.url(name))?, "bench").await?;
    let session = target.session_with(Access::ReadWrite, 0, 0).await?;
    for sql in schema {
        session.batch(&format!("SET search_path = public; {sql}")).await?;
    }
    drop(session);
    let clock = Instant::now();
    let isolation = isolate(&target, &Tenancy::default(), &|_| ()).await?;
    let seconds = clock.elapsed().as_secs_f64();
    let undecided = isolation.cells.iter().filter(|cell| matches!(cell.cell.verdict, CellVerdict::Undecided | CellVerdict::Leak)).count();
    if undecided > 0 || isolation.cells.is_empty() {
        return Err(format!("{undecided} of {} cells are not isolated", isolation.cells.len()).into());
    }
    Ok((isolation, seconds))
}

fn prepared() -> Result<(tokio::runtime::Runtime, Cluster), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings =
        [("max_locks_per_transaction", "512"), ("shared_buffers", "128MB")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = ClusterOptions { settings: settings.into(), ..ClusterOptions::default() };
    let cluster = Cluster::start(&options).map_err(|error| format!("{error}; {}", error.hint()))?;
    Ok((runtime, cluster))
}

/// Seconds for the fourteen tables.
pub fn fourteen() -> Result<Measurement, Failure> {
    let (runtime, cluster) = prepared()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts");
    let names = ["001_initial_schema", "002_row_level_security", "003_foreign_keys", "004_performance_indexes", "005_audit_logging"];
    let schema = names.iter().map(|name| std::fs::read_to_string(folder.join(format!("{name}.sql")))).collect::<Result<Vec<_>, _>>()?;
    let (mut turns, mut cells) = (Vec::new(), 0);
    for turn in 0..TURNS {
        let (isolation, seconds) = runtime.block_on(examined(&cluster, &format!("fourteen_{turn}"), &schema))?;
        if isolation.tables.len() != 14 {
            return Err(format!("{} tables instead of 14", isolation.tables.len()).into());
        }
        cells = isolation.cells.len();
        turns.push(seconds);
    }
    cluster.stop()?;
    Ok(Measurement { turns, note: format!("{TURNS} turns; {cells} cells") })
}

/// Seconds for 1,000 tables; a quarter of them beside it, and the most memory that this process held meanwhile, both within limits of their own.
pub fn thousand() -> Result<Measurement, Failure> {
    let (runtime, cluster) = prepared()?;
    // Other measurements of this process held more (proc(5): 5 resets the peak).
    std::fs::write("/proc/self/clear_refs", "5")?;
    let of = |tables: usize| vec![FILL.replace("$BLOCKS$", &(tables / 10).to_string())];
    let (small, quarter) = runtime.block_on(examined(&cluster, "quarter", &of(MANY / 4)))?;
    let (isolation, seconds) = runtime.block_on(examined(&cluster, "whole", &of(MANY)))?;
    // Before and after, since machines drift.
    let (_, again) = runtime.block_on(examined(&cluster, "quarter_again", &of(MANY / 4)))?;
    let quarter = f64::midpoint(quarter, again);
    cluster.stop()?;
    if isolation.tables.len() < MANY || small.tables.len() < MANY / 4 {
        return Err(format!("{} and {} tables were examined", small.tables.len(), isolation.tables.len()).into());
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0;
    let growth = seconds / quarter;
    let note = format!(
        "one run: {} tables, {} cells; {growth:.2} times what {} tables take (at most {GROWTH}: {}); at most {peak:.0} MiB (of {MEMORY:.0}: {})",
        isolation.tables.len(),
        isolation.cells.len(),
        small.tables.len(),
        met(growth <= GROWTH),
        met(peak <= MEMORY),
    );
    Ok(Measurement { turns: vec![seconds], note })
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
