//! Schemas in other styles than the reference application's, with nothing stated.

use migration_ledger::config::Tenancy;
use migration_ledger::domain::product::CellVerdict;

use super::Examined;
use super::support::TestDb;

/// Roles are the cluster's: made once, whichever test comes first.
async fn database(roles: &[&str], sql: &str) -> TestDb {
    let db = TestDb::empty().await;
    let admin = db.admin().await;
    for role in roles {
        let made = format!("DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$");
        admin.batch(&made).await.unwrap();
    }
    admin.batch(sql).await.unwrap();
    db
}

async fn examined(roles: &[&str], sql: &str) -> Examined {
    examined_as(roles, sql, &Tenancy::default()).await
}

async fn examined_as(roles: &[&str], sql: &str, stated: &Tenancy) -> Examined {
    let db = database(roles, sql).await;
    Examined::of(&db, "postgres", stated).await
}

fn isolated(examined: &Examined, table: &str) -> bool {
    let row = |code: &str| examined.check(code).rows.iter().find(|row| row.subject == table).unwrap_or_else(|| panic!("{table}")).ok;
    row("rls-isolation") == Some(true) && row("rls-isolation-no-context") == Some(true)
}

/// Supabase: auth.uid() from the claims, memberships, a helper function.
const SUPABASE: &str = r#"
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth, public TO style_anon, style_authenticated;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text UNIQUE);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
  select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
CREATE TYPE public.member_role AS ENUM ('super_admin', 'owner', 'member');
CREATE TABLE public.organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9-]+$'));
CREATE TABLE public.memberships (organization_id uuid NOT NULL REFERENCES public.organizations, user_id uuid NOT NULL REFERENCES auth.users,
  role public.member_role NOT NULL DEFAULT 'member', PRIMARY KEY (organization_id, user_id));
CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users, display_name text);
CREATE TABLE public.projects (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, organization_id uuid NOT NULL REFERENCES public.organizations,
  title text NOT NULL CHECK (length(title) BETWEEN 3 AND 80), created_by uuid REFERENCES auth.users, period daterange NOT NULL);
CREATE TABLE public.notes (id serial PRIMARY KEY, project_id bigint NOT NULL REFERENCES public.projects ON DELETE CASCADE, body text NOT NULL, tags text[] NOT NULL DEFAULT '{}');
CREATE FUNCTION public.is_member(org uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  select exists (select 1 from public.memberships m where m.organization_id = org and m.user_id = auth.uid()) $$;
ALTER TABLE public.organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.projects ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY o ON public.organizations FOR SELECT TO style_authenticated USING (public.is_member(id));
CREATE POLICY m ON public.memberships FOR SELECT TO style_authenticated USING (user_id = (SELECT auth.uid()));
CREATE POLICY p ON public.profiles TO style_authenticated USING (id = auth.uid());
CREATE POLICY pr ON public.projects TO style_authenticated USING (public.is_member(organization_id));
CREATE POLICY n ON public.notes TO style_authenticated USING (EXISTS (SELECT 1 FROM public.projects p WHERE p.id = project_id AND public.is_member(p.organization_id)));
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_authenticated, style_anon;
"#;

#[tokio::test(flavor = "current_thread")]
async fn claims_and_memberships_are_understood() {
    let examined = examined(&["style_anon", "style_authenticated"], SUPABASE).await;
    assert_eq!(examined.undecided(), Vec::<String>::new(), "{:?}", examined.isolation.lines);
    assert_eq!(examined.leaks(), Vec::<String>::new());
    for table in ["public.organizations", "public.memberships", "public.profiles", "public.projects", "public.notes"] {
        assert!(isolated(&examined, table), "{table}");
    }
    let own = examined.isolation.cells.iter().filter(|c| c.cell.verdict == CellVerdict::Isolated && c.role == "style_authenticated");
    assert!(own.count() > 40, "most cells have their positive control");
}

#[tokio::test(flavor = "current_thread")]
async fn joining_another_tenant_oneself_is_a_leak() {
    let hop =
        format!("{SUPABASE} CREATE POLICY j ON public.memberships FOR INSERT TO style_authenticated WITH CHECK (user_id = auth.uid());");
    let examined = examined(&["style_anon", "style_authenticated"], &hop).await;
    let joined = ["INSERT own into B", "two-step hop"];
    assert_eq!(examined.leaks(), joined.map(|command| format!("public.memberships {command} (style_authenticated, member of A)")));
}

/// An integer in a setting of the application, a helper function, no tenants table.
const INTEGER: &str = r#"
CREATE FUNCTION public.current_account() RETURNS integer LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('app.account', true), '')::integer $$;
CREATE TABLE public.invoices (id bigserial PRIMARY KEY, account_id integer NOT NULL, number text NOT NULL, amount numeric(6,2) NOT NULL CHECK (amount > 5),
  state text NOT NULL CHECK (state IN ('paid', 'open')), UNIQUE (account_id, number));
CREATE TABLE public.invoice_lines (invoice_id bigint NOT NULL REFERENCES public.invoices, line smallint NOT NULL, what varchar(12) NOT NULL, PRIMARY KEY (invoice_id, line));
CREATE TABLE public.settings (account_id integer PRIMARY KEY, theme text);
ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY; ALTER TABLE public.invoices FORCE ROW LEVEL SECURITY;
ALTER TABLE public.invoice_lines ENABLE ROW LEVEL SECURITY; ALTER TABLE public.invoice_lines FORCE ROW LEVEL SECURITY;
ALTER TABLE public.settings ENABLE ROW LEVEL SECURITY; ALTER TABLE public.settings FORCE ROW LEVEL SECURITY;
CREATE POLICY i ON public.invoices USING (account_id = public.current_account());
CREATE POLICY l ON public.invoice_lines USING (invoice_id IN (SELECT id FROM public.invoices));
CREATE POLICY s ON public.settings USING (account_id = public.current_account());
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO style_app;
"#;

#[tokio::test(flavor = "current_thread")]
async fn an_integer_setting_without_a_tenants_table_is_understood() {
    let clean = examined(&["style_app"], INTEGER).await;
    assert_eq!(clean.undecided(), Vec::<String>::new(), "{:?}", clean.isolation.lines);
    assert_eq!(clean.findings(), Vec::new());
    let open = examined(
        &["style_app"],
        &format!(
            "{INTEGER} ALTER POLICY i ON public.invoices USING (account_id = public.current_account() OR public.current_account() IS NULL)"
        ),
    )
    .await;
    assert!(open.leaks().iter().all(|leak| leak.contains("context)")), "{:?}", open.leaks());
    assert!(open.leaks().iter().any(|leak| leak.starts_with("public.invoices SELECT")), "{:?}", open.leaks());
}

#[tokio::test(flavor = "current_thread")]
async fn a_tenant_claim_in_app_metadata_is_understood() {
    let sql = r#"
CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO style_app;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
CREATE TABLE public.tenants (id uuid PRIMARY KEY, name text);
CREATE TABLE public."Odd ""Name" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES public.tenants, "select" text NOT NULL, area point);
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE public."Odd ""Name" ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants FOR SELECT USING (id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid);
CREATE POLICY o ON public."Odd ""Name" USING (tenant_id = (auth.jwt() -> 'app_metadata' ->> 'tenant_id')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_app;
"#;
    let examined = examined(&["style_app"], sql).await;
    assert_eq!(examined.undecided(), Vec::<String>::new(), "{:?}", examined.isolation.lines);
    assert_eq!(examined.leaks(), Vec::<String>::new());
    assert!(isolated(&examined, r#"public."Odd ""Name""#));
}

#[tokio::test(flavor = "current_thread")]
async fn what_cannot_be_probed_is_undecided_with_its_reason() {
    let sql = r#"
CREATE TABLE public.plain (id int PRIMARY KEY, tenant_id int NOT NULL);
ALTER TABLE public.plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON public.plain USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int);
CREATE TABLE public.impossible (id int PRIMARY KEY, tenant_id int NOT NULL, x int NOT NULL CHECK (x > 5 AND x < 5));
ALTER TABLE public.impossible ENABLE ROW LEVEL SECURITY;
CREATE POLICY i ON public.impossible USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int);
CREATE FUNCTION public.slow() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN true; END $$;
CREATE TABLE public.sleepy (id int PRIMARY KEY, tenant_id int NOT NULL);
ALTER TABLE public.sleepy ENABLE ROW LEVEL SECURITY;
CREATE POLICY s ON public.sleepy FOR SELECT USING (public.slow());
GRANT SELECT ON ALL TABLES IN SCHEMA public TO style_app;
"#;
    let examined = examined(&["style_app"], sql).await;
    assert!(isolated(&examined, "public.plain"));
    let rows = &examined.check("rls-isolation").rows;
    let why =
        |table: &str| rows.iter().find(|row| row.subject == table && row.ok.is_none()).map(|row| row.observed.clone()).unwrap_or_default();
    assert!(why("public.impossible").contains("no row could be made"), "{rows:?}");
    assert!(why("public.sleepy").contains("57014"), "{rows:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_profile_that_may_change_its_own_tenant_is_a_two_step_hop() {
    let schema = |check: &str| {
        format!(
            r#"
CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO style_app;
CREATE TABLE auth.users (id uuid PRIMARY KEY);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
CREATE TABLE public.companies (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users, company_id uuid NOT NULL REFERENCES public.companies, nickname text);
CREATE FUNCTION public.my_company() RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$ select company_id from public.profiles where id = auth.uid() $$;
CREATE TABLE public.deals (id bigserial PRIMARY KEY, company_id uuid NOT NULL REFERENCES public.companies, title text NOT NULL);
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY; ALTER TABLE public.deals ENABLE ROW LEVEL SECURITY; ALTER TABLE public.companies ENABLE ROW LEVEL SECURITY;
CREATE POLICY c ON public.companies FOR SELECT USING (id = public.my_company());
CREATE POLICY pr ON public.profiles FOR SELECT USING (id = auth.uid());
CREATE POLICY pu ON public.profiles FOR UPDATE USING (id = auth.uid()) WITH CHECK ({check});
CREATE POLICY d ON public.deals USING (company_id = public.my_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_app; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO style_app;"#
        )
    };
    let hop = examined(&["style_app"], &schema("id = auth.uid()")).await;
    let steps = ["move own to B", "two-step hop"].map(|command| format!("public.profiles {command} (style_app, member of A)"));
    assert_eq!(hop.leaks(), steps, "{:?}", hop.undecided());
    assert!(isolated(&hop, "public.deals"));
    let mended = examined(&["style_app"], &schema("id = auth.uid() AND company_id = public.my_company()")).await;
    assert_eq!(mended.leaks(), Vec::<String>::new());
    assert_eq!(mended.undecided(), Vec::<String>::new());
}

#[tokio::test(flavor = "current_thread")]
async fn rows_of_one_user_each_need_no_tenant() {
    let sql = r#"
CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO style_app;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
CREATE TABLE public.todos (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id uuid NOT NULL DEFAULT auth.uid(), task text CHECK (char_length(task) > 3), done boolean);
CREATE TABLE public.todo_items (id bigserial PRIMARY KEY, todo_id bigint REFERENCES public.todos ON DELETE CASCADE, label text NOT NULL);
CREATE TABLE public.countries (code char(2) PRIMARY KEY, name text);
INSERT INTO public.countries VALUES ('DE', 'Germany');
ALTER TABLE public.todos ENABLE ROW LEVEL SECURITY; ALTER TABLE public.todo_items ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.todos USING (auth.uid() = user_id);
CREATE POLICY i ON public.todo_items USING (EXISTS (SELECT FROM public.todos t WHERE t.id = todo_items.todo_id AND t.user_id = auth.uid()));
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_app; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO style_app;
"#;
    let examined = examined(&["style_app"], sql).await;
    assert_eq!(examined.undecided(), Vec::<String>::new(), "{:?}", examined.isolation.lines);
    assert_eq!(examined.leaks(), Vec::<String>::new());
    assert_eq!(examined.isolation.tables, ["public.todo_items", "public.todos"], "a table for everybody is no tenant table");
}

#[tokio::test(flavor = "current_thread")]
async fn rows_without_a_tenant_that_everybody_may_claim_are_found() {
    let sql = r#"
CREATE TABLE public.tenants (id int PRIMARY KEY);
CREATE TABLE public.tickets (id int PRIMARY KEY, tenant_id int REFERENCES public.tenants, body text);
INSERT INTO public.tenants VALUES (1); INSERT INTO public.tickets VALUES (1, NULL, 'orphan'), (2, 1, 'owned');
ALTER TABLE public.tickets ENABLE ROW LEVEL SECURITY; ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants USING (id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY k ON public.tickets USING (tenant_id IS NULL OR tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_app;
"#;
    let examined = examined(&["style_app"], sql).await;
    assert_eq!(examined.leaks(), ["public.tickets move own to NULL (style_app, member of A)"], "{:?}", examined.undecided());
    assert!(examined.findings().contains(&("rls-isolation-existing-rows".into(), "public.tickets".into())), "{:?}", examined.findings());
}

#[tokio::test(flavor = "current_thread")]
async fn composite_and_cyclic_keys_triggers_and_partitions_are_no_obstacle() {
    let sql = r#"
CREATE TABLE public.orgs (id int PRIMARY KEY, owner_id int);
CREATE TABLE public.people (org_id int NOT NULL REFERENCES public.orgs, id int NOT NULL, PRIMARY KEY (org_id, id));
ALTER TABLE public.orgs ADD FOREIGN KEY (id, owner_id) REFERENCES public.people (org_id, id) DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE public.visits (org_id int NOT NULL, person_id int NOT NULL, day date NOT NULL, no int NOT NULL, twice int GENERATED ALWAYS AS (no * 2) STORED,
  PRIMARY KEY (org_id, person_id, day), FOREIGN KEY (org_id, person_id) REFERENCES public.people (org_id, id)) PARTITION BY RANGE (day);
CREATE TABLE public.visits_all PARTITION OF public.visits DEFAULT;
CREATE FUNCTION public.no_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append only'; END $$;
CREATE TRIGGER keep BEFORE DELETE ON public.visits FOR EACH ROW EXECUTE FUNCTION public.no_delete();
ALTER TABLE public.orgs ENABLE ROW LEVEL SECURITY; ALTER TABLE public.people ENABLE ROW LEVEL SECURITY; ALTER TABLE public.visits ENABLE ROW LEVEL SECURITY;
CREATE POLICY o ON public.orgs USING (id = nullif(current_setting('app.current_org', true), '')::int);
CREATE POLICY p ON public.people USING (org_id = nullif(current_setting('app.current_org', true), '')::int);
CREATE POLICY v ON public.visits USING (org_id = nullif(current_setting('app.current_org', true), '')::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.orgs, public.people, public.visits TO style_app;
"#;
    let examined = examined(&["style_app"], sql).await;
    assert_eq!(examined.leaks(), Vec::<String>::new());
    let undecided = examined.undecided();
    assert!(undecided.iter().all(|cell| cell.starts_with("public.visits DELETE") && cell.contains("P0001")), "{undecided:?}");
    assert!(isolated(&examined, "public.orgs") && isolated(&examined, "public.people"));
}

/// A table that the application may do nothing with is decided in both questions, and says why.
#[tokio::test(flavor = "current_thread")]
async fn a_table_without_privileges_is_denied_to_all() {
    let examined = super::schemas::Schema::named("guc_int")
        .examined(
            "create table fleet.closed (id int primary key, account_id int not null); alter table fleet.closed enable row level security",
        )
        .await;
    for code in ["rls-isolation", "rls-isolation-no-context"] {
        let row = examined.check(code).rows.iter().find(|row| row.subject == "fleet.closed").expect(code);
        assert_eq!(row.ok, Some(true), "{code}: {}", row.observed);
        assert_eq!(row.observed, "denied to all: no role of the application has a privilege on it", "{code}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn rows_that_cannot_be_made_are_completed_by_the_seed_of_the_settings() {
    let sql = "
CREATE TABLE public.tenants (id int PRIMARY KEY);
CREATE TABLE public.certificates (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants, serial text NOT NULL,
  CHECK (pg_catalog.md5(serial) = '0b34e9cf6c45e1d82425069abbdad3f7' OR pg_catalog.md5(serial) = 'a27285c7cd30aefd5f30fd221015d3a6'));
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.certificates ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants USING (id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY c ON public.certificates FOR SELECT USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int OR pg_catalog.length(serial) = 8);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO style_app;";
    let unseeded = examined(&["style_app"], sql).await;
    assert!(unseeded.undecided().iter().any(|cell| cell.starts_with("public.certificates")), "{:?}", unseeded.leaks());
    let seed = "INSERT INTO public.certificates SELECT CASE current_setting('ledger.world') WHEN 'a' THEN 1 ELSE 2 END,
        current_setting('ledger.tenant')::int, 'zebra-7' || current_setting('ledger.world')";
    let stated = Tenancy { seed: Some(seed.into()), ..Tenancy::default() };
    let seeded = examined_as(&["style_app"], sql, &stated).await;
    assert_eq!(seeded.undecided(), Vec::<String>::new(), "{:?}", seeded.isolation.lines);
    assert!(seeded.leaks().contains(&"public.certificates SELECT (style_app, member of A)".to_owned()), "{:?}", seeded.leaks());
    let broken = Tenancy { seed: Some("INSERT INTO public.nowhere VALUES (1)".into()), ..Tenancy::default() };
    let broken = examined_as(&["style_app"], sql, &broken).await;
    assert!(broken.undecided()[0].contains("[tenancy] seed was refused"), "{:?}", broken.undecided());
}

/// Who owns all tables counts what really happened without BYPASSRLS, where nothing else reads as it does; else it says that it cannot.
#[tokio::test(flavor = "current_thread")]
async fn the_owner_examines_without_bypassing_row_security() {
    let schema = |using: &str| {
        format!(
            "CREATE TABLE public.tenants (id int PRIMARY KEY); CREATE TABLE public.invoices (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants);
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY; ALTER TABLE public.invoices FORCE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants USING (id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY i ON public.invoices USING ({using});
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO plain_app;"
        )
    };
    let sound = "tenant_id = nullif(current_setting('app.tenant_id', true), '')::int";
    let definer = "CREATE FUNCTION public.count_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT count(*) FROM public.invoices';";
    let roles = "DO $$ BEGIN CREATE ROLE plain_owner LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
        DO $$ BEGIN CREATE ROLE plain_app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$; GRANT plain_app TO plain_owner";
    for (using, more) in [(sound, ""), ("tenant_id IS NOT NULL", ""), (sound, definer)] {
        let db = TestDb::empty().await;
        let admin = db.admin().await;
        admin.batch(roles).await.unwrap();
        admin
            .batch(&format!("ALTER DATABASE {} OWNER TO plain_owner; GRANT CREATE ON SCHEMA public TO plain_owner", db.name))
            .await
            .unwrap();
        db.session("plain_owner").await.batch(&format!("{} {more}", schema(using))).await.unwrap();
        let examined = Examined::of(&db, "plain_owner", &Tenancy::default()).await;
        match (using == sound, more.is_empty()) {
            (true, true) => {
                assert_eq!(examined.leaks(), Vec::<String>::new());
                assert!(isolated(&examined, "public.invoices"), "{:?}", examined.undecided());
            }
            (false, _) => assert!(examined.leaks().contains(&"public.invoices SELECT (plain_app, member of A)".to_owned())),
            _ => assert!(examined.isolation.lines[0].contains("functions or views of its own"), "{:?}", examined.isolation.lines),
        }
    }
}

/// Wide tables, functions that sleep in triggers, policies that raise: each cell has its time, the reason is said, the rest goes on.
#[tokio::test(flavor = "current_thread")]
async fn wide_tables_and_hostile_triggers_cost_bounded_time() {
    let columns: String = (1..=500)
        .map(|n| format!(", \"c {n}\" {}", ["text NOT NULL", "int", "timestamptz NOT NULL", "jsonb NOT NULL DEFAULT '{}'"][n % 4]))
        .collect();
    let sql = format!(
        "CREATE TABLE public.tenants (id int PRIMARY KEY);
CREATE TABLE public.wide (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants{columns});
CREATE TABLE public.slow (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants);
CREATE TABLE public.raising (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants);
CREATE FUNCTION public.sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(30); RETURN NEW; END $$;
CREATE TRIGGER s BEFORE UPDATE ON public.slow FOR EACH ROW EXECUTE FUNCTION public.sleep();
CREATE FUNCTION public.raise() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.wide ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.slow ENABLE ROW LEVEL SECURITY; ALTER TABLE public.raising ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants FOR SELECT USING (id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY w ON public.wide USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY s ON public.slow USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY r ON public.raising USING (public.raise());
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO style_app;"
    );
    let clock = std::time::Instant::now();
    let examined = examined(&["style_app"], &sql).await;
    assert!(isolated(&examined, "public.wide") && isolated(&examined, "public.tenants"), "{:?}", examined.undecided());
    assert!(
        examined.undecided().iter().any(|cell| cell.starts_with("public.slow") && cell.contains("57014")),
        "{:?}",
        examined.undecided()
    );
    assert!(
        examined.undecided().iter().any(|cell| cell.starts_with("public.raising") && cell.contains("P0001")),
        "{:?}",
        examined.undecided()
    );
    assert_eq!(examined.leaks(), Vec::<String>::new());
    assert!(clock.elapsed().as_secs() < 60, "{:?}", clock.elapsed());
}

/// A policy that raises for sessions of one role lets that role have nothing: denied, where another role shows that the prober was
/// understood. That it raises is a finding of its own.
#[tokio::test(flavor = "current_thread")]
async fn a_role_for_which_a_policy_raises_is_denied_where_another_is_admitted() {
    let sql = "CREATE TABLE public.tenants (id int PRIMARY KEY);
CREATE TABLE public.notes (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants, body text);
CREATE FUNCTION public.tenant() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN
  IF current_user = 'raised_guest' THEN RAISE EXCEPTION 'sign in first'; END IF;
  RETURN nullif(current_setting('app.tenant_id', true), '')::int; END $$;
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants USING (id = public.tenant());
CREATE POLICY n ON public.notes USING (tenant_id = public.tenant());
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO raised_app, raised_guest;";
    let examined = examined(&["raised_app", "raised_guest"], sql).await;
    assert_eq!(examined.undecided(), Vec::<String>::new());
    assert_eq!(examined.leaks(), Vec::<String>::new());
    assert!(isolated(&examined, "public.notes"));
    let raised = &examined.check("rls-policy-error").rows;
    assert!(raised.iter().any(|row| row.ok == Some(false) && row.observed.contains("raised_guest")), "{raised:?}");
    let cells = examined.isolation.cells.iter().map(|cell| &cell.cell);
    let read: Vec<_> =
        cells.filter(|cell| cell.table == "public.notes" && cell.context.contains("guest") && cell.command == "SELECT").collect();
    assert!(!read.is_empty() && read.iter().all(|cell| cell.verdict == CellVerdict::Denied), "{read:?}");
    assert!(read.iter().any(|cell| cell.why.contains("as A's own is")), "{read:?}");
}

/// Tables of an owner whom the application may or may not become.
const OWNED: &str = "
CREATE TABLE public.tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.bills (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES public.tenants, cents int NOT NULL);
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE public.bills ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.tenants USING (id = nullif(current_setting('app.tenant_id', true), '')::uuid);
CREATE POLICY own ON public.bills USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
ALTER TABLE public.tenants OWNER TO house_owner; ALTER TABLE public.bills OWNER TO house_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.tenants, public.bills TO house_app;";

#[tokio::test(flavor = "current_thread")]
async fn an_owner_whom_the_application_can_become_is_a_context_of_its_own() {
    let roles = ["house_owner", "house_app"];
    let as_owner = |examined: &Examined| -> Vec<String> {
        let cells = examined.isolation.cells.iter().filter(|cell| cell.cell.context == "house_app, as the owner house_owner");
        cells.map(|cell| format!("{} {} {:?}", cell.cell.table, cell.cell.command, cell.cell.verdict)).collect()
    };
    let apart = examined(&roles, OWNED).await;
    assert_eq!((apart.leaks(), as_owner(&apart)), (Vec::new(), Vec::new()));

    // NOINHERIT: nothing is the owner's before SET ROLE.
    let db = database(&roles, OWNED).await;
    let admin = db.admin().await;
    let version: i32 = admin.one("SELECT current_setting('server_version_num')::int", &[]).await.unwrap().get(0);
    let option = if version >= 160_000 { "WITH INHERIT FALSE, SET TRUE" } else { "" };
    admin.batch(&format!("ALTER ROLE house_app NOINHERIT; GRANT house_owner TO house_app {option}")).await.unwrap();
    let within = Examined::of(&db, "postgres", &Tenancy::default()).await;
    let leaks = within.leaks();
    assert!(leaks.contains(&"public.bills SELECT (house_app, as the owner house_owner)".to_owned()), "{leaks:?}");
    assert!(
        leaks.iter().all(|leak| leak.starts_with("public.bills ") && leak.ends_with("(house_app, as the owner house_owner)")),
        "{leaks:?}"
    );
    assert_eq!(leaks.len(), 4, "{leaks:?}");
    assert_eq!(within.undecided(), Vec::<String>::new());
    assert!(as_owner(&within).contains(&"public.tenants SELECT Isolated".to_owned()), "{:?}", as_owner(&within));

    // FORCE binds the owner too.
    let db = database(&roles, &format!("{OWNED} ALTER TABLE public.bills FORCE ROW LEVEL SECURITY")).await;
    let forced = Examined::of(&db, "postgres", &Tenancy::default()).await;
    assert_eq!(forced.leaks(), Vec::<String>::new());
    assert_eq!(as_owner(&forced).iter().filter(|cell| cell.ends_with("Isolated")).count(), 8, "{:?}", as_owner(&forced));
    admin.batch("REVOKE house_owner FROM house_app").await.unwrap();
}

/// TRUNCATE asks no policy: a role that holds it is named, and the tables that its policies keep apart are not called leaking for it.
#[tokio::test(flavor = "current_thread")]
async fn truncate_is_a_question_of_its_own() {
    let sql = "CREATE TABLE public.tenants (id int PRIMARY KEY);
CREATE TABLE public.notes (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES public.tenants, body text);
ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY t ON public.tenants USING (id = nullif(current_setting('app.tenant_id', true), '')::int);
CREATE POLICY n ON public.notes USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
GRANT ALL ON ALL TABLES IN SCHEMA public TO emptying_app;";
    for (more, bad) in
        [("", ["public.notes", "public.tenants"].as_slice()), ("REVOKE TRUNCATE ON ALL TABLES IN SCHEMA public FROM emptying_app", &[])]
    {
        let examined = examined(&["emptying_app"], &format!("{sql}{more}")).await;
        assert!(isolated(&examined, "public.notes") && isolated(&examined, "public.tenants"), "{:?}", examined.leaks());
        let of = |ok: bool| -> Vec<&str> {
            examined.check("rls-truncate").rows.iter().filter(|row| row.ok == Some(ok)).map(|row| row.subject.as_str()).collect()
        };
        let mut named = of(false);
        named.sort_unstable();
        assert_eq!(named, bad, "{more}");
        assert_eq!(of(true), Vec::<&str>::new(), "what nobody may empty is not asked");
    }
}
