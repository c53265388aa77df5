//! A data migration of 50 MB: the peak of our own memory while it is read, linted, parsed and applied with the trace on, in a process of its
//! own (`VmHWM` of `/proc/self/status`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use migration_ledger::migrate::MigrationSet;
use migration_ledger::migrate::lint::{Given, Tables, examine, syntax};
use migration_ledger::migrate::split::decode;

use crate::apply::{careful_cluster, database, through};
use crate::{Failure, Measurement};

const BYTES: usize = 50_000_000;
const URL: &str = "LEDGER_BENCH_MEMORY_URL";
const FOLDER: &str = "LEDGER_BENCH_MEMORY_FOLDER";

/// Mebibytes.
pub fn run() -> Result<Measurement, Failure> {
    let folder = tempfile::tempdir()?;
    let mut text = String::from("CREATE TABLE public.data (id bigint, name text, note text);\n");
    let mut rows = 0;
    while text.len() < BYTES {
        rows += 1;
        writeln!(text, "INSERT INTO public.data VALUES ({rows}, 'name {rows}', 'a note; with a semicolon, and of some length');")?;
    }
    std::fs::write(folder.path().join("001_data.sql"), &text)?;
    let size = text.len();
    drop(text);
    let cluster = careful_cluster()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = runtime.block_on(database(&cluster, "memory"))?;
    let out = Command::new(std::env::current_exe()?).env(URL, &url).env(FOLDER, folder.path()).output()?;
    cluster.stop()?;
    if !out.status.success() {
        return Err(format!("the process ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr)).into());
    }
    let text = String::from_utf8(out.stdout)?;
    let mut words = text.split_whitespace();
    let (kilobytes, seconds): (f64, f64) = match (words.next(), words.next()) {
        (Some(kilobytes), Some(seconds)) => (kilobytes.parse()?, seconds.parse()?),
        _ => return Err(format!("the process said `{text}`").into()),
    };
    Ok(Measurement { turns: vec![kilobytes / 1024.0], note: format!("one run: {size} bytes, {rows} rows, {seconds:.1} s") })
}

/// What the process of its own does, where it is that process.
pub fn child() -> Option<Result<(), Failure>> {
    let (url, folder) = (std::env::var(URL).ok()?, std::env::var(FOLDER).ok()?);
    Some(measured(&url, &folder))
}

fn measured(url: &str, folder: &str) -> Result<(), Failure> {
    let clock = std::time::Instant::now();
    let set = MigrationSet::read(folder.as_ref(), "plain")?;
    let given: Vec<Given<'_>> = set.migrations.iter().map(|m| Given { script: &m.up, transactional: m.transactional }).collect();
    examine(&given, 15, &Tables::default(), &BTreeMap::new());
    let (errors, _) = syntax(decode(&set.migrations[0].up.bytes).map_err(|refusal| refusal.message)?);
    if let Some(error) = errors.first() {
        return Err(error.message.clone().into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(through(url, &set, true))?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    println!("{} {:.3}", peak.trim().trim_end_matches(" kB"), clock.elapsed().as_secs_f64());
    Ok(())
}
