//! Foreign tables: rows of other tenants behind them are a leak, no privilege and no user mapping are a denial, and the rest stays open.

use migration_ledger::config::Tenancy;

use super::Examined;
use super::support::{TestDb, contrib};

/// What stands on the other server, and a role that may read it there.
const FAR: &str = "
DO $$ BEGIN CREATE ROLE far_reader LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE near_app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
CREATE TABLE public.invoices (id int PRIMARY KEY, tenant_id uuid NOT NULL, cents int NOT NULL);
INSERT INTO public.invoices SELECT n, gen_random_uuid(), 100 FROM generate_series(1, 7) AS n;
CREATE TABLE public.rates (currency text PRIMARY KEY, rate numeric NOT NULL);
INSERT INTO public.rates VALUES ('EUR', 1), ('CHF', 0.94);
CREATE TABLE public.empty (id int PRIMARY KEY, tenant_id uuid NOT NULL);
-- What changes something by being read.
CREATE TABLE public.seen (id int);
CREATE FUNCTION public.note() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO public.seen VALUES (1) RETURNING 1';
CREATE VIEW public.noted AS SELECT gen_random_uuid() AS tenant_id, public.note() AS noted;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO far_reader; GRANT INSERT ON public.seen TO far_reader;";

/// The application's own, and foreign tables of which nobody has a privilege.
fn near(far: &TestDb) -> String {
    let url = far.server().url("x");
    let of = |name: &str| url.split(['?', '&']).find_map(|part| part.strip_prefix(&format!("{name}="))).unwrap().to_owned();
    format!(
        "CREATE TABLE public.tenants (id uuid PRIMARY KEY, name text NOT NULL);
         CREATE TABLE public.notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES public.tenants, body text NOT NULL);
         ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON public.tenants USING (id = current_setting('app.tenant_id')::uuid);
         CREATE POLICY own ON public.notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
         GRANT SELECT, INSERT, UPDATE, DELETE ON public.tenants, public.notes TO near_app;
         CREATE EXTENSION postgres_fdw; CREATE EXTENSION file_fdw;
         CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{}', port '{}', dbname '{}');
         CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nowhere', dbname 'none');
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE public.far_invoices (id int, tenant_id uuid, cents int) SERVER far OPTIONS (schema_name 'public', table_name 'invoices');
         CREATE FOREIGN TABLE public.far_rates (currency text, rate numeric) SERVER far OPTIONS (schema_name 'public', table_name 'rates');
         CREATE FOREIGN TABLE public.far_empty (id int, tenant_id uuid) SERVER far OPTIONS (schema_name 'public', table_name 'empty');
         CREATE FOREIGN TABLE public.far_noted (tenant_id uuid, noted int) SERVER far OPTIONS (schema_name 'public', table_name 'noted');
         CREATE FOREIGN TABLE public.far_lost (id int, tenant_id uuid) SERVER nowhere;
         CREATE FOREIGN TABLE public.a_file (tenant_id text) SERVER files OPTIONS (filename '/etc/passwd');
         CREATE VIEW public.far_view AS SELECT tenant_id, cents FROM public.far_invoices;",
        of("host"),
        of("port"),
        far.name
    )
}

const MAPPING: &str = "CREATE USER MAPPING FOR near_app SERVER far OPTIONS (user 'far_reader', password_required 'false');
    CREATE USER MAPPING FOR near_app SERVER nowhere OPTIONS (user 'far_reader', password_required 'false');
    CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'far_reader');";
const READ: &str = "GRANT SELECT ON public.far_invoices, public.far_rates, public.far_empty, public.far_noted, public.far_lost, public.a_file, public.far_view TO near_app;";

struct Found(Examined);

impl Found {
    async fn of(far: &TestDb, more: &str, role: &str, stated: &Tenancy) -> Self {
        let db = TestDb::with(&format!("{}{more}", near(far))).await;
        Self(Examined::of(&db, role, stated).await)
    }

    fn told(&self, table: &str) -> (Option<bool>, String) {
        let rows = &self.0.check("rls-other-ways").rows;
        let row = rows.iter().find(|row| row.subject == format!("public.{table}")).unwrap_or_else(|| panic!("{table}: {rows:?}"));
        (row.ok, row.observed.clone())
    }

    fn assert(&self, table: &str, ok: Option<bool>, part: &str) {
        let told = self.told(table);
        assert!(told.0 == ok && told.1.contains(part), "{table}: {told:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn rows_of_others_behind_a_foreign_table_leak_until_the_privilege_goes() {
    if !contrib("rows behind foreign tables") {
        return;
    }
    let far = TestDb::with(FAR).await;
    let open = Found::of(&far, &format!("{MAPPING}{READ}"), "postgres", &Tenancy::default()).await;
    open.assert("far_invoices", Some(false), "7 rows of other tenants read, by tenant_id");
    open.assert("far_view", Some(false), "7 rows of other tenants read");
    open.assert("a_file", Some(false), "rows of other tenants read");
    // Rows that may be everybody's, that are not there, or that nobody can look at.
    open.assert("far_rates", None, "2 rows read by every tenant");
    open.assert("far_empty", None, "no row of another tenant stands behind it");
    open.assert("far_lost", None, "does not answer here (08001)");
    // Nothing is changed over there: what writes when it is read is refused.
    open.assert("far_noted", None, "does not answer here (25006)");
    assert_eq!(far.admin().await.one("SELECT count(*) FROM public.seen", &[]).await.unwrap().get::<_, i64>(0), 0);

    let closed = Found::of(&far, MAPPING, "postgres", &Tenancy::default()).await;
    for table in ["far_invoices", "far_rates", "a_file"] {
        closed.assert(table, Some(true), "denied to all: no role of the application has a privilege on it");
    }
    // A privilege without a user mapping reaches nothing on another server.
    let unmapped = Found::of(&far, READ, "postgres", &Tenancy::default()).await;
    assert_eq!(unmapped.told("far_invoices").0, Some(true), "{:?}", unmapped.told("far_invoices"));
    assert!(unmapped.0.isolation.cells.iter().any(|c| c.cell.table == "public.far_invoices" && c.cell.why.contains("no user mapping")));

    let stated = Tenancy { everybodys: vec!["public.far_rates".into()], ..Tenancy::default() };
    let meant = Found::of(&far, &format!("{MAPPING}{READ}"), "postgres", &stated).await;
    meant.assert("far_rates", Some(true), "everybody's: ledger.toml");
    // Whoever may not make the session on the other server harmless leaves it alone.
    let bare = Found::of(&far, &format!("{MAPPING}{READ}"), "migrator", &Tenancy::default()).await;
    bare.assert("far_invoices", None, "cannot be read without risk");
}
