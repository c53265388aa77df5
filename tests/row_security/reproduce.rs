//! The script of a leak, run by a real psql where the leak is, and where it was mended.

use std::collections::BTreeMap;
use std::process::Command;

use migration_ledger::config::Tenancy;
use migration_ledger::steps::row_security::{isolate, reproduce};

use super::schemas::Schema;
use super::support::{TestDb, cluster};
use super::{application, stated};

const DEFECT: &str = "
    ALTER POLICY alerts_select ON public.alerts USING (true);
    ALTER POLICY users_update ON public.users WITH CHECK (true);
    ALTER POLICY projects_delete ON public.projects USING (true);
    ALTER POLICY ai_usage_logs_insert ON public.ai_usage_logs WITH CHECK (true);
    ALTER POLICY audit_logs_update ON public.audit_logs USING (true) WITH CHECK (true);
    ALTER POLICY clauses_select ON public.clauses USING (NULLIF(pg_catalog.current_setting('app.tenant_id', true), '') IS NULL)";

/// What psql prints for a script on a database; the number after the last `foreign_rows`.
fn psql(database: &str, script: &str) -> (bool, Option<i64>, String) {
    let program = cluster().bin().join("psql");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let ran = Command::new(program)
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &cluster().url(database), "-f"])
        .arg(file.path())
        .output()
        .unwrap();
    let out = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (ran.status.success(), String::from_utf8_lossy(&ran.stdout).lines().rev().find_map(|line| line.trim().parse().ok()), out)
}

/// Counts and digests of two of the tables.
async fn state(db: &TestDb) -> (i64, String) {
    let rows = "SELECT sum(n)::bigint, md5(string_agg(h, '' ORDER BY h)) FROM (SELECT count(*) n, md5(string_agg(u::text, '' ORDER BY u.id)) h FROM public.users u
                UNION ALL SELECT count(*), md5(string_agg(a::text, '' ORDER BY a.id)) FROM public.audit_logs a) x";
    let row = db.admin().await.one(rows, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "current_thread")]
async fn the_script_of_a_leak_shows_it_in_psql_and_is_quiet_where_it_was_mended() {
    if !cluster().bin().join("psql").exists() {
        crate::support::not_tested("the_script_of_a_leak_shows_it_in_psql: this server's programs bring no psql");
        return;
    }
    let (probed, leaking, mended) = (application().await, application().await, application().await);
    for db in [&probed, &leaking] {
        db.admin().await.batch(DEFECT).await.unwrap();
    }
    let target = probed.target("migrator").await;
    let mut isolation = isolate(&target, &stated(), &|_| ()).await.unwrap();
    let grounds = isolation.grounds.take().unwrap();
    let kept = reproduce::attach(&target, &grounds, &isolation.cells, &mut isolation.evidence).await;

    let before = state(&leaking).await;
    let people = "SELECT email::text FROM public.users UNION SELECT display_name FROM public.users WHERE display_name IS NOT NULL";
    let anybodys: Vec<String> = leaking.admin().await.query(people, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(anybodys.iter().any(|text| text.contains('@')), "{anybodys:?}");
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in isolation.evidence.iter().flat_map(|evidence| &evidence.rows) {
        for cell in row.detail["cells"].as_array().into_iter().flatten() {
            let Some(script) = cell["psql"].as_str() else { continue };
            shown.entry(row.subject.clone()).or_default().push(cell["command"].as_str().unwrap().to_owned());
            // What the rows that are there can show needs no tenants of its own, whatever was tried before it.
            assert_eq!(script.contains("Two tenants"), cell["command"] == "INSERT own into B", "{script}");
            // No tenant data: no name, no address, no key of the seed.
            assert!(
                anybodys.iter().all(|text| !script.contains(text)) && !script.contains("Aldgate") && !script.contains("2685f58f"),
                "{script}"
            );
            let (ran, reached, out) = psql(&leaking.name, script);
            assert!(ran && reached.is_some_and(|rows| rows > 0), "{script}\n{out}");
            // Mended, it reaches nothing: it counts 0, or the policy refuses the statement.
            let (ran, reached, out) = psql(&mended.name, script);
            assert!(
                if ran { reached == Some(0) } else { out.contains("row-level security") || out.contains("permission denied") },
                "{script}\n{out}"
            );
        }
    }
    println!("{shown:#?}");
    assert_eq!(shown.values().map(Vec::len).sum::<usize>(), kept);
    for (table, command) in [
        ("public.alerts", "SELECT"),
        ("public.users", "move own to B"),
        ("public.projects", "DELETE foreign"),
        ("public.ai_usage_logs", "INSERT foreign"),
        ("public.audit_logs", "UPDATE foreign"),
        ("public.clauses", "SELECT"),
    ] {
        assert!(shown.get(table).is_some_and(|commands| commands.iter().any(|c| c == command)), "{table} {command}: {shown:?}");
    }
    assert_eq!(state(&leaking).await, before, "everything is rolled back");
}

/// Leaks that only a member of a tenant has: an administrator of any tenant reads every tenant's notes, a member moves and takes over.
const MEMBERS: &str = r#"
CREATE TABLE public.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE public.members (tenant_id uuid NOT NULL REFERENCES public.tenants, user_id uuid NOT NULL, role text NOT NULL CHECK (role IN ('admin', 'member')), PRIMARY KEY (tenant_id, user_id));
CREATE TABLE public.notes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES public.tenants, body text NOT NULL CHECK (body LIKE 'Note: %'), author text);
CREATE TABLE public.tasks (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES public.tenants, note_id uuid REFERENCES public.notes, title text NOT NULL, stamp timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION public.me() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
"#;

const MEMBERS_POLICIES: &str = r#"
CREATE FUNCTION public.mine() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$ SELECT tenant_id FROM public.members WHERE user_id = public.me() $$;
CREATE FUNCTION public.is_admin() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$ SELECT EXISTS (SELECT 1 FROM public.members WHERE user_id = public.me() AND role = 'admin') $$;
CREATE FUNCTION public.is_admin_of(t uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$ SELECT EXISTS (SELECT 1 FROM public.members WHERE user_id = public.me() AND tenant_id = t AND role = 'admin') $$;
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants FOR SELECT USING (id IN (SELECT public.mine()));
CREATE POLICY m ON public.members FOR SELECT USING (tenant_id IN (SELECT public.mine()));
CREATE POLICY n ON public.notes USING (tenant_id IN (SELECT public.mine()));
CREATE POLICY n_admin ON public.notes FOR SELECT USING (public.is_admin());
CREATE POLICY k ON public.tasks USING (tenant_id IN (SELECT public.mine())) WITH CHECK (public.me() IS NOT NULL);
CREATE VIEW public.headlines AS SELECT tenant_id, left(body, 20) AS headline FROM public.notes;
CREATE FUNCTION public.title_of(task uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$ SELECT title FROM public.tasks WHERE id = task $$;
CREATE FUNCTION public.forget(task uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$ DELETE FROM public.tasks WHERE id = task $$;
CREATE FUNCTION public.drop_note(note uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM notes WHERE id = note; END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reproduced_app;
GRANT TRUNCATE ON public.tasks TO reproduced_app;
INSERT INTO public.tenants VALUES ('00000000-0000-4000-8000-0000000000aa', 'Aldgate Ltd');
INSERT INTO public.members VALUES ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-0000000000ee', 'admin');
INSERT INTO public.notes VALUES ('00000000-0000-4000-8000-0000000000bb', '00000000-0000-4000-8000-0000000000aa', 'Note: confidential', 'anna@example.com');
INSERT INTO public.tasks VALUES ('00000000-0000-4000-8000-0000000000cc', '00000000-0000-4000-8000-0000000000aa', NULL, 'Aldgate filing', '2026-01-08');
"#;

const MEMBERS_MENDED: &str = "
ALTER POLICY n_admin ON public.notes USING (public.is_admin_of(tenant_id));
ALTER POLICY k ON public.tasks WITH CHECK (tenant_id IN (SELECT public.mine()));
REVOKE TRUNCATE ON public.tasks FROM reproduced_app;
CREATE OR REPLACE FUNCTION public.drop_note(note uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  DELETE FROM notes WHERE id = note AND tenant_id IN (SELECT public.mine()); END $$;
ALTER VIEW public.headlines SET (security_invoker = true);
CREATE OR REPLACE FUNCTION public.title_of(task uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT title FROM public.tasks WHERE id = task AND tenant_id IN (SELECT public.mine()) $$;
CREATE OR REPLACE FUNCTION public.forget(task uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  DELETE FROM public.tasks WHERE id = task AND tenant_id IN (SELECT public.mine()) $$;";

#[tokio::test(flavor = "current_thread")]
async fn the_script_of_what_only_a_member_can_do_brings_its_tenants_along() {
    if !cluster().bin().join("psql").exists() {
        crate::support::not_tested("the_script_of_what_only_a_member_can_do: this server's programs bring no psql");
        return;
    }
    let mut databases = Vec::new();
    for mended in [false, false, true] {
        let db = TestDb::empty().await;
        let admin = db.admin().await;
        admin
            .batch("DO $$ BEGIN CREATE ROLE reproduced_app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$")
            .await
            .unwrap();
        admin.batch(&format!("{MEMBERS}{MEMBERS_POLICIES}{}", if mended { MEMBERS_MENDED } else { "" })).await.unwrap();
        databases.push(db);
    }
    let target = databases[0].target("postgres").await;
    let mut isolation = isolate(&target, &Tenancy::default(), &|_| ()).await.unwrap();
    let grounds = isolation.grounds.take().unwrap();
    reproduce::attach(&target, &grounds, &isolation.cells, &mut isolation.evidence).await;
    let mut shown: Vec<String> = Vec::new();
    for row in isolation.evidence.iter().flat_map(|evidence| &evidence.rows) {
        for cell in row.detail["cells"].as_array().into_iter().flatten() {
            let Some(script) = cell["psql"].as_str() else { continue };
            shown.push(format!("{} {}", row.subject, cell["command"].as_str().unwrap()));
            for anybodys in ["Aldgate", "example.com", "confidential", "0000000000", "2026-01-08"] {
                assert!(!script.contains(anybodys), "{script}");
            }
            let (ran, reached, out) = psql(&databases[1].name, script);
            assert!(ran && reached.is_some_and(|rows| rows > 0), "{script}\n{out}");
            let (ran, reached, out) = psql(&databases[2].name, script);
            assert!(
                if ran { reached == Some(0) } else { out.contains("row-level security") || out.contains("permission denied") },
                "{script}\n{out}"
            );
        }
    }
    println!("{shown:#?}");
    for leak in [
        "public.notes SELECT",
        "public.tasks move own to B",
        "public.tasks INSERT foreign",
        "public.headlines SELECT",
        "public.title_of(uuid) call",
        "public.forget(uuid) call",
        "public.drop_note(uuid) call",
        "public.tasks TRUNCATE",
    ] {
        assert!(shown.iter().any(|one| one == leak), "{leak}: {shown:?}");
    }
    let unshown: Vec<String> = isolation
        .evidence
        .iter()
        .flat_map(|evidence| &evidence.rows)
        .filter(|row| row.ok == Some(false))
        .flat_map(|row| {
            row.detail["cells"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|cell| format!("{} {}", row.subject, cell["command"].as_str().unwrap()))
        })
        .filter(|cell| !shown.contains(cell))
        .collect();
    assert_eq!(unshown, Vec::<String>::new(), "every leak has a script");
    let rows = databases[1]
        .admin()
        .await
        .one(
            "SELECT (SELECT count(*) FROM public.notes) + (SELECT count(*) FROM public.tasks) + (SELECT count(*) FROM public.tenants)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows.get::<_, i64>(0), 3, "everything is rolled back");
}

#[tokio::test(flavor = "current_thread")]
async fn the_script_of_what_a_second_membership_opens_makes_that_membership() {
    if !cluster().bin().join("psql").exists() {
        crate::support::not_tested("the_script_of_what_a_second_membership_opens: this server's programs bring no psql");
        return;
    }
    let defect = "alter policy admins_up on public.projects using (team_id in (select app.my_teams())
        and exists (select from public.team_members as m where m.person_id = app.me() and m.role = 'admin'));
        create policy consultants on public.projects for select using ((select count(*) from app.my_teams()) > 1);";
    let teams = Schema { sql: super::second::TEAMS.to_owned(), path: "teams".into() };
    let (probed, leaking, mended) = (teams.database(defect).await, teams.database(defect).await, teams.database("").await);
    let target = probed.target("postgres").await;
    let mut isolation = isolate(&target, &Tenancy::default(), &|_| ()).await.unwrap();
    let grounds = isolation.grounds.take().unwrap();
    reproduce::attach(&target, &grounds, &isolation.cells, &mut isolation.evidence).await;
    let leaks = isolation.evidence.iter().filter(|evidence| evidence.check.as_str() == "rls-isolation").flat_map(|evidence| &evidence.rows);
    let mut shown = Vec::new();
    for cell in leaks.filter(|row| row.ok == Some(false)).flat_map(|row| row.detail["cells"].as_array().unwrap()) {
        let Some(script) = cell["psql"].as_str() else { continue };
        shown.push(cell["command"].as_str().unwrap().to_owned());
        let (ran, reached, out) = psql(&leaking.name, script);
        assert!(ran && reached.is_some_and(|rows| rows > 0), "{script}\n{out}");
        let (ran, reached, out) = psql(&mended.name, script);
        assert!(if ran { reached == Some(0) } else { out.contains("row-level security") }, "{script}\n{out}");
    }
    assert!(["SELECT", "UPDATE in A", "INSERT foreign"].iter().all(|command| shown.iter().any(|one| one == command)), "{shown:?}");
}
