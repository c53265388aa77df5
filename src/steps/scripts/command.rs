//! The dry run of a tool whose files are not read: run in a scratch copy of the target, judged by its history there.

use crate::checks::ask::Asked;
use crate::config::MigrationCommand;
use crate::domain::SubjectRow;
use crate::domain::product::{MigrationFacts, Product, ScriptsProduct};
use crate::migrate::MigrationSet;
use crate::pg::PgError;
use crate::steps::runner::{self, ToolRun};
use crate::steps::{Context, StepError, StepReport, unanswered};

const CODE: &str = "dry-run-applies";
const WHERE: &str = "scratch: copy of the pre-migration backup";

/// Runs the tool in the copy and answers what that shows; files were not read, and nothing is said of them.
pub async fn run(cx: &Context<'_>, report: &mut StepReport, set: &MigrationSet, command: &MigrationCommand) -> Result<(), StepError> {
    let mut output = String::new();
    let asked = Asked::now();
    let tried = match cx.environment().and_then(|environment| environment.backup.as_ref()) {
        None => Err("the environment task made no backup to copy from".to_owned()),
        Some(backup) => in_copy(cx, set, command, &cx.project.path(backup.file.as_ref()), &mut output)
            .await
            .map_err(|e| format!("no scratch copy: {e}")),
    };
    report.attach("dry_run_output.log", "text/plain", output);
    let came = match &tried {
        Err(why) => {
            unanswered(report, CODE, asked, WHERE, why)?;
            Vec::new()
        }
        Ok(run) => {
            let came = run.came();
            match row(run, &came) {
                Some(row) => super::answer(report, CODE, asked.stopped(), WHERE, vec![row])?,
                None => unanswered(report, CODE, asked, WHERE, "nothing is pending: the tool ended well and its history stayed as it was")?,
            }
            came
        }
    };
    let estimate_us = tried.as_ref().ok().filter(|run| run.says_success() && !came.is_empty()).map(ToolRun::duration_us);
    report.headline = match (&tried, came.len()) {
        (Err(_), _) => "the tool was not tried".into(),
        (Ok(run), 0) => format!("{} moved nothing in a scratch copy", run.program),
        (Ok(run), n) => {
            format!("{} brought {n} versions to a scratch copy in {:.1} s; files not examined", run.program, run.duration_us() as f64 / 1e6)
        }
    };
    let migrations = came.iter().map(|version| facts(version, tried.as_ref().ok())).collect();
    report.product = Some(Product::Scripts(ScriptsProduct {
        layout: set.layout.name().to_owned(),
        migrations,
        estimate_us,
        ..ScriptsProduct::default()
    }));
    Ok(())
}

/// The tool as it ran. `None`: it ended well and nothing moved.
fn row(run: &ToolRun, came: &[String]) -> Option<SubjectRow> {
    let expected = "ends well and moves its history";
    let moved = match (came, run.went().as_slice()) {
        ([], []) => "its history did not move".to_owned(),
        ([], went) => format!("its history lost {}", went.join(", ")),
        (came, _) => format!("its history now has {}", came.join(", ")),
    };
    let seconds = run.duration_us() as f64 / 1e6;
    match (run.says_success(), came.is_empty() && run.went().is_empty()) {
        (true, true) => None,
        (true, false) => Some(SubjectRow::new(&run.program, !came.is_empty(), expected, format!("{moved}, in {seconds:.3} s"))),
        (false, _) if run.ended.as_ref().is_ok_and(|ended| ended.exit_code.is_some()) => {
            Some(SubjectRow::new(&run.program, false, expected, format!("{}; {moved}", run.told())))
        }
        (false, _) => Some(SubjectRow::undecided(&run.program, expected, format!("{}; {moved}", run.told()))),
    }
}

fn facts(version: &str, run: Option<&ToolRun>) -> MigrationFacts {
    MigrationFacts {
        version: version.to_owned(),
        name: run.map(|run| format!("by {}", run.program)).unwrap_or_default(),
        file: String::new(),
        up_sha256: String::new(),
        down_sha256: None,
        verify_sha256: None,
        pending: true,
        transactional: false,
        statements: 0,
        dry_run_us: None,
    }
}

async fn in_copy(
    cx: &Context<'_>,
    set: &MigrationSet,
    command: &MigrationCommand,
    backup: &std::path::Path,
    output: &mut String,
) -> Result<ToolRun, PgError> {
    cx.progress.say("restoring the backup into a scratch database");
    let (db, _) = cx.scratch.copy_of(backup, "dry-run").await?;
    cx.progress.say("running the team's tool in the scratch database");
    let ran = runner::run(cx, command, set, db.target(), &mut |line| {
        cx.log.line(format!("dry run: {line}"));
        output.push_str(line);
        output.push('\n');
    })
    .await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("dry run: the scratch database is left behind: {error}"));
    }
    ran.map_err(|error| match error {
        StepError::Pg(error) => error,
        other => PgError::other(other.to_string()),
    })
}
