//! CE-24.

use migration_ledger::domain::plan::StepKind;
use migration_ledger::domain::{Product, SubjectRow};
use migration_ledger::pg::Access;
use migration_ledger::steps::counting::{Question, answer_all};
use migration_ledger::steps::foreign_keys::{inventory, offenders};

use crate::support::TestDb;
use crate::world::{World, here, migrated_contracts};

const CLAUSES: &str = "
    CREATE TABLE tenants (id int PRIMARY KEY);
    CREATE TABLE projects (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants);
    CREATE TABLE documents (id int PRIMARY KEY, project_id int NOT NULL REFERENCES projects);
    CREATE TABLE clauses (id int PRIMARY KEY, document_id int NOT NULL REFERENCES documents);
    CREATE TABLE alerts (id int PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, clause_id int NOT NULL REFERENCES clauses);
    INSERT INTO tenants VALUES (1), (2);
    INSERT INTO projects VALUES (1, 1), (2, 2);
    INSERT INTO documents VALUES (1, 1), (2, 2);
    INSERT INTO clauses VALUES (1, 1), (2, 2);
    INSERT INTO alerts VALUES (1, 1, 1), (2, 2, 2);
";

#[test]
fn the_reference_application_has_21_keys_and_no_finding() {
    here(async {
        let db = migrated_contracts().await;
        let world = World::of_contracts(StepKind::ForeignKeys);
        for role in ["postgres", "migrator"] {
            let given = world.run(&db.target(role).await).await;
            given.result.as_ref().unwrap();
            // Deletions are tried in a copy, and there is none here; the catalogue has one.
            assert!(
                given.complaints().iter().all(|line| line.starts_with("fk-cascade: unknown: there is no backup")),
                "{role}: {:#?}",
                given.complaints()
            );
            assert_eq!(given.report.headline, "21 keys, 0 orphans");
            assert_eq!(given.files(), ["fk_inventory.csv", "orphan_check_results.json", "fk_integrity_report.md"]);
            assert_eq!(given.check("fk-orphans").rows.len(), 21);
            // Alerts say their tenant themselves; their clauses through documents and projects.
            let crossing = given.check("fk-cross-tenant");
            assert!(crossing.rows.iter().any(|row| row.subject.starts_with("public.alerts(clause_id)")), "{:#?}", crossing.rows);
            let Some(Product::ForeignKeys(product)) = &given.report.product else { panic!("no product") };
            assert_eq!((product.keys.len(), product.expected), (21, 21));
            assert!(product.missing.is_empty() && product.keys.iter().all(|key| key.orphans == Some(0) && key.indexed && key.validated));
        }
    });
}

#[test]
fn an_orphan_under_a_validated_key_is_counted() {
    here(async {
        let db = migrated_contracts().await;
        db.session("migrator")
            .await
            .batch(
                "SET session_replication_role = replica;
                 UPDATE alerts SET clause_id = gen_random_uuid() WHERE id IN (SELECT id FROM alerts LIMIT 3)",
            )
            .await
            .unwrap();
        let given = World::new("foreign-keys", "").run(&db.target("migrator").await).await;
        assert_eq!(given.found("fk-orphans"), [("public.alerts(clause_id) -> public.clauses(id)".into(), "3 orphans".into())]);
        assert_eq!(given.outcome("fk-validated"), "pass");
        assert_eq!(given.report.headline, "21 keys, 3 orphans");
        let json: serde_json::Value = serde_json::from_str(&given.file("orphan_check_results.json")).unwrap();
        assert_eq!((&json["orphans"], &json["counted"]), (&3.into(), &21.into()));
        // Which they are is on record as salted hashes, and the query beside them finds the same ones again.
        let row = given.check("fk-orphans").rows.iter().find(|row| row.ok == Some(false)).unwrap();
        let recorded = &row.detail["orphaned_keys"];
        assert_eq!(recorded["sha256"].as_array().unwrap().len(), 3);
        let again = db.admin().await.query(recorded["query"].as_str().unwrap(), &[]).await.unwrap();
        let again: Vec<String> = again.iter().map(|row| row.get(0)).collect();
        assert_eq!(recorded["sha256"], serde_json::json!(again));
        let orphans = db
            .admin()
            .await
            .query("SELECT clause_id::text FROM alerts a WHERE NOT EXISTS (SELECT FROM clauses c WHERE c.id = a.clause_id)", &[])
            .await
            .unwrap();
        assert!(orphans.iter().all(|orphan| !format!("{:?}", given.report).contains(&orphan.get::<_, String>(0))));
        assert!(given.file("fk_integrity_report.md").contains("| fk-orphans | critical | public.alerts(clause\\_id)"));
    });
}

#[test]
fn a_missing_key_is_named_as_the_plan_writes_it() {
    here(async {
        let db = TestDb::with(CLAUSES).await;
        db.admin().await.batch("ALTER TABLE alerts DROP CONSTRAINT alerts_clause_id_fkey").await.unwrap();
        let config = "[foreign-keys]\nexpected = [\"alerts(clause_id) -> clauses(id)\", \"clauses(document_id) -> documents(id)\"]\n";
        let given = World::new("foreign-keys", config).run(&db.target("postgres").await).await;
        assert_eq!(given.found("fk-expected"), [("alerts(clause_id) -> clauses(id)".into(), "missing".into())]);
        assert_eq!(given.report.headline, "4 keys, 0 orphans, 1 missing");
        assert_eq!(given.found("fk-like-column-without-key").len(), 1);
    });
}

#[test]
fn an_expected_key_that_cannot_be_read_is_unknown_not_passed() {
    here(async {
        let db = TestDb::with(CLAUSES).await;
        let config = "[foreign-keys]\nexpected = [\"alerts.clause_id -> clauses(id)\", \"clauses(document_id) -> documents(id)\"]\n";
        let given = World::new("foreign-keys", config).run(&db.target("postgres").await).await;
        assert!(given.outcome("fk-expected").starts_with("unknown: 1 of 2 decided; alerts.clause_id"), "{}", given.outcome("fk-expected"));
        let none = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        assert_eq!(
            none.outcome("fk-expected"),
            "unknown: not examined: set [foreign-keys] expected in ledger.toml to the keys that must exist; if there is none: [foreign-keys] none-expected = \"reason\""
        );
        let why = World::new("foreign-keys", "[foreign-keys]\nnone-expected = \"an archive\"\n").run(&db.target("postgres").await).await;
        assert_eq!(why.outcome("fk-expected"), "not-applicable: ledger.toml, [foreign-keys] none-expected: an archive");
    });
}

#[test]
fn keys_without_a_tenant_column_are_unknown_unless_the_team_says_why() {
    here(async {
        let db = TestDb::with("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p)").await;
        let given = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        assert_eq!(
            given.outcome("fk-cross-tenant"),
            "unknown: not examined: no tenant column was found; set [tenancy] column in ledger.toml to its name; if there is none: [tenancy] single-tenant = \"reason\""
        );
        let single = "[tenancy]\nsingle-tenant = \"one customer\"\n";
        let given = World::new("foreign-keys", single).run(&db.target("postgres").await).await;
        assert_eq!(given.outcome("fk-cross-tenant"), "not-applicable: ledger.toml, [tenancy] single-tenant: one customer");
        // What the catalog shows is examined, whatever is said.
        let db = TestDb::with(CLAUSES).await;
        let given = World::new("foreign-keys", single).run(&db.target("postgres").await).await;
        assert_eq!(given.outcome("fk-cross-tenant"), "pass");
    });
}

#[test]
fn a_key_that_crosses_tenants_is_found_through_its_path() {
    here(async {
        let db = TestDb::with(CLAUSES).await;
        let clean = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        assert_eq!(clean.outcome("fk-cross-tenant"), "pass");
        db.admin().await.batch("UPDATE alerts SET clause_id = 1 WHERE id = 2").await.unwrap();
        let given = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        let key = "public.alerts(clause_id) -> public.clauses(id)";
        assert_eq!(given.found("fk-cross-tenant"), [(key.into(), "1 row of another tenant".into())]);
        assert_eq!(given.outcome("fk-orphans"), "pass");
    });
}

#[test]
fn a_composite_key_filled_in_part_is_found() {
    here(async {
        let db = TestDb::with(
            "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b));
             CREATE TABLE simple (a int, b int, FOREIGN KEY (a, b) REFERENCES p);
             CREATE TABLE \"fu ll\" (a int, b int, FOREIGN KEY (a, b) REFERENCES p MATCH FULL);
             INSERT INTO p VALUES (1, 1); INSERT INTO simple VALUES (1, 1), (NULL, NULL); INSERT INTO \"fu ll\" VALUES (1, 1), (NULL, NULL)",
        )
        .await;
        let clean = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        assert_eq!((clean.outcome("fk-partial-null"), clean.outcome("fk-orphans")), ("pass".into(), "pass".into()));
        db.admin()
            .await
            .batch(
                "INSERT INTO simple VALUES (7, NULL);
                 SET session_replication_role = replica; INSERT INTO \"fu ll\" VALUES (NULL, 7)",
            )
            .await
            .unwrap();
        let given = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        assert_eq!(given.found("fk-partial-null"), [("public.simple(a, b) -> public.p(a, b)".into(), "1 row filled in part".into())]);
        assert_eq!(given.found("fk-orphans"), [("public.\"fu ll\"(a, b) -> public.p(a, b)".into(), "1 orphan".into())]);
    });
}

/// Partitioned children and parents, self references, cycles, deferrable keys, inheritance, citext-like collations, hostile names.
#[test]
fn every_shape_of_key_is_counted_with_its_own_operators() {
    here(async {
        let db = TestDb::with(
            r#"CREATE SCHEMA "we ird";
             CREATE TABLE "we ird"."pa'rent" ("i""d" text COLLATE "POSIX" PRIMARY KEY);
             CREATE TABLE "we ird"."%I" ("x;--" text COLLATE "C" REFERENCES "we ird"."pa'rent");
             INSERT INTO "we ird"."pa'rent" VALUES ('A'); INSERT INTO "we ird"."%I" VALUES ('A'), (NULL);
             CREATE TABLE part (id int, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
             CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10);
             CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (10) TO (20);
             CREATE TABLE leaf (id int, k int, FOREIGN KEY (id, k) REFERENCES part) PARTITION BY LIST (id);
             CREATE TABLE leaf1 PARTITION OF leaf FOR VALUES IN (1, 2, 3);
             INSERT INTO part VALUES (1, 1), (2, 12); INSERT INTO leaf VALUES (1, 1), (2, 12);
             CREATE TABLE node (id int8 PRIMARY KEY, up int4 REFERENCES node DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO node VALUES (1, NULL), (2, 1);
             CREATE TABLE base (id int PRIMARY KEY, up int REFERENCES base); CREATE TABLE derived () INHERITS (base);
             INSERT INTO base VALUES (1, 1); INSERT INTO derived VALUES (2, 99);
             CREATE TABLE egg (id int PRIMARY KEY, hen int); CREATE TABLE hen (id int PRIMARY KEY, egg int REFERENCES egg);
             ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;"#,
        )
        .await;
        let clean = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        assert_eq!(clean.outcome("fk-orphans"), "pass", "{:#?}", clean.check("fk-orphans").rows);
        assert_eq!(clean.report.headline, "6 keys, 0 orphans");
        assert_eq!(clean.found("fk-type-match").len(), 2, "{:?}", clean.found("fk-type-match"));
        assert_eq!(clean.found("fk-triggers-enabled"), []);
        db.admin()
            .await
            .batch(
                r#"SET session_replication_role = replica;
                 INSERT INTO "we ird"."%I" VALUES ('b'); INSERT INTO leaf VALUES (3, 12); INSERT INTO node VALUES (3, 9);
                 INSERT INTO base VALUES (5, 2); INSERT INTO egg VALUES (1, 5)"#,
            )
            .await
            .unwrap();
        let given = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        let found: Vec<String> = given.found("fk-orphans").into_iter().map(|(subject, count)| format!("{subject}: {count}")).collect();
        assert_eq!(
            found,
            [
                "public.base(up) -> public.base(id): 1 orphan",
                "public.egg(hen) -> public.hen(id): 1 orphan",
                "public.leaf(id, k) -> public.part(id, k): 1 orphan",
                "public.node(up) -> public.node(id): 1 orphan",
                r#""we ird"."%I"("x;--") -> "we ird"."pa'rent"("i""d"): 1 orphan"#,
            ]
        );
    });
}

#[test]
fn a_role_that_policies_hide_rows_from_counts_nothing_rather_than_too_little() {
    here(async {
        let db = TestDb::with(CLAUSES).await;
        db.admin()
            .await
            .batch(
                "CREATE ROLE plain_reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain_reader;
                 ALTER TABLE clauses ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON clauses USING (false)",
            )
            .await
            .unwrap();
        let given = World::new("foreign-keys", "").run(&db.target("plain_reader").await).await;
        let orphans = given.check("fk-orphans");
        let undecided: Vec<&str> = orphans.rows.iter().filter(|row| row.ok.is_none()).map(|row| row.subject.as_str()).collect();
        assert_eq!(undecided, ["public.alerts(clause_id) -> public.clauses(id)", "public.clauses(document_id) -> public.documents(id)"]);
        assert!(orphans.rows[0].observed.contains("row-level security") && given.outcome("fk-orphans").starts_with("unknown"));
        assert_eq!(given.report.headline, "5 keys, 0 orphans, 2 not counted");
    });
}

#[test]
fn a_key_that_cannot_be_counted_in_time_is_undecided() {
    here(async {
        let db = TestDb::with(
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p); CREATE TABLE d (id int REFERENCES p);
             INSERT INTO p VALUES (1); INSERT INTO c VALUES (1); INSERT INTO d VALUES (1)",
        )
        .await;
        // A lock that nobody gives up stands for a table that is too large: the count waits until its time is over.
        let holder = db.admin().await;
        holder.batch("BEGIN; LOCK TABLE c IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let given = World::new("foreign-keys", "[foreign-keys]\ntimeout-ms = 300\n").run(&db.target("postgres").await).await;
        holder.batch("ROLLBACK").await.unwrap();
        let rows = &given.check("fk-orphans").rows;
        assert_eq!((rows[0].ok, rows[1].ok), (None, Some(true)), "{rows:#?}");
        assert!(rows[0].observed.starts_with("timed out after 0 s"), "{}", rows[0].observed);
        assert!(given.outcome("fk-orphans").starts_with("unknown: 1 of 2 decided"));
    });
}

/// What cannot be counted in time is estimated from a sample: orphans in it are orphans, none in it leave the key open.
#[test]
fn a_key_that_was_not_counted_gets_an_estimate() {
    here(async {
        let db = TestDb::with(
            "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 900); CREATE TABLE c (id int REFERENCES p);
             SET session_replication_role = replica; INSERT INTO c SELECT generate_series(1, 1000); CREATE TABLE d (id int REFERENCES p); INSERT INTO d VALUES (1); ANALYZE",
        )
        .await;
        let target = db.target("postgres").await;
        let keys = inventory::read(&target.session(Access::ReadOnly).await.unwrap(), &[]).await.unwrap();
        let open = || SubjectRow::undecided("key", "0 orphans", "timed out after 300 s");
        let estimated = offenders::estimated(&target, &keys[0], open(), 5_000).await;
        assert_eq!(estimated.ok, Some(false));
        assert_eq!(estimated.observed, "timed out after 300 s; 100 of 1000 sampled rows are orphans, about 100 in all");
        let clean = offenders::estimated(&target, &keys[1], open(), 5_000).await;
        assert_eq!((clean.ok, clean.observed.as_str()), (None, "timed out after 300 s; 0 of 1 sampled rows are orphans, about 0 in all"));
    });
}

/// PostgreSQL 18 has keys that are not enforced and keys over periods.
#[test]
fn keys_that_are_not_enforced_or_temporal_are_told() {
    here(async {
        let db = TestDb::empty().await;
        let target = db.target("postgres").await;
        if target.major() < 18 {
            return;
        }
        db.admin()
            .await
            .batch(
                "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p NOT ENFORCED); INSERT INTO c VALUES (1);
                 CREATE TABLE stay (room int4range, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS));
                 CREATE TABLE meal (room int4range, during daterange, FOREIGN KEY (room, PERIOD during) REFERENCES stay);
                 INSERT INTO stay VALUES ('[1,1]', '[2026-01-01,2026-01-10)'), ('[1,1]', '[2026-01-10,2026-02-01)'), ('[2,2]', '[2026-01-01,2026-01-05)');
                 INSERT INTO meal VALUES ('[1,1]', '[2026-01-05,2026-01-20)'), (NULL, '[2020-01-01,2020-01-02)')",
            )
            .await
            .unwrap();
        let given = World::new("foreign-keys", "").run(&target).await;
        given.result.as_ref().unwrap();
        let key = "public.c(id) -> public.p(id)".to_owned();
        assert_eq!(given.found("fk-validated"), [(key.clone(), "NOT ENFORCED".into())]);
        assert_eq!(given.found("fk-orphans"), [(key, "1 orphan".into())]);
        let temporal = given.check("fk-orphans").rows.iter().find(|row| row.subject.starts_with("public.meal")).unwrap();
        assert_eq!((temporal.ok, temporal.observed.as_str()), (Some(true), "0 orphans"));
        // One that begins before its parent, one of another room, one outside.
        let planted = "SET session_replication_role = replica; INSERT INTO meal VALUES ('[2,2]', '[2025-12-31,2026-01-03)'), ('[3,3]', '[2026-01-02,2026-01-03)'), ('[1,1]', '[2027-01-01,2027-01-02)')";
        db.admin().await.batch(planted).await.unwrap();
        let given = World::new("foreign-keys", "").run(&target).await;
        assert!(given.found("fk-orphans").iter().any(|(key, count)| key.starts_with("public.meal") && count == "3 orphans"));
    });
}

#[test]
fn what_was_seen_before_the_time_was_over_is_kept() {
    here(async {
        let db = TestDb::with(
            "CREATE TABLE c (id int); INSERT INTO c SELECT generate_series(1, 300);
             CREATE FUNCTION slow(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN true; END'",
        )
        .await;
        let question = Question {
            any: "SELECT 1 FROM public.c LIMIT 1".into(),
            count: "SELECT count(*) FROM public.c AS c WHERE public.slow(c.id)".into(),
        };
        let answers = answer_all(&db.target("postgres").await, &[question], 400, |_, _| {}).await.unwrap();
        let answer = answers[0].as_ref().unwrap();
        assert!(answer.any && answer.timed_out && answer.number().is_none());
    });
}

#[test]
fn a_database_without_keys_has_nothing_to_pass() {
    here(async {
        let db = TestDb::with("CREATE TABLE lonely (id int PRIMARY KEY)").await;
        let given = World::new("foreign-keys", "").run(&db.target("postgres").await).await;
        given.result.as_ref().unwrap();
        // Only what the catalog shows to be absent does not apply; which keys should be there it cannot show.
        let others = given.report.evidence.iter().filter(|e| e.outcome.word() != "not-applicable");
        assert_eq!(others.map(|e| e.check.as_str()).collect::<Vec<_>>(), ["fk-expected"]);
        assert_eq!(given.check("fk-expected").outcome.word(), "unknown");
        assert_eq!(given.report.headline, "0 keys, 0 orphans");
    });
}
