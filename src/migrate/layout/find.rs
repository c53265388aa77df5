//! Where a project keeps its migrations: the folders that its tools make, looked for from the project's root.

use std::path::Path;

use super::walk;

/// Folders that tools make or that people choose, the more telling first.
const USUAL: [&str; 17] = [
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
    "sql/migrations",
    "schema/migrations",
    "migration",
    "src/migrations",
    "sql",
];

/// Files that lie in a folder of migrations and nowhere else.
const TELLING: [&str; 3] = ["meta/_journal.json", "atlas.sum", "migration_lock.toml"];

/// Folders that hold other people's files.
const NOT_OURS: [&str; 6] = ["node_modules", "target", "vendor", "dist", "build", "venv"];

/// How deep [`TELLING`] files are looked for.
const DEEPEST: usize = 4;

/// The folder of the project's migrations, relative to its root, `/`-separated. `None`: none of the usual ones is there.
pub fn find(root: &Path) -> Option<String> {
    if super::sqitch::is_here(root) {
        return Some(".".into());
    }
    if let Some(folder) = telling(root, "", 0) {
        return Some(folder);
    }
    let usual = USUAL.into_iter().find(|folder| root.join(folder).is_dir() && holds_any(&root.join(folder)))?;
    // Hasura keeps a folder for each database; where there is one, that is meant.
    let at = root.join(usual);
    let databases: Vec<String> = walk::folders(&at)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| {
            walk::folders(&at.join(name)).is_ok_and(|below| below.iter().any(|one| at.join(name).join(one).join("up.sql").is_file()))
        })
        .collect();
    Some(match databases.as_slice() {
        [only] => format!("{usual}/{only}"),
        _ => usual.to_owned(),
    })
}

fn telling(root: &Path, folder: &str, depth: usize) -> Option<String> {
    let at = if folder.is_empty() { root.to_path_buf() } else { root.join(folder) };
    if !folder.is_empty() && TELLING.iter().any(|file| at.join(file).is_file()) {
        return Some(folder.to_owned());
    }
    let below = walk::folders(&at).unwrap_or_default();
    below.iter().filter(|name| depth < DEEPEST && !NOT_OURS.contains(&name.as_str())).find_map(|name| {
        let next = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        telling(root, &next, depth + 1)
    })
}

/// Whether a folder holds SQL, or migrations in code, whose refusal says what to do.
fn holds_any(at: &Path) -> bool {
    let known = [".sql", ".py", ".rb", ".ts", ".js", ".php", ".exs", ".cs", ".go", ".xml", ".yaml", ".yml", ".json"];
    walk::tree(at).is_ok_and(|files| files.iter().any(|file| known.iter().any(|extension| walk::without(file, extension).is_some())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_found_where_its_tool_makes_it() {
        for (files, found) in [
            (&["supabase/config.toml", "supabase/migrations/20260101000000_a.sql"] as &[&str], Some("supabase/migrations")),
            (&["prisma/schema.prisma", "prisma/migrations/migration_lock.toml"], Some("prisma/migrations")),
            (&["src/db/out/meta/_journal.json", "src/db/out/0000_a.sql"], Some("src/db/out")),
            (&["config.yaml", "migrations/default/1_a/up.sql"], Some("migrations/default")),
            (&["migrations/1_a/up.sql"], Some("migrations")),
            (&["db/migrate/20260101000000_a.rb"], Some("db/migrate")),
            (&["sqitch.plan", "deploy/a.sql"], Some(".")),
            (&["node_modules/x/atlas.sum", "migrations/README.md"], None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                let path = folder.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "select 1;").unwrap();
            }
            assert_eq!(find(folder.path()).as_deref(), found, "{files:?}");
        }
    }
}
