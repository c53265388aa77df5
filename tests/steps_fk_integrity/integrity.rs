//! CE-25.

use migration_ledger::domain::plan::StepKind;
use migration_ledger::domain::product::{BackupFacts, EnvironmentProduct};
use migration_ledger::domain::{Product, TaskId};
use migration_ledger::pg::catalog::table_states;

use crate::support::TestDb;
use crate::world::{Given, World, here, migrated_contracts};

/// The linkages of the reference application, as its own configuration has them.
const LINKAGES: &str = r#"
[tenancy]
column = "tenant_id"
[[integrity.linkage]]
name = "an alert's clause belongs to the alert's tenant"
examined = "SELECT pg_catalog.count(*) FROM public.alerts"
broken = """
SELECT pg_catalog.count(*) FROM public.alerts a
LEFT JOIN public.clauses c ON c.id = a.clause_id
LEFT JOIN public.documents d ON d.id = c.document_id
LEFT JOIN public.projects p ON p.id = d.project_id
WHERE p.tenant_id IS DISTINCT FROM a.tenant_id"""
[[integrity.linkage]]
name = "an alert's analysis read the document of the alert's clause"
examined = "SELECT pg_catalog.count(*) FROM public.alerts"
broken = """
SELECT pg_catalog.count(*) FROM public.alerts a
LEFT JOIN public.clauses c ON c.id = a.clause_id
LEFT JOIN public.analyses n ON n.id = a.analysis_id
WHERE n.document_id IS DISTINCT FROM c.document_id OR n.id IS NULL OR c.id IS NULL"""
"#;

/// CE-20's product with the rows that the tables have now.
async fn before(db: &TestDb) -> (TaskId, Product) {
    let tables = table_states(&db.admin().await, &[]).await.unwrap();
    let backup = BackupFacts {
        file: "backups/pre.dump".into(),
        contents_sha256: String::new(),
        sha256: String::new(),
        bytes: 1,
        toc_entries: 1,
        tool: String::new(),
        dump_us: 1,
        restore_us: Some(1),
        catalog: String::new(),
        tables,
    };
    let product = EnvironmentProduct {
        server_version: String::new(),
        server_version_num: 150000,
        database: db.name.clone(),
        role: "migrator".into(),
        tls: String::new(),
        schema_version: None,
        database_bytes: 1,
        tables: 1,
        policies: 0,
        foreign_keys: 0,
        indexes: 0,
        backup: Some(backup),
    };
    (TaskId::new("CE-20"), Product::Environment(product))
}

/// Runs the step on `db` after `defect`, with the rows from before it.
async fn after(db: &TestDb, config: &str, defect: &str) -> Given {
    let mut world = World::new("integrity", config);
    world.products.push(before(db).await);
    db.session("migrator").await.batch(defect).await.unwrap();
    let given = world.run(&db.target("migrator").await).await;
    given.result.as_ref().unwrap();
    given
}

#[test]
fn the_reference_application_has_no_finding() {
    here(async {
        let db = migrated_contracts().await;
        for role in ["migrator", "postgres"] {
            let mut world = World::of_contracts(StepKind::Integrity);
            world.products.push(before(&db).await);
            let given = world.run(&db.target(role).await).await;
            given.result.as_ref().unwrap();
            assert!(given.complaints().is_empty(), "{role}: {:#?}", given.complaints());
            assert_eq!(given.files(), ["smoke_test_results.json", "data_integrity_report.md", "clause_alert_linkage.json"]);
            assert!(
                given.report.headline.starts_with("14 tables, ") && given.report.headline.ends_with(" 9 checks passed"),
                "{}",
                given.report.headline
            );
            let not_applicable: Vec<&str> =
                given.report.evidence.iter().filter(|e| e.outcome.word() == "not-applicable").map(|e| e.check.as_str()).collect();
            assert!(
                ["duplicates", "value-domains", "own-checks-usable", "reg-type-columns"].iter().all(|code| not_applicable.contains(code)),
                "{not_applicable:?}"
            );
            assert!(not_applicable.len() < 6, "{not_applicable:?}");
            assert_eq!(given.check("no-null-tenant").rows.len(), 5);
            let Some(Product::Integrity(product)) = &given.report.product else { panic!("no product") };
            assert!(product.tables.len() == 14 && product.tables.iter().all(|delta| delta.before == delta.after));
        }
    });
}

#[test]
fn a_row_without_tenant_is_found_once_the_constraint_is_gone() {
    here(async {
        let db = migrated_contracts().await;
        let defect = "ALTER TABLE alerts ALTER COLUMN tenant_id DROP NOT NULL; SET session_replication_role = replica;
                      UPDATE alerts SET tenant_id = NULL WHERE id = (SELECT id FROM alerts LIMIT 1)";
        let given = after(&db, LINKAGES, defect).await;
        assert_eq!(given.found("no-null-tenant"), [("public.alerts.tenant_id".into(), "1 row without tenant".into())]);
        assert_eq!(given.outcome("row-counts"), "pass");
        let repaired = after(&db, LINKAGES, "DELETE FROM alerts WHERE tenant_id IS NULL").await;
        assert_eq!(repaired.outcome("no-null-tenant"), "pass");
    });
}

#[test]
fn a_tenant_column_that_the_configuration_invented_is_unknown() {
    here(async {
        let db = TestDb::with("CREATE TABLE a (id int PRIMARY KEY)").await;
        let given = after(&db, "[tenancy]\ncolumn = \"mandant\"\n", "SELECT 1").await;
        assert_eq!(given.outcome("no-null-tenant"), "unknown: no table has the column mandant that [tenancy] names");
        let given = after(&db, "", "SELECT 1").await;
        assert!(given.outcome("no-null-tenant").starts_with("unknown: not examined: no tenant column was found; set [tenancy] column"));
        let given = after(&db, "[tenancy]\nsingle-tenant = \"one customer\"\n", "SELECT 1").await;
        assert_eq!(given.outcome("no-null-tenant"), "not-applicable: ledger.toml, [tenancy] single-tenant: one customer");
    });
}

#[test]
fn without_a_linkage_nothing_is_established_and_no_paper_is_made() {
    here(async {
        let db = TestDb::with("CREATE TABLE a (id int PRIMARY KEY)").await;
        let given = after(&db, "", "SELECT 1").await;
        assert_eq!(
            given.outcome("linkage"),
            "unknown: not examined: declare [[integrity.linkage]] in ledger.toml for each link that no key states; if there is none: [integrity] no-linkage = \"reason\""
        );
        assert!(!given.files().contains(&"clause_alert_linkage.json"));
        let given = after(&db, "[integrity]\nno-linkage = \"every link is a key\"\n", "SELECT 1").await;
        assert_eq!(given.outcome("linkage"), "not-applicable: ledger.toml, [integrity] no-linkage: every link is a key");
        assert!(!given.files().contains(&"clause_alert_linkage.json"));
    });
}

#[test]
fn a_broken_link_is_named() {
    here(async {
        let db = migrated_contracts().await;
        // Another clause of the same tenant, of another document: every key holds.
        let defect = "UPDATE alerts a SET clause_id = (
                        SELECT c.id FROM clauses c JOIN documents d ON d.id = c.document_id JOIN projects p ON p.id = d.project_id
                        WHERE p.tenant_id = a.tenant_id AND c.document_id <> (SELECT document_id FROM clauses WHERE id = a.clause_id) LIMIT 1)
                      WHERE a.id = (SELECT id FROM alerts LIMIT 1)";
        let given = after(&db, LINKAGES, defect).await;
        let found = given.found("linkage");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "an alert's analysis read the document of the alert's clause");
        assert!(found[0].1.starts_with("1 of "), "{found:?}");
        let json: serde_json::Value = serde_json::from_str(&given.file("clause_alert_linkage.json")).unwrap();
        assert_eq!((&json["linkages"], &json["hold"], &json["broken"]), (&2.into(), &1.into(), &1.into()));
    });
}

#[test]
fn a_linkage_that_cannot_be_asked_or_examines_nothing_is_unknown() {
    here(async {
        let db = TestDb::with_as_migrator("CREATE TABLE a (id int PRIMARY KEY)").await;
        for (examined, broken, says) in [
            ("SELECT count(*) FROM public.a", "SELECT count(*) FROM public.a", "there is no link to examine"),
            ("SELECT count(*) FROM public.b", "SELECT 0::bigint", "`examined`: relation \\\"public.b\\\" does not exist"),
            ("SELECT 1::bigint", "SELECT 'x'", "`broken`: yields a text, not a bigint"),
            ("SELECT 1::bigint", "SELECT 1::bigint WHERE false", "yields 0 rows, not one number"),
            ("SELECT 1::bigint", "SELECT NULL::bigint", "yields NULL"),
            ("SELECT 1::bigint", "DELETE FROM public.a RETURNING 1::bigint", "cannot execute DELETE in a read-only transaction"),
        ] {
            let config = format!("[[integrity.linkage]]\nname = \"l\"\nexamined = \"{examined}\"\nbroken = \"{broken}\"\n");
            let given = after(&db, &config, "SELECT 1").await;
            let outcome = given.outcome("linkage");
            assert!(outcome.starts_with("unknown") && outcome.contains(&says.replace('\\', "")), "{outcome}");
        }
    });
}

#[test]
fn lost_and_gained_rows_are_found() {
    here(async {
        let db = migrated_contracts().await;
        let defect = "SET session_replication_role = replica; DELETE FROM extractions WHERE id IN (SELECT id FROM extractions LIMIT 2);
                      INSERT INTO tenants (name) VALUES ('New'); CREATE TABLE made (id int PRIMARY KEY); INSERT INTO made VALUES (1);
                      DELETE FROM ai_usage_logs";
        let config = "[integrity.may-change]\n\"public.ai_usage_logs\" = \"kept for a month\"\n";
        let given = after(&db, config, defect).await;
        let found = given.found("row-counts");
        let subjects: Vec<&str> = found.iter().map(|(subject, _)| subject.as_str()).collect();
        assert_eq!(subjects, ["public.extractions", "public.tenants"]);
        assert!(found[0].1.ends_with("2 rows lost") && found[1].1.ends_with("1 rows gained"), "{found:?}");
        let rows = &given.check("row-counts").rows;
        assert!(rows.iter().any(|row| row.subject == "public.made" && row.observed == "new, 1 rows"));
        assert!(rows.iter().any(|row| row.subject == "public.ai_usage_logs" && row.expected == "may change: kept for a month"));
        // Without counts from before, everything would be new.
        let world = World::new("integrity", "");
        assert!(world.run(&db.target("migrator").await).await.outcome("row-counts").starts_with("unknown: there are no counts"));
    });
}

#[test]
fn a_time_that_has_not_come_yet_is_found() {
    here(async {
        let db = TestDb::with(
            "CREATE TABLE e (id int PRIMARY KEY, created_at timestamptz, finished_on date, \"Updated_At\" timestamp, expires_at timestamptz, created_by int);
             INSERT INTO e VALUES (1, now(), current_date, now(), now() + interval '1 year', 99999), (2, 'infinity', NULL, NULL, NULL, NULL)",
        )
        .await;
        db.admin().await.batch("ALTER TABLE e OWNER TO migrator").await.unwrap();
        assert_eq!(after(&db, "", "SELECT 1").await.outcome("no-future-timestamps"), "pass");
        let given = after(&db, "", "UPDATE e SET created_at = now() + interval '1 hour', finished_on = current_date + 3, \"Updated_At\" = now() + interval '3 days' WHERE id = 1").await;
        let subjects: Vec<String> = given.found("no-future-timestamps").into_iter().map(|(subject, _)| subject).collect();
        assert_eq!(subjects, ["public.e.created_at", "public.e.finished_on", "public.e.\"Updated_At\""]);
    });
}

#[test]
fn a_sequence_behind_its_column_is_found() {
    here(async {
        let db = TestDb::with_as_migrator(
            "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
             CREATE SEQUENCE \"Shared\" INCREMENT -1; CREATE TABLE c (id bigint PRIMARY KEY DEFAULT nextval('\"Shared\"'));
             CREATE TABLE empty (id serial PRIMARY KEY);
             INSERT INTO a VALUES (DEFAULT), (DEFAULT); INSERT INTO b VALUES (DEFAULT); INSERT INTO c VALUES (DEFAULT)",
        )
        .await;
        let clean = after(&db, "", "SELECT 1").await;
        assert_eq!(clean.outcome("sequences-ahead"), "pass", "{:#?}", clean.check("sequences-ahead").rows);
        assert_eq!(clean.check("sequences-ahead").rows.len(), 4);
        // Owned by one column, called by another's default: only the one that calls it is filled by it.
        let elsewhere = "CREATE TABLE lender (id int PRIMARY KEY); INSERT INTO lender VALUES (900); CREATE SEQUENCE lent OWNED BY lender.id;
             CREATE TABLE taker (id int PRIMARY KEY DEFAULT nextval('lent')); CREATE TABLE caller (id int PRIMARY KEY); CREATE SEQUENCE called OWNED BY caller.id";
        let lent = after(&db, "", elsewhere).await;
        assert_eq!(lent.outcome("sequences-ahead"), "pass", "{:#?}", lent.check("sequences-ahead").rows);
        let lent = after(&db, "", "INSERT INTO taker VALUES (5); INSERT INTO caller VALUES (2)").await;
        let subjects: Vec<String> = lent.found("sequences-ahead").into_iter().map(|(subject, _)| subject).collect();
        assert_eq!(subjects, ["public.called for public.caller.id", "public.lent for public.taker.id"]);
        db.session("migrator").await.batch("DROP TABLE taker, caller, lender CASCADE").await.unwrap();
        let given = after(&db, "", "INSERT INTO a VALUES (3), (7); INSERT INTO b VALUES (2); INSERT INTO c VALUES (-2)").await;
        assert_eq!(
            given.found("sequences-ahead"),
            [
                ("public.\"Shared\" for public.c.id".into(), "behind by 1".into()),
                ("public.a_id_seq for public.a.id".into(), "behind by 5".into()),
                ("public.b_id_seq for public.b.id".into(), "behind by 1".into()),
            ]
        );
    });
}

#[test]
fn checks_of_the_team_are_asked_and_bad_ones_named() {
    here(async {
        let db = TestDb::with("CREATE TABLE a (id int PRIMARY KEY)").await;
        let mut world = World::new("integrity", "[checks]\nfolders = [\"checks\"]\n");
        world.products.push(before(&db).await);
        let head = |code: &str, more: &str| format!("-- code: {code}\n-- title: T\n-- step: integrity\n{more}\n");
        let row = |ok: &str| format!("SELECT 'public.a' AS subject, {ok} AS ok, 'x' AS expected, 'y' AS observed");
        world.file("checks/good.sql", &(head("good", "") + &row("true")));
        world.file("checks/bad.sql", &(head("bad", "") + &row("false")));
        world.file("checks/empty.sql", &(head("empty", "") + &row("true") + " WHERE false"));
        world.file("checks/role.sql", &(head("role", "-- as-role: app_user") + &row("true")));
        world.file(
            "checks/writes.sql",
            &(head("writes", "")
                + "INSERT INTO public.a VALUES (1) RETURNING 'a' AS subject, true AS ok, 'x' AS expected, 'y' AS observed"),
        );
        world.file("checks/broken.sql", "-- title: no code\nSELECT 1");
        world.file("checks/other.sql", &(head("other", "").replace("integrity", "row-security") + &row("false")));
        let given = world.run(&db.target("postgres").await).await;
        given.result.as_ref().unwrap();
        assert_eq!((given.outcome("good").as_str(), given.outcome("bad").as_str()), ("pass", "fail"));
        assert_eq!(given.outcome("empty"), "unknown: nothing examined");
        assert!(given.outcome("role").contains("row-security") && given.outcome("writes").contains("read-only transaction"));
        let usable = given.check("own-checks-usable");
        let unusable: Vec<&str> = usable.rows.iter().filter(|row| row.ok.is_none()).map(|row| row.subject.as_str()).collect();
        assert_eq!(unusable, ["checks/broken.sql"]);
        assert!(!given.report.evidence.iter().any(|e| e.check.as_str() == "other"), "a check of another step was asked");
        let json: serde_json::Value = serde_json::from_str(&given.file("smoke_test_results.json")).unwrap();
        let bad = json["results"].as_array().unwrap().iter().find(|result| result["check"] == "bad").unwrap();
        assert_eq!((&bad["of"], &bad["outcome"], &bad["wrong"][0]), (&"the team".into(), &"fail".into(), &"public.a".into()));
    });
}

#[test]
fn a_role_that_policies_hide_rows_from_counts_nothing() {
    here(async {
        let db = TestDb::with(
            "CREATE TABLE a (id int PRIMARY KEY, tenant_id int); CREATE TABLE b (id int PRIMARY KEY, tenant_id int);
             DO 'BEGIN CREATE ROLE hidden_from LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END';
             GRANT SELECT ON a, b TO hidden_from; ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON a USING (false)",
        )
        .await;
        let mut world = World::new("integrity", "");
        world.products.push(before(&db).await);
        let given = world.run(&db.target("hidden_from").await).await;
        for code in ["no-null-tenant", "row-counts"] {
            assert!(given.outcome(code).starts_with("unknown: 1 of 2 decided; public.a"), "{}", given.outcome(code));
        }
    });
}
