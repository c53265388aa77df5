//! Migrations in code: whose they are, by the files that only one tool makes, and how that tool is run by the `command` layout.

use std::path::Path;

use super::walk;

/// A tool whose migrations are no SQL, and what `[migrations.command]` must say to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    pub name: &'static str,
    /// A migration of its, relative to the project's root.
    pub example: String,
    pub up: Vec<String>,
    /// One step back; empty where the tool has no command for that.
    pub down: Vec<String>,
    /// A name that the command layout knows, or a query of two columns.
    pub history: &'static str,
}

impl Tool {
    /// The lines of ledger.toml that make ledger run this tool.
    pub fn toml(&self) -> String {
        let list = |words: &[String]| words.iter().map(|word| toml::Value::String(word.clone()).to_string()).collect::<Vec<_>>().join(", ");
        let mut text = format!("[migrations.command]\nup = [{}]\n", list(&self.up));
        if !self.down.is_empty() {
            text.push_str(&format!("down = [{}]     # one step back, for CE-21 and CE-27 on scratch copies\n", list(&self.down)));
        }
        text.push_str(&format!(
            "history = {}\nurl-variable = \"DATABASE_URL\"   # gets the URL of the scratch copy, then of the target, as do PGHOST, PGDATABASE, …\n",
            toml::Value::String(self.history.to_owned())
        ));
        text
    }
}

/// How a tool is known: where its migrations lie, and a file that shows it; its commands.
struct Known {
    name: &'static str,
    /// Whether this file, relative to the root, is one of its migrations.
    migration: fn(&str) -> bool,
    /// Whether this file is there only where the tool is used: its settings, or a list of packages that has this word in it.
    shown_by: &'static [&'static str],
    word: &'static str,
    up: &'static [&'static str],
    down: &'static [&'static str],
    history: &'static str,
}

/// In commands: the file that showed the tool.
const SHOWN: &str = "{file}";

const KNOWN: [Known; 12] = [
    Known {
        name: "Django",
        migration: |file| within(file, "migrations", ".py") && digits(walk::base(file), 4),
        shown_by: &["manage.py"],
        word: "",
        up: &["python", SHOWN, "migrate", "--noinput"],
        down: &[],
        history: "django",
    },
    // An application of Django's without a project around it.
    Known {
        name: "Django",
        migration: |file| within(file, "migrations", ".py") && digits(walk::base(file), 4),
        shown_by: &["0001_initial.py"],
        word: "django.db",
        up: &["django-admin", "migrate", "--noinput"],
        down: &[],
        history: "django",
    },
    Known {
        name: "Alembic",
        migration: |file| file.split('/').rev().skip(1).any(|part| part == "versions") && walk::without(file, ".py").is_some(),
        shown_by: &["alembic.ini"],
        word: "",
        up: &["alembic", "-c", SHOWN, "upgrade", "head"],
        down: &["alembic", "-c", SHOWN, "downgrade", "-1"],
        history: "alembic",
    },
    Known {
        name: "Rails",
        migration: |file| within(file, "migrate", ".rb") && digits(walk::base(file), 14),
        shown_by: &["Gemfile"],
        word: "",
        up: &["bundle", "exec", "rails", "db:migrate"],
        down: &["bundle", "exec", "rails", "db:rollback", "STEP=1"],
        history: "rails",
    },
    Known {
        name: "Ecto",
        migration: |file| within(file, "migrations", ".exs") && digits(walk::base(file), 14),
        shown_by: &["mix.exs"],
        word: "",
        up: &["mix", "ecto.migrate"],
        down: &["mix", "ecto.rollback", "--step", "1"],
        history: "ecto",
    },
    Known {
        name: "Laravel",
        migration: |file| within(file, "migrations", ".php"),
        shown_by: &["artisan"],
        word: "",
        up: &["php", SHOWN, "migrate", "--force"],
        down: &["php", SHOWN, "migrate:rollback", "--step=1", "--force"],
        history: "laravel",
    },
    Known {
        name: "Entity Framework",
        migration: |file| within(file, "Migrations", ".cs") && digits(walk::base(file), 14),
        shown_by: &[".csproj"],
        word: "",
        up: &["dotnet", "ef", "database", "update"],
        down: &[],
        history: "ef",
    },
    Known {
        name: "SeaORM",
        migration: |file| walk::base(file).strip_prefix('m').is_some_and(|rest| digits(rest, 8)) && walk::without(file, ".rs").is_some(),
        shown_by: &["Cargo.toml"],
        word: "sea-orm-migration",
        up: &["sea-orm-cli", "migrate", "up"],
        down: &["sea-orm-cli", "migrate", "down", "-n", "1"],
        history: "SELECT version, version FROM public.seaql_migrations",
    },
    Known {
        name: "Sequelize",
        migration: script,
        shown_by: &["package.json"],
        word: "\"sequelize",
        up: &["npx", "sequelize-cli", "db:migrate"],
        down: &["npx", "sequelize-cli", "db:migrate:undo"],
        history: "sequelize",
    },
    Known {
        name: "Knex",
        migration: script,
        shown_by: &["package.json"],
        word: "\"knex\"",
        up: &["npx", "knex", "migrate:latest"],
        down: &["npx", "knex", "migrate:down"],
        history: "knex",
    },
    Known {
        name: "TypeORM",
        migration: script,
        shown_by: &["package.json"],
        word: "\"typeorm\"",
        up: &["npx", "typeorm", "migration:run", "-d", "src/data-source.ts"],
        down: &["npx", "typeorm", "migration:revert", "-d", "src/data-source.ts"],
        history: "typeorm",
    },
    Known {
        name: "node-pg-migrate",
        migration: script,
        shown_by: &["package.json"],
        word: "\"node-pg-migrate\"",
        up: &["npx", "node-pg-migrate", "up"],
        down: &["npx", "node-pg-migrate", "down"],
        history: "SELECT name, name FROM public.pgmigrations",
    },
];

/// A numbered script in a folder of migrations, in JavaScript or TypeScript.
fn script(file: &str) -> bool {
    let begins = walk::base(file).starts_with(|c: char| c.is_ascii_digit());
    begins && [".js", ".ts", ".cjs", ".mjs"].iter().any(|extension| within(file, "migrations", extension))
}

/// Whether the file lies right in a folder of this name, and has this extension.
fn within(file: &str, folder: &str, extension: &str) -> bool {
    let holder = file.rsplit_once('/').map_or("", |(folder, _)| walk::base(folder));
    holder == folder && walk::without(file, extension).is_some() && walk::base(file) != "__init__.py"
}

fn digits(name: &str, count: usize) -> bool {
    name.len() > count && name.bytes().take(count).all(|b| b.is_ascii_digit())
}

/// The tool whose migrations these files of a project hold, the shallowest of its settings deciding how it is run.
pub fn find(root: &Path, files: &[String]) -> Option<Tool> {
    KNOWN.iter().find_map(|known| {
        let migrations: Vec<&String> = files.iter().filter(|file| (known.migration)(file)).collect();
        let first = *migrations.first()?;
        let shows = |file: &&String| {
            let base = walk::base(file);
            known.shown_by.iter().any(|name| base == *name || name.starts_with('.') && base.ends_with(name))
                && (known.word.is_empty() || std::fs::read_to_string(root.join(file)).is_ok_and(|text| text.contains(known.word)))
        };
        let shown = files.iter().filter(shows).min_by_key(|file| (file.matches('/').count(), file.len()))?;
        // Where there are several of the tool's projects, one of the same.
        let folder = shown.rsplit_once('/').map_or("", |(folder, _)| folder);
        let example = migrations.into_iter().find(|file| file.starts_with(folder)).unwrap_or(first);
        let words = |words: &[&str]| words.iter().map(|word| if *word == SHOWN { shown.clone() } else { (*word).to_owned() }).collect();
        Some(Tool { name: known.name, example: example.clone(), up: words(known.up), down: words(known.down), history: known.history })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<Tool> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut names: Vec<String> = files.iter().map(|(file, _)| (*file).to_owned()).collect();
        names.sort();
        find(folder.path(), &names)
    }

    #[test]
    fn a_tool_is_known_by_its_settings_and_its_migrations_together() {
        for (files, name, up) in [
            (
                &[("backend/manage.py", ""), ("backend/shop/migrations/0001_initial.py", ""), ("backend/shop/migrations/__init__.py", "")]
                    as &[_],
                "Django",
                "python backend/manage.py migrate --noinput",
            ),
            (&[("shop/migrations/0001_initial.py", "from django.db import migrations")], "Django", "django-admin migrate --noinput"),
            (
                &[("x/y/alembic.ini", ""), ("w/z/q/alembic.ini", ""), ("x/y/versions/postgresql/2026_01_a.py", "")],
                "Alembic",
                "alembic -c x/y/alembic.ini upgrade head",
            ),
            (
                &[("alembic.ini", ""), ("old/alembic.ini", ""), ("alembic/env.py", ""), ("alembic/versions/1a2b_users.py", "")],
                "Alembic",
                "alembic -c alembic.ini upgrade head",
            ),
            (&[("Gemfile", ""), ("db/migrate/20260101000000_users.rb", "")], "Rails", "bundle exec rails db:migrate"),
            (&[("mix.exs", ""), ("priv/repo/migrations/20260101000000_users.exs", "")], "Ecto", "mix ecto.migrate"),
            (&[("artisan", ""), ("database/migrations/2026_01_01_000000_users.php", "")], "Laravel", "php artisan migrate --force"),
            (&[("Shop.csproj", ""), ("Migrations/20260101000000_Users.cs", "")], "Entity Framework", "dotnet ef database update"),
            (
                &[("migration/Cargo.toml", "sea-orm-migration = \"1\""), ("migration/src/m20260101_000001_users.rs", "")],
                "SeaORM",
                "sea-orm-cli migrate up",
            ),
            (&[("package.json", "{\"knex\": \"3\"}"), ("migrations/20260101000000_users.ts", "")], "Knex", "npx knex migrate:latest"),
            (&[("package.json", "{\"sequelize-cli\": \"6\"}"), ("migrations/1-users.js", "")], "Sequelize", "npx sequelize-cli db:migrate"),
        ] {
            let tool = found(files).unwrap_or_else(|| panic!("{name} is not found"));
            assert_eq!((tool.name, tool.up.join(" ").as_str()), (name, up));
            assert!(crate::migrate::history::command_understood(tool.history), "{}", tool.history);
        }
        assert_eq!(found(&[("manage.py", ""), ("migrations/0001_a.sql", "")]), None);
        assert_eq!(found(&[("package.json", "{}"), ("migrations/1_a.js", "")]), None);
    }

    #[test]
    fn its_lines_are_toml() {
        let tool = found(&[("alembic.ini", ""), ("alembic/versions/1a2b_users.py", "")]).unwrap();
        let text = format!("[migrations]\nlayout = \"command\"\n{}", tool.toml());
        let config = crate::config::Config::parse(
            format!("[plan]\nid = \"P\"\ntitle = \"T\"\n[[plan.task]]\nid = \"T\"\nname = \"T\"\nuses = \"scripts\"\nestimate-minutes = 1\n{text}").as_bytes(),
            Path::new("ledger.toml"),
        )
        .unwrap();
        let command = config.migrations.command.unwrap();
        assert_eq!((command.up, command.down, command.history.as_str()), (tool.up, tool.down, "alembic"));
    }
}
