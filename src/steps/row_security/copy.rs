//! The scratch copy that is probed: of the migrated database's backup, proven equal to the target.
//!
//! A plan that executes nothing (somebody who asks about row security alone) has no such backup; then the backup of its environment
//! task serves, and without that one a dump made here, which is removed again.

use std::path::{Path, PathBuf};

use super::super::Context;
use super::value::literal;
use crate::domain::plan::StepKind;
use crate::pg::dump::Tools;
use crate::pg::{Access, Catalog, PgError, ScratchDb, Session, Target};

/// A scratch copy of the target as it is, or why there is none.
pub async fn of_target(cx: &Context<'_>, session: &Session) -> Result<ScratchDb, String> {
    let executes = cx.config.plan.task_using(StepKind::Execute).is_some();
    let backup = match executes {
        true => cx.execution().and_then(|execution| execution.backup.as_ref()),
        false => cx.environment().and_then(|environment| environment.backup.as_ref()),
    };
    if let Some(backup) = backup {
        return proven_equal(cx, session, &cx.project.path(Path::new(&backup.file))).await;
    }
    if executes {
        return Err("there is no post-migration backup to make a copy of".to_owned());
    }
    let dumped = Dumped::make(cx).await?;
    proven_equal(cx, session, &dumped.file).await
}

/// A dump for this copy alone; dropping it removes it.
struct Dumped {
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Dumped {
    async fn make(cx: &Context<'_>) -> Result<Self, String> {
        cx.progress.say("dump for the scratch copy");
        let config = &cx.config.backup;
        let tools = match cx.scratch.tools() {
            Some(tools) => tools.clone(),
            None => Tools::find(cx.target.major(), config).map_err(|error| error.to_string())?,
        };
        let backups = cx.project.path(&config.dir);
        let failed = |error: std::io::Error| format!("no folder for a dump in {}: {error}", cx.project.shown(&backups));
        std::fs::create_dir_all(&backups).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix(".row-security-").tempdir_in(&backups).map_err(failed)?;
        let file = folder.path().join("target.dump");
        let facts = tools.dump(cx.target, &file, "a dump for the scratch copy", config).await;
        let facts = facts.map_err(|error| format!("the target could not be dumped for a scratch copy: {error}"))?;
        cx.log.line(format!("dumped for the scratch copy: {} bytes; the dump is removed with it", facts.bytes));
        Ok(Self { file, _folder: folder })
    }
}

async fn proven_equal(cx: &Context<'_>, session: &Session, file: &Path) -> Result<ScratchDb, String> {
    cx.progress.say("scratch copy");
    let (db, _) = cx.scratch.copy_of(file, "row-security").await.map_err(|error| error.to_string())?;
    match same_catalog(session, db.target(), &cx.config.backup.exclude_schemas).await {
        Ok(None) => {
            if let Err(error) = same_path(session, db.target()).await {
                cx.log.line(format!("the target's search_path could not be given to the scratch copy: {error}"));
            }
            cx.log.line(format!("scratch copy {}: its catalog equals the target's", db.target().identity().database));
            Ok(db)
        }
        Ok(Some(difference)) => {
            let _ = cx.scratch.drop_db(db).await;
            Err(format!("the copy's catalog differs from the target's: {difference}"))
        }
        Err(error) => {
            let _ = cx.scratch.drop_db(db).await;
            Err(format!("the copy cannot be compared with the target: {error}"))
        }
    }
}

/// Gives the copy the `search_path` that is set on the target's database, which no dump carries.
async fn same_path(session: &Session, copy: &Target) -> Result<(), PgError> {
    let set = "SELECT pg_catalog.substr(c.setting, 13) FROM pg_catalog.pg_db_role_setting s
        JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase AND d.datname = pg_catalog.current_database()
        CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c(setting)
        WHERE s.setrole = 0 AND pg_catalog.starts_with(c.setting, 'search_path=')";
    let Some(path) = session.query(set, &[]).await?.first().map(|row| row.try_get::<_, String>(0)).transpose()? else { return Ok(()) };
    let (database, path) = (literal(Some(&copy.identity().database)), literal(Some(&path)));
    let alter =
        format!("DO $ledger$ BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I SET search_path = %s', {database}, {path}); END $ledger$");
    copy.session(Access::ReadWrite).await?.batch(&alter).await
}

async fn same_catalog(session: &Session, copy: &Target, excluded: &[String]) -> Result<Option<String>, PgError> {
    let here = Catalog::read(session, excluded).await?.as_dumped();
    let there = Catalog::read(&copy.session(Access::ReadOnly).await?, excluded).await?.as_dumped();
    let differences = here.diff(&there);
    Ok(differences.first().map(|first| format!("{} differences, the first: {first}", differences.len())))
}
