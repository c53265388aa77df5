//! Every check can fire and can fall silent: the defect-and-repair runner over `tests/checks/<code>.sql`.
//!
//! A file of a query check:
//! ```sql
//! -- subject: public.clauses          the finding that the defect must make; one line each if there are several
//! -- parameters: {"column": "x"}      optional: what `$1::jsonb` is given
//! -- clean: not-applicable            optional: what the check comes to without the defect (default: pass)
//! -- setup
//! CREATE TABLE …                      a state in which all is right
//! -- defect
//! ALTER TABLE …                       exactly the named subjects are found
//! -- repair
//! ALTER TABLE …                       silent again
//! ```
//! The sections run as the superuser in a database of their own; the check is asked in a read-only session, as a step asks it.
//! Probe checks stand in `tests/checks/probes.toml` with the test that plants their defect.

#![cfg(feature = "pg")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use migration_ledger::checks::ask::ask;
use migration_ledger::checks::{CHECKS, Check, Kind};
use migration_ledger::domain::Evidence;
use migration_ledger::pg::{Access, Target};

use support::TestDb;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A defect file, read.
#[derive(Debug, Default)]
struct Defect {
    subjects: BTreeSet<String>,
    parameters: serde_json::Value,
    clean: String,
    sections: BTreeMap<&'static str, String>,
}

impl Defect {
    fn parse(text: &str) -> Result<Self, String> {
        let mut defect = Self { clean: "pass".into(), ..Self::default() };
        let mut section: Option<&'static str> = None;
        for line in text.lines() {
            if let Some(name) = ["setup", "defect", "repair"].into_iter().find(|name| line.trim_end() == format!("-- {name}")) {
                if defect.sections.insert(name, String::new()).is_some() {
                    return Err(format!("section `{name}` stands twice"));
                }
                section = Some(name);
            } else if let Some(name) = section {
                let body = defect.sections.entry(name).or_default();
                body.push_str(line);
                body.push('\n');
            } else if let Some(subject) = line.strip_prefix("-- subject: ") {
                defect.subjects.insert(subject.trim().to_owned());
            } else if let Some(json) = line.strip_prefix("-- parameters: ") {
                defect.parameters = serde_json::from_str(json).map_err(|error| format!("parameters: {error}"))?;
            } else if let Some(word) = line.strip_prefix("-- clean: ") {
                defect.clean = word.trim().to_owned();
            } else if !line.trim().is_empty() {
                return Err(format!("a header line that means nothing: {line}"));
            }
        }
        for name in ["setup", "defect", "repair"] {
            if defect.sections.get(name).is_none_or(|body| body.trim().is_empty()) && name != "setup" {
                return Err(format!("section `{name}` is missing or empty"));
            }
        }
        match defect.subjects.is_empty() {
            true => Err("names no `-- subject: …`: the runner would not know what to look for".into()),
            false => Ok(defect),
        }
    }
}

fn defect_file(check: &Check) -> PathBuf {
    root().join("tests/checks").join(format!("{}.sql", check.code))
}

fn sql_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(sql_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn every_check_has_its_file_its_line_and_its_defect() {
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for check in CHECKS.iter() {
        if !listed.insert(check.code.as_str()) {
            wrong.push(format!("{}: listed twice", check.code));
        }
        let file = root().join("queries").join(check.step.word()).join(format!("{}.sql", check.code));
        match std::fs::read_to_string(&file) {
            Ok(text) if text == check.text => {}
            Ok(_) => wrong.push(format!("{}: the line in CHECKS includes another file than {}", check.code, file.display())),
            Err(error) => wrong.push(format!("{}: {}: {error}", check.code, file.display())),
        }
        if check.why.is_empty() || check.fix.is_empty() {
            wrong.push(format!("{}: no `why` or no `fix`", check.code));
        }
        if check.kind == Kind::Query && !defect_file(check).exists() {
            wrong.push(format!("{}: {} is missing", check.code, defect_file(check).display()));
        }
    }
    for file in sql_files(&root().join("queries")) {
        let code = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !listed.contains(code.as_str()) {
            wrong.push(format!("{}: not in CHECKS", file.display()));
        }
    }
    for file in sql_files(&root().join("tests/checks")) {
        let code = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !CHECKS.iter().any(|check| check.code.as_str() == code && check.kind == Kind::Query) {
            wrong.push(format!("{}: no query check of this code", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The source of a test binary: its file and the modules in its folder.
fn test_source(file: &str) -> String {
    let mut source = std::fs::read_to_string(root().join("tests").join(format!("{file}.rs"))).unwrap_or_default();
    for entry in std::fs::read_dir(root().join("tests").join(file)).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            source.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    source
}

/// A server converts the whole text of a query to its database's encoding, comments too, and refuses what that encoding lacks: one
/// ellipsis, and no database in LATIN1 could be asked.
#[test]
fn every_query_can_be_asked_in_any_encoding() {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path, found),
                false if path.extension().is_some_and(|extension| extension == "sql") => found.push(path),
                false => {}
            }
        }
    }
    let mut found = Vec::new();
    for folder in ["queries", "src", "migrations/ledger"] {
        files(&root().join(folder), &mut found);
    }
    assert!(found.len() > 100);
    let wrong: Vec<PathBuf> = found.into_iter().filter(|path| !std::fs::read(path).unwrap().is_ascii()).collect();
    assert_eq!(wrong, Vec::<PathBuf>::new());
}

#[test]
fn every_probe_check_names_a_test_that_exists() {
    let text = std::fs::read_to_string(root().join("tests/checks/probes.toml")).unwrap();
    let steps: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for (step, probes) in &steps {
        for (code, test) in probes {
            match CHECKS.iter().find(|check| check.code.as_str() == code) {
                Some(check) if check.kind == Kind::Probe && check.step.word() == step => {}
                Some(_) => wrong.push(format!("{code}: not a probe check of step {step}")),
                None => wrong.push(format!("{code}: not in CHECKS")),
            }
            let Some((file, function)) = test.split_once("::") else {
                wrong.push(format!("{code}: `{test}` is not `<file>::<function>`"));
                continue;
            };
            let source = test_source(file);
            let function = function.rsplit("::").next().unwrap_or(function);
            if !source.contains(&format!("fn {function}(")) {
                wrong.push(format!("{code}: tests/{file}.rs has no test {function}"));
            }
        }
    }
    for check in CHECKS.iter().filter(|check| check.kind == Kind::Probe) {
        if !steps.get(check.step.word()).is_some_and(|probes| probes.contains_key(check.code.as_str())) {
            wrong.push(format!("{}: no line under [{}] of tests/checks/probes.toml", check.code, check.step.word()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_query_check_finds_its_defect_and_falls_silent_after_the_repair() {
    let wrong = support::blocking(async {
        let mut wrong = Vec::new();
        for check in CHECKS.iter().filter(|check| check.kind == Kind::Query) {
            // A missing file is the other test's finding.
            let Ok(text) = std::fs::read_to_string(defect_file(check)) else { continue };
            if text.contains("CREATE EXTENSION") && !support::contrib(check.code.as_str()) {
                continue;
            }
            let result = match Defect::parse(&text) {
                Ok(defect) => defect_and_repair(&TestDb::empty().await.target("postgres").await, check, &defect).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                wrong.push(format!("{}: {error}", check.code));
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn defect_and_repair(target: &Target, check: &Check, defect: &Defect) -> Result<(), String> {
    let hands = target.session(Access::ReadWrite).await.map_err(|error| error.to_string())?;
    hands.batch("RESET search_path").await.map_err(|error| error.to_string())?;
    for (section, expected) in [("setup", BTreeSet::new()), ("defect", defect.subjects.clone()), ("repair", BTreeSet::new())] {
        let body = defect.sections.get(section).map(String::as_str).unwrap_or_default();
        hands.batch(body).await.map_err(|error| format!("{section}: {error}"))?;
        let eyes = target.session(Access::ReadOnly).await.map_err(|error| error.to_string())?;
        let evidence = ask(&eyes, check, defect.parameters.clone(), "test").await;
        let found: BTreeSet<String> = evidence.findings().map(|finding| finding.subject).collect();
        let word = if expected.is_empty() { defect.clean.as_str() } else { "fail" };
        if found != expected || evidence.outcome.word() != word {
            return Err(format!("after {section}: expected {word} with {expected:?}, was {}", told(&evidence)));
        }
    }
    Ok(())
}

fn told(evidence: &Evidence) -> String {
    let rows: Vec<String> = evidence.rows.iter().map(|row| format!("{} {:?} {}", row.subject, row.ok, row.observed)).collect();
    format!("{} with {rows:#?}", evidence.outcome)
}

#[test]
fn a_defect_file_that_plants_nothing_is_refused() {
    for (text, says) in [
        ("-- subject: a\n-- setup\n-- repair\nSELECT 1;\n", "section `defect` is missing"),
        ("-- setup\n-- defect\nSELECT 1;\n-- repair\nSELECT 1;\n", "names no `-- subject"),
        ("-- subject: a\n-- defect\nSELECT 1;\n-- defect\nSELECT 1;\n-- repair\nSELECT 1;\n", "stands twice"),
        ("-- subjects: a\n-- defect\nSELECT 1;\n-- repair\nSELECT 1;\n", "means nothing"),
    ] {
        assert!(Defect::parse(text).unwrap_err().contains(says), "{text}");
    }
}
