//! A database in the shape of a Supabase project, examined as the role that its owners are given: no superuser, no member of the
//! platform's roles.

use crate::harness::Project;
use crate::staged::{Staged, as_superuser, shared};
use crate::support;

/// What the platform brings, owned by the superuser.
const PLATFORM: &str = "
    CREATE SCHEMA auth; CREATE SCHEMA storage; CREATE SCHEMA extensions;
    CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, encrypted_password text);
    CREATE TABLE auth.refresh_tokens (id bigserial PRIMARY KEY, user_id uuid REFERENCES auth.users, token text);
    CREATE TABLE auth.flow_state (id uuid PRIMARY KEY);
    ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
      $$ SELECT (NULLIF(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
    CREATE TABLE storage.objects (id uuid PRIMARY KEY, name text);
    ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
    GRANT USAGE ON SCHEMA public, auth, storage, extensions TO developer, anon, authenticated;
    GRANT CREATE ON SCHEMA public TO developer;
    GRANT SELECT, REFERENCES, TRIGGER ON auth.users TO developer; GRANT SELECT ON auth.refresh_tokens, storage.objects TO developer;
    GRANT ALL ON storage.objects TO anon, authenticated;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;
    CREATE FUNCTION extensions.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
    CREATE EVENT TRIGGER platform_watch ON ddl_command_end EXECUTE FUNCTION extensions.watch();
    CREATE PUBLICATION supabase_realtime;
    INSERT INTO auth.users VALUES ('11111111-1111-1111-1111-111111111111', 'one@example.com', 'x');
    INSERT INTO auth.refresh_tokens (user_id, token) SELECT id, 't' FROM auth.users;";

/// What the team made, owned by the team's role.
const APPLICATION: &str = "
    CREATE TABLE public.organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
    CREATE TABLE public.memberships (organization_id uuid NOT NULL REFERENCES public.organizations, user_id uuid NOT NULL REFERENCES auth.users,
      PRIMARY KEY (organization_id, user_id));
    CREATE FUNCTION public.is_member(o uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
      $$ SELECT EXISTS (SELECT FROM public.memberships m WHERE m.organization_id = o AND m.user_id = (SELECT auth.uid())) $$;
    CREATE TABLE public.invoices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      organization_id uuid NOT NULL REFERENCES public.organizations, amount numeric(10, 2) NOT NULL CHECK (amount > 0));
    CREATE INDEX ON public.invoices (organization_id); CREATE INDEX ON public.memberships (user_id);
    CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES auth.users, name text);
    ALTER TABLE public.organizations ENABLE ROW LEVEL SECURITY; ALTER TABLE public.memberships ENABLE ROW LEVEL SECURITY;
    ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY; ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
    CREATE POLICY member ON public.organizations FOR SELECT TO authenticated USING (public.is_member(id));
    CREATE POLICY own ON public.memberships FOR SELECT TO authenticated USING (user_id = (SELECT auth.uid()));
    CREATE POLICY member ON public.invoices FOR ALL TO authenticated USING (public.is_member(organization_id)) WITH CHECK (public.is_member(organization_id));
    CREATE POLICY own ON public.profiles FOR ALL TO authenticated USING (id = (SELECT auth.uid())) WITH CHECK (id = (SELECT auth.uid()));
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO authenticated;
    CREATE FUNCTION public.new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS
      $$ BEGIN INSERT INTO public.profiles (id) VALUES (NEW.id); RETURN NEW; END $$;
    REVOKE EXECUTE ON FUNCTION public.new_user() FROM PUBLIC;
    CREATE TRIGGER made AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.new_user();
    INSERT INTO public.profiles SELECT id, 'One' FROM auth.users;";

#[test]
fn a_project_of_the_platform_is_examined_as_its_owner() {
    let stage = shared();
    as_superuser(
        stage,
        "CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role BYPASSRLS;
         CREATE ROLE developer LOGIN CREATEDB CREATEROLE BYPASSRLS; GRANT anon, authenticated, service_role TO developer;",
    );
    as_superuser(stage, "CREATE DATABASE project");
    let (admin, url) = (stage.cluster().url("project"), stage.cluster().url_as("developer", "project"));
    let owner = url.clone();
    support::blocking(async move {
        support::connect(&admin).await.batch(PLATFORM).await.expect("the platform");
        support::connect(&owner).await.batch(APPLICATION).await.expect("the application");
    });
    let staged = Staged { stage, project: Project::empty() };
    staged.connects_to(&url);
    assert_eq!(staged.ledger(&["init", "--plan", "examination", "--preset", "supabase"]).code, 0);
    staged.edit("url-env = \"STAGING_DATABASE_URL\"", "url-file = \"staging.url\"");
    staged.edit("expected = []", "expected = [\"public.invoices(organization_id) -> public.organizations(id)\"]");
    staged.edit("# no-linkage = \"why\"", "no-linkage = \"every link is a key\"");
    staged.edit("# no-isolation-tests = \"why\"", "no-isolation-tests = \"none yet\"");

    let ran = staged.ledger(&["run"]);
    assert!(ran.stderr.contains("PASS") && ran.stderr.contains("restored and compared"), "{}", ran.stderr);
    assert!(ran.stderr.contains("4 of 4 tables isolated"), "{}", ran.stderr);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("restored and compared, but for the schemas left out"), "{}", ran.stderr);

    let owner = url.clone();
    support::blocking(async move {
        support::connect(&owner).await.batch("ALTER POLICY member ON public.invoices USING (true)").await.expect("planted");
    });
    let ran = staged.ledger(&["run"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    assert!(ran.stderr.contains("rls-isolation  public.invoices"), "{}", ran.stderr);
}
