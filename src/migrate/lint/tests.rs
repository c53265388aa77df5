use super::*;

fn examined(files: &[&str], tables: &Tables, accepted: &[(&str, &str)]) -> Examined {
    let scripts: Vec<Script> =
        files.iter().enumerate().map(|(i, text)| Script::new(format!("{}.sql", i + 1), text.as_bytes().to_vec())).collect();
    let given: Vec<Given<'_>> = scripts.iter().map(|script| Given { script, transactional: true }).collect();
    examine(&given, 15, tables, &accepted.iter().map(|(rule, reason)| ((*rule).into(), (*reason).into())).collect())
}

fn rules(text: &str) -> Vec<String> {
    let examined = examined(&[text], &Tables::default(), &[]);
    examined.remarks[0].1.iter().filter(|remark| remark.accepted.is_none()).map(|remark| remark.rule.clone()).collect()
}

#[test]
fn syntax_errors_have_places() {
    assert_eq!(syntax("select 1;\ncreate table t (id int primary key);\n"), (Vec::new(), 0));
    let (remarks, _) = syntax("select 1;\ncreate tabel t (id int);\n");
    assert_eq!(remarks[0].place.line, 2);
    assert!(!syntax("create table t (id int;").0.is_empty());
}

#[test]
fn lint_speaks_of_locks_and_not_of_taste() {
    let remarks =
        examined(&["create index i on t (a);\ncreate index j on t (b);\nalter table t add column c int;\n"], &Tables::default(), &[]);
    let rules = by_rule(&remarks.remarks[0].1);
    let (count, first) = &rules[&("require-concurrent-index-creation".to_owned(), None)];
    assert_eq!((*count, first.place.line), (2, 1));
    assert!(!rules.keys().any(|(rule, _)| rule.starts_with("prefer-")), "{rules:?}");
}

#[test]
fn what_opens_row_security_is_named() {
    assert_eq!(rules("create policy p on t using /* all */ (  TRUE )"), ["policy-lets-everyone-in"]);
    assert_eq!(rules("create policy p on t for insert with check (true)"), ["policy-lets-everyone-in"]);
    assert_eq!(rules("create policy p on t using (tenant = 'true')"), Vec::<String>::new());
    assert_eq!(rules("drop policy p on t; alter table t disable row level security"), ["policy-dropped", "row-security-disabled"]);
    assert_eq!(rules("alter table t no force row level security"), ["row-security-not-forced"]);
    assert_eq!(rules("create function f() returns void language sql security definer as 'select 1'"), ["definer-without-search-path"]);
    let safe = "create function f() returns void language sql security definer set search_path = '' as 'select 1'";
    assert_eq!(rules(safe), Vec::<String>::new());
}

#[test]
fn a_new_table_of_the_exposed_schema_wants_row_security_somewhere_in_the_batch() {
    assert_eq!(rules("create table if not exists docs (id int)"), ["table-without-row-security"]);
    assert_eq!(rules("create table docs (id int); alter table public.docs enable row level security"), Vec::<String>::new());
    assert_eq!(rules("create table private.docs (id int)"), Vec::<String>::new());
    let two =
        examined(&["create table public.\"T\" (id int);", "alter table only \"T\" enable row level security;"], &Tables::default(), &[]);
    assert_eq!(two.remarks[0].1, []);
}

#[test]
fn other_rules_of_ours() {
    assert_eq!(rules("drop table if exists x cascade"), ["ban-drop-table", "drop-cascade"]);
    assert_eq!(
        rules("set lock_timeout = '1s'; create index concurrently i on t (a)"),
        ["setting-leaks", "short-timeout-on-concurrently", "ban-concurrent-index-creation-in-transaction"]
    );
    assert_eq!(rules("set local search_path = a; set constraints all immediate"), Vec::<String>::new());
    let objects = [("row security".into(), [("public.t".into(), "enabled, forced".into())].into())].into();
    let catalog = Catalog { objects, ..Catalog::default() };
    let tables = Tables::of(&catalog, [("public.t".into(), 7)]);
    let remarks = &examined(&["update t set a = 1; insert into u values (1)"], &tables, &[]).remarks[0].1;
    assert_eq!(remarks.len(), 1);
    assert_eq!((remarks[0].rule.as_str(), remarks[0].rows), ("data-change-under-row-security", Some(7)));
}

#[test]
fn suppressions_hold_for_their_statement_with_a_reason_and_are_stale_without_a_use() {
    assert_eq!(
        rules("select 1; -- ledger: allow drop-cascade because the view is made again below\ndrop view v cascade"),
        ["ban-drop-view"]
    );
    assert_eq!(rules("drop view v cascade -- ledger: allow drop-cascade, ban-drop-view because it is empty\n"), Vec::<String>::new());
    assert_eq!(rules("drop view v; -- squawk-ignore ban-drop-view -- it is empty\n"), Vec::<String>::new());
    assert_eq!(rules("drop table v; -- squawk-ignore ban-drop-view -- it is empty\n"), ["ban-drop-table", "suppression-stale"]);
    assert_eq!(rules("-- squawk-ignore ban-drop-view\ndrop view v"), ["suppression-without-reason", "ban-drop-view"]);
    assert_eq!(rules("-- ledger: allow policy-lost because the dry run tells\nselect 1"), Vec::<String>::new());
    let everywhere = examined(&["drop view v"], &Tables::default(), &[("ban-drop-view", "empty"), ("drop-cascade", "never")]);
    assert_eq!(everywhere.used, ["ban-drop-view"]);
    assert_eq!(everywhere.remarks[0].1[0].accepted.as_deref(), Some("empty"));
}

#[test]
fn a_long_file_of_data_is_looked_at_in_little_and_says_so() {
    let data = "insert into public.t values (1, 'some text; and more');\n".repeat(30_000);
    let text = format!("{data}create index i on public.t (a);\n{data}select (;\n");
    let found = examined(&[&text], &Tables::default(), &[]);
    let remarks = &found.remarks[0].1;
    assert_eq!(
        remarks.iter().map(|r| (r.rule.as_str(), r.place.line, r.place.column)).collect::<Vec<_>>(),
        [("require-concurrent-index-creation", 30_001, 1)]
    );
    assert_eq!(found.coverage.statements, 60_002);
    let (errors, unparsed) = syntax(&text);
    assert_eq!((errors.len() as u64 >= 1, errors[0].place.line, unparsed), (true, 60_002, 60_000 - 400));
}

#[test]
fn every_remark_has_a_rule_and_sarif_holds_them() {
    let texts = ["drop table a cascade;", "update t set a = 1; create table t (id int);"];
    let found = examined(&texts, &Tables::default(), &[("drop-cascade", "a \"reason\"")]);
    let log = sarif::sarif("my migrations", &found.remarks);
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "my%20migrations/1.sql");
    assert_eq!(results[1]["suppressions"][0]["justification"], "a \"reason\"");
    assert_eq!(results[2]["level"], "warning");
}
