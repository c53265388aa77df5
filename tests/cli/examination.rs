//! The examination of a database as it stands: no migrations, no execution, and all the same probes.

use migration_ledger::demo;

use crate::harness::Project;
use crate::staged::{Staged, as_superuser, asked, scratch_databases, shared};
use crate::support;

const SCHEMA: &str = "
    CREATE TABLE public.tenants (id uuid PRIMARY KEY, name text NOT NULL);
    CREATE TABLE public.notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES public.tenants, body text NOT NULL);
    CREATE INDEX ON public.notes (tenant_id);
    ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY;
    ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.tenants FOR ALL TO app_user USING (id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
    CREATE POLICY own ON public.notes FOR ALL TO app_user USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::uuid);
    GRANT SELECT ON public.tenants TO app_user;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.notes TO app_user;
    INSERT INTO public.tenants VALUES (gen_random_uuid(), 'one'), (gen_random_uuid(), 'two');
    INSERT INTO public.notes (tenant_id, body) SELECT id, 'hello' FROM public.tenants;";

/// A project on a database of its own with that schema.
fn examined(database: &str) -> Staged<'static> {
    let stage = shared();
    as_superuser(stage, &format!("CREATE DATABASE {database} OWNER {}", demo::MIGRATOR));
    let url = stage.cluster().url_as(demo::MIGRATOR, database);
    let as_owner = url.clone();
    support::blocking(async move { support::connect(&as_owner).await.batch(SCHEMA).await.expect("a schema") });
    let staged = Staged { stage, project: Project::empty() };
    staged.connects_to(&url);
    staged
}

fn declare(staged: &Staged<'_>) {
    staged.edit("url-env = \"STAGING_DATABASE_URL\"", "url-file = \"staging.url\"");
    staged.edit("\nroles = []", "\nroles = [\"app_user\"]");
    staged.edit("expected = []", "expected = [\"public.notes(tenant_id) -> public.tenants(id)\"]");
    staged.edit("# no-linkage = \"why\"", "no-linkage = \"every link is a key\"");
    staged.edit("# no-isolation-tests = \"why\"", "no-isolation-tests = \"none yet\"");
}

#[test]
fn a_database_is_examined_as_it_stands_and_left_so() {
    let staged = examined("examined");
    let made = staged.ledger(&["init", "--plan", "examination"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.contains("plan EXAMINATION"), "{}", made.stdout);
    declare(&staged);
    let ran = staged.ledger(&["run"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("2 of 2 tables isolated"), "{}", ran.stderr);
    assert!(ran.stdout.contains("Verdict GO"), "{}", ran.stdout);

    // A policy that lets everybody read: found without any migration having been run.
    let url = staged.stage.cluster().url_as(demo::MIGRATOR, "examined");
    support::blocking(async move {
        support::connect(&url).await.batch("ALTER POLICY own ON public.notes USING (true)").await.expect("planted");
    });
    let ran = staged.ledger(&["run"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    assert!(ran.stderr.contains("rls-isolation  public.notes"), "{}", ran.stderr);

    let left = asked(staged.stage, "SELECT datname::text FROM pg_catalog.pg_database WHERE datname LIKE 'ledger%examined%'");
    assert!(left.is_empty(), "{left:?}");
}

/// A plan of one question: the copy comes from a dump of its own, which is gone afterwards.
#[test]
fn row_security_alone_can_be_asked_about() {
    let staged = examined("alone");
    staged.project.write(
        "ledger.toml",
        "[plan]\nid = \"RLS\"\ntitle = \"Row security\"\n[[plan.task]]\nid = \"RLS\"\nname = \"Row security\"\nuses = \"row-security\"\n\
         [environment.staging]\nurl-file = \"staging.url\"\n[tenancy]\nroles = [\"app_user\"]\n[checks]\nno-isolation-tests = \"none yet\"\n",
    );
    // The team's ledger.toml is kept; only the ledger is made. What it would have said otherwise is not asked of it.
    for chosen in [["--plan", "examination"], ["--preset", "supabase"]] {
        staged.ledger(&[&["init"][..], &chosen].concat()).assert_error(
            2,
            "choose what a new ledger.toml says",
            "",
            "leave them out to keep it",
        );
        assert!(!staged.project.path().join("evidence/ledger.db").exists());
    }
    let before = std::fs::read(staged.project.path().join("ledger.toml")).expect("there");
    let made = staged.ledger(&["init"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert!(made.stdout.contains("plan RLS, kept as it is"), "{}", made.stdout);
    assert!(made.stdout.ends_with("ledger plan · ledger run\n"), "nothing in it migrates: {}", made.stdout);
    assert_eq!(std::fs::read(staged.project.path().join("ledger.toml")).expect("there"), before);
    let again = staged.ledger(&["init"]);
    again.assert_error(3, "exist already", "", "ledger init --force");

    let ran = staged.ledger(&["run"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("2 of 2 tables isolated"), "{}", ran.stderr);
    let left: Vec<_> = std::fs::read_dir(staged.project.path().join("backups")).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(scratch_databases(staged.stage).iter().all(|name| !name.contains("alone")));
}
