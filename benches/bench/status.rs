//! `ledger status` as a person starts it: the program's whole life, on a ledger of 10,000 entries in 500 runs.

use std::process::{Command, Stdio};
use std::time::Instant;

use migration_ledger::chain::{Draft, EntryType, PartDraft, Store};
use migration_ledger::config::Preset;
use nix::sys::resource::UsageWho;
use serde_json::{Value, json};

use crate::{Failure, Measurement, median, processor_seconds};

const ENTRIES: u64 = 10_000;
const TURNS: usize = 15;
const TASKS: [&str; 9] = ["CE-20", "CE-21", "CE-22", "CE-23", "CE-24", "CE-25", "CE-26", "CE-27", "CE-28"];

/// Milliseconds.
pub fn run() -> Result<Measurement, Failure> {
    let memory = std::path::Path::new("/dev/shm");
    let project = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let config = Preset::Contracts.text();
    std::fs::write(project.path().join("ledger.toml"), &config)?;
    std::fs::create_dir(project.path().join("evidence"))?;
    let mut store = Store::create(&project.path().join("evidence/ledger.db"), "bench@example.com")?;
    let mut number = 0;
    while store.len()? < ENTRIES {
        number += 1;
        one_run(&mut store, number, &config)?;
    }
    let entries = store.len()?;
    store.close()?;
    let (mut turns, mut busy) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let before = processor_seconds(UsageWho::RUSAGE_CHILDREN)?;
        let clock = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_ledger"))
            .arg("status")
            .current_dir(project.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()?;
        let took = clock.elapsed();
        let text = String::from_utf8_lossy(&output.stdout);
        // Not a GO: the last run's tasks are made up and short; but it must have been read and judged.
        if !text.contains(&format!("{entries} entries")) || !text.contains("CE-28") {
            return Err(format!("ledger status did not answer: {text}{}", String::from_utf8_lossy(&output.stderr)).into());
        }
        if turn > 0 {
            turns.push(took.as_secs_f64() * 1e3);
            busy.push((processor_seconds(UsageWho::RUSAGE_CHILDREN)? - before) * 1e3);
        }
    }
    let note = format!("{TURNS} starts of the program, {entries} entries in {number} runs; processor time {:.1} ms", median(&busy));
    Ok(Measurement { turns, note })
}

/// A run of 20 entries: opened, nine tasks started and finished, closed.
fn one_run(store: &mut Store, number: usize, config: &str) -> Result<(), Failure> {
    let run = format!("staging_migration_20260108-{number}");
    let draft = |kind: EntryType, task: Option<&str>| {
        let mut draft = Draft::new(kind, "bench@example.com");
        draft.run = Some(run.clone());
        draft.task = task.map(str::to_owned);
        draft.attempt = task.map(|_| 1);
        draft
    };
    let mut opened = draft(EntryType::RunOpened, None);
    let target = json!({"system_identifier": "1", "database": "staging", "database_oid": 1, "server_version": "15.18", "server_time": "2026-01-08T10:00:00Z", "lsn": "0/1"});
    opened.target = target.as_object().cloned();
    opened.body.insert("migrations_digest".into(), "0".repeat(64).into());
    opened.body.insert("source_commit".into(), Value::from(""));
    opened.body.insert("environment".into(), "staging".into());
    opened.parts.push(PartDraft::bytes("ledger.toml", "application/toml", config.as_bytes().to_vec()).at("trust/ledger.toml"));
    store.append(opened)?;
    for task in TASKS {
        let start = store.append(draft(EntryType::TaskStarted, Some(task)))?;
        let check = |code: &str| json!({"code": code, "title": "A check", "severity": "high", "outcome": {"is": "pass"}, "examined": 14, "subjects": []});
        let document =
            json!({"outcome": {"is": "pass"}, "headline": "everything is in order", "checks": [check("a-check"), check("b-check")]});
        let evidence = |code: &str| {
            let row = |n: u32| json!({"subject": format!("public.table_{n}"), "ok": true, "expected": "right", "observed": "right"});
            json!({"check": code, "title": "A check", "severity": "high", "asked_of": "target", "started": "2026-01-08T10:00:00.000000Z",
                   "duration_us": 1200, "min_subjects": 1, "rows": (0..14).map(row).collect::<Vec<_>>(), "outcome": {"is": "pass"}})
        };
        let mut result = draft(EntryType::TaskResult, Some(task));
        result.refs = vec![start.seq];
        result.body.insert("outcome".into(), "pass".into());
        result.body.insert("duration_us".into(), 1_000_000.into());
        result.body.insert("checks".into(), json!({"pass": 2, "fail": 0, "unknown": 0, "not_applicable": 0}));
        for (name, value) in
            [("result.json", document), ("check-a-check.json", evidence("a-check")), ("check-b-check.json", evidence("b-check"))]
        {
            result.parts.push(PartDraft::bytes(name, "application/json", serde_json::to_vec(&value)?));
        }
        store.append(result)?;
    }
    let mut closed = draft(EntryType::RunClosed, None);
    closed.body.insert("verdict".into(), "UNDECIDED".into());
    store.append(closed)?;
    Ok(())
}
