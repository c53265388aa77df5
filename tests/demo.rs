//! The demo: every fault ends NO-GO, named by task, check and subject, and nothing fails that does not follow from it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use migration_ledger::chain::Store;
use migration_ledger::demo::fault::Plant;
use migration_ledger::demo::{FAULTS, Fault};
use migration_ledger::domain::verdict::Verdict;
use migration_ledger::domain::{Outcome, TaskId};
use migration_ledger::record::{self, Run};

fn ledger(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
    command.args(args).stdin(Stdio::null()).env("NO_COLOR", "1").env_remove("LEDGER_ACTOR");
    if let Some(bin) = std::env::var_os("LEDGER_TEST_PG_BIN").filter(|bin| !bin.is_empty()) {
        command.env("LEDGER_PG_BIN", bin);
    }
    command.output().expect("the program runs")
}

fn latest(folder: &Path) -> Run {
    let store = Store::open_read_only(&folder.join("evidence/ledger.db")).expect("a ledger");
    record::read::latest(&store).expect("readable").expect("a run")
}

/// Every way in which this fault's run is not what it should be.
fn complaints(fault: &Fault, folder: &Path) -> Vec<String> {
    let out = folder.join(fault.name);
    let ran = ledger(&["demo", "--out", &out.display().to_string(), "--fault", fault.name]);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let mut wrong = Vec::new();
    if ran.status.code() != Some(10) {
        return vec![format!("exit {:?}, not 10: {said}", ran.status.code())];
    }
    let run = latest(&out);
    let judgement = run.judgement();
    let found = fault.found;
    let task = TaskId::new(found.task);
    match run.latest(&task) {
        None => wrong.push(format!("{task} has no result")),
        Some((_, result)) => {
            let findings: Vec<String> =
                result.evidence.iter().filter(|e| e.check.as_str() == found.check).flat_map(|e| e.findings()).map(|f| f.subject).collect();
            if !findings.iter().any(|subject| subject.contains(found.subject)) {
                wrong.push(format!("{} of {task} finds {findings:?}, not {}", found.check, found.subject));
            }
            if result.document.outcome != Outcome::Fail {
                wrong.push(format!("{task} is {}", result.document.outcome));
            }
        }
    }
    let gate = judgement.gates.iter().find(|gate| gate.id == found.gate);
    if gate.is_none_or(|gate| gate.outcome != Outcome::Fail) {
        wrong.push(format!("{} did not fail", found.gate));
    }
    let failed: BTreeSet<&str> =
        judgement.tasks.iter().filter(|task| task.outcome == Outcome::Fail).map(|task| task.task.as_str()).collect();
    let expected: BTreeSet<&str> = std::iter::once(found.task).chain(fault.follows.iter().copied()).collect();
    if failed != expected {
        wrong.push(format!("failed: {failed:?}, expected {expected:?}\n{said}"));
    }
    if !out.join("evidence").join(run.id.as_str()).join("report/STAGING_MIGRATION_READINESS_REPORT.html").is_file() {
        wrong.push("no report".to_owned());
    }
    wrong.extend(package_complaints(&out, &run, "NO-GO", "DENIED"));
    wrong
}

/// Whether the package beside the ledger verifies, with the verdict and the decision that the run came to.
fn package_complaints(out: &Path, run: &Run, verdict: &str, decision: &str) -> Vec<String> {
    let zip = out.join("evidence").join(format!("{}.zip", run.id));
    let signers = out.join("allowed_signers").display().to_string();
    let verified = ledger(&["verify", &zip.display().to_string(), "--allowed-signers", &signers]);
    let said = format!("{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr));
    match verified.status.code() == Some(0) && said.contains(verdict) && said.contains(decision) {
        true => Vec::new(),
        false => vec![format!("the package does not verify as {verdict}, {decision}: exit {:?}: {said}", verified.status.code())],
    }
}

/// One of the two long tests at a time: measuring beside another run says little.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_whole_plan_ends_in_an_approved_go_and_can_be_played_again() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("demo");
    let shown = out.display().to_string();
    let ran = ledger(&["demo", "--out", &shown]);
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stderr), String::from_utf8_lossy(&ran.stdout));
    assert_eq!(ran.status.code(), Some(0), "{said}");
    let run = latest(&out);
    assert_eq!(run.judgement().verdict, Verdict::Go, "{said}");
    assert_eq!(run.judgement().tasks.iter().filter(|task| task.outcome == Outcome::Pass).count(), 9, "{said}");
    assert_eq!(package_complaints(&out, &run, "GO", "APPROVED"), Vec::<String>::new());

    // The evidence folder of the run is the unpacked package, and every deliverable of the plan is in it.
    let evidence = out.join("evidence").join(run.id.as_str());
    let files: Vec<String> = files(&evidence);
    for deliverable in run.config.plan.tasks.iter().flat_map(|task| &task.deliverables) {
        assert!(files.iter().any(|file| file.ends_with(&deliverable.file)), "no {} in {files:?}", deliverable.file);
    }
    for log in run.config.plan.tasks.iter().map(|task| task.log_name()) {
        assert!(out.join("logs").join(&log).is_file(), "no copy of {log}");
        assert!(files.iter().any(|file| file.ends_with(&log)), "no {log} in {files:?}");
    }

    // The dry run of a second demo over the same folder: another server, so another target; the first evidence is kept.
    let again = ledger(&["demo", "--out", &shown, "--force", "--rows", "60", "--fault", "syntax-error"]);
    assert_eq!(again.status.code(), Some(10), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(out.join("evidence.1/ledger.db").is_file(), "the evidence of the first demo is gone");
}

/// Files below the folder, relative to it.
fn files(folder: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("readable") {
            let path = entry.expect("entry").path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(folder).expect("below").display().to_string()),
            }
        }
    }
    found
}

#[test]
fn every_fault_is_found_by_what_must_find_it() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    let only = std::env::var("LEDGER_TEST_FAULT").ok();
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| only.as_deref().is_none_or(|name| name == fault.name)).collect();
    assert!(!faults.is_empty());
    let next = AtomicUsize::new(0);
    let wrong: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let clock = std::time::Instant::now();
                    let found = complaints(fault, folder.path());
                    eprintln!(
                        "{:<22} {:5.1} s {}",
                        fault.name,
                        clock.elapsed().as_secs_f64(),
                        if found.is_empty() { "found" } else { "WRONG" }
                    );
                    wrong.lock().expect("a lock").extend(found.into_iter().map(|line| format!("{}: {line}", fault.name)));
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("a lock");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_of_faults_is_whole() {
    let names: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), FAULTS.len(), "a name twice");
    for task in ["CE-20", "CE-21", "CE-22", "CE-23", "CE-24", "CE-25", "CE-26", "CE-27"] {
        assert!(FAULTS.iter().any(|fault| fault.found.task == task), "no fault for {task}");
    }
    assert!(FAULTS.iter().any(|fault| matches!(fault.plant, Plant::TruncatedDump)));

    let list = ledger(&["demo", "--fault", "list"]);
    assert!(list.status.success());
    let first: Vec<String> = String::from_utf8(list.stdout)
        .expect("text")
        .lines()
        .map(|line| line.split_whitespace().next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(first, FAULTS.iter().map(|fault| fault.name).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine.txt"), "mine").expect("written");
    let out = folder.path().display().to_string();
    let occupied = ledger(&["demo", "--out", &out]);
    assert_eq!(occupied.status.code(), Some(3));
    let said = String::from_utf8_lossy(&occupied.stderr).into_owned();
    assert!(said.contains("not empty") && said.contains("--force"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);

    let unknown = ledger(&["demo", "--out", &out, "--fault", "gremlin"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("rls-using-true"));
}
