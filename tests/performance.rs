//! CE-26 against real copies: equal ones never regress, a dropped index does, an added one improves, and what cannot be
//! compared is undecided.

#[path = "performance/step.rs"]
mod step;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use migration_ledger::domain::SubjectRow;
use migration_ledger::pg::Target;
use migration_ledger::steps::performance::measure::{Copies, Measured, Options, measure};
use migration_ledger::steps::performance::stats::Verdict;
use migration_ledger::steps::performance::workload::{Query, parse};
use migration_ledger::steps::performance::{indexes, prepare, regression_row};
use migration_ledger::steps::{Progress, TaskLog};
use support::TestDb;

/// 40,000 orders of 100 customers; the index on customers is what the tests add and drop.
const SHOP: &str = "
    CREATE TABLE public.orders (id integer PRIMARY KEY, customer integer NOT NULL, state text NOT NULL, note text NOT NULL);
    INSERT INTO public.orders SELECT i, i % 2000, CASE WHEN i % 7 = 0 THEN 'open' ELSE 'done' END, pg_catalog.repeat('x', 60)
      FROM pg_catalog.generate_series(1, 40000) AS i;
    GRANT SELECT, UPDATE ON public.orders TO app_user;";
const INDEX: &str = "CREATE INDEX orders_customer_idx ON public.orders (customer);";

struct Quiet;

impl Progress for Quiet {
    fn say(&self, _: &str) {}
}

async fn copy(sql: &str) -> Target {
    let db = TestDb::with_as_migrator(&format!("{SHOP}{sql}")).await;
    let target = db.target("migrator").await;
    prepare(&target).await.unwrap();
    target
}

fn options(seconds: u64) -> Options {
    Options { limit: 1.10, budget: Duration::from_secs(seconds), role: Some("app_user".into()), settings: BTreeMap::new(), seed: 1 }
}

fn queries() -> Vec<Query> {
    vec![
        parse(
            "customer.sql",
            "-- name: orders of a customer\n-- param: (SELECT min(customer) + 5 FROM orders)\nSELECT id, state FROM orders WHERE customer = $1 ORDER BY id;",
        )
        .unwrap(),
        parse("open.sql", "SELECT count(*) FROM orders WHERE state = 'open'").unwrap(),
    ]
}

async fn measured(before: &Target, control: &Target, after: &Target, queries: &[Query], options: &Options) -> Vec<Measured> {
    let copies = Copies { before, control, after };
    measure(&copies, queries, options, &TaskLog::default(), &Quiet).await.unwrap()
}

fn rows(measured: &[Measured]) -> Vec<SubjectRow> {
    measured.iter().map(|one| regression_row(one, 1.10)).collect()
}

#[tokio::test]
async fn equal_copies_never_regress() {
    let (a, control, b) = (copy(INDEX).await, copy(INDEX).await, copy(INDEX).await);
    let found = measured(&a, &control, &b, &queries(), &options(20)).await;
    for one in &found {
        assert_ne!(one.verdict, Verdict::Regressed, "{}: {}", one.query.name, one.why);
        assert!(one.logs.len() >= 7, "{} blocks", one.logs.len());
        let (before, after) = one.plans.as_ref().unwrap();
        assert!(before.same_shape(after), "{} and {}", before.line(), after.line());
        assert_eq!(one.rows.unwrap().0, one.rows.unwrap().1);
    }
    assert!(rows(&found).iter().all(|row| row.ok != Some(false)));
}

#[tokio::test]
async fn a_dropped_index_is_a_regression_that_names_its_query() {
    let (a, control, b) = (copy(INDEX).await, copy(INDEX).await, copy("").await);
    let found = measured(&a, &control, &b, &queries(), &options(20)).await;
    assert_eq!(found[0].verdict, Verdict::Regressed, "{}", found[0].why);
    assert!(found[0].interval.unwrap().low > 1.5);
    let bad: Vec<SubjectRow> = rows(&found).into_iter().filter(|row| row.ok == Some(false)).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].subject, "orders of a customer");
    assert!(bad[0].observed.contains("regressed"), "{}", bad[0].observed);
    assert_eq!(bad[0].detail["plan_after"], "Sort ← Seq Scan public.orders");
}

#[tokio::test]
async fn an_added_index_improves() {
    let (a, control, b) = (copy("").await, copy("").await, copy(INDEX).await);
    let found = measured(&a, &control, &b, &queries()[..1], &options(20)).await;
    // On a machine too noisy to tell how much, it is still shown to be within the limit.
    assert!(matches!(found[0].verdict, Verdict::Improved | Verdict::WithinLimit), "{}", found[0].why);
    assert!(found[0].interval.unwrap().ratio < 0.7);
    assert_eq!(rows(&found)[0].ok, Some(true));
}

#[tokio::test]
async fn what_cannot_be_compared_is_undecided() {
    let (a, control) = (copy(INDEX).await, copy(INDEX).await);
    // Row security that hides everything makes every query fast; that is no improvement.
    let hidden = "ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY; ALTER TABLE public.orders ADD COLUMN since date";
    let b = copy(&format!("{INDEX}{hidden}")).await;
    let two = parse("two.sql", "SELECT 1; SELECT 2").unwrap();
    let missing = parse("missing.sql", "SELECT since FROM orders LIMIT 1").unwrap();
    let gone = parse("gone.sql", "SELECT 1 FROM nowhere").unwrap();
    let unbound = parse("unbound.sql", "SELECT $1::int").unwrap();
    let accepted =
        parse("accepted.sql", "-- rows-may-differ: the list is the tenant's own now\nSELECT id FROM orders WHERE customer = 5").unwrap();
    let all = [queries()[0].clone(), two, missing, gone, unbound, accepted];
    let found = measured(&a, &control, &b, &all, &options(20)).await;
    let why: Vec<&str> = found.iter().map(|one| one.why.as_str()).collect();
    for one in &found[..5] {
        assert_eq!(one.verdict, Verdict::Inconclusive, "{}: {}", one.query.name, one.why);
    }
    assert!(why[0].contains("20 rows before, 0 after"), "{}", why[0]);
    assert!(why[1].contains("42601"), "{}", why[1]);
    assert!(why[2].contains("does not run before") && why[2].contains("42703"), "{}", why[2]);
    assert!(why[3].contains("42P01"), "{}", why[3]);
    assert!(why[4].contains("takes 1 parameters"), "{}", why[4]);
    assert_ne!(found[5].verdict, Verdict::Inconclusive, "{}", why[5]);
    assert!(why[5].contains("the tenant's own now"), "{}", why[5]);
    assert!(rows(&found)[..5].iter().all(|row| row.ok.is_none()));
}

#[tokio::test]
async fn without_time_nothing_passes() {
    let a = copy("").await;
    let found = measured(&a, &a, &a, &queries(), &options(0)).await;
    for one in found {
        assert_eq!(one.verdict, Verdict::Inconclusive);
        assert!(one.why.contains("0 of at least 7 blocks"), "{}", one.why);
    }
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_said() {
    let a = copy("").await;
    let options = Options { role: Some("nobody_here".into()), ..options(1) };
    let copies = Copies { before: &a, control: &a, after: &a };
    let error = measure(&copies, &queries(), &options, &TaskLog::default(), &Quiet).await.unwrap_err();
    assert!(error.to_string().contains("nobody_here of [performance] does not exist"), "{error}");
}

#[tokio::test]
async fn settings_reach_the_session_and_writes_are_rolled_back() {
    let a = copy(INDEX).await;
    let mut options = options(15);
    options.settings.insert("app.tenant_id".into(), "sql: SELECT max(customer) FROM orders".into());
    let setting = parse("setting.sql", "SELECT 1 FROM orders WHERE current_setting('app.tenant_id') = '1999' AND id = 1").unwrap();
    let write = parse("write.sql", "UPDATE orders SET state = 'open' WHERE customer = 5").unwrap();
    let found = measured(&a, &a, &a, &[setting, write], &options).await;
    assert_eq!(found[0].rows, Some((1, 1)), "{}", found[0].why);
    assert!(found[1].plans.as_ref().unwrap().0.writes());
    assert!(found[1].logs.len() >= 7, "{}", found[1].why);
    let session = a.session(migration_ledger::pg::Access::ReadOnly).await.unwrap();
    let open: i64 = session.one("SELECT count(*) FROM public.orders WHERE customer = 5 AND state = 'open'", &[]).await.unwrap().get(0);
    assert!(open < 20, "the updates stayed");
}

#[tokio::test]
async fn copies_that_differ_fail_the_control() {
    // A' lacks the index: what is measured there is the scan, and the control says that the copies are not equal.
    let (a, control) = (copy(INDEX).await, copy("").await);
    let found = measured(&a, &control, &a, &queries()[..1], &options(20)).await;
    let row = migration_ledger::steps::performance::control_row(&found[0], 1.10).unwrap();
    assert_eq!(row.ok, Some(false), "{}", row.observed);
    assert_eq!(row.subject, "orders of a customer");
}

#[tokio::test]
async fn an_index_that_nothing_reads_is_found() {
    let a = copy(&format!("{INDEX} CREATE INDEX orders_note_idx ON public.orders (note);")).await;
    let before = indexes::usage(&a, &[]).await.unwrap();
    let found = measured(&a, &a, &a, &queries()[..1], &options(5)).await;
    assert!(!found[0].logs.is_empty());
    let after = indexes::usage(&a, &[]).await.unwrap();
    let scans = indexes::scans_between(&before, &after);
    assert!(scans["public.orders_customer_idx"] > 0, "{scans:?}");
    let bad: Vec<String> = indexes::used(&after, &scans).into_iter().filter(|row| row.ok == Some(false)).map(|row| row.subject).collect();
    assert_eq!(bad, ["public.orders_note_idx"]);
}

#[tokio::test]
async fn a_large_scan_that_keeps_little_is_found() {
    let (bare, indexed) = (copy("").await, copy(INDEX).await);
    for (target, wrong) in [(&bare, vec!["public.orders in orders of a customer".to_owned()]), (&indexed, Vec::new())] {
        let found = measured(target, target, target, &queries()[..1], &options(0)).await;
        let rows = indexes::missing(&found);
        assert_eq!(rows.len(), 1);
        let bad: Vec<String> = rows.into_iter().filter(|row| row.ok == Some(false)).map(|row| row.subject).collect();
        assert_eq!(bad, wrong);
    }
}

/// The reference application at version 001 with data, and what stands in its files after `001`.
async fn application(migrations: &[&str]) -> Target {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts");
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let base = format!("{} SET ledger_demo.rows = 8000; {}", text("001_initial_schema.sql"), text("seed.sql"));
    let db = TestDb::from_template("application", "migrator", &base).await;
    for file in migrations {
        db.session("migrator").await.batch(&text(file)).await.unwrap();
    }
    let target = db.target("migrator").await;
    prepare(&target).await.unwrap();
    target
}

#[tokio::test]
async fn the_reference_workload_improves_under_row_security() {
    let (a, control) = (application(&[]).await, application(&[]).await);
    let b =
        application(&["002_row_level_security.sql", "003_foreign_keys.sql", "004_performance_indexes.sql", "005_audit_logging.sql"]).await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/contracts/workload");
    let queries = migration_ledger::steps::performance::workload::read(&folder, "workload").unwrap();
    let mut options = options(60);
    options.settings.insert("app.tenant_id".into(), "sql: SELECT id FROM public.tenants WHERE name = 'Aldgate Bridges'".into());
    let found = measured(&a, &control, &b, &queries, &options).await;
    for one in &found {
        assert!(matches!(one.verdict, Verdict::Improved | Verdict::WithinLimit), "{}: {}", one.query.name, one.why);
        assert!(one.interval.unwrap().ratio < 0.8, "{}: {}", one.query.name, one.why);
        assert_eq!(one.same_rows, Some(true), "{}", one.query.name);
    }
}

#[tokio::test]
async fn a_query_that_no_longer_ends_is_a_regression() {
    let quick = "CREATE FUNCTION public.answer() RETURNS integer LANGUAGE sql AS 'SELECT 1';";
    let slow = "CREATE FUNCTION public.answer() RETURNS integer LANGUAGE sql AS 'SELECT 1 FROM pg_catalog.pg_sleep(60)';";
    let (a, b) = (copy(quick).await, copy(slow).await);
    let query = parse("answer.sql", "SELECT public.answer()").unwrap();
    let found = measured(&a, &a, &b, &[query], &options(4)).await;
    assert_eq!(found[0].verdict, Verdict::Regressed, "{}", found[0].why);
    assert!(found[0].why.starts_with("cancelled after 1.0 s"), "{}", found[0].why);
    assert_eq!(rows(&found)[0].ok, Some(false));
}

#[tokio::test]
async fn other_rows_are_said() {
    let (a, b) = (copy("").await, copy("UPDATE public.orders SET state = 'late' WHERE id = 5;").await);
    let found =
        measured(&a, &a, &b, &[parse("five.sql", "SELECT id, state FROM orders WHERE id < 10 ORDER BY id DESC").unwrap()], &options(10))
            .await;
    assert_eq!((found[0].rows, found[0].same_rows), (Some((9, 9)), Some(false)));
    assert!(found[0].why.ends_with("as many rows as before, but not the same"), "{}", found[0].why);
}
