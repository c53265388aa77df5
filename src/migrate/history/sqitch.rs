//! sqitch: the registry, a schema of six tables: changes, their dependencies and tags, and the events of all time
//! (sqitch, `App::Sqitch::Engine::pg`, registry 1.1).

use super::{HistoryRow, literal, utc};
use crate::migrate::layout::sqitch::{Change, Dependency};
use crate::migrate::layout::{Key, Migration, MigrationSet};
use crate::pg::{PgError, Session};

/// Who deploys, where sqitch asks git or its own settings.
const COMMITTER: &str = "'ledger', 'ledger@localhost'";

/// The schema of `…changes`.
fn registry(history: &str) -> &str {
    history.rsplit_once('.').map_or("sqitch", |(schema, _)| schema)
}

pub fn create(set: &MigrationSet) -> String {
    let r = registry(set.history());
    let planned = "planned_at timestamptz NOT NULL, planner_name text NOT NULL, planner_email text NOT NULL";
    let committed = "committed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), committer_name text NOT NULL, committer_email text NOT NULL";
    let project = format!("project text NOT NULL REFERENCES {r}.projects (project) ON UPDATE CASCADE, note text NOT NULL DEFAULT ''");
    format!(
        "CREATE SCHEMA IF NOT EXISTS {r};
         COMMENT ON SCHEMA {r} IS 'Sqitch database deployment metadata v1.1.';
         CREATE TABLE {r}.releases (version real PRIMARY KEY, installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
             installer_name text NOT NULL, installer_email text NOT NULL);
         CREATE TABLE {r}.projects (project text PRIMARY KEY, uri text NULL UNIQUE,
             created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), creator_name text NOT NULL, creator_email text NOT NULL);
         CREATE TABLE {r}.changes (change_id text PRIMARY KEY, script_hash text NULL, change text NOT NULL, {project}, {committed}, {planned},
             UNIQUE (project, script_hash));
         CREATE TABLE {r}.tags (tag_id text PRIMARY KEY, tag text NOT NULL, {project},
             change_id text NOT NULL REFERENCES {r}.changes (change_id) ON UPDATE CASCADE, {committed}, {planned}, UNIQUE (project, tag));
         CREATE TABLE {r}.dependencies (change_id text NOT NULL REFERENCES {r}.changes (change_id) ON UPDATE CASCADE ON DELETE CASCADE,
             type text NOT NULL, dependency text NOT NULL, dependency_id text NULL REFERENCES {r}.changes (change_id) ON UPDATE CASCADE
             CONSTRAINT dependencies_check CHECK ((type = 'require' AND dependency_id IS NOT NULL) OR (type = 'conflict' AND dependency_id IS NULL)),
             PRIMARY KEY (change_id, dependency));
         CREATE TABLE {r}.events (event text NOT NULL CONSTRAINT events_event_check CHECK (event IN ('deploy', 'revert', 'fail', 'merge')),
             change_id text NOT NULL, change text NOT NULL, {project}, requires text[] NOT NULL DEFAULT '{{}}',
             conflicts text[] NOT NULL DEFAULT '{{}}', tags text[] NOT NULL DEFAULT '{{}}', {committed}, {planned},
             PRIMARY KEY (change_id, committed_at));
         INSERT INTO {r}.releases (version, installer_name, installer_email) VALUES (1.1, {COMMITTER})"
    )
}

pub async fn rows(session: &Session, set: &MigrationSet) -> Result<Vec<HistoryRow>, PgError> {
    let project = set.migrations.iter().find_map(|m| change_of(m).map(|change| change.project.clone())).unwrap_or_default();
    let sql = format!(
        "SELECT change_id, change, script_hash, {}, committer_name FROM {} WHERE project = $1 ORDER BY committed_at",
        utc("committed_at"),
        set.history()
    );
    let rows = session.query(&sql, &[&project]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let (id, name): (String, String) = (row.get(0), row.get(1));
            let known = set.migrations.iter().find(|m| change_of(m).is_some_and(|change| change.id == id));
            let row_of = match known {
                Some(migration) => HistoryRow::bare(&*migration.version, &*migration.name),
                // Planned otherwise, or not at all: no change of the plan is this one.
                None => HistoryRow::bare(format!("unknown {name} {}", id.get(..8).unwrap_or(&id)), name),
            };
            HistoryRow { checksum: row.get(2), run: format!("{}, by sqitch's registry", row.get::<_, String>(4)), ..row_of.at(row.get(3)) }
        })
        .collect())
}

fn change_of(migration: &Migration) -> Option<&Change> {
    match &migration.key {
        Key::Sqitch(change) => Some(change),
        _ => None,
    }
}

fn names(list: impl Iterator<Item = String>) -> String {
    let list: Vec<String> = list.map(|name| literal(&name)).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", list.join(", "))
}

pub fn insert(migration: &Migration) -> String {
    let Some(change) = change_of(migration) else { return String::new() };
    let r = registry(&migration.history);
    let (id, project, note) = (literal(&change.id), literal(&change.project), literal(&change.note));
    let uri = change.uri.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let hash = migration.checksum.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    let planned = planned(&change.planned_at, &change.planner_name, &change.planner_email);
    let mut sql = format!(
        "INSERT INTO {r}.projects (project, uri, creator_name, creator_email) VALUES ({project}, {uri}, {COMMITTER}) ON CONFLICT DO NOTHING; \
         INSERT INTO {r}.changes (change_id, script_hash, change, project, note, committer_name, committer_email, planned_at, planner_name, planner_email) \
         VALUES ({id}, {hash}, {}, {project}, {note}, {COMMITTER}, {planned})",
        literal(&change.name)
    );
    let mut depend = |kind: &str, dependency: &Dependency| {
        let name = literal(&dependency.name);
        // A requirement is resolved to the latest change of that name, whatever tag it is asked with.
        let bare = dependency.name.rsplit(':').next().and_then(|name| name.split('@').next()).unwrap_or_default();
        let resolved = match kind {
            "require" => format!(
                "(SELECT known.change_id FROM {r}.changes AS known WHERE known.change = {} ORDER BY known.committed_at DESC LIMIT 1)",
                literal(bare)
            ),
            _ => "NULL".to_owned(),
        };
        sql.push_str(&format!(
            "; INSERT INTO {r}.dependencies (change_id, type, dependency, dependency_id) VALUES ({id}, '{kind}', {name}, {resolved})"
        ));
    };
    change.requires.iter().for_each(|dependency| depend("require", dependency));
    change.conflicts.iter().for_each(|dependency| depend("conflict", dependency));
    for tag in &change.tags {
        sql.push_str(&format!(
            "; INSERT INTO {r}.tags (tag_id, tag, project, change_id, note, committer_name, committer_email, planned_at, planner_name, planner_email) \
             VALUES ({}, {}, {project}, {id}, {}, {COMMITTER}, {})",
            literal(&tag.id),
            literal(&format!("@{}", tag.name)),
            literal(&tag.note),
            self::planned(&tag.planned_at, &tag.planner_name, &tag.planner_email)
        ));
    }
    sql.push_str(&event(r, "deploy", change));
    sql
}

pub fn delete(migration: &Migration) -> String {
    let Some(change) = change_of(migration) else { return String::new() };
    let (r, id) = (registry(&migration.history), literal(&change.id));
    format!(
        "DELETE FROM {r}.tags WHERE change_id = {id}; DELETE FROM {r}.dependencies WHERE change_id = {id}; \
         DELETE FROM {r}.changes WHERE change_id = {id}{}",
        event(r, "revert", change)
    )
}

fn planned(at: &str, name: &str, email: &str) -> String {
    format!("{}, {}, {}", literal(at), literal(name), literal(email))
}

fn event(r: &str, event: &str, change: &Change) -> String {
    let of = |list: &[Dependency]| names(list.iter().map(|dependency| dependency.name.clone()));
    format!(
        "; INSERT INTO {r}.events (event, change_id, change, project, note, requires, conflicts, tags, committer_name, committer_email, \
         planned_at, planner_name, planner_email) VALUES ('{event}', {}, {}, {}, {}, {}, {}, {}, {COMMITTER}, {})",
        literal(&change.id),
        literal(&change.name),
        literal(&change.project),
        literal(&change.note),
        of(&change.requires),
        of(&change.conflicts),
        names(change.tags.iter().map(|tag| format!("@{}", tag.name))),
        planned(&change.planned_at, &change.planner_name, &change.planner_email)
    )
}
