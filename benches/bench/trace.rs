//! What looking at locks costs: a migration of more than a second, traced and not traced, in turns on fresh databases; and 300 tiny files,
//! whose ratio stands in the note.

use std::time::Instant;

use migration_ledger::migrate::MigrationSet;
use migration_ledger::pg::Cluster;

use crate::apply::{FILES, careful_cluster, database, generate, through};
use crate::{Failure, Measurement, median};

const TURNS: usize = 5;

/// Time with the trace over time without.
pub fn run() -> Result<Measurement, Failure> {
    let folder = tempfile::tempdir()?;
    generate(&folder.path().join("tiny"))?;
    let long = folder.path().join("long");
    std::fs::create_dir(&long)?;
    std::fs::write(long.join("001_long.sql"), LONG)?;
    let tiny = MigrationSet::read(&folder.path().join("tiny/migrations"), "plain")?;
    let long = MigrationSet::read(&long, "plain")?;
    let cluster = careful_cluster()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (turns, without) = runtime.block_on(ratios(&cluster, &long, "long"))?;
    let (tiny, tiny_without) = runtime.block_on(ratios(&cluster, &tiny, "tiny"))?;
    cluster.stop()?;
    let note = format!(
        "{TURNS} turns; untraced {:.2} s; {FILES} tiny files of three statements: × {:.2} of {:.2} ms a file",
        median(&without),
        median(&tiny),
        median(&tiny_without) * 1e3 / FILES as f64
    );
    Ok(Measurement { turns, note })
}

/// Ratios of the turns, and the times without the trace.
async fn ratios(cluster: &Cluster, set: &MigrationSet, name: &str) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let (mut ratios, mut without) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let mut seconds = [0.0; 2];
        // Who goes first alternates.
        for side in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let url = database(cluster, &format!("{name}_{turn}_{side}")).await?;
            let clock = Instant::now();
            through(&url, set, side == 1).await?;
            seconds[side] = clock.elapsed().as_secs_f64();
        }
        // The first turn warms the server.
        if turn > 0 {
            ratios.push(seconds[1] / seconds[0]);
            without.push(seconds[0]);
        }
    }
    Ok((ratios, without))
}

const LONG: &str = "
CREATE TABLE public.a (id bigint PRIMARY KEY, b bigint NOT NULL, note text);
INSERT INTO public.a SELECT i, i % 1000, md5(i::text) FROM generate_series(1, 200000) AS i;
CREATE INDEX a_b ON public.a (b);
UPDATE public.a SET note = note || 'x' WHERE b < 500;
ALTER TABLE public.a ADD CONSTRAINT positive CHECK (id > 0);
CREATE TABLE public.c (id bigint PRIMARY KEY REFERENCES public.a (id));
INSERT INTO public.c SELECT id FROM public.a WHERE b < 300;
CREATE INDEX a_note ON public.a (note);
";
