//! Other ways to a row than its table, and what migrations opened.

use migration_ledger::config::Tenancy;
use migration_ledger::domain::CheckOutcome;
use migration_ledger::domain::product::CellVerdict;
use migration_ledger::steps::row_security::opened;

use super::schemas::Schema;
use super::support::TestDb;
use super::{Examined, application, stated};

fn subjects(examined: &Examined, code: &str) -> Vec<String> {
    examined.check(code).findings().map(|finding| finding.subject).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn a_view_a_snapshot_a_partition_and_a_function_that_leak_are_named() {
    let schema = Schema::named("views");
    let open = schema.examined("").await;
    let leaking = ["public.all_sales()", "public.sales_monthly", "public.sales_2026", "public.sales_totals", "public.sales_view"];
    let mut found = subjects(&open, "rls-other-ways");
    found.sort();
    let mut expected = leaking.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(found, expected, "{:?}", open.undecided());
    let repair = "ALTER VIEW public.sales_view SET (security_invoker = true); ALTER VIEW public.sales_totals SET (security_invoker = true);
        REVOKE SELECT ON public.sales_monthly, public.sales_2026 FROM bi_app; REVOKE EXECUTE ON FUNCTION public.all_sales() FROM PUBLIC;";
    let closed = schema.examined(repair).await;
    assert_eq!(subjects(&closed, "rls-other-ways"), Vec::<String>::new());
    assert_eq!(closed.check("rls-other-ways").outcome, CheckOutcome::Pass, "{:?}", closed.undecided());
}

#[tokio::test(flavor = "current_thread")]
async fn the_table_that_a_migration_opened_is_named_with_what_changed() {
    let before = Examined::of(&application().await, "migrator", &stated()).await;
    let migrated = application().await;
    let migration = "ALTER POLICY alerts_select ON public.alerts USING (true); CREATE POLICY more ON public.projects FOR SELECT TO app_user USING (false)";
    migrated.session("migrator").await.batch(migration).await.unwrap();
    let after = Examined::of(&migrated, "migrator", &Tenancy::default()).await;
    let rows = opened::compare(&before.isolation, &after.isolation);
    let wrong: Vec<_> = rows.iter().filter(|row| row.ok != Some(true)).collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].observed.starts_with("this migration opened public.alerts (SELECT as app_user, member of A"), "{}", wrong[0].observed);
    assert!(wrong[0].observed.contains("policy alerts_select: USING was"), "{}", wrong[0].observed);
    let projects = rows.iter().find(|row| row.subject == "public.projects").unwrap();
    assert_eq!(projects.observed, "as closed as before: policy more is new: permissive for SELECT to app_user, USING false");
    let same = opened::compare(&before.isolation, &before.isolation);
    assert!(same.len() == 14 && same.iter().all(|row| row.ok == Some(true)));
}

/// A role that may not leave triggers aside cannot tell what a function of the definer shows: it says so, and nothing passes for it.
#[tokio::test(flavor = "current_thread")]
async fn a_function_that_cannot_be_tried_is_undecided() {
    let db = TestDb::empty().await;
    let admin = db.admin().await;
    admin.batch("CREATE ROLE bare_hands LOGIN BYPASSRLS; CREATE ROLE bare_app NOLOGIN; GRANT bare_app TO bare_hands").await.unwrap();
    admin.batch(&format!("ALTER DATABASE {} OWNER TO bare_hands", db.name)).await.unwrap();
    db.session("bare_hands")
        .await
        .batch(
            "CREATE TABLE public.tenants (id uuid PRIMARY KEY, name text NOT NULL);
             CREATE TABLE public.notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES public.tenants, body text NOT NULL);
             ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON public.tenants USING (id = current_setting('app.tenant_id')::uuid);
             CREATE POLICY own ON public.notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
             GRANT SELECT, INSERT, UPDATE, DELETE ON public.tenants, public.notes TO bare_app;
             CREATE FUNCTION public.note_of(note uuid) RETURNS SETOF public.notes LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
                 AS 'SELECT * FROM public.notes AS n WHERE n.id = note'",
        )
        .await
        .unwrap();
    let examined = Examined::of(&db, "bare_hands", &Tenancy::default()).await;
    assert!(!examined.isolation.replica, "this role may leave triggers aside");
    let cells: Vec<_> = examined.isolation.cells.iter().filter(|cell| cell.cell.table.starts_with("public.note_of")).collect();
    assert!(!cells.is_empty() && cells.iter().all(|cell| cell.cell.verdict == CellVerdict::Undecided), "{cells:?}");
    assert!(matches!(examined.check("rls-other-ways").outcome, CheckOutcome::Unknown(_)), "{:?}", examined.check("rls-other-ways").outcome);
}

/// What a function of the definer shows or changes for whoever names a row, until it asks whose the row is.
#[tokio::test(flavor = "current_thread")]
async fn a_function_of_the_definer_leaks_until_it_asks_whose_the_row_is() {
    let functions = |own: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION public.bill_of(bill_id int) RETURNS SETOF public.bills LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
                 AS $$ SELECT b.* FROM public.bills AS b WHERE b.id = bill_id {own} $$;
             CREATE OR REPLACE FUNCTION public.cancel_bill(bill_id int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
                 AS $$ BEGIN DELETE FROM public.bills AS b WHERE b.id = bill_id {own}; END $$;
             CREATE OR REPLACE FUNCTION public.owes(bill_id int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
                 AS $$ SELECT EXISTS (SELECT FROM public.bills AS b WHERE b.id = bill_id {own}) $$;"
        )
    };
    let sql = "-- roles: bill_app
create table public.tenants (id int primary key, name text not null);
create table public.bills (id int primary key, tenant_id int not null references public.tenants, cents int not null);
alter table public.tenants enable row level security; alter table public.bills enable row level security;
create policy own on public.tenants using (id = nullif(current_setting('app.tenant_id', true), '')::int);
create policy own on public.bills using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::int);
grant select, insert, update, delete on public.tenants, public.bills to bill_app;";
    let schema = Schema { sql: sql.to_owned(), path: "bills".into() };
    let open = schema.examined(&functions("")).await;
    let mut found = subjects(&open, "rls-other-ways");
    found.sort();
    assert_eq!(found, ["public.bill_of(integer)", "public.cancel_bill(integer)", "public.owes(integer)"], "{:?}", open.undecided());
    let closed = schema.examined(&functions("AND b.tenant_id = nullif(current_setting('app.tenant_id', true), '')::int")).await;
    let check = closed.check("rls-other-ways");
    assert_eq!((subjects(&closed, "rls-other-ways"), check.outcome.clone()), (Vec::new(), CheckOutcome::Pass), "{:?}", check.rows);
    // Silence rests on its control: each answered about A's own row.
    let answered = |name: &str| {
        let is = |c: &&migration_ledger::steps::row_security::matrix::Cell| c.cell.table == name && c.cell.verdict == CellVerdict::Isolated;
        closed.isolation.cells.iter().any(|cell| is(&cell) && cell.cell.why.contains("A's rows"))
    };
    assert!(answered("public.bill_of(integer)") && answered("public.owes(integer)"), "{:?}", check.rows);
}
