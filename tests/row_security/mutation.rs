//! Breaking policies in turn: who notices, and what is said of those that nobody notices.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use migration_ledger::config::Tenancy;
use migration_ledger::domain::SubjectRow;
use migration_ledger::domain::product::{CellVerdict, Mutation};
use migration_ledger::pg::Access;
use migration_ledger::steps::row_security::model::Model;
use migration_ledger::steps::row_security::mutate::Trial;
use migration_ledger::steps::row_security::shape::Shape;
use migration_ledger::steps::row_security::{isolate, own_tests};

use super::schemas::{Schema, folder};
use super::support::TestDb;
use super::{application, stated};

const LONG: Duration = Duration::from_secs(300);

/// Breaks every policy of a database that is spent afterwards.
async fn broken(
    db: &TestDb,
    stated: &Tenancy,
    tests: &[&Path],
    (tests_budget, budget): (Duration, Duration),
) -> (Mutation, Vec<SubjectRow>) {
    let target = db.target("migrator").await;
    let session = target.session(Access::ReadOnly).await.unwrap();
    let shape = Shape::read(&session).await.unwrap();
    let mut trial = Trial::of(&shape, &Model::find(&shape, stated));
    drop(session);
    let folders: Vec<_> = tests.iter().map(|folder| folder.to_path_buf()).collect();
    let declared = own_tests::declared(Path::new(env!("CARGO_MANIFEST_DIR")), &folders);
    let clock = Instant::now();
    trial.by_tests(&target, &declared.iter().collect::<Vec<_>>(), tests_budget, &|_| ()).await;
    let after_tests = clock.elapsed();
    let isolation = isolate(&target, stated, &|_| ()).await.unwrap();
    let clock = Instant::now();
    let grounds = isolation.grounds.as_deref().unwrap();
    trial.by_probe(&target, grounds, &BTreeSet::new(), budget, &|_| ()).await.unwrap();
    println!("own tests {after_tests:?}, probe {:?}", clock.elapsed());
    trial.result(grounds)
}

#[tokio::test(flavor = "current_thread")]
async fn broken_policies_of_the_reference_application_are_noticed() {
    let db = application().await;
    let (mutation, rows) =
        broken(&db, &stated(), &[Path::new("migrations/contracts/checks/isolation")], (Duration::from_secs(3), Duration::from_secs(15)))
            .await;
    told("the reference application", &mutation);
    // What opens most is tried first; the rest of them in the long test.
    assert_eq!(rows.len(), 14);
    assert!(mutation.total >= 14 * 20 && mutation.tried >= 28, "{mutation:?}");
    let counted = (mutation.tried - mutation.explained) as f64;
    assert!(mutation.noticed as f64 >= 0.98 * counted, "{} of {counted}: {:?}", mutation.noticed, mutation.survivors);
    assert!(rows.iter().all(|row| row.ok == Some(true)), "{rows:#?}");
    assert!(mutation.has_tests && mutation.tested > 0 && mutation.tested < mutation.total, "three seconds are not enough: {mutation:?}");
    // Nothing stays broken.
    let admin = db.admin().await;
    let open = "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)";
    assert_eq!(admin.one(open, &[]).await.unwrap().get::<_, i64>(0), 0);
    let policies = "SELECT count(*) FILTER (WHERE pg_get_expr(polqual, polrelid) = 'true'), count(*) FROM pg_catalog.pg_policy";
    let row = admin.one(policies, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 56));
}

/// What becomes of the broken policies of a schema of the folder.
async fn of_schema(name: &str) -> Mutation {
    let schema = Schema::named(name);
    let db = schema.database("").await;
    let target = db.target(schema.role()).await;
    let isolation = isolate(&target, &Tenancy::default(), &|_| ()).await.unwrap();
    let leaks = isolation.cells.iter().filter(|cell| cell.cell.verdict == CellVerdict::Leak);
    let leaks = leaks.map(|cell| (cell.cell.table.clone(), cell.cell.command.clone(), cell.cell.context.clone())).collect();
    let grounds = isolation.grounds.as_deref().unwrap();
    let mut trial = Trial::of(&grounds.shape, &grounds.model);
    trial.by_probe(&target, grounds, &leaks, Duration::from_secs(1_800), &|_| ()).await.unwrap();
    trial.result(grounds).0
}

fn told(name: &str, of: &Mutation) {
    let rate = of.noticed as f64 / (of.tried - of.explained).max(1) as f64 * 100.0;
    println!(
        "{name}: {} of {} noticed ({rate:.1} %), {} cannot matter, {} by the probe",
        of.noticed,
        of.tried - of.explained,
        of.explained,
        of.by_probe
    );
    for survivor in &of.survivors {
        println!("   {} {} {}: {}", if survivor.explained { "-" } else { "!" }, survivor.table, survivor.mutant, survivor.why);
    }
}

/// The rate over every schema of the folder (or of `LEDGER_MUTATE`, names joined by commas) and the reference application.
#[tokio::test(flavor = "current_thread")]
#[ignore = "long: breaks every policy of every schema"]
async fn broken_policies_of_every_schema_are_noticed() {
    let mut names: Vec<String> = match std::env::var("LEDGER_MUTATE") {
        Ok(names) => names.split(',').map(str::to_owned).collect(),
        Err(_) => {
            let files = std::fs::read_dir(folder()).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
            files.filter_map(|file| file.strip_suffix(".sql").map(str::to_owned)).chain(["application".to_owned()]).collect()
        }
    };
    names.sort();
    let mut sum = Mutation::default();
    for name in &names {
        let of = match name.as_str() {
            "application" => broken(&application().await, &stated(), &[], (Duration::ZERO, Duration::from_secs(1_800))).await.0,
            name => of_schema(name).await,
        };
        told(name, &of);
        (sum.tried, sum.noticed, sum.explained) = (sum.tried + of.tried, sum.noticed + of.noticed, sum.explained + of.explained);
        (sum.total, sum.by_probe) = (sum.total + of.total, sum.by_probe + of.by_probe);
    }
    assert_eq!(sum.tried, sum.total, "some could not be made");
    told("all", &sum);
    assert!(sum.noticed as f64 >= 0.98 * (sum.tried - sum.explained) as f64, "{} of {}", sum.noticed, sum.tried - sum.explained);
}

#[tokio::test(flavor = "current_thread")]
async fn a_broken_policy_that_nobody_notices_is_a_survivor() {
    let two = |roles: &str| {
        format!(
            "CREATE TABLE public.invoices (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL, total int);
             ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY; ALTER TABLE public.invoices FORCE ROW LEVEL SECURITY;
             GRANT SELECT ON public.invoices TO app_user, ledger_t_reader;
             CREATE POLICY read ON public.invoices FOR SELECT TO {roles} USING (account_id = (SELECT nullif(current_setting('app.account', true), '')::int))"
        )
    };
    let admin = TestDb::empty().await;
    let role = "DO $$ BEGIN CREATE ROLE ledger_t_reader NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT ledger_t_reader TO migrator";
    admin.admin().await.batch(role).await.unwrap();

    // No row can be made, so nobody tries the cells.
    let never = "; ALTER TABLE public.invoices ADD CHECK (total > 5 AND total < 5), ALTER total SET NOT NULL";
    let db = TestDb::with_as_migrator(&(two("app_user") + never)).await;
    let (mutation, rows) = broken(&db, &Tenancy::default(), &[], (LONG, LONG)).await;
    let open: Vec<_> = mutation.survivors.iter().filter(|s| !s.explained).map(|s| s.mutant.as_str()).collect();
    assert_eq!((open.as_slice(), rows[0].ok), (["read: USING (account_id IS NOT NULL)"].as_slice(), Some(false)), "{mutation:?}");

    // A policy less is noticed by the member that loses its own rows, though another role keeps them.
    let second = "; CREATE POLICY also ON public.invoices FOR SELECT TO ledger_t_reader USING (account_id = (SELECT nullif(current_setting('app.account', true), '')::int))";
    let db = TestDb::with_as_migrator(&(two("app_user") + second)).await;
    let (mutation, rows) = broken(&db, &Tenancy::default(), &[], (LONG, LONG)).await;
    assert!(mutation.survivors.iter().all(|survivor| survivor.explained && !survivor.mutant.ends_with("dropped")), "{mutation:?}");
    assert_eq!(rows[0].ok, Some(true));

    let db = TestDb::with_as_migrator(&two("app_user, ledger_t_reader")).await;
    let (mutation, rows) = broken(&db, &Tenancy::default(), &[], (LONG, LONG)).await;
    assert_eq!((mutation.noticed, rows[0].ok), (mutation.total - mutation.explained, Some(true)), "{mutation:?}");

    // What was not tried is undecided and never noticed.
    let db = TestDb::with_as_migrator(&two("app_user, ledger_t_reader")).await;
    let (mutation, rows) = broken(&db, &Tenancy::default(), &[], (Duration::ZERO, Duration::ZERO)).await;
    assert_eq!((mutation.tried, mutation.noticed, rows[0].ok), (0, 0, None), "{mutation:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_restrictive_policy_that_still_narrows_explains_a_survivor() {
    let db = TestDb::with_as_migrator(
        "CREATE TABLE public.invoices (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL, total int);
         ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY; ALTER TABLE public.invoices FORCE ROW LEVEL SECURITY;
         GRANT SELECT ON public.invoices TO app_user;
         CREATE POLICY read ON public.invoices FOR SELECT TO app_user USING (total >= 0 OR total IS NULL);
         CREATE POLICY own ON public.invoices AS RESTRICTIVE TO app_user USING (account_id = (SELECT nullif(current_setting('app.account', true), '')::int))",
    )
    .await;
    let (mutation, rows) = broken(&db, &Tenancy::default(), &[], (LONG, LONG)).await;
    let survivors: Vec<_> = mutation.survivors.iter().map(|s| (s.mutant.as_str(), s.explained)).collect();
    assert!(survivors.contains(&("read: USING (true)", true)), "{survivors:?}");
    assert!(!survivors.iter().any(|(mutant, _)| *mutant == "own: dropped"), "{survivors:?}");
    assert_eq!(rows[0].ok, Some(true), "{rows:?}");
}
