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

/// Tables of a tenant, each with four policies.
const FILL: &str = "
    CREATE TABLE public.tenants (id uuid PRIMARY KEY, name text NOT NULL);
    ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.tenants USING (id = nullif(current_setting('app.tenant', true), '')::uuid);
    DO $$ DECLARE n int; c text; BEGIN FOR n IN 2..$TABLES$ LOOP
      EXECUTE format('CREATE TABLE public.t%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES public.tenants,
        title text NOT NULL, state text NOT NULL DEFAULT ''new'' CHECK (state IN (''new'', ''old'')), made timestamptz NOT NULL DEFAULT now())', n);
      EXECUTE format('ALTER TABLE public.t%s ENABLE ROW LEVEL SECURITY', n);
      FOREACH c IN ARRAY ARRAY['SELECT USING', 'UPDATE USING', 'DELETE USING', 'INSERT WITH CHECK'] LOOP
        EXECUTE format('CREATE POLICY %I ON public.t%s FOR %s (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::uuid)', lower(split_part(c, ' ', 1)), n, c);
      END LOOP;
    END LOOP; END $$;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bench_app;";

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

/// Seconds for 1,000 tables; a quarter of them beside it, and the most memory that this process ever held.
pub fn thousand() -> Result<Measurement, Failure> {
    let (runtime, cluster) = prepared()?;
    let of = |tables: usize| vec![FILL.replace("$TABLES$", &tables.to_string())];
    let (_, quarter) = runtime.block_on(examined(&cluster, "quarter", &of(MANY / 4)))?;
    let (isolation, seconds) = runtime.block_on(examined(&cluster, "whole", &of(MANY)))?;
    cluster.stop()?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    let note = format!(
        "one run: {} cells; {:.2} of four times what {} tables take; at most {:.0} MiB",
        isolation.cells.len(),
        seconds / (4.0 * quarter),
        MANY / 4,
        peak / 1024.0
    );
    Ok(Measurement { turns: vec![seconds], note })
}
