//! The one judge: every way in which a plan comes to its verdict, over a small plan of four tasks.

use migration_ledger::config::Config;
use migration_ledger::domain::plan::{Plan, StepKind};
use migration_ledger::domain::verdict::{CheckResult, Facts, TaskResult, Verdict, Waiver, task_outcome, verdict};
use migration_ledger::domain::{CheckCode, CheckOutcome, Outcome, Product, Severity, TaskId};
use migration_ledger::run::rules::blocked;

const TODAY: &str = "2026-01-08";

fn plan() -> Plan {
    let toml = r#"
        [plan]
        id = "P-1"
        title = "four tasks"
        [[plan.task]]
        id = "A"
        name = "environment"
        uses = "environment"
        estimate-minutes = 30
        [[plan.task]]
        id = "B"
        name = "execute"
        uses = "execute"
        estimate-minutes = 60
        needs = ["A"]
        [[plan.task]]
        id = "C"
        name = "keys"
        uses = "foreign-keys"
        estimate-minutes = 20
        needs = ["B"]
        [[plan.task]]
        id = "D"
        name = "rows"
        uses = "row-security"
        estimate-minutes = 25
        needs = ["B"]
        [[plan.gate]]
        id = "gate-1"
        name = "Ready"
        [[plan.gate.rule]]
        rule = "environment"
        task = "A"
        checks = ["backup-restores"]
        [[plan.gate]]
        id = "gate-2"
        name = "Safe"
        [[plan.gate.rule]]
        rule = "keys hold"
        task = "C"
        [[plan.gate.rule]]
        rule = "approved"
        approval = "cto"
    "#;
    Config::parse(toml.as_bytes(), std::path::Path::new("ledger.toml")).expect("a good plan").plan
}

fn check(code: &str, outcome: CheckOutcome, subjects: &[&str]) -> CheckResult {
    CheckResult {
        code: code.into(),
        title: code.into(),
        severity: Severity::High,
        outcome,
        examined: 3,
        subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
    }
}

fn result(task: &str, seq: u64, checks: Vec<CheckResult>) -> TaskResult {
    let outcome = task_outcome(checks.iter().map(|check| (&check.code, check.severity, &check.outcome)), Severity::High);
    TaskResult {
        task: task.into(),
        attempt: 1,
        seq,
        ts: "2026-01-08T10:00:00.000000Z".into(),
        outcome,
        checks,
        stopped: None,
        duration_us: 1,
    }
}

fn passing() -> Vec<TaskResult> {
    vec![
        result("A", 2, vec![check("backup-restores", CheckOutcome::Pass, &[])]),
        result("B", 4, vec![check("migrations-applied", CheckOutcome::Pass, &[])]),
        result("C", 6, vec![check("fk-orphans", CheckOutcome::Pass, &[])]),
        result("D", 8, vec![check("rls-isolation", CheckOutcome::Pass, &[])]),
    ]
}

fn waiver(subject: &str, until: &str) -> Waiver {
    Waiver {
        check: "fk-orphans".into(),
        subject: subject.into(),
        until: until.into(),
        by: "cto@example.com".into(),
        reason: "known".into(),
        seq: 9,
    }
}

fn judge(facts: &Facts) -> (Verdict, Vec<Outcome>) {
    let judged = verdict(&plan(), facts, TODAY);
    (judged.verdict, judged.tasks.into_iter().map(|task| task.outcome).collect())
}

#[test]
fn everything_passed_is_go() {
    let facts = Facts { results: passing(), ..Facts::default() };
    assert_eq!(judge(&facts).0, Verdict::Go);
}

#[test]
fn nothing_run_is_undecided_never_go() {
    let (verdict, outcomes) = judge(&Facts::default());
    assert_eq!(verdict, Verdict::Undecided);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Unknown("not run".into())));
}

#[test]
fn one_missing_task_is_undecided() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results.pop();
    assert_eq!(judge(&facts).0, Verdict::Undecided);
}

#[test]
fn an_interrupted_attempt_overrides_the_result_before_it() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    // Before its result it is history: the task was run again and finished.
    facts.interrupted = vec![("C".into(), 5)];
    assert_eq!(judge(&facts).0, Verdict::Go);
    // After it, nobody knows what it did: the task is open, and so is all that needs it.
    facts.interrupted = vec![("B".into(), 9)];
    let (verdict, outcomes) = judge(&facts);
    assert_eq!(verdict, Verdict::Undecided);
    assert_eq!(outcomes[0], Outcome::Pass, "what it needs still holds");
    let why: Vec<&str> = outcomes[1..].iter().map(|outcome| outcome.why().expect("a reason")).collect();
    assert!(why[0].starts_with("interrupted (entry 9)") && why[0].contains("entry 4"), "{why:?}");
    assert!(why[1].starts_with("stale: B ") && why[1].contains("interrupted (entry 9)"), "{why:?}");
    assert!(why[2].starts_with("stale: B "), "{why:?}");
}

#[test]
fn an_interrupted_attempt_does_not_hide_behind_an_earlier_fail() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2] = result("C", 6, vec![check("fk-orphans", CheckOutcome::Fail, &["public.a"])]);
    facts.interrupted = vec![("C".into(), 9)];
    let (verdict, outcomes) = judge(&facts);
    assert_eq!(verdict, Verdict::Undecided);
    assert!(outcomes[2].why().is_some_and(|why| why.starts_with("interrupted (entry 9)")), "{outcomes:?}");
}

#[test]
fn a_fail_outweighs_an_unknown() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2] = result("C", 6, vec![check("fk-orphans", CheckOutcome::Fail, &["public.a"])]);
    facts.results[3] = result("D", 8, vec![check("rls-isolation", CheckOutcome::Unknown("timeout".into()), &[])]);
    assert_eq!(judge(&facts).0, Verdict::NoGo);
}

#[test]
fn an_unknown_check_is_neither_pass_nor_fail() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[3] = result("D", 8, vec![check("rls-isolation", CheckOutcome::Unknown("nothing examined".into()), &[])]);
    let (verdict, outcomes) = judge(&facts);
    assert_eq!(verdict, Verdict::Undecided);
    assert_eq!(outcomes[3], Outcome::Unknown("rls-isolation: nothing examined".into()));
}

#[test]
fn a_task_without_checks_or_with_only_inapplicable_ones_is_unknown() {
    assert_eq!(task_outcome([], Severity::High), Outcome::Unknown("nothing examined".into()));
    let code = CheckCode::new("sequences-ahead");
    let none = CheckOutcome::NotApplicable("there is no object of the kind".into());
    assert_eq!(task_outcome([(&code, Severity::High, &none)], Severity::High), Outcome::Unknown("nothing examined".into()));
}

#[test]
fn findings_below_fail_at_are_advisories() {
    let code = CheckCode::new("fk-child-index");
    assert_eq!(task_outcome([(&code, Severity::Low, &CheckOutcome::Fail)], Severity::High), Outcome::Pass);
    assert_eq!(task_outcome([(&code, Severity::Low, &CheckOutcome::Fail)], Severity::Low), Outcome::Fail);
}

#[test]
fn the_latest_attempt_decides_and_makes_what_depends_on_it_stale() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results.push(result("B", 10, vec![check("migrations-applied", CheckOutcome::Pass, &[])]));
    let (verdict, outcomes) = judge(&facts);
    assert_eq!(verdict, Verdict::Undecided);
    assert_eq!(outcomes[1], Outcome::Pass);
    for stale in &outcomes[2..] {
        assert_eq!(*stale, Outcome::Unknown("stale: B was run again later (entry 10)".into()));
    }
}

#[test]
fn a_later_rollback_makes_every_earlier_result_stale() {
    let facts = Facts { results: passing(), rollbacks: vec![11], ..Facts::default() };
    let (verdict, outcomes) = judge(&facts);
    assert_eq!(verdict, Verdict::Undecided);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unknown(why) if why.contains("rolled back"))));
}

#[test]
fn an_interrupted_attempt_is_named() {
    let facts = Facts { results: passing()[..1].to_vec(), interrupted: vec![(TaskId::new("B"), 3)], ..Facts::default() };
    assert_eq!(judge(&facts).1[1], Outcome::Unknown("interrupted (entry 3); no result".into()));
}

#[test]
fn a_waiver_for_every_subject_makes_a_deviation() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2] = result("C", 6, vec![check("fk-orphans", CheckOutcome::Fail, &["public.a", "public.b"])]);
    facts.waivers = vec![waiver("public.a", "2026-02-01")];
    assert_eq!(judge(&facts).0, Verdict::NoGo, "one subject is still open");
    facts.waivers.push(waiver("public.b", "2026-02-01"));
    assert_eq!(judge(&facts).0, Verdict::GoWithDeviations);
}

#[test]
fn a_waiver_cannot_establish_what_was_never_asked() {
    // The step found an orphan, then lost its connection: the checks after it were never asked.
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2] = result("C", 6, vec![check("fk-orphans", CheckOutcome::Fail, &["public.a"])]);
    facts.results[2].stopped = Some("connection closed".into());
    assert_eq!(judge(&facts).0, Verdict::NoGo);
    facts.waivers = vec![waiver("public.a", "2026-02-01")];
    let (verdict, outcomes) = judge(&facts);
    assert_eq!(outcomes[2], Outcome::Unknown("stopped: connection closed".into()));
    assert_eq!(verdict, Verdict::Undecided);
}

#[test]
fn an_expired_waiver_does_not_count() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2] = result("C", 6, vec![check("fk-orphans", CheckOutcome::Fail, &["public.a"])]);
    facts.waivers = vec![waiver("public.a", "2026-01-07")];
    assert_eq!(judge(&facts).0, Verdict::NoGo);
    facts.waivers = vec![waiver("public.a", TODAY)];
    assert_eq!(judge(&facts).0, Verdict::GoWithDeviations, "the last day counts");
}

#[test]
fn a_waiver_cannot_turn_an_unknown() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2] = result("C", 6, vec![check("fk-orphans", CheckOutcome::Unknown("timed out".into()), &[])]);
    facts.waivers = vec![waiver("public.a", "2026-02-01")];
    assert_eq!(judge(&facts).0, Verdict::Undecided);
}

#[test]
fn a_recorded_fail_is_never_read_as_better() {
    // A step that failed and then stopped with an error: its checks alone would look Unknown.
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[2].outcome = Outcome::Fail;
    assert_eq!(judge(&facts).0, Verdict::NoGo);
}

#[test]
fn a_gate_needs_the_checks_it_names() {
    let mut facts = Facts { results: passing(), ..Facts::default() };
    facts.results[0] = result("A", 2, vec![check("server-version", CheckOutcome::Pass, &[])]);
    let judged = verdict(&plan(), &facts, TODAY);
    assert_eq!(judged.gates[0].outcome, Outcome::Unknown("backup-restores: not examined".into()));
    assert_eq!(judged.verdict, Verdict::Undecided);
    assert_eq!(judged.gates[1].rules[1].outcome, None, "an approval belongs to the decision");
}

#[test]
fn execution_starts_only_when_all_it_needs_is_established() {
    let plan = plan();
    let execute = plan.task_using(StepKind::Execute).expect("a task");
    let judged = |facts: &Facts| verdict(&plan, facts, TODAY);
    let mut facts = Facts::default();
    assert_eq!(blocked(&plan, execute, &judged(&facts), &[]).as_deref(), Some("A is not established: not run"));
    facts.results = vec![result("A", 2, vec![check("backup-restores", CheckOutcome::Fail, &["x"])])];
    assert_eq!(blocked(&plan, execute, &judged(&facts), &[]).as_deref(), Some("A failed"));
    facts.results = passing()[..1].to_vec();
    assert_eq!(blocked(&plan, execute, &judged(&facts), &[]), None);
}

#[test]
fn verification_waits_for_a_completed_execution() {
    let plan = plan();
    let keys = plan.task_using(StepKind::ForeignKeys).expect("a task");
    let judged = verdict(&plan, &Facts { results: passing(), ..Facts::default() }, TODAY);
    let executed = |completed: bool| {
        let product = serde_json::json!({"step": "execute", "completed": completed, "schema_before": null, "schema_after": null,
            "files": [], "catalog_changes": [], "backup": null});
        vec![(TaskId::new("B"), serde_json::from_value::<Product>(product).expect("a product"))]
    };
    assert_eq!(blocked(&plan, keys, &judged, &[]).as_deref(), Some("B did not complete"));
    assert_eq!(blocked(&plan, keys, &judged, &executed(false)).as_deref(), Some("B did not complete"));
    assert_eq!(blocked(&plan, keys, &judged, &executed(true)), None);
}

#[test]
fn order_and_critical_path_follow_the_dependencies() {
    let plan = plan();
    let order: Vec<&str> = plan.order().expect("no cycle").iter().map(|task| task.id.as_str()).collect();
    assert_eq!(order, ["A", "B", "C", "D"]);
    let (minutes, path) = plan.critical_path().expect("no cycle");
    assert_eq!(minutes, 115);
    assert_eq!(path.last().map(TaskId::as_str), Some("D"));
}
