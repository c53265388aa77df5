//! Breaking policies in turn: who notices, and what is said of those that nobody notices.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use migration_ledger::config::Tenancy;
use migration_ledger::domain::SubjectRow;
use migration_ledger::domain::product::{CellVerdict, Mutation, Survivor};
use migration_ledger::pg::{Access, Target};
use migration_ledger::steps::row_security::model::Model;
use migration_ledger::steps::row_security::mutate::{Leaks, Trial};
use migration_ledger::steps::row_security::shape::Shape;
use migration_ledger::steps::row_security::{Isolation, isolate, own_tests};

use super::schemas::{NAMES, Schema};
use super::support::TestDb;
use super::{application, stated};

const LONG: Duration = Duration::from_secs(300);
const VERY_LONG: Duration = Duration::from_secs(1_800);

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
    assert!(rate(&mutation) >= 0.98, "{:?}", mutation.survivors);
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
    tried(&target, &isolation, &[]).await
}

/// Breaks every policy of what was examined. `blind`: nobody looks at the cells of these commands.
async fn tried(target: &Target, isolation: &Isolation, blind: &[&str]) -> Mutation {
    let cells = isolation.cells.iter().map(|cell| &cell.cell);
    let leaks = cells.filter(|cell| cell.verdict == CellVerdict::Leak);
    let leaks: Leaks = leaks.map(|cell| (cell.table.clone(), cell.command.clone(), cell.context.clone())).collect();
    let grounds = isolation.grounds.as_deref().unwrap();
    let mut trial = Trial::of(&grounds.shape, &grounds.model).blind_to(blind);
    trial.by_probe(target, grounds, &leaks, VERY_LONG, &|_| ()).await.unwrap();
    trial.result(grounds).0
}

/// Noticed, of those that matter.
fn rate(of: &Mutation) -> f64 {
    of.noticed as f64 / (of.tried - of.explained).max(1) as f64
}

fn told(name: &str, of: &Mutation) {
    let rate = rate(of) * 100.0;
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

/// The rate over every schema of the folder (or of `LEDGER_MUTATE`, names joined by commas) and the reference application, two at a time.
#[tokio::test(flavor = "current_thread")]
#[ignore = "long: breaks every policy of every schema"]
async fn broken_policies_of_every_schema_are_noticed() {
    let mut names: Vec<String> = match std::env::var("LEDGER_MUTATE") {
        Ok(names) => names.split(',').map(str::to_owned).collect(),
        Err(_) => NAMES.iter().copied().chain(["application"]).map(str::to_owned).collect(),
    };
    // The longest first: they are taken from the end.
    names.sort_by_key(|name| (name == "application", name.clone()));
    let clock = Instant::now();
    let (waiting, done) = (RefCell::new(names), RefCell::new(BTreeMap::new()));
    let some = async || {
        loop {
            let Some(name) = waiting.borrow_mut().pop() else { return };
            let clock = Instant::now();
            let of = match name.as_str() {
                "application" => broken(&application().await, &stated(), &[], (Duration::ZERO, VERY_LONG)).await.0,
                name => of_schema(name).await,
            };
            println!("{name}: {:.1} s", clock.elapsed().as_secs_f32());
            told(&name, &of);
            done.borrow_mut().insert(name, of);
        }
    };
    tokio::join!(some(), some());
    let mut sum = Mutation::default();
    for (name, of) in done.into_inner() {
        assert_eq!(of.tried, of.total, "{name}: some could not be made");
        assert_eq!(of.survivors.len() as u64, of.tried - of.noticed, "{name}: a survivor is not named");
        assert!(of.survivors.iter().all(|survivor| !survivor.why.is_empty()), "{name}: a survivor without a reason");
        assert_eq!(of.survivors.iter().filter(|survivor| survivor.explained).count() as u64, of.explained, "{name}");
        (sum.tried, sum.noticed, sum.explained) = (sum.tried + of.tried, sum.noticed + of.noticed, sum.explained + of.explained);
        (sum.total, sum.by_probe) = (sum.total + of.total, sum.by_probe + of.by_probe);
        sum.survivors.extend(of.survivors.into_iter().map(|of| Survivor { table: format!("{name} {}", of.table), ..of }));
    }
    println!("{:.0} s in all", clock.elapsed().as_secs_f32());
    sum.survivors.retain(|survivor| !survivor.explained);
    told("all", &sum);
    assert!(rate(&sum) >= 0.98, "{:.4}", rate(&sum));
}

/// The prover with its eyes shut for one command misses what only that command shows, and no explanation covers it: the rate can fall.
#[tokio::test(flavor = "current_thread")]
async fn a_prover_that_does_not_look_notices_less() {
    let own = "account_id = (SELECT nullif(current_setting('app.account', true), '')::int)";
    let db = TestDb::with_as_migrator(&format!(
        "CREATE TABLE public.invoices (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL, total int);
         ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY; ALTER TABLE public.invoices FORCE ROW LEVEL SECURITY;
         GRANT SELECT, INSERT, UPDATE, DELETE ON public.invoices TO app_user;
         CREATE POLICY r ON public.invoices FOR SELECT TO app_user USING ({own});
         CREATE POLICY a ON public.invoices FOR INSERT TO app_user WITH CHECK ({own});
         CREATE POLICY w ON public.invoices FOR UPDATE TO app_user USING ({own}) WITH CHECK ({own});
         CREATE POLICY d ON public.invoices FOR DELETE TO app_user USING ({own})"
    ))
    .await;
    let target = db.target("migrator").await;
    let isolation = isolate(&target, &Tenancy::default(), &|_| ()).await.unwrap();
    for (blind, missed) in [
        (&[][..], None),
        (&["SELECT"], Some("r: USING (account_id IS NOT NULL)")),
        (&["INSERT foreign", "upsert"], Some("a: WITH CHECK (account_id IS NOT NULL)")),
        (&["UPDATE foreign", "upsert"], Some("w: USING (account_id IS NOT NULL)")),
        (&["move own to B", "upsert"], Some("w: WITH CHECK (account_id IS NOT NULL)")),
        (&["DELETE foreign"], Some("d: USING (account_id IS NOT NULL)")),
    ] {
        let of = tried(&target, &isolation, blind).await;
        let open: Vec<&str> = of.survivors.iter().filter(|s| !s.explained).map(|s| s.mutant.as_str()).collect();
        assert_eq!(open, Vec::from_iter(missed), "{blind:?}: {:#?}", of.survivors);
        let said = |s: &Survivor| s.explained || s.why.contains("though the policies let through");
        assert!(of.survivors.iter().all(said), "{blind:?}: {:#?}", of.survivors);
        assert_eq!(rate(&of) >= 0.98, missed.is_none(), "{blind:?}: {}", rate(&of));
    }
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
    assert_eq!(
        (open.as_slice(), rows[0].ok),
        (["read: USING (account_id IS NOT NULL)", "read: to PUBLIC"].as_slice(), Some(false)),
        "{mutation:?}"
    );
    let whys: BTreeSet<_> = mutation.survivors.iter().filter(|s| !s.explained).map(|s| s.why.as_str()).collect();
    assert_eq!(Vec::from_iter(whys), ["its cells could not be tried: no rows of two tenants"]);

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

/// A broken restrictive policy that nobody noticed cannot matter where the permissive ones ask who the session is, and nowhere else.
#[tokio::test(flavor = "current_thread")]
async fn a_restrictive_policy_is_explained_only_by_permissive_ones_that_ask() {
    let own = "account_id = (SELECT nullif(current_setting('app.account', true), '')::int)";
    let db = TestDb::with_as_migrator(&format!(
        "CREATE TABLE public.wide (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL, total int);
         CREATE TABLE public.narrow (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL, total int);
         ALTER TABLE public.wide ENABLE ROW LEVEL SECURITY; ALTER TABLE public.wide FORCE ROW LEVEL SECURITY;
         ALTER TABLE public.narrow ENABLE ROW LEVEL SECURITY; ALTER TABLE public.narrow FORCE ROW LEVEL SECURITY;
         GRANT SELECT ON public.wide, public.narrow TO app_user;
         CREATE POLICY read ON public.wide FOR SELECT TO app_user USING (total >= 0 OR total IS NULL);
         CREATE POLICY own ON public.wide AS RESTRICTIVE FOR SELECT TO app_user USING ({own});
         CREATE POLICY read ON public.narrow FOR SELECT TO app_user USING ({own} AND (total >= 0 OR total IS NULL));
         CREATE POLICY own ON public.narrow AS RESTRICTIVE FOR SELECT TO app_user USING ({own})"
    ))
    .await;
    let target = db.target("migrator").await;
    let isolation = isolate(&target, &Tenancy::default(), &|_| ()).await.unwrap();
    let of = tried(&target, &isolation, &["SELECT"]).await;
    let restrictive = |table: &str| -> BTreeSet<bool> {
        let own = |s: &&Survivor| s.table == table && s.mutant.starts_with("own: ") && s.mutant != "own: to PUBLIC";
        of.survivors.iter().filter(own).map(|s| s.explained).collect()
    };
    assert_eq!(restrictive("public.wide"), BTreeSet::from([false]), "{:#?}", of.survivors);
    assert_eq!(restrictive("public.narrow"), BTreeSet::from([true]), "{:#?}", of.survivors);
}
