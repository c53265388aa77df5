//! CE-28.

use migration_ledger::domain::verdict::TaskResult;
use migration_ledger::domain::{Outcome, TaskId};

use crate::support::TestDb;
use crate::world::{Given, World, here};

const PLAN: &str = r#"
[plan]
id = "P"
title = "Test"
[[plan.task]]
id = "CE-24"
name = "Foreign keys"
uses = "foreign-keys"
estimate-minutes = 20
deliverables = [{ name = "FK inventory", file = "fk_inventory.csv" }]
[[plan.task]]
id = "CE-27"
name = "Rollback"
uses = "rollback"
estimate-minutes = 60
deliverables = [{ name = "Emergency procedure", file = "ROLLBACK_PROCEDURE.md" }]
[[plan.task]]
id = "CE-28"
name = "Readiness"
uses = "readiness"
estimate-minutes = 30
deliverables = [{ name = "Executive summary", file = "STAGING_MIGRATION_READINESS_REPORT.md" }, { name = "Package", file = "package.zip" }]
"#;

fn result(task: &str, outcome: Outcome) -> TaskResult {
    TaskResult {
        task: TaskId::new(task),
        attempt: 1,
        seq: 7,
        ts: String::new(),
        outcome,
        checks: Vec::new(),
        stopped: None,
        duration_us: 1,
    }
}

fn complete() -> World {
    let mut world = World::of_plan(PLAN);
    world.results = vec![result("CE-24", Outcome::Pass), result("CE-27", Outcome::Fail)];
    world.parts = vec!["fk_inventory.csv".into()];
    world.rendered = Some(Ok(vec![
        ("ROLLBACK_PROCEDURE.md".into(), 100),
        ("STAGING_MIGRATION_READINESS_REPORT.md".into(), 100),
        ("STAGING_MIGRATION_READINESS_REPORT.html".into(), 100),
    ]));
    world
}

async fn ran(world: &World) -> Given {
    let given = world.run(&TestDb::empty().await.target("postgres").await).await;
    given.result.as_ref().unwrap();
    given
}

#[test]
fn a_complete_run_is_ready() {
    here(async {
        let given = ran(&complete()).await;
        assert!(given.complaints().is_empty(), "{:#?}", given.complaints());
        assert_eq!(given.report.headline, "report of 3 files");
        assert_eq!(given.check("deliverables-present").rows.len(), 3);
    });
}

#[test]
fn a_task_without_a_result_is_unknown() {
    here(async {
        let mut world = complete();
        world.results.pop();
        assert_eq!(ran(&world).await.outcome("tasks-have-results"), "unknown: 1 of 2 decided; CE-27: not run");
    });
}

#[test]
fn a_deliverable_that_nobody_made_is_missed() {
    here(async {
        let mut world = complete();
        world.parts.clear();
        assert_eq!(ran(&world).await.found("deliverables-present"), [("CE-24: fk_inventory.csv".into(), "missing".into())]);
        // A skipped task could not deliver: that is one Unknown, not a second failure.
        world.results[0].outcome = Outcome::Skipped("CE-22 did not complete".into());
        assert!(ran(&world).await.outcome("deliverables-present").starts_with("unknown: 2 of 3 decided; CE-24: fk_inventory.csv"));
        // Nor could one that examined nothing; but it is not there, and that stays open.
        world.results[0].outcome = Outcome::Unknown("linkage: not examined".into());
        let outcome = ran(&world).await.outcome("deliverables-present");
        assert_eq!(outcome, "unknown: 2 of 3 decided; CE-24: fk_inventory.csv: missing; its task could not establish it");
        let mut world = complete();
        world.rendered = Some(Ok(vec![("STAGING_MIGRATION_READINESS_REPORT.md".into(), 100), ("ROLLBACK_PROCEDURE.md".into(), 0)]));
        assert_eq!(ran(&world).await.found("deliverables-present"), [("CE-27: ROLLBACK_PROCEDURE.md".into(), "missing".into())]);
    });
}

#[test]
fn a_report_that_cannot_be_made_fails() {
    here(async {
        let mut world = complete();
        world.rendered = Some(Err("template html: undefined value".into()));
        let given = ran(&world).await;
        assert_eq!(given.found("report-renders"), [("report".into(), "template html: undefined value".into())]);
        assert!(given.outcome("deliverables-present").starts_with("unknown"));
        world.rendered = Some(Ok(vec![("STAGING_MIGRATION_READINESS_REPORT.md".into(), 0), ("ROLLBACK_PROCEDURE.md".into(), 9)]));
        assert_eq!(ran(&world).await.found("report-renders").len(), 1);
        world.rendered = None;
        assert!(ran(&world).await.outcome("report-renders").starts_with("unknown"));
    });
}
