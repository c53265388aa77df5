use std::cell::Cell;
use std::collections::BTreeSet;

use migration_ledger::pg::catalog::{Catalog, diff_states, table_states};
use migration_ledger::pg::data::{large_objects_alone, positions, table_states_of};
use migration_ledger::pg::{Access, Session};

use crate::mutations::MUTATIONS;
use crate::support::{TestDb, cluster};

/// One of each kind, with hostile names.
pub const EVERYTHING: &str = include_str!("kitchen_sink.sql");

async fn snapshot(session: &Session) -> Catalog {
    session.batch("SET search_path = ''").await.unwrap();
    Catalog::read(session, &[]).await.unwrap()
}

fn lines(before: &Catalog, after: &Catalog) -> Vec<String> {
    before.diff(after).iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn every_kind_is_seen_and_a_restored_copy_is_equal() {
    if !crate::support::contrib("every_kind_is_seen_and_a_restored_copy_is_equal") {
        return;
    }
    let db = TestDb::from_template("everything", "postgres", EVERYTHING).await;
    let session = db.admin().await;
    let before = snapshot(&session).await;
    let copy = TestDb::empty().await;
    let cluster = cluster();
    let run = |program: &str, args: &[&str]| {
        let status = std::process::Command::new(cluster.bin().join(program)).args(args).status().unwrap();
        assert!(status.success(), "{program}");
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    run("pg_dump", &["-Fc", "-f", path, "-d", &db.url()]);
    run("pg_restore", &["-e", "-d", &copy.url(), path]);
    let restored = copy.admin().await;
    let after = snapshot(&restored).await;
    assert_eq!(lines(&before, &after), Vec::<String>::new());
    assert_eq!(before.fingerprint(), after.fingerprint());
    let (a, b) = (table_states(&session, &[]).await.unwrap(), table_states(&restored, &[]).await.unwrap());
    assert_eq!(a, b);
    assert_eq!(
        a.iter().map(|s| (s.table.as_str(), s.rows)).collect::<Vec<_>>(),
        [
            (r#""o'dd ""schema"."Tab le""#, 20),
            ("public.base", 1),
            ("public.counted", 0),
            ("public.derived", 1),
            ("public.hashed_0", 0),
            ("public.listed_1", 0),
            ("public.parent", 20),
            ("public.parted_1", 7),
            ("public.parted_rest", 0),
            ("public.points", 0),
            ("public.scratchy", 3),
            ("public.typed", 0)
        ]
    );
    assert_eq!(before.reordered(&after), Vec::<(String, String, String)>::new());
    let large = large_objects_alone(&session).await.unwrap().unwrap();
    assert_eq!(large.rows, 3);
    assert_eq!(Some(large), large_objects_alone(&restored).await.unwrap());
    assert_eq!(positions(&session, &[]).await.unwrap(), positions(&restored, &[]).await.unwrap());
    assert!(!serde_json::to_string(&before).unwrap().contains("canary"), "a secret of a server or a user mapping is in the snapshot");
    // One byte in the middle of a large object.
    session.batch("SELECT lo_put(4242, 1500000, 'x')").await.unwrap();
    assert_ne!(large_objects_alone(&session).await.unwrap(), large_objects_alone(&restored).await.unwrap());
}

#[tokio::test]
async fn every_single_change_shows_and_nothing_else() {
    if !crate::support::contrib("every_single_change_shows_and_nothing_else") {
        return;
    }
    let db = TestDb::from_template("everything", "postgres", EVERYTHING).await;
    let session = db.admin().await;
    let before = snapshot(&session).await;
    let mut kinds_changed = BTreeSet::new();
    for (defect, said) in MUTATIONS {
        session.batch("BEGIN; SET LOCAL search_path = public").await.unwrap();
        session.batch(defect).await.unwrap_or_else(|error| panic!("{defect}: {error}"));
        let after = snapshot(&session).await;
        let found = lines(&before, &after);
        assert!(found.iter().any(|line| line.starts_with(said)), "{defect}: {found:#?}");
        assert_ne!(before.fingerprint(), after.fingerprint(), "{defect}");
        kinds_changed.extend(before.diff(&after).into_iter().map(|change| change.kind));
        session.batch("ROLLBACK").await.unwrap();
    }
    assert_eq!(lines(&before, &snapshot(&session).await), Vec::<String>::new());
    let untouched: Vec<&String> = before.objects.keys().filter(|kind| !kinds_changed.contains(*kind)).collect();
    assert_eq!(untouched, Vec::<&String>::new(), "kinds that no mutation touches");
}

#[tokio::test]
async fn what_changes_no_definition_is_silent() {
    if !crate::support::contrib("what_changes_no_definition_is_silent") {
        return;
    }
    let db = TestDb::from_template("everything", "postgres", EVERYTHING).await;
    let session = db.admin().await;
    let before = snapshot(&session).await;
    for statement in [
        "ANALYZE public.parent",
        "VACUUM public.parent",
        "REINDEX TABLE public.parent",
        "REFRESH MATERIALIZED VIEW public.totals",
        "SELECT nextval('public.numbers')",
        "GRANT ALL ON public.base TO CURRENT_USER",
        // What `kind IN ('a', 'b')` looks like once it was dumped and restored.
        "ALTER TABLE public.parent DROP CONSTRAINT parent_kind_check",
        "ALTER TABLE public.parent ADD CONSTRAINT parent_kind_check CHECK ((kind)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
    ] {
        session.batch(statement).await.unwrap();
    }
    assert_eq!(lines(&before, &snapshot(&session).await), Vec::<String>::new());
}

#[tokio::test]
async fn the_order_of_columns_is_seen_beside_the_objects() {
    let db = TestDb::with("CREATE TABLE t (a int, b int, c int); CREATE TABLE u (a int)").await;
    let session = db.admin().await;
    let before = snapshot(&session).await;
    session
        .batch("ALTER TABLE public.t DROP COLUMN b; ALTER TABLE public.t ADD COLUMN b int; ALTER TABLE public.u ADD COLUMN b int")
        .await
        .unwrap();
    let after = snapshot(&session).await;
    assert_eq!(lines(&before, &after), ["column public.u.b added"]);
    assert_eq!(before.reordered(&after), [("public.t".into(), "a, b, c".into(), "a, c, b".into())]);
}

#[tokio::test]
async fn several_sessions_see_the_states_that_one_sees() {
    if !crate::support::contrib("several_sessions_see_the_states_that_one_sees") {
        return;
    }
    let db = TestDb::from_template("everything", "postgres", EVERYTHING).await;
    let target = db.target("postgres").await;
    let session = target.session(Access::ReadOnly).await.unwrap();
    let told = Cell::new((0, 0));
    let states = table_states_of(&target, &[], 3, None, &|done, all| told.set((done, all))).await.unwrap();
    assert_eq!(states, table_states(&session, &[]).await.unwrap());
    assert_eq!(told.get(), (states.len(), states.len()));
}

#[tokio::test]
async fn excluded_schemas_are_left_out() {
    let db = TestDb::with("CREATE SCHEMA apart; CREATE TABLE apart.t (n int); CREATE TABLE public.t (n int)").await;
    let session = db.admin().await;
    let excluded = ["apart".to_owned()];
    let catalog = Catalog::read(&session, &excluded).await.unwrap();
    assert!(catalog.objects.values().flat_map(|o| o.keys()).all(|object| !object.contains("apart")), "{catalog:?}");
    assert_eq!(table_states(&session, &excluded).await.unwrap().len(), 1);
}

#[tokio::test]
async fn digests_see_values_and_not_order() {
    let db = TestDb::with("CREATE TABLE a (x text, y text); INSERT INTO a VALUES ('1', NULL), ('2', '')").await;
    let session = db.admin().await;
    let first = table_states(&session, &[]).await.unwrap();
    let same = "BEGIN; CREATE TABLE b AS SELECT y, x FROM a ORDER BY x DESC; DROP TABLE a; ALTER TABLE b RENAME TO a; COMMIT";
    session.batch(same).await.unwrap();
    assert_eq!(first, table_states(&session, &[]).await.unwrap());
    for change in
        ["UPDATE a SET y = '' WHERE x = '1'", "UPDATE a SET x = '1', y = NULL", "INSERT INTO a VALUES ('1', NULL)", "DELETE FROM a"]
    {
        let before = table_states(&session, &[]).await.unwrap();
        session.batch(change).await.unwrap();
        let after = table_states(&session, &[]).await.unwrap();
        assert_eq!(diff_states(&before, &after).len(), 1, "{change}");
    }
}

#[tokio::test]
async fn a_role_that_would_see_only_some_rows_gets_an_error() {
    let db = TestDb::with(
        "CREATE TABLE a (x text); INSERT INTO a VALUES ('1'); ALTER TABLE a ENABLE ROW LEVEL SECURITY; GRANT SELECT ON a TO app_user;
         CREATE POLICY none ON a USING (false)",
    )
    .await;
    let target = db.target("postgres").await;
    let session = target.session(Access::ReadOnly).await.unwrap();
    session.batch("SET ROLE app_user").await.unwrap();
    let error = table_states(&session, &[]).await.unwrap_err();
    assert!(error.is("42501"), "{error}");
}
