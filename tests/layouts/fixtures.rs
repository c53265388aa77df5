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
    Fixture {
        layout: "diesel",
        dir: "migrations",
        files: &[
            ("diesel.toml", "[migrations_directory]\ndir = \"migrations\"\n"),
            (
                "migrations/2026-01-01-000000_widgets/up.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            ("migrations/2026-01-01-000000_widgets/down.sql", "drop table public.widgets;\n"),
            (
                "migrations/2026-01-02-000000_parts/up.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("migrations/2026-01-02-000000_parts/down.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            ("migrations/2026-01-03-000000_index/up.sql", "create index concurrently parts_widget on public.parts (widget);\n"),
            ("migrations/2026-01-03-000000_index/down.sql", "drop index public.parts_widget;\n"),
            ("migrations/2026-01-03-000000_index/metadata.toml", "# nothing said here: that means false\n"),
            ("migrations/.keep", ""),
        ],
        detected: Ok(()),
        versions: ["20260101000000", "20260102000000", "20260103000000"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "refinery",
        dir: "migrations",
        files: &[
            ("Cargo.toml", "[package]\nname = \"widgets\"\n[dependencies]\nrefinery = \"0.9\"\n"),
            (
                "migrations/V1__widgets.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            (
                "migrations/more/V2__parts.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("migrations/U3__index.sql", "create index parts_widget on public.parts (widget);\n"),
        ],
        detected: Ok(()),
        versions: ["1", "2", "3"],
        names: ["widgets", "parts", "index"],
        down: false,
        verify: 0,
        concurrently: false,
    },
    Fixture {
        layout: "sqitch",
        dir: ".",
        files: &[
            ("sqitch.conf", "[core]\n	engine = pg\n	top_dir = schema\n"),
            (
                "schema/sqitch.plan",
                "%syntax-version=1.0.0\n%project=widgets\n%uri=https://example.com/widgets/\n\nwidgets 2026-01-01T00:00:00Z Ada Example <ada@example.com> # The widgets.\n@v1.0 2026-01-01T01:00:00Z Ada Example <ada@example.com> # First release\n\n# parts need widgets\nkeys/parts [widgets] 2026-01-02T00:00:00Z Ada Example <ada@example.com> # Parts\nindex [keys/parts widgets] 2026-01-03T00:00:00Z Ada Example <ada@example.com>\n",
            ),
            (
                "schema/deploy/widgets.sql",
                "-- Deploy widgets:widgets to pg\n\nBEGIN;\n\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n\nCOMMIT;\n",
            ),
            ("schema/revert/widgets.sql", "-- Revert widgets:widgets from pg\nBEGIN;\n\ndrop table public.widgets;\n\nCOMMIT;\n"),
            (
                "schema/verify/widgets.sql",
                "BEGIN;\nSELECT id, name FROM public.widgets WHERE FALSE;\nSELECT 1 / count(*) FROM public.widgets;\nROLLBACK;\n",
            ),
            (
                "schema/deploy/keys/parts.sql",
                "-- requires: widgets\nBEGIN;\n\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n\nCOMMIT;\n",
            ),
            ("schema/revert/keys/parts.sql", "BEGIN;\n\ndrop function public.touch();\ndrop table public.parts;\n\nCOMMIT;\n"),
            ("schema/verify/keys/parts.sql", "SELECT 'public.parts'::regclass;\n"),
            ("schema/deploy/index.sql", "create index concurrently parts_widget on public.parts (widget);\n"),
            ("schema/revert/index.sql", "BEGIN;\n\ndrop index public.parts_widget;\n\nCOMMIT;\n"),
        ],
        detected: Ok(()),
        versions: ["1", "2", "3"],
        names: ["widgets", "keys/parts", "index"],
        down: true,
        verify: 2,
        concurrently: true,
    },
    Fixture {
        layout: "liquibase",
        dir: "changelog",
        files: &[
            (
                "changelog/a.sql",
                "--liquibase formatted sql\n\n--changeset ada:widgets\n--comment the widgets\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n--rollback drop table public.widgets;\n\n--changeset ada:parts splitStatements:false\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n/* liquibase rollback\ndrop function public.touch();\ndrop table public.parts;\n*/\n",
            ),
            (
                "changelog/b.sql",
                "-- liquibase formatted SQL\n--changeset ada:index runInTransaction:false dbms:postgresql\ncreate index concurrently parts_widget on public.parts (widget);\n--rollback drop index public.parts_widget;\n--changeset ada:mysql dbms:mysql\nselect 1;\n",
            ),
        ],
        detected: Ok(()),
        versions: ["1", "2", "3"],
        names: ["ada:widgets", "ada:parts", "ada:index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "graphile-migrate",
        dir: "migrations",
        files: &[
            (
                "migrations/committed/000001-widgets.sql",
                "--! Previous: -\n--! Hash: sha1:3427bf9b37a4c9da855f300a7a02602ca82e73fa\n--! Message: widgets\n\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            (
                "migrations/committed/000002.sql",
                "--! Previous: sha1:3427bf9b37a4c9da855f300a7a02602ca82e73fa\n--! Hash: sha1:45fb5f11141161b357c54cf26f89da703214cc4b\n\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            (
                "migrations/committed/000003-index.sql",
                "--! Previous: sha1:45fb5f11141161b357c54cf26f89da703214cc4b\n--! Hash: sha1:fd831a861acb29ce046e7232a67866b697768cd5\n--! Message: index\n\n--! no-transaction\ncreate index concurrently parts_widget on public.parts (widget);\n",
            ),
            ("migrations/current.sql", "-- Enter migration here\n"),
            (".gmrc", "{\n  \"placeholders\": {\":APP_ROLE\": \"app_user\"}\n}\n"),
        ],
        detected: Ok(()),
        versions: ["000001", "000002", "000003"],
        names: ["widgets", "", "index"],
        down: false,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "node-pg-migrate",
        dir: "migrations",
        files: &[
            (
                "migrations/1767225600000_widgets.sql",
                "-- Up Migration\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n\n-- Down Migration\ndrop table public.widgets;\n",
            ),
            (
                "migrations/1767312000000_parts.sql",
                " ---- UP migration of the parts\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n\n-- Down Migration\ndrop function public.touch();\ndrop table public.parts;\n",
            ),
            (
                "migrations/1767398400000_index.sql",
                "-- Up Migration\ncreate index parts_widget on public.parts (widget);\n-- Down Migration\ndrop index public.parts_widget;\n",
            ),
        ],
        detected: Ok(()),
        versions: ["1767225600000", "1767312000000", "1767398400000"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: false,
    },
    Fixture {
        layout: "sql-migrate",
        dir: "migrations",
        files: &[
            (
                "migrations/1_widgets.sql",
                "-- +migrate Up\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n\n-- +migrate Down\ndrop table public.widgets;\n",
            ),
            (
                "migrations/2_parts.sql",
                "-- +migrate Up\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\n-- +migrate StatementBegin\ncreate function public.touch() returns trigger language plpgsql as $$\nbegin\nnew.id := new.id; \nreturn new; end; $$;\n-- +migrate StatementEnd\n\n-- +migrate Down\ndrop function public.touch();\ndrop table public.parts;\n",
            ),
            (
                "migrations/10_index.sql",
                "-- +migrate Up notransaction\ncreate index concurrently parts_widget on public.parts (widget);\n\n-- +migrate Down notransaction\ndrop index public.parts_widget;\n",
            ),
        ],
        detected: Ok(()),
        versions: ["1", "2", "10"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "yoyo",
        dir: "migrations",
        files: &[
            ("yoyo.ini", "[DEFAULT]\nsources = migrations\n"),
            (
                "migrations/0001.widgets.sql",
                "-- the widgets\n-- depends:\n\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            ("migrations/0001.widgets.rollback.sql", "drop table public.widgets;\n"),
            (
                "migrations/0002.parts.sql",
                "-- depends: 0001.widgets\n\ncreate table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("migrations/0002.parts.rollback.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            (
                "migrations/0003.index.sql",
                "-- transactional: false\n-- depends: 0002.parts\n\ncreate index concurrently parts_widget on public.parts (widget);\n",
            ),
            ("migrations/0003.index.rollback.sql", "drop index public.parts_widget;\n"),
        ],
        detected: Ok(()),
        versions: ["0001", "0002", "0003"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "prisma",
        dir: "prisma/migrations",
        files: &[
            ("prisma/schema.prisma", "datasource db {\n  provider = \"postgresql\"\n}\n"),
            ("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"\n"),
            (
                "prisma/migrations/20260101000000_widgets/migration.sql",
                "-- CreateTable\ncreate table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            (
                "prisma/migrations/20260102000000_parts/migration.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("prisma/migrations/20260103000000_index/migration.sql", "create index concurrently parts_widget on public.parts (widget);\n"),
        ],
        detected: Ok(()),
        versions: ["20260101000000", "20260102000000", "20260103000000"],
        names: ["widgets", "parts", "index"],
        down: false,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "drizzle",
        dir: "drizzle",
        files: &[
            (
                "drizzle/meta/_journal.json",
                "{\"version\": \"7\", \"dialect\": \"postgresql\", \"entries\": [{\"idx\": 0, \"version\": \"7\", \"when\": 1767225600000, \"tag\": \"0000_widgets\", \"breakpoints\": true}, {\"idx\": 1, \"version\": \"7\", \"when\": 1767225601000, \"tag\": \"0001_parts\", \"breakpoints\": true}, {\"idx\": 2, \"version\": \"7\", \"when\": 1767225602000, \"tag\": \"0002_index\", \"breakpoints\": true}]}\n",
            ),
            (
                "drizzle/0000_widgets.sql",
                "create table public.widgets (id int primary key, name text not null);--> statement-breakpoint\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            (
                "drizzle/0001_parts.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);--> statement-breakpoint\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("drizzle/0002_index.sql", "create index parts_widget on public.parts (widget);"),
        ],
        detected: Ok(()),
        versions: ["0000", "0001", "0002"],
        names: ["widgets", "parts", "index"],
        down: false,
        verify: 0,
        concurrently: false,
    },
    Fixture {
        layout: "hasura",
        dir: "migrations/default",
        files: &[
            ("config.yaml", "version: 3\nendpoint: http://localhost:8080\nmetadata_directory: metadata\n"),
            (
                "migrations/default/1767225600000_widgets/up.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            ("migrations/default/1767225600000_widgets/down.sql", "drop table public.widgets;\n"),
            (
                "migrations/default/1767312000000_parts/up.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            ("migrations/default/1767312000000_parts/down.sql", "drop function public.touch();\ndrop table public.parts;\n"),
            ("migrations/default/1767398400000_index/up.sql", "create index concurrently parts_widget on public.parts (widget);\n"),
            ("migrations/default/1767398400000_index/down.sql", "drop index public.parts_widget;\n"),
        ],
        detected: Ok(()),
        versions: ["1767225600000", "1767312000000", "1767398400000"],
        names: ["widgets", "parts", "index"],
        down: true,
        verify: 0,
        concurrently: true,
    },
    Fixture {
        layout: "atlas",
        dir: "migrations",
        files: &[
            (
                "migrations/atlas.sum",
                "h1:+5Nt1NwUmeBiOHobf2bYCi/eRyjW1NR5qbf2sNF94Ng=\n20260101000000_widgets.sql h1:+OxIL7Z0r1Ldl3XzW161aW4AF6yTStMng5cGkB/npts=\n20260102000000_parts.sql h1:U8WrXduUQi+dE49HN2LWf9aj4Z+5sZ4msxQFC/f14QA=\n20260103000000_index.sql h1:ly6mAwVF7+W9SP823Vp99v+Oj/5zaZeGRLqZLHi4Gd8=\n",
            ),
            (
                "migrations/20260101000000_widgets.sql",
                "create table public.widgets (id int primary key, name text not null);\ninsert into public.widgets values (1, 'a'), (2, 'b;');\n",
            ),
            (
                "migrations/20260102000000_parts.sql",
                "create table public.parts (id int primary key, widget int not null references public.widgets);\ncreate function public.touch() returns trigger language plpgsql as $$ begin new.id := new.id; return new; end; $$;\n",
            ),
            (
                "migrations/20260103000000_index.sql",
                "-- atlas:txmode none\n\ncreate index concurrently parts_widget on public.parts (widget);\n",
            ),
        ],
        detected: Ok(()),
        versions: ["20260101000000", "20260102000000", "20260103000000"],
        names: ["widgets", "parts", "index"],
        down: false,
        verify: 0,
        concurrently: true,
    },
];
