//! Execution by the team's own tool: run under our lock; what it did is what the history and the catalog say before and after.

use serde_json::json;

use super::after;
use crate::checks::{self, ask::Asked, ask::ask};
use crate::config::MigrationCommand;
use crate::domain::SubjectRow;
use crate::domain::product::{ExecuteProduct, Product, ScriptsProduct};
use crate::migrate::MigrationSet;
use crate::pg::{Access, Catalog};
use crate::steps::runner::{self, ToolRun};
use crate::steps::{Context, StepError, StepReport, probe};

/// Runs the tool on the target and judges what came of it.
pub async fn run(
    cx: &Context<'_>,
    report: &mut StepReport,
    examined: &ScriptsProduct,
    set: &MigrationSet,
    command: &MigrationCommand,
) -> Result<(), StepError> {
    let excluded = cx.not_the_applications();
    let eyes = cx.target.session(Access::ReadOnly).await?;
    let catalog_before = Catalog::read(&eyes, &excluded).await?;
    drop(eyes);

    let asked = Asked::now();
    cx.progress.say("running the team's tool on the target");
    let ran = runner::run(cx, command, &command.up, (set, cx.target), None, &mut |line| cx.log.line(line)).await?;
    let asked = asked.stopped();
    if !command.status.is_empty() {
        let mut said = String::new();
        let mut keep = |line: &str| {
            cx.log.line(format!("status: {line}"));
            said.push_str(line);
            said.push('\n');
        };
        // What the tool says of itself stands beside what its history says, and decides nothing.
        runner::run(cx, command, &command.status, (set, cx.target), None, &mut keep).await?;
        report.attach("tool_status.txt", "text/plain", said);
    }

    let eyes = cx.target.session(Access::ReadOnly).await?;
    let catalog_after = Catalog::read(&eyes, &excluded).await?;
    let changes: Vec<String> = catalog_before.diff(&catalog_after).iter().map(ToString::to_string).collect();
    for change in &changes {
        cx.log.line(format!("catalog: {change}"));
    }
    let (schema_before, schema_after) = (ran.before.version().map(str::to_owned), ran.after.version().map(str::to_owned));
    for (name, version) in [("schema_version_before.txt", &schema_before), ("schema_version_after.txt", &schema_after)] {
        report.attach(name, "text/plain", format!("{}\n", version.as_deref().unwrap_or("unknown")));
    }

    let expected: Vec<&str> = examined.migrations.iter().filter(|m| m.pending).map(|m| m.version.as_str()).collect();
    let rows = judged(&ran, &expected, changes.len());
    let completed = rows.iter().all(|row| row.ok == Some(true)) && !rows.is_empty();
    match rows.is_empty() {
        true => crate::steps::unanswered(
            report,
            "migrations-applied",
            asked,
            "target",
            "nothing is pending: the tool ended well and its history stayed as it was",
        )?,
        false => probe(report, "migrations-applied", asked, "target", json!({ "in the scratch copy": expected }), rows)?,
    }
    let check = checks::find("invalid-index-left").ok_or_else(|| StepError::cannot("there is no check invalid-index-left"))?;
    report.evidence.push(ask(&eyes, check, serde_json::Value::Null, "target").await);
    let backup = match completed {
        true => after::backup(cx, report, &catalog_after, schema_after.as_deref()).await?,
        false => after::no_backup(report, "the migrations did not complete")?,
    };
    let came = ran.came();
    report.headline = match came.is_empty() {
        true => format!("{}: {}", ran.program, ran.told()),
        false => format!("{}: {}", ran.program, came.join(" · ")),
    };
    report.product = Some(Product::Execute(ExecuteProduct {
        completed,
        schema_before,
        schema_after,
        files: Vec::new(),
        catalog_changes: changes,
        backup,
    }));
    Ok(())
}

/// One row for the tool, one for each version that it brought or was to bring. Empty: it ended well, and nothing was to be done.
fn judged(ran: &ToolRun, expected: &[&str], changes: usize) -> Vec<SubjectRow> {
    let came = ran.came();
    if ran.says_success() && came.is_empty() && expected.is_empty() && changes == 0 {
        return Vec::new();
    }
    let state = format!("history at {}, {changes} changes of the catalog", ran.after.version().unwrap_or("nothing"));
    let tool = match &ran.ended {
        Ok(ended) if ended.exit_code.is_some() => {
            SubjectRow::new(&ran.program, ran.says_success(), "exit code 0", format!("{}; {state}", ran.told()))
        }
        _ => SubjectRow::undecided(&ran.program, "exit code 0", format!("{}; {state}", ran.told())),
    };
    let mut rows = vec![tool];
    rows.extend(came.iter().map(|version| {
        let known = expected.contains(&version.as_str());
        let observed = if known { "recorded by this run" } else { "recorded by this run, but not in the scratch copy" };
        SubjectRow::new(version, known, "recorded as in the scratch copy", observed)
    }));
    let missing = expected.iter().filter(|version| !came.iter().any(|came| came == *version));
    rows.extend(missing.map(|version| {
        let says =
            if ran.says_success() { "the tool ended well, but the history does not have it" } else { "the history does not have it" };
        SubjectRow::new(*version, false, "recorded as in the scratch copy", says)
    }));
    rows
}
