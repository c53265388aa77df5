//! Drift: whether the target's catalog is what the applied files make. They are run, in order, in an empty scratch database.

use serde_json::Value;

use super::Scripts;
use crate::checks::ask::Asked;
use crate::domain::SubjectRow;
use crate::migrate::layout::same;
use crate::migrate::{ApplyOptions, Migration, SchemaState, apply_file};
use crate::pg::catalog::CatalogChange;
use crate::pg::{Access, Catalog, PgError};
use crate::steps::{Context, StepError, StepReport};

const CODE: &str = "catalog-as-files-make-it";
const WHERE: &str = "target, and an empty scratch database";
const EXPECTED: &str = "as the applied files make it";

/// Compares; not applicable where files did not make what is there.
pub async fn run(cx: &Context<'_>, report: &mut StepReport, scripts: &Scripts<'_>, target: &Catalog) -> Result<(), StepError> {
    let check = crate::checks::find(CODE).ok_or_else(|| StepError::cannot(format!("there is no check {CODE}")))?;
    let asked = Asked::now();
    let applied = match replayable(scripts) {
        Ok(applied) => applied,
        Err(why) => {
            report.evidence.push(asked.not_applicable(check, WHERE, Value::Null, why));
            return Ok(());
        }
    };
    cx.progress.say("running the applied files in an empty database");
    let rows = match replay(cx, &applied, target, scripts.set.history()).await {
        Ok(rows) => rows,
        Err(error) => {
            report.evidence.push(asked.unanswered(check, WHERE, Value::Null, format!("no empty scratch database: {error}")));
            return Ok(());
        }
    };
    super::answer(report, CODE, asked, WHERE, rows)
}

/// The applied migrations, if all of them were run as files.
fn replayable<'a>(scripts: &Scripts<'a>) -> Result<Vec<&'a Migration>, String> {
    let history = match scripts.state {
        SchemaState::History(rows) if !rows.is_empty() => rows,
        _ => return Err("no file is applied so far".into()),
    };
    if let Some(row) = history.iter().find(|row| row.run == "baseline") {
        return Err(format!("version {} was there before the history began (baseline): files did not make it here", row.version));
    }
    let applied: Vec<&Migration> =
        scripts.set.migrations.iter().filter(|m| history.iter().any(|row| same(&row.version, &m.version))).collect();
    match applied.len() == history.len() {
        true => Ok(applied),
        false => Err("the history and the files differ, see applied-file-unchanged".into()),
    }
}

async fn replay(cx: &Context<'_>, applied: &[&Migration], target: &Catalog, history: &str) -> Result<Vec<SubjectRow>, PgError> {
    let db = cx.scratch.empty("replay").await?;
    let made = replay_in(cx, &db, applied).await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("replay: the scratch database is left behind: {error}"));
    }
    let made = match made? {
        Ok(made) => made,
        // The history says that these files were applied; that they no longer run from the beginning is the finding.
        Err(failure) => {
            let observed = format!("the applied files do not run in an empty database with this server's roles: {failure}");
            return Ok(vec![SubjectRow::new(failure.subject(), false, EXPECTED, observed)]);
        }
    };
    // The history of the layout's own tool stands among the application's tables.
    let history = history.rsplit('.').next().unwrap_or(history);
    let of_history = |change: &CatalogChange| change.object.split(['.', ' ']).any(|part| part.starts_with(history));
    let changes: Vec<CatalogChange> = made.diff(target).into_iter().filter(|change| !of_history(change)).collect();
    Ok(match changes.as_slice() {
        [] => vec![SubjectRow::new("catalog", true, EXPECTED, format!("{} files make what is there", applied.len()))],
        changes => changes
            .iter()
            .map(|change| SubjectRow::new(format!("{} {}", change.kind, change.object), false, EXPECTED, told(change)))
            .collect(),
    })
}

async fn replay_in(
    cx: &Context<'_>,
    db: &crate::pg::ScratchDb,
    applied: &[&Migration],
) -> Result<Result<Catalog, crate::migrate::Failure>, PgError> {
    let session = db.session(Access::ReadWrite).await?;
    let options = ApplyOptions { history: false, ..ApplyOptions::of(&cx.config.migrations, cx.run.as_str()) };
    for migration in applied {
        if let Some(failure) = apply_file(&session, migration, &options, &mut |_| {}).await.failure {
            return Ok(Err(failure));
        }
    }
    let eyes = db.session(Access::ReadOnly).await?;
    Ok(Ok(Catalog::read(&eyes, &cx.not_the_applications()).await?))
}

fn told(change: &CatalogChange) -> String {
    match (&change.before, &change.after) {
        (None, Some(there)) => format!("on the target, and no file makes it: {there}"),
        (Some(made), None) => format!("the files make it, and the target does not have it: {made}"),
        (Some(made), Some(there)) => format!("the files make {made}; the target has {there}"),
        (None, None) => String::new(),
    }
}
