//! CE-20: is the environment fit for a rehearsal, and is there a way back?
//!
//! In this order: leftovers of dead runs are swept. Facts of server, connection and role. The questions of `queries/environment`. A backup from an
//! exported snapshot, restored and compared. The state of the database in that snapshot, for all that is compared with it later.

mod facts;
mod papers;
pub mod probes;

use serde_json::{Value, json};

use super::backup::{BackupChecks, back_up, human_bytes};
use super::{Context, StepError, StepReport};
use crate::checks::ask::{Asked, ask};
use crate::checks::find;
use crate::domain::plan::StepKind;
use crate::domain::product::{EnvironmentProduct, Product};
use crate::domain::{Outcome, SubjectRow};
use crate::migrate::history::{SchemaState, schema_state};
use crate::migrate::layout::MigrationSet;
use crate::pg::unfinished::remove_leftovers;
use crate::pg::{Access, Catalog, Session};

use facts::Facts;

const BACKUP: BackupChecks = BackupChecks { made: "backup-made", restores: "backup-restores", matches: "backup-matches-source" };

/// The questions that are one query of the target, in order; `role-makes-scratch` is asked of the scratch server.
const QUERIES: [&str; 7] = [
    "accepts-writes",
    "role-reads-everything",
    "role-sees-every-row",
    "role-creates",
    "role-owns-tables",
    "required-settings",
    "required-extensions",
];

/// Those of them that only somebody who migrates needs answered.
const OF_MIGRATIONS: [&str; 3] = ["accepts-writes", "role-creates", "role-owns-tables"];
const NO_MIGRATIONS: &str = "no task of the plan has to do with migrations";

/// Examines the environment, backs the database up, and hands both over.
pub async fn run(cx: &Context<'_>, report: &mut StepReport) -> Result<(), StepError> {
    sweep(cx).await;
    let session = cx.target.session(Access::ReadOnly).await?;
    let asked = Asked::now();
    let facts = Facts::read(&session, cx.target.identity()).await?;
    let read = asked.stopped();
    cx.log.line(format!("PostgreSQL {}, database {}, role {}, {}", facts.server_version, facts.database, facts.role, facts.tls()));

    questions(cx, &session, (&facts, read), report).await?;
    let version = schema_version(cx, &session, report).await?;

    let backed = back_up(cx, "pre_migration", &BACKUP, report).await?;
    // Without a backup there is no exported snapshot; the state is then the one of now.
    let (catalog, tables) = match &backed {
        Some(backed) => (backed.source.catalog.clone(), backed.facts.tables.clone()),
        None => (Catalog::read(&session, &cx.config.backup.exclude_schemas).await?, Vec::new()),
    };
    let backup = backed.as_ref().map(|backed| backed.facts.clone());
    report.headline = match &backed {
        Some(backed) if backed.holds => {
            let whole = if cx.config.backup.exclude_schemas.is_empty() { "" } else { ", but for the schemas left out" };
            format!("backup {} restored and compared{whole}", human_bytes(backed.facts.bytes))
        }
        Some(backed) if backed.facts.restore_us.is_some() => "the restored backup is not known to equal the source".to_owned(),
        Some(_) => "the backup was not restored".to_owned(),
        None => "no backup was made".to_owned(),
    };
    papers::attach(cx, report, &facts, version.as_deref(), &catalog, &tables, backup.as_ref());
    report.product = Some(Product::Environment(EnvironmentProduct {
        server_version: facts.server_version.clone(),
        server_version_num: facts.server_version_num,
        database: facts.database.clone(),
        role: facts.role.clone(),
        tls: facts.tls(),
        schema_version: version,
        database_bytes: facts.database_bytes,
        tables: catalog.count("table"),
        policies: catalog.count("policy"),
        foreign_keys: catalog
            .objects
            .get("constraint")
            .map_or(0, |all| all.values().filter(|d| d.starts_with("FOREIGN KEY")).count() as u64),
        indexes: catalog.count("index") + catalog.count("invalid index"),
        backup,
    }));
    Ok(())
}

/// Drops what dead runs left. That it cannot be done is worth a line and nothing more: no question depends on it.
async fn sweep(cx: &Context<'_>) {
    match cx.scratch.sweep().await {
        Ok(dropped) if dropped.is_empty() => {}
        Ok(dropped) => cx.log.line(format!("dropped scratch databases that an earlier run left: {}", dropped.join(", "))),
        Err(error) => cx.log.line(format!("scratch databases of earlier runs were not looked for: {error}")),
    }
    match remove_leftovers(&cx.project.path(&cx.config.backup.dir)) {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => cx.log.line(format!("removed unfinished backups that an earlier run left: {}", removed.join(", "))),
        Err(error) => cx.log.line(format!("unfinished backups of earlier runs could not be removed: {error}")),
    }
}

async fn questions(cx: &Context<'_>, session: &Session, (facts, read): (&Facts, Asked), report: &mut StepReport) -> Result<(), StepError> {
    let known = |code: &str| find(code).ok_or_else(|| StepError::cannot(format!("there is no check {code}")));
    let mut probe = |code: &str, asked_of: &str, asked: Asked, rows: Vec<SubjectRow>| -> Result<(), StepError> {
        report.evidence.push(asked.answered(known(code)?, asked_of, Value::Null, rows));
        Ok(())
    };
    // One reading of the server's facts answers both.
    let version = vec![probes::server_version(&facts.server_version, facts.server_version_num)];
    probe("server-version-untested", "target", read.clone(), version)?;
    probe("connection-encrypted", "target", read, vec![probes::connection(facts.tls.as_ref(), facts.address.as_deref())])?;
    // Arguments are worked out from left to right: the clock before the rows.
    probe("client-tools", "files", Asked::now(), probes::client_tools(cx.target.major(), &cx.config.backup))?;
    let variables = &cx.config.require.variables;
    probe("required-variables", "process", Asked::now(), probes::variables(variables, |name| std::env::var_os(name)))?;
    let factor = cx.config.require.free_space_factor.unwrap_or(1.0);
    let backups = cx.project.path(&cx.config.backup.dir);
    probe("free-space", "files", Asked::now(), probes::free_space(&backups, facts.local_data_directory(), facts.database_bytes, factor))?;

    let parameters = json!({
        "role": null,
        "exclude": cx.config.backup.exclude_schemas,
        "settings": cx.config.require.settings,
        "extensions": cx.config.require.extensions,
    });
    for code in QUERIES {
        cx.progress.say(code);
        report.evidence.push(match migrates(cx) || !OF_MIGRATIONS.contains(&code) {
            true => ask(session, known(code)?, parameters.clone(), "target").await,
            false => Asked::unmeasured().not_applicable(known(code)?, "target", parameters.clone(), NO_MIGRATIONS),
        });
    }
    let check = known("role-makes-scratch")?;
    let asked = Asked::now();
    report.evidence.push(match cx.scratch.server().session(Access::ReadOnly).await {
        Ok(session) => ask(&session, check, parameters, "scratch server").await,
        Err(error) => asked.unanswered(check, "scratch server", parameters, error.to_string()),
    });
    Ok(())
}

/// Whether any task of the plan has to do with migrations.
fn migrates(cx: &Context<'_>) -> bool {
    [StepKind::Scripts, StepKind::Execute, StepKind::Rollback].iter().any(|step| cx.config.plan.task_using(*step).is_some())
}

/// The version by history or baseline, and the check that it is known.
async fn schema_version(cx: &Context<'_>, session: &Session, report: &mut StepReport) -> Result<Option<String>, StepError> {
    let check = find("schema-version").ok_or_else(|| StepError::cannot("there is no check schema-version"))?;
    let asked = Asked::now();
    if !migrates(cx) {
        report.evidence.push(asked.not_applicable(check, "target", Value::Null, NO_MIGRATIONS));
        return Ok(None);
    }
    let migrations = &cx.config.migrations;
    let set = match MigrationSet::configured(&cx.project.root, migrations) {
        Ok(set) => set,
        Err(error) => {
            report.evidence.push(asked.unanswered(check, "target", Value::Null, error.to_string()));
            return Ok(None);
        }
    };
    let state = schema_state(session, &set, migrations.baseline.as_deref()).await?;
    let has_tables: bool = session
        .one(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                            WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
                              AND n.nspname <> 'information_schema' AND NOT n.nspname = 'ledger')",
            &[],
        )
        .await?
        .try_get(0)
        .map_err(crate::pg::PgError::from)?;
    let expected = "known from history or baseline";
    let row = match (&state, state.version()) {
        (SchemaState::Baseline(version), _) => SubjectRow::new("schema version", true, expected, format!("{version}, by baseline")),
        (_, Some(version)) => SubjectRow::new("schema version", true, expected, format!("{version}, by history")),
        (_, None) if !has_tables => SubjectRow::new("schema version", true, expected, "none: the database is empty"),
        (SchemaState::History(_), None) => {
            SubjectRow::undecided("schema version", expected, "the history is empty, but there are tables: set [migrations] baseline")
        }
        (_, None) => SubjectRow::undecided("schema version", expected, "there is no history of migrations: set [migrations] baseline"),
    };
    report.evidence.push(asked.answered(check, "target", json!({ "layout": set.layout.name() }), vec![row]));
    Ok(state.version().map(str::to_owned))
}

/// What the step comes to as far as its evidence goes: for its own report.
fn outcome(cx: &Context<'_>, report: &StepReport) -> Outcome {
    debug_assert_eq!(cx.task.uses, StepKind::Environment);
    let checks = report.evidence.iter().map(|e| (&e.check, e.severity, &e.outcome));
    crate::domain::verdict::task_outcome(checks, cx.config.plan.fail_at)
}
