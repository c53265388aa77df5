//! Reading and linting 1,000 small files: what `ledger lint` does, without starting the program.

use std::collections::BTreeMap;
use std::time::Instant;

use migration_ledger::migrate::MigrationSet;
use migration_ledger::migrate::lint::{Given, Tables, examine, syntax};
use migration_ledger::migrate::split::decode;

use crate::{Failure, Measurement};

const FILES: usize = 1_000;
const TURNS: usize = 5;

/// Seconds for reading, parsing and linting all files.
pub fn run() -> Result<Measurement, Failure> {
    let folder = tempfile::tempdir()?;
    let mut bytes = 0;
    for number in 1..=FILES {
        let text = format!(
            "-- Migration {number}.\nCREATE TABLE public.t{number} (\n    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),\n    tenant_id uuid NOT NULL,\n    \
             title text NOT NULL DEFAULT 'untitled; really',\n    created_at timestamptz NOT NULL DEFAULT now()\n);\n\
             ALTER TABLE public.t{number} ENABLE ROW LEVEL SECURITY;\n\
             CREATE POLICY own ON public.t{number} USING (tenant_id = current_setting('app.tenant_id')::uuid);\n\
             CREATE INDEX t{number}_tenant ON public.t{number} (tenant_id);\n\
             CREATE FUNCTION public.f{number}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title := trim(NEW.title); RETURN NEW; END $$;\n\
             CREATE TRIGGER trimmed BEFORE INSERT ON public.t{number} FOR EACH ROW EXECUTE FUNCTION public.f{number}();\n\
             DROP VIEW IF EXISTS public.v{number} CASCADE;\n"
        );
        bytes += text.len();
        std::fs::write(folder.path().join(format!("{number:04}_table.sql")), text)?;
    }
    let mut turns = Vec::new();
    let mut found = 0;
    for _ in 0..TURNS {
        let clock = Instant::now();
        let set = MigrationSet::read(folder.path(), "auto")?;
        let given: Vec<Given<'_>> = set.migrations.iter().map(|m| Given { script: &m.up, transactional: m.transactional }).collect();
        let examined = examine(&given, 15, &Tables::default(), &BTreeMap::new());
        let mut errors = 0;
        for migration in &set.migrations {
            let text = decode(&migration.up.bytes).map_err(|refusal| refusal.message)?;
            errors += syntax(text).0.len();
        }
        turns.push(clock.elapsed().as_secs_f64());
        found = examined.remarks.iter().map(|(_, remarks)| remarks.len()).sum::<usize>();
        if errors > 0 || examined.coverage.files != FILES as u64 || found == 0 {
            return Err(format!("{errors} syntax errors, {} files, {found} remarks", examined.coverage.files).into());
        }
    }
    Ok(Measurement { turns, note: format!("{TURNS} turns; {FILES} files of {} bytes, {found} remarks", bytes / FILES) })
}
