//! One small application, three migrations, written in every layout: a table with rows; a table that refers to it, and a function whose
//! body has semicolons; an index, concurrently where the layout lets a file opt out of its transaction.

use std::path::Path;

/// The application in one layout.
pub struct Fixture {
    pub layout: &'static str,
    /// Files, relative to the project.
    pub files: &'static [(&'static str, &'static str)],
    /// The migrations folder, relative to the project.
    pub dir: &'static str,
    /// Whether `auto` finds the layout by itself; else why it cannot: what the error must say.
    pub detected: Result<(), &'static str>,
    pub versions: [&'static str; 3],
    pub names: [&'static str; 3],
    /// Whether there is a way down.
    pub down: bool,
    /// How many verify scripts there are.
    pub verify: usize,
    /// Whether the third is run outside of a transaction.
    pub concurrently: bool,
}

impl Fixture {
    /// Writes the project into a folder.
    pub fn write(&self, to: &Path) {
        for (file, text) in self.files {
            let path = to.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}

pub const FIXTURES: &[Fixture] = &[
    Fixture {
        layout: "plain",
        dir: "migrations",
        files: &[
            (
                "migrations/001_widgets.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            ("migrations/001_widgets.down.sql", "drop table public.widgets;\n"),
            ("migrations/001_widgets.verify.sql", "select count(*) = 2 from public.widgets;\n"),
            (
                "migrations/002_parts.sql",
                "begin;\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\ncommit;\n",
            ),
            ("migrations/down/002_parts.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            ("migrations/verify/002_parts.sql", "select to_regclass('public.parts') is not null;\n"),
            ("migrations/003_index.sql", "-- no-transaction\ncreate index concurrently parts_widget on public.parts (widget);\n"),
            ("migrations/rollback_003.sql", "drop index public.parts_widget;\n"),
        ],
        detected: Ok(()),
        versions: ["001", "002", "003"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 2,
        concurrently: true,
    },
    Fixture {
        layout: "supabase",
        dir: "supabase/migrations",
        files: &[
            ("supabase/config.toml", "project_id = \"widgets\"\n"),
            (
                "supabase/migrations/20260101000000_widgets.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            (
                "supabase/migrations/20260102000000_parts.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\n-- the body has semicolons\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("supabase/migrations/20260103000000_index.sql", "create index concurrently parts_widget on public.parts (widget);\n"),
            ("supabase/migrations/README.md", "not a migration\n"),
        ],
        detected: Ok(()),
        versions: ["20260101000000", "20260102000000", "20260103000000"],
        names: ["widgets", "parts", "index"],
        down: false,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "golang-migrate",
        dir: "migrations",
        files: &[
            ("go.mod", "module example.com/widgets\n"),
            (
                "migrations/000001_widgets.up.sql",
                "BEGIN;\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\nCOMMIT;\n",
            ),
            ("migrations/000001_widgets.down.sql", "drop table public.widgets;\n"),
            (
                "migrations/000002_parts.up.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("migrations/000002_parts.down.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            ("migrations/000003_index.up.sql", "create index concurrently parts_widget on public.parts (widget)\n"),
            ("migrations/000003_index.down.sql", "drop index public.parts_widget;\n"),
        ],
        detected: Ok(()),
        versions: ["000001", "000002", "000003"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "goose",
        dir: "migrations",
        files: &[
            (
                "migrations/00001_widgets.sql",
                "-- the first\n-- +goose Up\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n\n-- +goose Down\ndrop table public.widgets;\n",
            ),
            (
                "migrations/00002_parts.sql",
                "-- +goose Up\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\n-- +goose StatementBegin\ncreate function public.touch() returns trigger language plpgsql as $$\nbegin\n  new.id := new.id;\n  return new;\nend;\n$$\n-- +goose StatementEnd\n-- +goose Down\ndrop function public.touch();\ndrop table public.parts;\n",
            ),
            (
                "migrations/00003_index.sql",
                "-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently parts_widget on public.parts (widget);\n-- +goose Down\ndrop index concurrently public.parts_widget;\n",
            ),
        ],
        detected: Ok(()),
        versions: ["00001", "00002", "00003"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "dbmate",
        dir: "db/migrations",
        files: &[
            (
                "db/migrations/20260101000000_widgets.sql",
                "-- migrate:up\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n\n-- migrate:down\ndrop table public.widgets;\n",
            ),
            (
                "db/migrations/20260102000000_parts.sql",
                "-- comments may stand here\n\n-- migrate:up\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n\n-- migrate:down\ndrop function public.touch();\ndrop table public.parts;\n",
            ),
            (
                "db/migrations/20260103000000_index.sql",
                "-- migrate:up transaction:false\ncreate index concurrently parts_widget on public.parts (widget);\n\n-- migrate:down transaction:false\ndrop index concurrently public.parts_widget;\n",
            ),
        ],
        detected: Ok(()),
        versions: ["20260101000000", "20260102000000", "20260103000000"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "sqlx",
        dir: "migrations",
        files: &[
            ("Cargo.toml", "[package]\nname = \"widgets\"\n[dependencies]\nsqlx = \"0.8\"\n"),
            (
                "migrations/20260101000000_the_widgets.up.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            ("migrations/20260101000000_the_widgets.down.sql", "drop table public.widgets;\n"),
            (
                "migrations/20260102000000_parts.up.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("migrations/20260102000000_parts.down.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            (
                "migrations/20260103000000_index.up.sql",
                "-- no-transaction\ncreate index concurrently parts_widget on public.parts (widget);\n",
            ),
            ("migrations/20260103000000_index.down.sql", "drop index public.parts_widget;\n"),
        ],
        detected: Ok(()),
        versions: ["20260101000000", "20260102000000", "20260103000000"],
        names: ["the widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "flyway",
        dir: "sql",
        files: &[
            (
                "sql/V1__The_widgets.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            ("sql/U1__The_widgets.sql", "drop table public.widgets;\n"),
            (
                "sql/more/V1.1__Parts.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("sql/more/U1.1__Parts.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            ("sql/V2__Index.sql", "create index concurrently parts_widget on public.parts (widget);\n"),
            ("sql/V2__Index.sql.conf", "executeInTransaction=false\n"),
            ("sql/U2__Index.sql", "drop index public.parts_widget;\n"),
        ],
        detected: Ok(()),
        versions: ["1", "1.1", "2"],
        names: ["The widgets", "Parts", "Index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
];
