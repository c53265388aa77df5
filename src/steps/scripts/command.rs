//! The dry run of a tool whose files are not read: run in a scratch copy of the target, judged by its history there.

use crate::checks::ask::Asked;
use crate::config::MigrationCommand;
use crate::domain::SubjectRow;
use crate::domain::product::{MigrationFacts, Product, ScriptsProduct};
use crate::migrate::MigrationSet;
use crate::pg::catalog::CatalogChange;
use crate::pg::{Access, Catalog, PgError, ScratchDb};
use crate::steps::runner::{self, Back, ToolRun};
use crate::steps::{Context, StepError, StepReport, unanswered};

const CODE: &str = "dry-run-applies";
const ROUND_TRIP: &str = "dry-run-round-trip";
const UNDOES: &str = "down-undoes";
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
    let asked = asked.stopped();
    let came = match &tried {
        Err(why) => {
            unanswered(report, CODE, asked, WHERE, why)?;
            Vec::new()
        }
        Ok(Tried { up: run, .. }) => {
            let came = run.came();
            match row(run, &came) {
                Some(row) => super::answer(report, CODE, asked, WHERE, vec![row])?,
                None => unanswered(report, CODE, asked, WHERE, "nothing is pending: the tool ended well and its history stayed as it was")?,
            }
            came
        }
    };
    way_back(report, command, tried.as_ref().ok())?;
    let tried = tried.map(|tried| tried.up);
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

/// The tool as it was tried in the copy.
struct Tried {
    up: ToolRun,
    /// How many objects of the catalog the way up changed.
    changes: usize,
    /// `None`: there is no way down to try, or nothing came up.
    way_back: Option<WayBack>,
}

struct WayBack {
    back: Back,
    /// How many objects of the catalog the way down changed.
    changes: usize,
    /// What is otherwise than before the way up.
    left: Vec<CatalogChange>,
    again: Option<ToolRun>,
}

async fn in_copy(
    cx: &Context<'_>,
    set: &MigrationSet,
    command: &MigrationCommand,
    backup: &std::path::Path,
    output: &mut String,
) -> Result<Tried, PgError> {
    cx.progress.say("restoring the backup into a scratch database");
    let (db, _) = cx.scratch.copy_of(backup, "dry-run").await?;
    cx.progress.say("running the team's tool in the scratch database");
    let ran = there_and_back(cx, set, command, &db, &mut |line| {
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

async fn there_and_back(
    cx: &Context<'_>,
    set: &MigrationSet,
    command: &MigrationCommand,
    db: &ScratchDb,
    log: &mut dyn FnMut(&str),
) -> Result<Tried, StepError> {
    let catalog = async || -> Result<Catalog, PgError> {
        let mut catalog = Catalog::read(&db.session(Access::ReadOnly).await?, &cx.not_the_applications()).await?;
        runner::without_history(&mut catalog, command);
        Ok(catalog)
    };
    let at = (set, db.target());
    let before = catalog().await?;
    let up = runner::run(cx, command, &command.up, at, None, log).await?;
    let above = catalog().await?;
    let changes = before.diff(&above).len();
    let came = up.came().len();
    if command.down.is_empty() || !up.says_success() || came == 0 {
        return Ok(Tried { up, changes, way_back: None });
    }
    let back = runner::back(cx, command, at, (&up.before, came), log).await?;
    let below = catalog().await?;
    let again = match back.problem {
        None => Some(runner::run(cx, command, &command.up, at, None, log).await?),
        Some(_) => None,
    };
    let way_back = WayBack { back, changes: above.diff(&below).len(), left: before.diff(&below), again };
    Ok(Tried { up, changes, way_back: Some(way_back) })
}

/// The way down and up again, where the tool was told one.
fn way_back(report: &mut StepReport, command: &MigrationCommand, tried: Option<&Tried>) -> Result<(), StepError> {
    let asked = Asked::unmeasured();
    let down = command.down.join(" ");
    if command.down.is_empty() {
        // No way down is told, as where a folder has no down scripts; that is the rollback task's finding.
        super::answer(report, ROUND_TRIP, asked.clone(), WHERE, Vec::new())?;
        return super::answer(report, UNDOES, asked, WHERE, Vec::new());
    }
    let why = match tried {
        None => "there is no scratch copy",
        Some(Tried { way_back: None, .. }) => "the way up did not run to its end",
        Some(Tried { way_back: Some(way), up, changes }) => {
            let row = match &way.back.problem {
                None => SubjectRow::new(&down, true, "goes back", format!("{} runs, the history is what it was", way.back.runs.len())),
                Some(problem) => SubjectRow::new(&down, false, "goes back", problem),
            };
            let again = way.again.as_ref().map(|again| {
                let same = again.says_success() && again.came() == up.came();
                let observed = format!("{}; its history now has {}", again.told(), again.came().join(", "));
                SubjectRow::new(&again.told_as, same, "runs again after its way down", observed)
            });
            super::answer(report, ROUND_TRIP, asked.clone(), WHERE, std::iter::once(row).chain(again).collect())?;
            let undoes = match (changes, way.changes, way.left.as_slice()) {
                (0, _, _) => SubjectRow::undecided(&down, "undoes what the way up did", "the way up changed nothing of the catalog"),
                (n, 0, _) => {
                    let observed = format!("a way down that does nothing: the way up changed {n} objects of the catalog, this none");
                    SubjectRow::new(&down, false, "undoes what the way up did", observed)
                }
                (_, _, left) => {
                    let left = match left {
                        [] => "nothing is left".to_owned(),
                        [first, ..] => format!("{} are left, such as {first}; judged by the rollback task", left.len()),
                    };
                    let observed = format!("{changes} changes in the catalog up, {} down; {left}", way.changes);
                    SubjectRow::new(&down, true, "undoes what the way up did", observed)
                }
            };
            return super::answer(report, UNDOES, asked, WHERE, vec![undoes]);
        }
    };
    unanswered(report, ROUND_TRIP, asked.clone(), WHERE, why)?;
    unanswered(report, UNDOES, asked, WHERE, why)
}
