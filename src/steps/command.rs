//! A task that runs a command of the team's own: its exit code is asked, its suites are counted.

use serde_json::json;

use super::paper::counted;
use super::{Context, StepError, StepReport, process, suite};
use crate::checks::ask::Asked;
use crate::checks::find;
use crate::domain::product::CommandProduct;
use crate::domain::{Product, SubjectRow};

/// Runs the task's command in the project's folder, then the suites it declares.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    let check = find("command-succeeded").ok_or_else(|| StepError::cannot("the check command-succeeded is not in the list"))?;
    let redactor = suite::redactor(cx);
    let program = redactor.clean(cx.task.command.first().map(String::as_str).unwrap_or_default());
    let shown = redactor.clean(&cx.task.command.join(" "));
    cx.progress.say(&program);
    cx.log.line(format!("run: {shown}"));
    let asking = Asked::now();
    let ended = process::run(&cx.task.command, &cx.project.root, &redactor, &mut |line| cx.log.line(line)).await;
    let row = match &ended {
        Ok(ended) if ended.exit_code.is_some() => SubjectRow::new(&program, ended.exit_code == Some(0), "exit code 0", ended.told()),
        // A signal says who ended it, not what it found.
        Ok(ended) => SubjectRow::undecided(&program, "exit code 0", ended.told()),
        Err(why) => SubjectRow::undecided(&program, "exit code 0", why),
    };
    cx.log.line(format!("run: {}", row.observed));
    report.headline = row.observed.clone();
    report.evidence.push(asking.answered(check, "command", json!({ "command": shown }), vec![row]));
    let suites = suite::run_declared(cx, report).await?;
    if !suites.is_empty() {
        let (passed, total) = suites.iter().fold((0, 0), |(passed, total), s| (passed + s.passed, total + s.total - s.skipped));
        report.headline.push_str(&format!(", {passed} of {} passed", counted(total, "test", "tests")));
    }
    report.product = Some(Product::Command(CommandProduct {
        program,
        exit_code: ended.as_ref().ok().and_then(|ended| ended.exit_code),
        duration_us: ended.as_ref().map_or(0, |ended| i64::try_from(ended.duration.as_micros()).unwrap_or(i64::MAX)),
        suites,
    }));
    Ok(())
}
