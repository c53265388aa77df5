//! Test suites of the team's own, counted from their JUnit file and never from the exit code alone.
//!
//! 1. The command runs as a [`process`]; its JUnit file must have been written by this very run.
//! 2. Test cases are counted, those of nested suites too; totals that the file declares are believed only where they are worse.
//! 3. A failed test is Fail. A suite that could not start, wrote no file, ran fewer tests than `min-tests`, or passed every test
//!    and still ended with an error is Unknown.

use std::io::Cursor;
use std::path::Path;
use std::time::SystemTime;

use junit_parser::{TestStatus, TestSuite, TestSuites};
use serde_json::{Value, json};

use super::process::{self, Ended};
use super::{Context, StepError, StepReport};
use crate::checks::ask::Asked;
use crate::checks::find;
use crate::domain::SubjectRow;
use crate::domain::plan::Suite;
use crate::domain::product::SuiteResult;
use crate::redact::Redactor;

/// Larger files are not read.
const LARGEST_JUNIT: u64 = 64 * 1024 * 1024;
/// So many failed tests are named in a row.
const MOST_NAMES: usize = 20;

/// A JUnit file, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub total: u64,
    pub passed: u64,
    /// Failures and errors.
    pub failed: u64,
    pub skipped: u64,
    /// `class::name` of failed tests, in file order.
    pub failed_names: Vec<String>,
}

/// A suite as it ran.
#[derive(Clone, Debug)]
pub struct SuiteRun {
    pub row: SubjectRow,
    /// `None`: nothing could be counted.
    pub result: Option<SuiteResult>,
    pub exit_code: Option<i32>,
    /// The JUnit file without secrets.
    pub junit: Option<String>,
}

/// Counts the test cases of a JUnit file.
///
/// # Errors
/// The reason, if it is not JUnit.
pub fn count(junit: &[u8]) -> Result<Counted, String> {
    let file = junit_parser::from_reader(Cursor::new(junit)).map_err(|error| format!("it is not JUnit XML: {error}"))?;
    let mut counted = Counted::default();
    for suite in &file.suites {
        add(suite, &mut counted);
    }
    let declared = declared_failures(&file);
    if declared > counted.failed {
        // More failures declared than listed: errors outside any test case, such as a fixture of the whole suite.
        counted.total += declared - counted.failed;
        counted.failed = declared;
    }
    Ok(counted)
}

fn add(suite: &TestSuite, counted: &mut Counted) {
    for case in &suite.cases {
        counted.total += 1;
        match &case.status {
            TestStatus::Success => counted.passed += 1,
            TestStatus::Skipped(_) => counted.skipped += 1,
            TestStatus::Failure(_) | TestStatus::Error(_) => {
                counted.failed += 1;
                counted.failed_names.push(match &case.classname {
                    Some(class) if !class.is_empty() => format!("{class}::{}", case.original_name),
                    _ => case.original_name.clone(),
                });
            }
        }
    }
    for nested in &suite.suites {
        add(nested, counted);
    }
}

fn declared_failures(file: &TestSuites) -> u64 {
    let of_suites: u64 = file.suites.iter().map(|suite| suite.failures.saturating_add(suite.errors)).fold(0, u64::saturating_add);
    of_suites.max(file.failures.saturating_add(file.errors))
}

/// What a suite came to, from its count and its end.
pub fn judge(suite: &Suite, counted: Result<&Counted, &str>, ended: Result<&Ended, &str>) -> SubjectRow {
    let needed = suite.min_tests.max(1);
    let expected = format!("every test passes, at least {needed} run");
    let undecided = |why: String| SubjectRow::undecided(&suite.name, &expected, why);
    let ended = match ended {
        Ok(ended) => ended,
        Err(why) => return undecided(why.to_owned()),
    };
    let counted = match counted {
        Ok(counted) => counted,
        Err(why) => return undecided(format!("{why} ({})", ended.told())),
    };
    let ran = counted.total - counted.skipped;
    let skipped = if counted.skipped > 0 { format!(", {} skipped", counted.skipped) } else { String::new() };
    let observed = format!("{} of {} passed{skipped}", counted.passed, ran);
    if counted.failed > 0 {
        return SubjectRow::new(&suite.name, false, expected, observed);
    }
    if ran < needed {
        return undecided(format!("ran {ran} of at least {needed} tests{skipped} ({})", ended.told()));
    }
    if ended.exit_code != Some(0) {
        return undecided(format!("{observed}, and yet {}", ended.told()));
    }
    SubjectRow::new(&suite.name, true, expected, observed)
}

/// Runs a suite's command in the project's folder and counts the JUnit file it writes. `line` is given the output, cleaned.
pub async fn run(suite: &Suite, root: &Path, redactor: &Redactor, line: &mut dyn FnMut(&str)) -> SuiteRun {
    let junit = suite.junit.as_ref().map(|file| root.join(file));
    let before = junit.as_deref().map(stamp);
    let ended = match suite.command.is_empty() {
        true => Err("it has no command; `ledger exec` runs and records it".to_owned()),
        false => process::run(&suite.command, root, redactor, line).await,
    };
    let file = match (&junit, &suite.junit) {
        (Some(path), Some(shown)) => read_fresh(path, shown, before.flatten()),
        _ => Err("it declares no `junit` file, and an exit code does not say how many tests ran".into()),
    };
    let counted = file.as_ref().map_err(Clone::clone).and_then(|bytes| count(bytes));
    let row = judge(suite, counted.as_ref().map_err(String::as_str), ended.as_ref().map_err(String::as_str));
    let counted = if ended.is_ok() { counted.ok() } else { None };
    let names: Vec<String> = counted.iter().flat_map(|c| c.failed_names.iter().take(MOST_NAMES)).map(|name| redactor.clean(name)).collect();
    let detail = json!({
        "exit_code": ended.as_ref().ok().and_then(|ended| ended.exit_code),
        "duration_us": ended.as_ref().ok().map(|ended| u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX)),
        "total": counted.as_ref().map(|c| c.total),
        "passed": counted.as_ref().map(|c| c.passed),
        "failed": counted.as_ref().map(|c| c.failed),
        "skipped": counted.as_ref().map(|c| c.skipped),
        "failed_tests": names,
    });
    SuiteRun {
        row: row.with_detail(detail),
        result: counted.map(|c| SuiteResult {
            name: suite.name.clone(),
            total: c.total,
            passed: c.passed,
            failed: c.failed,
            skipped: c.skipped,
        }),
        exit_code: ended.ok().and_then(|ended| ended.exit_code),
        junit: file.ok().map(|bytes| redactor.clean(&String::from_utf8_lossy(&bytes))),
    }
}

/// Runs every suite that the task declares: evidence, JUnit files and log go into the report. Without suites nothing is added.
pub async fn run_declared(cx: &Context<'_>, report: &mut StepReport) -> Result<Vec<SuiteResult>, StepError> {
    if cx.task.suites.is_empty() {
        return Ok(Vec::new());
    }
    let check = find("suite-passed").ok_or_else(|| StepError::cannot("the check suite-passed is not in the list"))?;
    let redactor = redactor(cx);
    let asking = Asked::now();
    let (mut rows, mut results) = (Vec::new(), Vec::new());
    for suite in &cx.task.suites {
        if suite.command.is_empty()
            && let Some((seq, noted)) = cx.noted_suites.iter().rev().find(|(_, noted)| noted.row.subject == suite.name)
        {
            cx.log.line(format!("suite {}: {}, recorded in entry {seq}", suite.name, noted.row.observed));
            rows.push(noted.row.clone());
            results.extend(noted.result.clone());
            continue;
        }
        cx.progress.say(&format!("suite {}", suite.name));
        cx.log.line(format!("suite {}: {}", suite.name, redactor.clean(&suite.command.join(" "))));
        let ran = run(suite, &cx.project.root, &redactor, &mut |line| cx.log.line(line)).await;
        cx.log.line(format!("suite {}: {}", suite.name, ran.row.observed));
        if let Some(junit) = ran.junit {
            report.attach(format!("junit-{}.xml", file_name(&suite.name)), "application/xml", junit);
        }
        rows.push(ran.row);
        results.extend(ran.result);
    }
    report.evidence.push(asking.answered(check, "command", Value::Null, rows));
    Ok(results)
}

/// A redactor that knows the environment's secrets and the target's password.
pub fn redactor(cx: &Context<'_>) -> Redactor {
    let mut redactor = Redactor::from_environment();
    if let Some(password) = cx.target.spec().password() {
        redactor.learn(&password);
    }
    redactor
}

/// A suite's name as part of a part's name.
fn file_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(60).collect();
    if name.is_empty() { "suite".into() } else { name }
}

/// What tells one writing of a file from another.
type Stamp = (SystemTime, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read_fresh(path: &Path, shown: &str, before: Option<Stamp>) -> Result<Vec<u8>, String> {
    let meta = std::fs::metadata(path).map_err(|_| format!("{shown} was not written"))?;
    if before.is_some() && stamp(path) == before {
        return Err(format!("{shown} is from an earlier run; this one did not write it"));
    }
    if meta.len() > LARGEST_JUNIT {
        return Err(format!("{shown} is larger than {LARGEST_JUNIT} bytes"));
    }
    std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn suite(min_tests: u64) -> Suite {
        Suite { name: "smoke".into(), command: vec!["x".into()], junit: Some("x.xml".into()), min_tests }
    }

    fn ended(exit_code: i32) -> Ended {
        Ended { exit_code: Some(exit_code), signal: None, duration: Duration::ZERO }
    }

    fn came_to(xml: &str, exit_code: i32, min_tests: u64) -> (Option<bool>, String) {
        let row = judge(&suite(min_tests), count(xml.as_bytes()).as_ref().map_err(String::as_str), Ok(&ended(exit_code)));
        (row.ok, row.observed)
    }

    #[test]
    fn nested_suites_are_counted() {
        let xml = r#"<testsuites><testsuite name="a"><testcase name="one"/>
            <testsuite name="b"><testcase name="two" classname="C"><failure message="x"/></testcase>
              <testsuite name="c"><testcase name="three"><skipped/></testcase><testcase name="four"><error/></testcase></testsuite>
            </testsuite></testsuite><testsuite name="d"><testcase name="five"/></testsuite></testsuites>"#;
        let counted = count(xml.as_bytes()).unwrap();
        assert_eq!((counted.total, counted.passed, counted.failed, counted.skipped), (5, 2, 2, 1));
        assert_eq!(counted.failed_names, ["C::two", "four"]);
    }

    #[test]
    fn a_suite_is_judged_by_its_tests_and_not_by_its_exit_code_alone() {
        let two = r#"<testsuite><testcase name="a"/><testcase name="b"/></testsuite>"#;
        assert_eq!(came_to(two, 0, 1), (Some(true), "2 of 2 passed".into()));
        // Exit code 0 over a failed test is a failure all the same.
        let failed = r#"<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>"#;
        assert_eq!(came_to(failed, 0, 1), (Some(false), "1 of 2 passed".into()));
        // Declared, but no case carries it: an error of a fixture.
        let declared = r#"<testsuite errors="1"><testcase name="a"/></testsuite>"#;
        assert_eq!(came_to(declared, 1, 1), (Some(false), "1 of 2 passed".into()));
        assert_eq!(came_to(two, 1, 1), (None, "2 of 2 passed, and yet exit code 1".into()));
        assert_eq!(came_to(two, 0, 3), (None, "ran 2 of at least 3 tests (exit code 0)".into()));
        assert_eq!(came_to("<testsuites/>", 0, 0), (None, "ran 0 of at least 1 tests (exit code 0)".into()));
        let skipped = r#"<testsuite><testcase name="a"><skipped/></testcase></testsuite>"#;
        assert_eq!(came_to(skipped, 0, 1), (None, "ran 0 of at least 1 tests, 1 skipped (exit code 0)".into()));
    }

    #[test]
    fn what_is_not_junit_is_unknown() {
        for xml in ["", "7 passed", "<testsuite><testcase name=\"a\"/>", "<html></html>"] {
            let (ok, observed) = came_to(xml, 0, 1);
            assert!(ok.is_none() && observed.contains("not JUnit"), "{xml}: {observed}");
        }
    }
}
