//! The faults the demo can plant, each with its table as the only subject.

use migration_ledger::domain::product::FileExecution;

use super::{Examined, application, stated};

async fn planted(sql: &str) -> Examined {
    let db = application().await;
    db.session("migrator").await.batch(sql).await.unwrap();
    Examined::of(&db, "migrator", &stated()).await
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(check, subject)| ((*check).to_owned(), (*subject).to_owned())).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn a_policy_that_falls_back_to_the_rows_own_tenant_leaks_without_context_alone() {
    let examined = planted(
        "ALTER POLICY alerts_select ON public.alerts
         USING (tenant_id = COALESCE(NULLIF(current_setting('app.tenant_id', true), '')::uuid, tenant_id))",
    )
    .await;
    assert_eq!(examined.findings(), pairs(&[("rls-isolation-no-context", "public.alerts")]));
    assert_eq!(examined.leaks(), ["public.alerts SELECT (app_user, no context)", "public.alerts SELECT (app_user, empty context)"]);
}

#[tokio::test(flavor = "current_thread")]
async fn using_true_on_one_table_names_that_table() {
    let examined = planted("ALTER POLICY users_select ON public.users USING (true)").await;
    let expected = [("rls-no-tautology", "public.users"), ("rls-isolation", "public.users"), ("rls-isolation-no-context", "public.users")];
    assert_eq!(examined.findings(), pairs(&expected));
}

#[tokio::test(flavor = "current_thread")]
async fn row_security_off_on_one_table_names_that_table() {
    let examined = planted("ALTER TABLE public.clauses DISABLE ROW LEVEL SECURITY").await;
    let expected = [
        ("rls-enabled", "public.clauses"),
        ("rls-policy-without-rls", "public.clauses"),
        ("rls-isolation", "public.clauses"),
        ("rls-isolation-no-context", "public.clauses"),
    ];
    assert_eq!(examined.findings(), pairs(&expected));
}

#[tokio::test(flavor = "current_thread")]
async fn force_missing_on_one_table_names_that_table() {
    let examined = planted("ALTER TABLE public.projects NO FORCE ROW LEVEL SECURITY").await;
    assert_eq!(examined.findings(), pairs(&[("rls-forced", "public.projects")]));
}

#[tokio::test(flavor = "current_thread")]
async fn a_write_policy_without_a_check_lets_rows_be_handed_over() {
    let examined = planted("ALTER POLICY users_update ON public.users WITH CHECK (true)").await;
    assert_eq!(examined.findings(), pairs(&[("rls-write-check", "public.users"), ("rls-isolation", "public.users")]));
    assert_eq!(examined.leaks(), ["public.users move own to B (app_user, member of A)"]);
}

#[tokio::test(flavor = "current_thread")]
async fn an_open_delete_policy_is_found_although_the_rows_cannot_be_seen() {
    // A DELETE by key must also see the row; one without a WHERE need not.
    let examined = planted("ALTER POLICY bom_items_delete ON public.bom_items USING (wbs_item_id IS NOT NULL)").await;
    assert!(examined.leaks().contains(&"public.bom_items DELETE foreign (app_user, member of A)".to_owned()), "{:?}", examined.leaks());
}

#[tokio::test(flavor = "current_thread")]
async fn a_policy_that_recurses_is_an_error_and_not_isolation() {
    let examined = planted("ALTER POLICY users_select ON public.users USING (tenant_id IN (SELECT u.tenant_id FROM public.users u))").await;
    let findings = examined.findings();
    assert!(findings.contains(&("rls-policy-error".into(), "public.users".into())), "{findings:?}");
    assert!(
        examined.undecided().iter().any(|cell| cell.starts_with("public.users SELECT") && cell.contains("42P17")),
        "{:?}",
        examined.undecided()
    );
}

#[tokio::test(flavor = "current_thread")]
async fn rows_opened_by_a_fixed_value_are_seen_by_a_new_tenant() {
    let examined = planted("CREATE POLICY showcase ON public.projects FOR SELECT TO app_user USING (name = 'Project 1')").await;
    assert!(examined.leaks().contains(&"public.projects SELECT (app_user, member of A)".to_owned()), "{:?}", examined.leaks());
    // A value that cannot be told from the policy shows in the rows that are there.
    let hidden = "CREATE POLICY showcase ON public.projects FOR SELECT TO app_user USING (ctid = '(0,1)')";
    let examined = planted(hidden).await;
    let findings = examined.findings();
    assert!(findings.contains(&("rls-isolation-existing-rows".into(), "public.projects".into())), "{findings:?}");
}

#[test]
fn a_policy_that_a_migration_took_away_is_named() {
    let changes = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let found = |lines: &[&str]| {
        let evidence = migration_ledger::steps::row_security::policies_kept(Some((&changes(lines), &[]))).unwrap();
        (evidence.findings().map(|f| f.subject).collect::<Vec<_>>(), evidence.outcome.word())
    };
    let lost = "policy public.alerts.alerts_select removed";
    assert_eq!(found(&[lost, "index public.x added"]), (vec!["public.alerts.alerts_select".to_owned()], "fail"));
    assert_eq!(found(&[lost, "policy public.alerts.read added"]), (Vec::new(), "pass"));
    // One new policy does not stand in for two.
    let second = "policy public.alerts.alerts_update removed";
    let both = found(&[lost, second, "policy public.alerts.read added"]);
    assert_eq!(both, (vec!["public.alerts.alerts_update".to_owned()], "fail"));
    assert_eq!(found(&[lost, "table public.alerts removed"]), (Vec::new(), "not-applicable"));
    assert_eq!(found(&["policy public.alerts.alerts_select added"]), (Vec::new(), "not-applicable"));

    // The file that took it is named.
    let file = |name: &str, lines: &[&str]| FileExecution {
        version: name[..3].to_owned(),
        name: name.to_owned(),
        file: name.to_owned(),
        started: "2026-01-08T10:00:00.000000Z".to_owned(),
        duration_us: 1,
        attempts: 1,
        tries: Vec::new(),
        applied: true,
        statements: Vec::new(),
        traced: true,
        resumed: 0,
        waits: Vec::new(),
        changes: changes(lines),
        error: None,
    };
    let files = [file("004_indexes.sql", &["index public.x added"]), file("005_roles.sql", &[lost])];
    let evidence = migration_ledger::steps::row_security::policies_kept(Some((&changes(&[lost]), &files))).unwrap();
    assert_eq!(evidence.rows[0].observed, "removed by 005_roles.sql");
}
