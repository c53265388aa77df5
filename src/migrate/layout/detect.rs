//! Which layout a folder is in: by what only one tool writes, in names, directives and the files around it.
//!
//! What decides is evidence of one tool. Where names alone fit several tools and nothing else speaks, the answer is an error that
//! names them: each has another history table, and a wrong guess would call applied migrations pending.

use std::path::Path;

use super::{
    Layout, LayoutError, atlas, dbmate, drizzle, golang, goose, graphile, liquibase, node_pg, prisma, refinery, sqitch, sql_migrate, walk,
    yoyo,
};

/// How many files are opened to look for directives, and how far into each.
const LOOKED_INTO: usize = 40;
const FAR: usize = 64 * 1024;

/// What else lies in folders of migrations, and what to do with it.
const CODE: [(&str, &str, &str); 9] = [
    (
        ".py",
        "Python migrations",
        "run the tool itself (alembic, Django, yoyo): layout = \"command\"; `alembic upgrade --sql` and `manage.py sqlmigrate` write SQL that can be read here",
    ),
    (".rb", "Ruby migrations", "run `rails db:migrate` itself: layout = \"command\""),
    (".ts", "TypeScript migrations", "run the tool itself: layout = \"command\""),
    (".js", "JavaScript migrations", "run the tool itself: layout = \"command\""),
    (
        ".cs",
        "C# migrations",
        "`dotnet ef migrations script` writes SQL that can be read here; or run the tool itself: layout = \"command\"",
    ),
    (".exs", "Elixir migrations", "run `mix ecto.migrate` itself: layout = \"command\""),
    (".go", "Go migrations", "run the team's own program itself: layout = \"command\""),
    (".rs", "Rust migrations", "run the team's own program itself: layout = \"command\""),
    (".php", "PHP migrations", "run the tool itself: layout = \"command\""),
];

const OPERATIONS: [(&str, &str, &str); 4] = [
    (".xml", "XML change logs", "`liquibase update-sql` writes them as SQL; formatted SQL change logs can be read here"),
    (
        ".yaml",
        "YAML change logs or operations",
        "`liquibase update-sql` writes change logs as SQL; operations of pgroll's are run by pgroll alone, itself: layout = \"command\"",
    ),
    (
        ".yml",
        "YAML change logs or operations",
        "`liquibase update-sql` writes change logs as SQL; operations of pgroll's are run by pgroll alone, itself: layout = \"command\"",
    ),
    (
        ".json",
        "JSON operations or change logs",
        "pgroll keeps two versions of a schema at once, which only pgroll can do: run it itself (layout = \"command\"); for Liquibase: `liquibase update-sql`",
    ),
];

/// The layout of a folder.
pub fn detect(dir: &Path) -> Result<Layout, LayoutError> {
    if sqitch::is_here(dir) {
        return Ok(Layout::Sqitch);
    }
    if atlas::is_here(dir) {
        return Ok(Layout::Atlas);
    }
    if drizzle::is_here(dir) {
        return Ok(Layout::Drizzle);
    }
    let files = walk::tree(dir)?;
    if prisma::speaks(&files) {
        return Ok(Layout::Prisma);
    }
    let sql: Vec<&String> = files.iter().filter(|file| walk::without(file, ".sql").is_some()).collect();
    if sql.is_empty() {
        return match not_sql(dir, &files) {
            Some(error) => Err(error),
            None => Ok(Layout::Plain),
        };
    }
    let near = Near::of(dir);
    let mut fits: Vec<(Layout, String)> = Vec::new();
    for file in sql.iter().take(LOOKED_INTO) {
        let bytes = head(dir, file)?;
        for (layout, speaks, directive) in [
            (Layout::Dbmate, dbmate::speaks(&bytes), "-- migrate:up"),
            (Layout::Goose, goose::speaks(&bytes), "-- +goose"),
            (Layout::SqlMigrate, sql_migrate::speaks(&bytes), "-- +migrate"),
            (Layout::Liquibase, liquibase::speaks(&bytes), "--liquibase formatted sql"),
            (Layout::GraphileMigrate, graphile::speaks(&bytes), "--! Previous:"),
            (Layout::NodePgMigrate, node_pg::speaks(&bytes), "-- Up Migration"),
            (Layout::Yoyo, yoyo::speaks(&bytes) || (near.yoyo && walk::base(file).ends_with(".rollback.sql")), "-- depends:"),
        ] {
            if speaks && !fits.iter().any(|(known, _)| *known == layout) {
                fits.push((layout, format!("`{directive}` in {file}")));
            }
        }
    }
    match fits.as_slice() {
        [(layout, _)] => return Ok(*layout),
        [] => {}
        _ => return Err(two_fit(dir, &fits)),
    }
    by_names(dir, &files, &near)
}

/// Names that only one tool writes, then names that several share, told apart by the files around the folder.
fn by_names(dir: &Path, files: &[String], near: &Near) -> Result<Layout, LayoutError> {
    let bases: Vec<&str> = files.iter().map(|file| walk::base(file)).collect();
    let folders = files.iter().filter(|file| file.matches('/').count() == 1 && file.ends_with("/up.sql")).count();
    // Hasura keeps a folder for each database, each with its migrations.
    let deeper = files.iter().any(|file| file.matches('/').count() == 2 && file.ends_with("/up.sql"));
    if near.hasura && folders + usize::from(deeper) > 0 {
        return Ok(Layout::Hasura);
    }
    if folders > 0 && near.diesel {
        return Ok(Layout::Diesel);
    }
    if folders > 0 && !files.iter().any(|file| !file.contains('/') && file.ends_with(".sql")) {
        return match files.iter().any(|file| file.ends_with("/metadata.toml")) || near.rust {
            true => Ok(Layout::Diesel),
            false => Err(two_fit(
                dir,
                &[
                    (Layout::Diesel, "<version>_name/up.sql, history __diesel_schema_migrations".to_owned()),
                    (Layout::Hasura, "the same names, history hdb_catalog.hdb_version".to_owned()),
                ],
            )),
        };
    }
    if near.yoyo {
        return Ok(Layout::Yoyo);
    }
    let flyway_names = bases.iter().filter(|base| lettered(base, 'V')).count();
    if flyway_names > 0 {
        let sure = near.flyway || bases.iter().any(|base| base.starts_with("R__") || base.ends_with(".sql.conf") || dotted(base));
        let rust = bases.iter().any(|base| base.strip_suffix(".rs").is_some_and(|stem| refinery::named(stem).is_some()));
        return match (sure, near.refinery || rust) {
            (true, false) => Ok(Layout::Flyway),
            (false, true) => Ok(Layout::Refinery),
            _ => Err(two_fit(
                dir,
                &[
                    (Layout::Flyway, "V<number>__name.sql, history flyway_schema_history".to_owned()),
                    (Layout::Refinery, "the same names, history refinery_schema_history".to_owned()),
                    (Layout::Plain, "the same names, history ledger.schema_history".to_owned()),
                ],
            )),
        };
    }
    if near.supabase {
        return Ok(Layout::Supabase);
    }
    let here: Vec<&String> = files.iter().filter(|file| !file.contains('/')).collect();
    let up = here.iter().filter(|file| golang::named(file).is_some_and(|(_, _, down, _)| !down)).count();
    let numbered =
        here.iter().filter(|file| file.starts_with(|c: char| c.is_ascii_digit()) && walk::without(file, ".sql").is_some()).count();
    if near.sqlx && numbered > 0 {
        return Ok(Layout::Sqlx);
    }
    let paired = here.iter().filter(|file| golang::named(file).is_some()).count();
    if up > 0 && paired == numbered {
        if near.go {
            return Ok(Layout::GolangMigrate);
        }
        return Err(two_fit(
            dir,
            &[
                (Layout::GolangMigrate, "<number>_name.up.sql, history schema_migrations".to_owned()),
                (Layout::Sqlx, "the same names, history _sqlx_migrations".to_owned()),
                (Layout::Plain, "the same names, history ledger.schema_history".to_owned()),
            ],
        ));
    }
    Ok(Layout::Plain)
}

fn lettered(base: &str, letter: char) -> bool {
    base.strip_prefix(letter)
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("__") && rest.ends_with(".sql"))
}

/// `V1.2__…`.
fn dotted(base: &str) -> bool {
    lettered(base, 'V') && base.split("__").next().is_some_and(|version| version.contains('.'))
}

/// What lies around a folder of migrations, up to the project's root.
#[derive(Default)]
struct Near {
    supabase: bool,
    flyway: bool,
    sqlx: bool,
    diesel: bool,
    refinery: bool,
    yoyo: bool,
    hasura: bool,
    rust: bool,
    go: bool,
}

impl Near {
    fn of(dir: &Path) -> Self {
        let mut near = Self::default();
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
        let parent_is_supabase = dir.parent().and_then(Path::file_name).is_some_and(|name| name == "supabase");
        near.supabase = parent_is_supabase && dir.file_name().is_some_and(|name| name == "migrations");
        // Nearest first; the project's root ends it, and five folders up is far enough: src/db/postgres/migrations.
        for folder in dir.ancestors().take(6) {
            let has = |name: &str| folder.join(name).exists();
            near.flyway |= has("flyway.conf") || has("flyway.toml") || has("conf/flyway.conf");
            near.go |= has("go.mod");
            near.sqlx |= has(".sqlx") || has("sqlx.toml") || mentions(&folder.join("Cargo.toml"), "sqlx");
            near.diesel |= has("diesel.toml") || mentions(&folder.join("Cargo.toml"), "diesel");
            near.rust |= has("Cargo.toml");
            near.hasura |= ["metadata_directory", "hasura"].iter().any(|word| mentions(&folder.join("config.yaml"), word));
            near.refinery |= has("refinery.toml") || mentions(&folder.join("Cargo.toml"), "refinery");
            near.yoyo |= has("yoyo.ini");
            if has(".git") {
                break;
            }
        }
        near
    }
}

fn mentions(file: &Path, word: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(word))
}

fn head(dir: &Path, file: &str) -> Result<Vec<u8>, LayoutError> {
    use std::io::Read;
    let path = dir.join(file);
    let failed = |source| LayoutError::Read { path: path.clone(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(&path).map_err(failed)?.take(FAR as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn not_sql(dir: &Path, files: &[String]) -> Option<LayoutError> {
    let kinds = OPERATIONS.iter().chain(&CODE);
    kinds.into_iter().find_map(|(extension, what, way_out)| {
        let ordinary = |file: &&String| !["__init__.py", "env.py", "package.json"].contains(&walk::base(file));
        let example = files.iter().filter(ordinary).find(|file| walk::without(file, extension).is_some())?;
        Some(LayoutError::NotSql { dir: dir.to_path_buf(), what, example: example.clone(), way_out })
    })
}

fn two_fit(dir: &Path, fits: &[(Layout, String)]) -> LayoutError {
    let fits: Vec<String> = fits.iter().map(|(layout, why)| format!("{} ({why})", layout.name())).collect();
    LayoutError::TwoFit { dir: dir.to_path_buf(), fits: fits.join(" or ") }
}
