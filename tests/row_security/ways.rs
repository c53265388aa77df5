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
