//! `ledger lint`: what is said of scripts without a database.

use crate::harness::Project;

#[test]
fn scripts_are_read_without_a_database_and_told_for_people_machines_and_code_review() {
    let project = Project::empty();
    project.write("db/001_a.sql", "create table public.t (id int);\n  drop view v cascade;\n");
    project.write("db/001_a.down.sql", "drop table public.t;\n");
    let out = project.ledger(&["lint", "db"]);
    assert_eq!(out.code, 0, "{}{}", out.stdout, out.stderr);
    let lines: Vec<&str> = out.stdout.lines().map(|line| line.split(": ").take(2).last().unwrap_or_default()).collect();
    assert_eq!(lines, ["medium table-without-row-security", "low ban-drop-view", "low drop-cascade"]);
    assert!(out.stdout.contains("db/001_a.sql:2:3: low drop-cascade: DROP VIEW v CASCADE"), "{}", out.stdout);
    assert!(out.stderr.contains("looked at: 1 file, 2 statements, "), "{}", out.stderr);
    assert_eq!(project.ledger(&["lint", "db", "--fail-at", "medium"]).code, 10);

    project.write("db/002_b.sql", "select 1;\nCOMMIT;\n");
    project.write("db/003_c.sql", "create tabel x ();\n");
    let out = project.ledger(&["lint", "db", "--format", "sarif"]);
    assert_eq!(out.code, 10, "{}", out.stderr);
    let log: serde_json::Value = serde_json::from_str(&out.stdout).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let found: Vec<(&str, u64, &str)> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            (
                place["artifactLocation"]["uri"].as_str().unwrap_or_default(),
                place["region"]["startLine"].as_u64().unwrap_or_default(),
                result["ruleId"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert!(found.contains(&("db/002_b.sql", 2, "runnable")), "{found:?}");
    assert!(found.iter().any(|(file, line, rule)| (*file, *line, *rule) == ("db/003_c.sql", 1, "syntax")), "{found:?}");
    let out = project.ledger(&["lint", "db", "--message-format", "json"]);
    let last: serde_json::Value = serde_json::from_str(out.stdout.lines().last().unwrap_or_default()).expect("JSON");
    assert_eq!((last["schema"].as_str(), last["coverage"]["files"].as_u64()), (Some("ledger.lint-coverage/1"), Some(3)));

    project.ledger(&["lint", "nowhere"]).assert_error(3, "cannot read nowhere", "", "ledger lint DIR");
    project.write("empty/README.md", "");
    project.ledger(&["lint", "empty"]).assert_error(3, "no migration in it (0 SQL files)", "", "--layout");
}

#[test]
fn the_list_of_checks_shows_the_rules_of_lint() {
    let project = Project::empty();
    let list = project.ledger(&["checks", "list"]).stdout;
    for rule in ["require-concurrent-index-creation", "data-change-under-row-security", "policy-lost"] {
        assert!(list.lines().any(|line| line.trim_start().starts_with(rule)), "{rule} is not listed");
    }
    let shown = project.ledger(&["checks", "show", "drop-cascade"]);
    assert_eq!(shown.code, 0);
    assert!(shown.stdout.contains("-- ledger: allow drop-cascade because …"), "{}", shown.stdout);
}
