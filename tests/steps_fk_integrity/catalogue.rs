//! The catalogue of planted faults for foreign keys and data: each is made in a copy of the migrated reference application and must be found by
//! the checks that are about it, by name, and by no other; the application without a fault has no finding.

use futures_util::future::join_all;
use migration_ledger::domain::plan::StepKind;
use migration_ledger::domain::product::{EnvironmentProduct, ExecuteProduct};
use migration_ledger::domain::{Finding, Product, TaskId};
use migration_ledger::pg::dump::Tools;
use migration_ledger::pg::{Access, ScratchPool};
use migration_ledger::steps::foreign_keys::{cascade, inventory};

use crate::support::{TestDb, backup_config};
use crate::world::{World, here, migrated_contracts};

/// What is planted (by a superuser; rows as a replica, so that nothing refuses them) and every finding there must be, `check: subject`.
struct Fault(&'static str, &'static str, &'static [&'static str]);

const KEYS: &[Fault] = &[
    Fault("none", "SELECT 1", &[]),
    Fault("orphan under a validated key", "UPDATE alerts SET clause_id = gen_random_uuid() WHERE id = (SELECT id FROM alerts LIMIT 1)",
        &["fk-orphans: public.alerts(clause_id) -> public.clauses(id)"]),
    Fault("orphan of a key to itself", "UPDATE wbs_items SET parent_id = gen_random_uuid() WHERE id = (SELECT id FROM wbs_items LIMIT 1)",
        &["fk-orphans: public.wbs_items(parent_id) -> public.wbs_items(id)"]),
    Fault("orphan of a nullable key", "UPDATE documents SET uploaded_by = gen_random_uuid() WHERE id = (SELECT id FROM documents LIMIT 1)",
        &["fk-orphans: public.documents(uploaded_by) -> public.users(id)"]),
    Fault("alert of another tenant's clause",
        "UPDATE alerts a SET clause_id = (SELECT b.clause_id FROM alerts b WHERE b.tenant_id <> a.tenant_id LIMIT 1) WHERE a.id = (SELECT id FROM alerts LIMIT 1)",
        &["fk-cross-tenant: public.alerts(clause_id) -> public.clauses(id)"]),
    Fault("document uploaded by another tenant's user",
        "UPDATE documents d SET uploaded_by = (SELECT u.id FROM users u, projects p WHERE p.id = d.project_id AND u.tenant_id <> p.tenant_id LIMIT 1)
         WHERE d.id = (SELECT id FROM documents LIMIT 1)",
        &[
            // Whose the document is, is asked through either key.
            "fk-cross-tenant: public.documents(project_id) -> public.projects(id)",
            "fk-cross-tenant: public.documents(uploaded_by) -> public.users(id)",
        ]),
    Fault("key missing", "ALTER TABLE clauses DROP CONSTRAINT clauses_document_id_fkey",
        &["fk-expected: public.clauses(document_id) -> public.documents(id)", "fk-like-column-without-key: public.clauses.document_id"]),
    Fault("key not valid",
        "ALTER TABLE extractions DROP CONSTRAINT extractions_document_id_fkey;
         ALTER TABLE extractions ADD CONSTRAINT extractions_document_id_fkey FOREIGN KEY (document_id) REFERENCES documents ON DELETE CASCADE NOT VALID",
        &["fk-validated: public.extractions(document_id) -> public.documents(id)"]),
    Fault("triggers of the child disabled", "ALTER TABLE extractions DISABLE TRIGGER ALL",
        &["fk-triggers-enabled: public.extractions(document_id) -> public.documents(id)"]),
    Fault("triggers of the parent disabled", "ALTER TABLE stakeholders DISABLE TRIGGER ALL",
        &["fk-triggers-enabled: public.stakeholder_wbs_raci(stakeholder_id) -> public.stakeholders(id)",
          "fk-triggers-enabled: public.stakeholders(project_id) -> public.projects(id)"]),
    Fault("index gone", "DO $$ DECLARE i regclass; BEGIN FOR i IN SELECT indexrelid FROM pg_index WHERE indrelid = 'bom_items'::regclass AND NOT indisprimary
           LOOP EXECUTE format('DROP INDEX %s', i); END LOOP; END $$",
        &["fk-child-index: public.bom_items(wbs_item_id) -> public.wbs_items(id)"]),
    Fault("index invalid", "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'bom_items'::regclass AND NOT indisprimary",
        &["fk-child-index: public.bom_items(wbs_item_id) -> public.wbs_items(id)"]),
    Fault("types differ", "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p); CREATE INDEX ON c (p_id)",
        &["fk-type-match: public.c(p_id) -> public.p(id)"]),
    Fault("composite key filled in part",
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE c (a int, b int, FOREIGN KEY (a, b) REFERENCES p); CREATE INDEX ON c (a, b); INSERT INTO c VALUES (1, NULL)",
        &["fk-partial-null: public.c(a, b) -> public.p(a, b)"]),
    Fault("orphan in a partition",
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p) PARTITION BY RANGE (id); CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (9);
         CREATE INDEX ON c (id); INSERT INTO c VALUES (4)",
        &["fk-orphans: public.c(id) -> public.p(id)"]),
    Fault("orphan of a partitioned parent",
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);
         CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED); CREATE INDEX ON c (id); INSERT INTO c VALUES (4)",
        &["fk-orphans: public.c(id) -> public.p(id)"]),
    Fault("orphan in a ring of keys",
        "CREATE TABLE egg (id int PRIMARY KEY, hen int); CREATE TABLE hen (id int PRIMARY KEY, egg int REFERENCES egg); ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;
         CREATE INDEX ON egg (hen); CREATE INDEX ON hen (egg); INSERT INTO egg VALUES (1, 5)",
        &["fk-orphans: public.egg(hen) -> public.hen(id)"]),
];

const DATA: &[Fault] = &[
    Fault("none", "SELECT 1", &[]),
    Fault("row without tenant", "ALTER TABLE alerts ALTER tenant_id DROP NOT NULL; UPDATE alerts SET tenant_id = NULL WHERE id = (SELECT id FROM alerts LIMIT 1)",
        &["linkage: an alert's clause belongs to the alert's tenant", "no-null-tenant: public.alerts.tenant_id", "rows-as-migrated: public.alerts: 1 changed (in tenant_id)"]),
    Fault("broken link",
        "UPDATE alerts a SET clause_id = (SELECT c.id FROM clauses c JOIN documents d ON d.id = c.document_id JOIN projects p ON p.id = d.project_id
           WHERE p.tenant_id = a.tenant_id AND c.document_id <> (SELECT document_id FROM clauses WHERE id = a.clause_id) LIMIT 1)
         WHERE a.id = (SELECT id FROM alerts LIMIT 1)",
        &["linkage: an alert's analysis read the document of the alert's clause", "rows-as-migrated: public.alerts: 1 changed (in clause_id)"]),
    Fault("rows lost", "DELETE FROM extractions WHERE id IN (SELECT id FROM extractions LIMIT 2)",
        &["row-counts: public.extractions", "rows-as-migrated: public.extractions: 2 lost"]),
    Fault("rows gained", "INSERT INTO tenants (name) VALUES ('New')", &["row-counts: public.tenants", "rows-as-migrated: public.tenants: 1 gained"]),
    Fault("rows replaced", "WITH d AS (DELETE FROM stakeholders WHERE id = (SELECT id FROM stakeholders LIMIT 1) RETURNING *)
           INSERT INTO stakeholders SELECT id, project_id, name, email, 5 - influence + 1 FROM d",
        &["rows-as-migrated: public.stakeholders: 1 changed (in influence)"]),
    Fault("value overwritten", "UPDATE projects SET budget = budget + 1 WHERE id = (SELECT id FROM projects LIMIT 1)", &["rows-as-migrated: public.projects: 1 changed (in budget)"]),
    Fault("table gone", "DROP TABLE stakeholder_wbs_raci", &["row-counts: public.stakeholder_wbs_raci", "rows-as-migrated: public.stakeholder_wbs_raci: the table is gone"]),
    Fault("time to come", "UPDATE users SET created_at = now() + interval '1 day' WHERE id = (SELECT id FROM users LIMIT 1)",
        &["no-future-timestamps: public.users.created_at", "rows-as-migrated: public.users: 1 changed (in created_at)"]),
    Fault("sequence behind", "SELECT setval('ai_usage_logs_entry_no_seq', 1)",
        &["sequences-ahead: public.ai_usage_logs_entry_no_seq for public.ai_usage_logs.entry_no"]),
    Fault("invalid index", "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'alerts_inbox_idx'::regclass", &["invalid-indexes: public.alerts_inbox_idx"]),
    Fault("constraint not valid", "ALTER TABLE users ADD CONSTRAINT named CHECK (display_name <> '') NOT VALID", &["not-valid-constraints: public.users.named"]),
    Fault("trigger disabled", "ALTER TABLE alerts DISABLE TRIGGER alerts_audit", &["disabled-triggers: public.alerts.alerts_audit"]),
    Fault("trigger for replicas", "ALTER TABLE users ENABLE REPLICA TRIGGER users_audit", &["disabled-triggers: public.users.users_audit"]),
    Fault("table without key", "CREATE TABLE loose (n int)", &["tables-have-a-key: public.loose"]),
    Fault("duplicate", "INSERT INTO stakeholders (project_id, name, email) SELECT project_id, name, email FROM stakeholders WHERE email IS NOT NULL LIMIT 1",
        &["duplicates: public.stakeholders(project_id, email)", "row-counts: public.stakeholders", "rows-as-migrated: public.stakeholders: 1 gained"]),
    Fault("value of no meaning", "UPDATE extractions SET field = 'nonsense' WHERE id = (SELECT id FROM extractions LIMIT 1)",
        &["rows-as-migrated: public.extractions: 1 changed (in field)", "value-domains: public.extractions.field"]),
];

async fn play(step: StepKind, faults: &[Fault], declare: impl FnOnce(&mut World, &[String])) {
    let mut world = World::of_contracts(step);
    let clean = migrated_contracts().await;
    let target = clean.target("postgres").await;
    let tools = Tools::find(target.major(), &backup_config()).unwrap();
    let file = world.project.root.join("backups/clean.dump");
    let facts = tools.dump(&target, &file, "backups/clean.dump", &world.config.backup).await.unwrap();
    let fields = clean.admin().await.query("SELECT DISTINCT field FROM extractions", &[]).await.unwrap();
    declare(&mut world, &fields.iter().map(|row| row.get(0)).collect::<Vec<String>>());
    let environment = EnvironmentProduct {
        server_version: String::new(),
        server_version_num: target.identity().server_version_num,
        database: clean.name.clone(),
        role: "postgres".into(),
        tls: String::new(),
        schema_version: None,
        database_bytes: 1,
        tables: 1,
        policies: 0,
        foreign_keys: 0,
        indexes: 0,
        backup: Some(facts.clone()),
    };
    let executed = serde_json::json!({ "step": "execute", "completed": true, "schema_before": null, "schema_after": null, "files": [], "catalog_changes": [], "backup": facts });
    let executed: Product = serde_json::from_value(executed).unwrap();
    assert!(matches!(&executed, Product::Execute(ExecuteProduct { files, .. }) if files.is_empty()));
    world.products = vec![(TaskId::new("CE-20"), Product::Environment(environment)), (TaskId::new("CE-22"), executed)];
    let scratch = ScratchPool::new(target, Some(tools));
    let mut wrong = Vec::new();
    for some in faults.chunks(2) {
        wrong.extend(join_all(some.iter().map(|fault| found(&world, &scratch, fault))).await.into_iter().flatten());
    }
    scratch.close().await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `check: subject`, and how many rows of what kind where they were counted one by one.
fn told(finding: Finding) -> String {
    let by = match finding.check.as_str() {
        "rows-as-migrated" => format!(": {}", finding.observed.split_once("rows: ").map_or(finding.observed.as_str(), |(_, by)| by)),
        _ => String::new(),
    };
    format!("{}: {}{by}", finding.check, finding.subject)
}

/// Plants the fault and runs the step; `Some`: what was found is not what there must be.
async fn found(world: &World, scratch: &ScratchPool, Fault(name, plant, expected): &Fault) -> Option<String> {
    let db: TestDb = migrated_contracts().await;
    db.admin()
        .await
        .batch(&format!("SET session_replication_role = replica; {plant}"))
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let given = world.run_with(&db.target("postgres").await, scratch).await;
    given.result.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut found: Vec<String> = given.report.evidence.iter().flat_map(|e| e.findings()).map(told).collect();
    found.sort();
    let open: Vec<String> = match expected.is_empty() {
        true => given.complaints(),
        false => Vec::new(),
    };
    (found != *expected || !open.is_empty()).then(|| format!("{name}: found {found:#?}, expected {expected:#?} {open:#?}"))
}

#[test]
fn every_planted_fault_of_keys_is_found_by_name_and_nothing_else_is() {
    here(play(StepKind::ForeignKeys, KEYS, |_, _| {}));
    assert!(KEYS.len() > 12);
}

/// A catalog that lost the trigger of an action: the key says CASCADE, and a deletion leaves the children behind.
#[test]
fn a_deletion_that_leaves_its_children_behind_is_found() {
    const TRIGGER: &str = "SELECT t.oid FROM pg_trigger t JOIN pg_constraint k ON k.oid = t.tgconstraint
        WHERE k.conname = 'extractions_document_id_fkey' AND t.tgfoid = '\"RI_FKey_cascade_del\"'::regproc";
    here(async {
        let db = migrated_contracts().await;
        let tried = async || {
            let target = db.target("postgres").await;
            let keys = inventory::read(&target.session(Access::ReadOnly).await.unwrap(), &[]).await.unwrap();
            let rows = cascade::try_all(&target, &keys, |_| ()).await.unwrap();
            assert_eq!(rows.len(), keys.len());
            rows.into_iter().filter(|row| row.ok != Some(true)).map(|row| (row.subject, row.ok)).collect::<Vec<_>>()
        };
        assert_eq!(tried().await, []);
        let planted = format!(
            "DELETE FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND objid IN ({TRIGGER}); DELETE FROM pg_trigger WHERE oid IN ({TRIGGER})"
        );
        db.admin().await.batch(&planted).await.unwrap();
        assert_eq!(tried().await, [("public.extractions(document_id) -> public.documents(id)".to_owned(), Some(false))]);
    });
}

#[test]
fn every_planted_fault_of_data_is_found_by_name_and_nothing_else_is() {
    here(play(StepKind::Integrity, DATA, |world, fields| {
        let integrity = &mut world.config.integrity;
        integrity.uniques = vec![migration_ledger::config::Unique {
            table: "public.stakeholders".into(),
            columns: vec!["project_id".into(), "email".into()],
        }];
        integrity.values =
            vec![migration_ledger::config::Values { table: "public.extractions".into(), column: "field".into(), allowed: fields.to_vec() }];
    }));
    assert!(DATA.len() > 10);
}
