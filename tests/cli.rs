//! The program as a person meets it: exit codes, streams, errors with the next command.

#[path = "cli/environment.rs"]
mod environment;
#[path = "cli/examination.rs"]
mod examination;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/interrupted.rs"]
mod interrupted;
#[path = "cli/killed.rs"]
mod killed;
#[path = "cli/ledger_file.rs"]
mod ledger_file;
#[path = "cli/lint.rs"]
mod lint;
#[path = "cli/set_up.rs"]
mod set_up;
#[path = "cli/staged.rs"]
mod staged;
#[path = "cli/supabase.rs"]
mod supabase;
mod support;

use harness::Project;

#[test]
fn help_documents_every_exit_code() {
    let out = Project::empty().ledger(&["--help"]);
    assert_eq!(out.code, 0);
    for code in
        ["0  GO", "2  usage", "3  could not set up", "10  NO-GO", "11  UNDECIDED", "20  integrity", "21  the ledger", "130  interrupted"]
    {
        assert!(out.stdout.contains(code), "--help does not show `{code}`:\n{}", out.stdout);
    }
}

#[test]
fn every_command_has_help_and_says_what_it_is_for() {
    let project = Project::empty();
    let help = project.ledger(&["--help"]).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A wrapped description goes on further to the right.
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 20, "{commands:?}");
    for command in commands {
        let out = project.ledger(&[command, "--help"]);
        assert_eq!(out.code, 0, "{command}: {}", out.stderr);
        assert!(out.stdout.lines().next().is_some_and(|line| line.len() > 10), "{command} does not say what it is for");
    }
}

#[test]
fn no_command_is_usage() {
    assert_eq!(Project::empty().ledger(&[]).code, 2);
    assert_eq!(Project::empty().ledger(&["frobnicate"]).code, 2);
    assert_eq!(Project::empty().ledger(&["run", "--no-such-flag"]).code, 2);
}

#[test]
fn outside_a_project_the_hint_names_init() {
    for command in [&["status"][..], &["log"], &["run"], &["plan"], &["report"]] {
        let out = Project::empty().ledger(command);
        assert_eq!(out.code, 3, "{command:?}: {}", out.stderr);
        assert!(out.stderr.starts_with("error: no ledger.toml"), "{command:?}: {}", out.stderr);
        assert!(out.stderr.contains("hint: `ledger init`"), "{command:?}: {}", out.stderr);
        assert_eq!(out.stdout, "");
    }
}

#[test]
fn errors_as_json_are_one_object() {
    let out = Project::empty().ledger(&["status", "--message-format", "json"]);
    let error: serde_json::Value = serde_json::from_str(&out.stderr).expect("one JSON object on stderr");
    assert_eq!(error["schema"], "ledger.error/1");
    assert_eq!(error["exit"], 3);
}

#[test]
fn completions_and_man_are_written() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish"] {
        let out = project.ledger(&["completions", shell]);
        assert_eq!(out.code, 0);
        assert!(out.stdout.contains("sign-off"), "{shell} completions know no sign-off");
    }
    let man = project.ledger(&["man"]);
    assert!(man.stdout.starts_with(".ie") || man.stdout.contains(".TH ledger"), "{}", &man.stdout[..200.min(man.stdout.len())]);
    assert!(project.ledger(&["man", "run"]).stdout.contains("confirm"));
    assert_eq!(project.ledger(&["man", "nothing"]).code, 2);
}

#[test]
fn a_closed_pipe_is_quiet() {
    let project = Project::empty();
    let out = project.shell("\"$LEDGER\" checks list | head -n 1; echo ${PIPESTATUS[0]} >&2");
    assert_eq!(out.stderr.trim(), "0", "a panic or an error on a closed pipe: {}", out.stderr);
}

#[test]
fn checks_are_shown_exactly_as_asked() {
    let project = Project::empty();
    let list = project.ledger(&["checks", "list"]);
    assert!(list.stdout.contains("rls-forced"));
    let shown = project.ledger(&["checks", "show", "rls-forced"]);
    let file =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/row-security/rls-forced.sql")).expect("the check's file");
    assert_eq!(shown.stdout, file);
    let unknown = project.ledger(&["checks", "show", "no-such-check"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("hint: ledger checks list"));
}

/// Every deliverable, success criterion and risk of the shipped plan: words may wrap, nothing may be missing.
#[test]
fn the_plan_is_shown_whole() {
    let project = Project::empty();
    let text = include_str!("../templates/ledger.toml");
    project.write("ledger.toml", text);
    let out = project.ledger(&["plan"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let plan = migration_ledger::config::Config::parse(text.as_bytes(), "ledger.toml".as_ref()).expect("the shipped plan").plan;
    let mut asked = 0;
    for file in plan.tasks.iter().flat_map(|task| &task.deliverables) {
        assert!(out.stdout.contains(&file.file), "{} is not shown:\n{}", file.file, out.stdout);
        asked += 1;
    }
    let success = plan.tasks.iter().flat_map(|task| &task.success);
    let words = success.chain(plan.risks.iter().flat_map(|risk| [&risk.risk, &risk.mitigation]));
    for word in words.flat_map(|text| text.split(' ')) {
        assert!(out.stdout.contains(word), "{word} is not shown:\n{}", out.stdout);
        asked += 1;
    }
    assert!(asked > 60, "only {asked} looked for");
}
