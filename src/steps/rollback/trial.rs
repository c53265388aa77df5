//! The trial in a scratch copy: up, down, up, witnesses, down; what was seen at each stage.

use std::collections::BTreeMap;
use std::path::Path;

use crate::checks::ask::Asked;
use crate::domain::product::TableState;
use crate::migrate::rehearse::{Proved, prove};
use crate::migrate::revert::{Reverted, revert};
use crate::migrate::witness::{Witness, is_there, plant};
use crate::migrate::{ApplyOptions, Migration, MigrationSet, history};
use crate::pg::data::{self, Columns, Position};
use crate::pg::dump::workers;
use crate::pg::{Access, Catalog, PgError, Session, Target};
use crate::steps::Context;

/// Catalog and data at a moment, our own bookkeeping apart.
pub struct Snapshot {
    pub catalog: Catalog,
    pub tables: Vec<TableState>,
    /// The columns that `tables` looked at.
    pub columns: Columns,
    pub large_objects: Option<TableState>,
    pub positions: Vec<Position>,
    /// The time it took to read each.
    pub catalog_read: Asked,
    pub tables_read: Asked,
}

/// One witness after the second way down.
pub struct Looked {
    pub witness: Witness,
    /// `Err`: it could not be looked for, such as when its table is gone.
    pub there: Result<bool, PgError>,
}

/// Rows by table.
pub type RowCounts = BTreeMap<String, i64>;

/// Rows by table, at three moments.
pub struct Counts {
    pub before_planting: RowCounts,
    pub before_down: RowCounts,
    pub after_down: RowCounts,
    /// From planting the witnesses to looking for them.
    pub asked: Asked,
}

/// What the trial came to, stage by stage; a stage that was not reached is `None` or empty.
#[derive(Default)]
pub struct Trial {
    pub restore_us: Option<i64>,
    /// Why the copy did not get to the top: then nothing else was tried.
    pub not_up: Option<String>,
    pub at_target: Option<Snapshot>,
    /// How many migrations are above the target version.
    pub above: usize,
    pub down: Vec<Reverted>,
    pub after: Option<Snapshot>,
    pub again: Vec<Proved>,
    pub looked: Vec<Looked>,
    /// Tables without a witness, and why.
    pub without: Vec<(String, String)>,
    /// Rows of the target version's tables around the second way down.
    pub counts: Option<Counts>,
}

impl Trial {
    /// Whether the first way down was gone to its end.
    pub fn went_down(&self) -> bool {
        self.down.len() == self.above && self.down.iter().all(Reverted::done)
    }

    /// Whether the second way up was gone to its end.
    pub fn went_up_again(&self) -> bool {
        self.again.len() == self.above && self.again.iter().all(Proved::holds)
    }
}

/// Makes the copy, tries, drops it.
pub async fn run(cx: &Context<'_>, set: &MigrationSet, above: &[&Migration], target: &str, backup: &Path) -> Result<Trial, PgError> {
    let (db, restore_us) = cx.scratch.copy_of(backup, "rollback").await?;
    let mut trial = Trial { restore_us, above: above.len(), ..Trial::default() };
    let result = stages(cx, set, above, target, db.target(), &mut trial).await;
    if let Err(error) = cx.scratch.drop_db(db).await {
        cx.log.line(format!("the scratch database is left behind: {error}"));
    }
    result.map(|()| trial)
}

async fn stages(
    cx: &Context<'_>,
    set: &MigrationSet,
    above: &[&Migration],
    target: &str,
    copy: &Target,
    trial: &mut Trial,
) -> Result<(), PgError> {
    let config = &cx.config.migrations;
    let options = ApplyOptions::of(config, cx.run.as_str());
    let say = |line: String| {
        cx.progress.say(&line);
        cx.log.line(format!("scratch: {line}"));
    };
    let hands = copy.session(Access::ReadWrite).await?;
    history::ensure(&hands, set, config.baseline.as_deref()).await?;
    let state = history::schema_state(&hands, set, config.baseline.as_deref()).await?;
    if let Some(already) = above.iter().find(|m| state.has(&m.version)) {
        trial.not_up = Some(format!(
            "the backup already holds version {}, above the target version {target}: there is no earlier state to compare with",
            already.version
        ));
        return Ok(());
    }

    for migration in set.migrations.iter().filter(|m| !state.has(&m.version)) {
        if trial.at_target.is_none() && above.first().is_some_and(|first| first.version == migration.version) {
            trial.at_target = Some(snapshot(cx, set, copy, None).await?);
        }
        let proved = prove(&hands, migration, &options, (0, None), &mut |line| say(line)).await;
        if !proved.holds() {
            let failure = proved.applied.failure.or(proved.verified.and_then(Result::err));
            trial.not_up = Some(format!("the way up ends early: {}", failure.map(|f| f.to_string()).unwrap_or_default()));
            return Ok(());
        }
    }
    let back: Vec<&Migration> = above.iter().rev().copied().collect();

    say(format!("down to {target}"));
    trial.down = revert(&hands, &back, &options, &mut |_| {}).await;
    for step in &trial.down {
        say(match step.applied.as_ref().map(|applied| (&applied.failure, applied.execution.duration_us)) {
            None => format!("version {} has no down script", step.version),
            Some((None, us)) => format!("version {} reverted in {us} us", step.version),
            Some((Some(failure), _)) => format!("FAILED {failure}"),
        });
    }
    if !trial.went_down() {
        return Ok(());
    }
    // A column that was left behind is the catalog's finding; the rows are compared on the columns there were.
    trial.after = Some(snapshot(cx, set, copy, trial.at_target.as_ref().map(|at| &at.columns)).await?);

    say("up again".into());
    for migration in above {
        let proved = prove(&hands, migration, &options, (0, None), &mut |line| say(line)).await;
        let stop = !proved.holds();
        trial.again.push(proved);
        if stop {
            return Ok(());
        }
    }

    witnessed(copy, trial, &say, target, async { revert(&hands, &back, &options, &mut |_| {}).await.iter().all(Reverted::done) }).await
}

/// Plants witness rows in the tables of the target version, takes the way down once more, and looks for them.
pub(super) async fn witnessed(
    copy: &Target,
    trial: &mut Trial,
    say: &dyn Fn(String),
    target: &str,
    down_once_more: impl Future<Output = bool>,
) -> Result<(), PgError> {
    let tables: Vec<String> = trial.at_target.iter().flat_map(|at| &at.tables).map(|state| state.table.clone()).collect();
    let asked = Asked::now();
    let planting = copy.session(Access::ReadWrite).await?;
    let before_planting = row_counts(&planting, &tables).await?;
    let planted = plant(&planting, &tables).await?;
    let before_down = row_counts(&planting, &tables).await?;
    drop(planting);
    trial.without = planted.without;
    say(format!("{} witness rows planted, down to {target} once more", planted.witnesses.len()));
    if !down_once_more.await {
        say("the second way down failed".into());
        return Ok(());
    }
    let eyes = copy.session(Access::ReadOnly).await?;
    for witness in planted.witnesses {
        let there = is_there(&eyes, &witness).await;
        trial.looked.push(Looked { witness, there });
    }
    let after_down = row_counts(&eyes, &tables).await?;
    trial.counts = Some(Counts { before_planting, before_down, after_down, asked: asked.stopped() });
    Ok(())
}

/// Exact counts; a table that is gone has none. The names were quoted by the server.
async fn row_counts(session: &Session, tables: &[String]) -> Result<RowCounts, PgError> {
    session.batch("SET row_security = off").await?;
    let mut counts = RowCounts::new();
    for table in tables {
        let exists = session.one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[table]).await?;
        if exists.get(0) {
            let row = session.one(&format!("SELECT pg_catalog.count(*) FROM ONLY {table}"), &[]).await?;
            counts.insert(table.clone(), row.get(0));
        }
    }
    Ok(counts)
}

pub(super) async fn snapshot(cx: &Context<'_>, set: &MigrationSet, copy: &Target, only: Option<&Columns>) -> Result<Snapshot, PgError> {
    let mut excluded = cx.config.backup.exclude_schemas.clone();
    excluded.push("ledger".to_owned());
    let session = copy.session(Access::ReadOnly).await?;
    let asked = Asked::now();
    let catalog = Catalog::read(&session, &excluded).await?;
    let catalog_read = asked.stopped();
    let asked = Asked::now();
    let columns = match only {
        Some(only) => only.clone(),
        None => data::columns(&session, &excluded).await?,
    };
    let mut tables = data::table_states_on(copy, &excluded, workers(&cx.config.backup), None, &columns, &|_, _| {}).await?;
    // The tool's own bookkeeping goes on through a way back, as it should.
    tables.retain(|state| !set.keeps(&state.table));
    let large_objects = data::large_objects_alone(&session).await?;
    let positions = data::positions(&session, &excluded).await?;
    Ok(Snapshot { catalog, tables, columns, large_objects, positions, catalog_read, tables_read: asked.stopped() })
}
