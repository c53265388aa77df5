//! Where a project keeps its migrations: the folders that its tools make, then those that look like it, looked for from the project's root.

use std::collections::BTreeSet;
use std::path::Path;

use super::tools::{self, Tool};
use super::walk;

/// Folders that tools make, the more telling first.
const USUAL: [&str; 15] = [
    "supabase/migrations",
    "prisma/migrations",
    "src/main/resources/db/migration",
    "src/main/resources/db/changelog",
    "database/migrations",
    "db/migrations",
    "db/migrate",
    "db/migration",
    "priv/repo/migrations",
    "alembic/versions",
    "migrations",
    "drizzle",
    "src/migrations",
    "db/changelog",
    "changelog",
];

/// Files that lie in a folder of migrations and nowhere else.
const TELLING: [&str; 3] = ["meta/_journal.json", "atlas.sum", "migration_lock.toml"];

/// Folders that hold other people's files.
const NOT_OURS: [&str; 9] = ["node_modules", "target", "vendor", "dist", "build", "venv", "site-packages", "evidence", "backups"];

/// Folders beside migrations, and copies of them.
const ASIDE: [&str; 15] = [
    "down",
    "rollback",
    "rollbacks",
    "revert",
    "verify",
    "test",
    "tests",
    "testdata",
    "fixtures",
    "example",
    "examples",
    "seed",
    "seeds",
    "benches",
    "benchmarks",
];

/// How deep a project is looked into, and at how many files.
const DEEPEST: usize = 8;
const MOST: usize = 50_000;

/// What a project keeps its migrations in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The folder, relative to the root, `/`-separated. `None`: none, or more than one that could be meant.
    pub folder: Option<String>,
    /// Where there is more than one: all of them.
    pub several: Vec<String>,
    /// Migrations in code, and the tool that runs them.
    pub tool: Option<Tool>,
}

/// Looks for the project's migrations.
pub fn find(root: &Path) -> Found {
    let of = |folder: String| Found { folder: Some(folder), ..Found::default() };
    if super::sqitch::is_here(root) {
        return of(".".into());
    }
    let files = tree(root);
    if let Some(folder) = telling(&files) {
        return of(folder);
    }
    let below =
        |folder: &str| files.iter().filter_map(|file| file.strip_prefix(folder)?.strip_prefix('/')).map(str::to_owned).collect::<Vec<_>>();
    let sql = |file: &String| walk::without(file, ".sql").is_some();
    if let Some(usual) = USUAL.into_iter().find(|folder| below(folder).iter().any(sql)) {
        return of(one_database(usual, &below(usual)));
    }
    if let Some(tool) = tools::find(root, &files) {
        return Found { tool: Some(tool), ..Found::default() };
    }
    // Migrations in code of no known tool, whose refusal says what to do.
    if let Some(usual) = USUAL.into_iter().find(|folder| below(folder).iter().any(|file| is_code(file))) {
        return of(usual.to_owned());
    }
    let mut numbered = numbered(&files);
    match numbered.len() {
        0 => Found::default(),
        1 => of(numbered.remove(0)),
        _ => Found { several: numbered, ..Found::default() },
    }
}

/// All files below the root, as far as they are looked at.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), 0)];
    while let Some((prefix, depth)) = open.pop() {
        let at = root.join(&prefix);
        // A folder that cannot be read holds nothing that could be used.
        found.extend(walk::files(&at).unwrap_or_default().into_iter().map(|name| format!("{prefix}{name}")));
        if depth < DEEPEST && found.len() < MOST {
            let below = walk::folders(&at).unwrap_or_default().into_iter().filter(|name| !NOT_OURS.contains(&name.as_str()));
            open.extend(below.map(|name| (format!("{prefix}{name}/"), depth + 1)));
        }
    }
    found.sort();
    found
}

fn telling(files: &[String]) -> Option<String> {
    let folder = |file: &String| TELLING.iter().find_map(|telling| Some(file.strip_suffix(telling)?.strip_suffix('/')?.to_owned()));
    files.iter().filter_map(folder).min_by_key(|folder| folder.matches('/').count())
}

/// Hasura keeps a folder for each database; where there is one, that is meant.
fn one_database(usual: &str, below: &[String]) -> String {
    let deep = |file: &String| {
        let mut parts = file.split('/');
        let (database, migration, name) = (parts.next()?, parts.next()?, parts.next()?);
        (name == "up.sql" && parts.next().is_none() && !migration.is_empty()).then(|| database.to_owned())
    };
    let databases: BTreeSet<String> = below.iter().filter_map(deep).collect();
    match databases.len() {
        1 => format!("{usual}/{}", databases.into_iter().next().unwrap_or_default()),
        _ => usual.to_owned(),
    }
}

fn is_code(file: &str) -> bool {
    let known = [".py", ".rb", ".ts", ".js", ".php", ".exs", ".cs", ".go", ".xml", ".yaml", ".yml", ".json"];
    known.iter().any(|extension| walk::without(file, extension).is_some())
}

/// Folders with SQL files whose names begin with a number, wherever they are; of several databases' the ones for PostgreSQL.
fn numbered(files: &[String]) -> Vec<String> {
    let holder = |file: &String| {
        let (folder, base) = file.rsplit_once('/').unwrap_or((".", file));
        let holder = match base {
            "up.sql" | "migration.sql" => folder.rsplit_once('/').map_or(".", |(above, _)| above),
            _ => folder,
        };
        let begins = |name: &str| name.trim_start_matches(['V', 'U']).starts_with(|c: char| c.is_ascii_digit());
        let numbered = match base {
            "up.sql" | "migration.sql" => begins(walk::base(folder)),
            _ => begins(base) && walk::without(base, ".sql").is_some(),
        };
        (numbered && !folder.split('/').any(|part| ASIDE.contains(&part))).then(|| holder.to_owned())
    };
    let mut folders: BTreeSet<String> = files.iter().filter_map(holder).collect();
    let all = folders.clone();
    folders.retain(|folder| !all.iter().any(|other| folder.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))));
    let speaks = |folder: &String, words: &[&str]| words.iter().any(|word| folder.to_ascii_lowercase().contains(word));
    if folders.iter().any(|folder| speaks(folder, &["postgres", "pg"])) {
        folders.retain(|folder| !speaks(folder, &["mysql", "sqlite", "mssql", "maria", "oracle"]));
    }
    folders.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str]) -> Found {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "select 1;").unwrap();
        }
        find(folder.path())
    }

    #[test]
    fn the_folder_is_found_where_its_tool_makes_it() {
        for (files, folder) in [
            (&["supabase/config.toml", "supabase/migrations/20260101000000_a.sql"] as &[&str], Some("supabase/migrations")),
            (&["prisma/schema.prisma", "prisma/migrations/migration_lock.toml"], Some("prisma/migrations")),
            (&["src/db/out/meta/_journal.json", "src/db/out/0000_a.sql"], Some("src/db/out")),
            (&["config.yaml", "migrations/default/1_a/up.sql"], Some("migrations/default")),
            (&["migrations/1_a/up.sql"], Some("migrations")),
            (&["sqitch.plan", "deploy/a.sql"], Some(".")),
            (&["node_modules/x/atlas.sum", "migrations/README.md"], None),
            (&["database/migrations/1_a.go"], Some("database/migrations")),
        ] {
            assert_eq!(found(files), Found { folder: folder.map(str::to_owned), ..Found::default() }, "{files:?}");
        }
    }

    #[test]
    fn a_folder_of_another_name_is_found_by_the_numbers_in_it() {
        for (files, folder) in [
            (&["server/store/pg/schema/001_a.sql", "server/store/pg/schema/down/001_a.sql"] as &[&str], "server/store/pg/schema"),
            (&["mysql_x/migrations/1_a/up.sql", "postgres_x/migrations/1_a/up.sql", "sqlite_x/1.sql"], "postgres_x/migrations"),
            (&["sql/V1__a.sql", "sql/more/V2__b.sql", "tests/sql/V1__x.sql", "schema.sql"], "sql"),
            (&["001_a.sql"], "."),
        ] {
            assert_eq!(found(files).folder.as_deref(), Some(folder), "{files:?}");
        }
        assert_eq!(found(&["a/db/1.sql", "b/db/1.sql"]).several, ["a/db", "b/db"]);
        assert_eq!(found(&["sql/queries.sql", "README.md"]), Found::default());
    }
}
