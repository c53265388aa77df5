//! `ledger.toml`: the templates are whole and sound, and a mistake is named with its place.

use std::path::Path;

use migration_ledger::config::{Config, ConfigError, Preset};
use migration_ledger::domain::TaskId;
use migration_ledger::domain::plan::{AttestationList, StepKind};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text.as_bytes(), Path::new("ledger.toml"))
}

const PRESETS: [Preset; 3] = [Preset::Plain, Preset::Supabase, Preset::Contracts];

#[test]
fn every_preset_carries_the_plan_in_full() {
    for preset in PRESETS {
        let plan = parse(&preset.text()).unwrap_or_else(|error| panic!("{preset:?}: {error}")).plan;
        let ids: Vec<&str> = plan.tasks.iter().map(|t| t.id.as_str()).collect();
        assert_eq!(ids, ["CE-20", "CE-21", "CE-22", "CE-23", "CE-24", "CE-25", "CE-26", "CE-27", "CE-28"]);
        let minutes: Vec<u32> = plan.tasks.iter().map(|t| t.estimate_minutes).collect();
        assert_eq!(minutes, [30, 45, 60, 30, 20, 30, 45, 60, 30]);
        assert_eq!(plan.gates.len(), 5);
        assert_eq!(plan.risks.len(), 5);
        let of = |list| plan.attestations.iter().filter(|a| a.list == list).count();
        assert_eq!(of(AttestationList::ThisWeek), 5);
        assert_eq!(of(AttestationList::BeforeExecution), 5);
        assert_eq!(of(AttestationList::AfterExecution), 4);
        assert_eq!(of(AttestationList::MigrationSuccessful), 6);
        assert_eq!(of(AttestationList::ReadyForProduction), 5);
        assert_eq!(plan.contacts.map(|c| c.escalation.len()), Some(3));
        let schedule = plan.schedule.expect("a schedule");
        assert_eq!((schedule.weekday.as_str(), schedule.start.as_str(), schedule.end.as_str()), ("Wednesday", "10:00", "16:00"));
        assert!(plan.tasks.iter().all(|t| t.uses != StepKind::Command && !t.success.is_empty() && t.roles.len() >= 2));
    }
}

#[test]
fn every_role_that_is_named_exists() {
    for preset in PRESETS {
        let plan = parse(&preset.text()).expect("sound").plan;
        let known = |role: &migration_ledger::domain::ids::RoleId| plan.roles.iter().any(|r| &r.id == role);
        assert!(plan.tasks.iter().flat_map(|t| &t.roles).all(known));
        assert!(plan.gates.iter().flat_map(|g| &g.rules).filter_map(|r| r.approval.as_ref()).all(known));
        assert!(plan.attestations.iter().filter_map(|a| a.approval.as_ref()).all(known));
    }
}

#[test]
fn each_task_promises_its_log_under_the_name_it_is_written_under() {
    let plan = parse(&Preset::Plain.text()).expect("sound").plan;
    for task in &plan.tasks {
        assert!(task.deliverables.iter().any(|d| d.file == task.log_name()), "{} promises no {}", task.id, task.log_name());
    }
    let named = |id: &str| plan.task(&TaskId::new(id)).map(|t| t.log_name());
    assert_eq!(named("CE-22").as_deref(), Some("ce22_migration_execution.log"));
    assert_eq!(named("CE-23").as_deref(), Some("ce23_row_security.log"));
}

#[test]
fn the_plan_does_not_fit_its_own_window_one_task_after_the_other() {
    let plan = parse(&Preset::Plain.text()).expect("sound").plan;
    let (minutes, path) = plan.critical_path().expect("no cycle");
    assert_eq!(minutes, 270);
    let path: Vec<&str> = path.iter().map(TaskId::as_str).collect();
    assert_eq!(path, ["CE-20", "CE-21", "CE-22", "CE-23", "CE-25", "CE-26", "CE-28"]);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_known_ones() {
    let text = Preset::Plain.text().replace("lock-timeout-ms = 5000", "lock-timeout = 5000");
    let line = text.lines().position(|l| l.starts_with("lock-timeout")).expect("the line") + 1;
    let message = parse(&text).expect_err("refused").to_string();
    assert!(message.starts_with(&format!("ledger.toml:{line}:1: ")), "{message}");
    assert!(message.contains("`lock-timeout`") && message.contains("`lock-timeout-ms`"), "{message}");

    let text = Preset::Plain.text().replace("estimate-minutes = 20", "estimated-minutes = 20");
    let line = text.lines().position(|l| l.starts_with("estimated-minutes")).expect("the line") + 1;
    let message = parse(&text).expect_err("refused").to_string();
    assert!(message.starts_with(&format!("ledger.toml:{line}:1: ")), "{message}");
    assert!(message.contains("`estimated-minutes`") && message.contains("`estimate-minutes`"), "{message}");
}

#[test]
fn bytes_that_are_not_text_are_named_with_their_place() {
    let error = Config::parse(b"[plan]\nid = \"\xff\"\n", Path::new("ledger.toml")).expect_err("refused");
    assert_eq!(error.to_string(), "ledger.toml:2:7: not UTF-8");
}

#[test]
fn references_that_point_nowhere_are_refused() {
    for (from, to, named) in [
        ("needs = [\"CE-20\"]", "needs = [\"CE-19\"]", "CE-19"),
        ("needs = [\"CE-20\"]", "needs = [\"CE-28\"]", "wait for each other"),
        ("measured-by = \"CE-21\"", "measured-by = \"CE-99\"", "CE-99"),
        ("id = \"assign-owners\"", "id = \"review-plan\"", "twice"),
        ("id = \"CE-21\"", "id = \"CE-20\"", "twice"),
    ] {
        let text = Preset::Plain.text();
        assert!(text.contains(from), "{from}");
        let message = parse(&text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(message.contains(named), "{to}: {message}");
    }
}

#[test]
fn the_presets_say_what_they_are_for() {
    let supabase = parse(&Preset::Supabase.text()).expect("sound");
    assert!(supabase.tenancy.roles.is_empty(), "found by grants and policies");
    assert_eq!(supabase.tenancy.trusted_roles, ["service_role"]);
    assert_eq!(supabase.tenancy.identity, None, "found in the policies");
    assert!(!supabase.tenancy.force && supabase.tenancy.left_out.contains(&"auth".to_owned()));
    assert!(supabase.backup.exclude_schemas.iter().any(|s| s == "storage"));

    let contracts = parse(&Preset::Contracts.text()).expect("sound");
    assert_eq!(contracts.tenancy.tables.len(), 14);
    assert!(contracts.foreign_keys.expected.len() >= 18);
    assert_eq!(contracts.integrity.linkages.len(), 4);
    assert_eq!(contracts.rollback.target_version.as_deref(), Some("003"));
}

#[test]
fn the_day_pauses_for_lunch_and_says_when_it_does_not_fit() {
    use migration_ledger::domain::schedule::{Day, clock, day};
    let plan = parse(&Preset::Plain.text()).expect("sound").plan;
    let schedule = plan.schedule.clone().expect("a schedule");
    let of = |slots: &[migration_ledger::domain::schedule::Slot], id: &str| {
        slots.iter().find(|s| s.task.as_str() == id).map(|s| format!("{}-{}", clock(s.start), clock(s.end))).unwrap_or_default()
    };
    let laid = day(&plan, &schedule, None).expect("laid out");
    // The plan's own timeline: phase 1 until 11:15, phase 2 until 12:15, phase 3 from 13:00 to 15:05.
    assert_eq!(of(&laid.in_turn, "CE-21"), "10:30-11:15");
    assert_eq!(of(&laid.in_turn, "CE-22"), "11:15-12:15");
    assert_eq!(of(&laid.in_turn, "CE-23"), "13:00-13:30");
    assert_eq!(of(&laid.in_turn, "CE-26"), "14:20-15:05");
    // Phase 4 does not fit into the 55 minutes that are left, unless CE-27 is done beside phase 3.
    assert_eq!(clock(Day::end(&laid.in_turn)), "16:35");
    assert!(Day::end(&laid.in_turn) > laid.window_end);
    assert_eq!(of(&laid.side_by_side, "CE-27"), "13:00-14:00");
    assert_eq!(clock(Day::end(&laid.side_by_side)), "15:15");

    // A task that the break falls into goes on after it.
    let later = day(&plan, &schedule, Some(11 * 60 + 30)).expect("laid out");
    assert_eq!(of(&later.in_turn, "CE-20"), "11:30-12:00");
    assert_eq!(of(&later.in_turn, "CE-21"), "12:00-13:30");
}

#[test]
fn a_reason_for_having_none_must_say_something_and_not_contradict_what_stands_beside_it() {
    let plain = Preset::Plain.text();
    for (key, from, contradiction) in [
        ("single-tenant", "# single-tenant = \"why\"", Some(("tables = []", "tables = [\"public.a\"]"))),
        ("none-expected", "# none-expected = \"why\"", Some(("expected = []", "expected = [\"a(b_id) -> b(id)\"]"))),
        (
            "no-linkage",
            "# no-linkage = \"why\"",
            Some(("# [integrity.may-change]", "linkage = [{ name = \"l\", examined = \"\", broken = \"\" }] #")),
        ),
        ("no-isolation-tests", "# no-isolation-tests = \"why\"", None),
    ] {
        assert!(plain.contains(from), "the template tells how to say that there is none: {key}");
        let said = plain.replacen(from, &format!("{key} = \"why\""), 1);
        parse(&said).unwrap_or_else(|error| panic!("{key}: {error}"));
        let empty = parse(&plain.replacen(from, &format!("{key} = \" \""), 1)).expect_err(key).to_string();
        assert!(empty.contains(key) && empty.ends_with("must give a reason"), "{empty}");
        if let Some((from, to)) = contradiction {
            assert!(said.contains(from), "{from}");
            let message = parse(&said.replacen(from, to, 1)).expect_err(key).to_string();
            assert!(message.contains(key) && message.contains("says that there is none"), "{message}");
        }
    }
}
