//! CE-21: every check of the scripts finds its defect and falls silent after the repair.

use migration_ledger::domain::Product;

use crate::day::{BASE, Day, FILES};

fn text(file: &str) -> &'static str {
    FILES.iter().find(|(name, _)| *name == file).unwrap().1
}

#[tokio::test]
async fn good_scripts_pass_and_leave_the_target_as_it_was() {
    let mut day = Day::new().await;
    let given = day.step("scripts").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    for code in ["dry-run-applies", "dry-run-verifies", "dry-run-round-trip", "migration-syntax", "schema-version-known"] {
        assert_eq!(given.word(code), "pass", "{code}");
    }
    // 3 up, then 3 down and 3 up again.
    assert_eq!(given.check("dry-run-round-trip").rows.len(), 6);
    assert!(given.file("syntax_validation.log").contains("ok     004_index.sql"));
    assert!(given.file("dry_run_output.log").contains("004_index.sql:2 statement 2 INSERT INTO public.notes"));
    assert!(given.file("local_test_results.json").contains("dry-run-round-trip"));
    let Some(Product::Scripts(product)) = &given.report.product else { panic!("no product") };
    assert_eq!(product.migrations.iter().map(|m| m.pending).collect::<Vec<_>>(), [false, true, true, true]);
    assert!(product.estimate_us.is_some_and(|us| us > 0));
    assert_eq!(Some(given.check("dry-run-applies").duration_us), product.estimate_us);
    assert!(given.check("dry-run-round-trip").duration_us > 0);
    assert_eq!(given.check("dry-run-verifies").duration_us, 0, "not measured apart from the files");
    assert_eq!(day.count("select count(*) from pg_catalog.pg_namespace where nspname = 'ledger'").await, 0);
    assert_eq!(day.count("select count(*) from public.notes").await, 50);
    day.close().await;
}

/// A check, the files that plant its defect, the subjects it then names, and a word of what it says.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

#[tokio::test]
async fn each_check_of_the_files_finds_its_defect_and_falls_silent_after_the_repair() {
    let cases: [Case; 15] = [
        ("migration-version-unique", &[("4_other.sql", "select 1;")], &["4_other.sql"], "also claimed by 004_index.sql"),
        ("migration-order", &[("10_ten.sql", "select 1;"), ("9_nine.sql", "select 1;")], &["10_ten.sql"], "sorts before 9_nine.sql"),
        ("migration-gaps", &[("006_six.sql", "select 1;")], &["005"], "missing between 004 and 006"),
        (
            "migration-files-matched",
            &[("007_x.down.sql", "select 1;"), ("rollback_004.sql", "select 1;"), ("seed.sql", "select 1;")],
            &["seed.sql", "rollback_004.sql", "007_x.down.sql"],
            "no version number",
        ),
        ("migration-has-down", &[("005_a.sql", "select 1;")], &["005_a.sql"], "none"),
        ("migration-has-verify", &[("005_a.sql", "select 1;")], &["005_a.sql"], "none"),
        ("migration-file-readable", &[("005_empty.sql", "-- nothing\n")], &["005_empty.sql"], "no statement"),
        ("down-undoes", &[("005_a.sql", "select 1;"), ("005_a.down.sql", "-- nothing to do\n")], &["005_a.down.sql"], "no statement in it"),
        (
            "down-undoes",
            &[("005_a.sql", "create view public.v as select 1 as a;"), ("005_a.down.sql", "select 1;")],
            &["005_a.down.sql"],
            "the way up changed",
        ),
        (
            "migration-keys-indexed",
            &[("005_k.sql", "alter table public.notes add constraint k foreign key (doc) references public.docs (id);")],
            &["005_k.sql public.notes.k (doc)"],
            "no index",
        ),
        ("migration-runnable", &[("005_c.sql", "select 1;\nCOMMIT;\n")], &["005_c.sql:2:1"], "COMMIT inside a migration"),
        ("migration-syntax", &[("005_s.sql", "select 1;\n  create tabel x (id int);\n")], &["005_s.sql:2:3"], ""),
        ("migration-security-lint", &[("005_p.sql", "create policy p on public.docs using (true);")], &["005_p.sql:1:1"], "USING (TRUE)"),
        ("dry-run-applies", &[("005_f.sql", "select 1;\n\ninsert into public.nowhere values (1);")], &["005_f.sql:3"], "42P01"),
        (
            "dry-run-verifies",
            &[("005_v.sql", "select 1;"), ("005_v.verify.sql", "select true;\nselect 1 = 2;")],
            &["005_v.verify.sql:2"],
            "row 1 is not true",
        ),
    ];
    let mut day = Day::new().await;
    for (code, files, subjects, says) in cases {
        for (file, text) in files {
            day.file(file, text);
        }
        let given = day.step("scripts").await;
        let found = given.found(code);
        for subject in subjects {
            assert!(found.iter().any(|f| f.starts_with(subject)), "{code}: {subject} not in {found:?}");
        }
        assert!(given.check(code).findings().any(|finding| finding.observed.contains(says)), "{code}: {:?}", given.check(code).rows);
        for (file, _) in files {
            day.remove(file);
        }
    }
    let given = day.step("scripts").await;
    for (code, ..) in cases {
        // The small application has a table of its own to complain of, before and after.
        let rest: &[&str] = match code {
            "migration-security-lint" => &["002_pages.sql:1:1"],
            "migration-keys-indexed" => &["003_keys.sql public.pages.pages_doc (doc)"],
            _ => &[],
        };
        assert_eq!(given.found(code), rest, "{code} after the repair: {:?}", given.check(code).rows);
        assert!(!rest.is_empty() || given.word(code) == "pass", "{code}");
    }
    day.close().await;
}

#[tokio::test]
async fn lint_fires_can_be_accepted_with_a_reason_and_is_no_failure() {
    let mut day = Day::new().await;
    let given = day.step("scripts").await;
    assert_eq!(
        given.found("migration-lint"),
        [
            "003_keys.sql adding-foreign-key-constraint",
            "003_keys.sql constraint-missing-not-valid",
            "004_index.sql require-concurrent-index-creation"
        ]
    );
    assert_eq!(given.word("migration-lint-large-table"), "pass");
    assert_eq!(given.word("suppressions-used"), "not-applicable");
    // 50 rows are many where the limit says so; then the finding weighs more, and stands alone.
    day.config("[migrations]\nbaseline = \"001\"\nlarge-table-rows = 50\n");
    let given = day.step("scripts").await;
    assert_eq!(given.found("migration-lint-large-table"), ["004_index.sql:1:1"]);
    assert!(
        given.observed("migration-lint-large-table").contains("[public.docs: 50 rows]"),
        "{}",
        given.observed("migration-lint-large-table")
    );
    assert!(given.log.contains("lint: 3 files, "), "{}", given.log);
    day.config(
        "[migrations]\nbaseline = \"001\"\n[migrations.suppress]\nadding-foreign-key-constraint = \"small\"\nconstraint-missing-not-valid = \"small\"\nrequire-concurrent-index-creation = \"small\"\ntable-without-row-security = \"small\"\nban-drop-view = \"stale\"\nno-such-rule = \"x\"\n",
    );
    let given = day.step("scripts").await;
    assert_eq!(given.word("migration-lint"), "pass");
    assert!(given.check("migration-lint").rows.iter().any(|row| row.observed.contains("(accepted: small)")));
    assert_eq!(given.found("suppressions-used"), ["ledger.toml ban-drop-view", "ledger.toml no-such-rule"]);
    day.close().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_named_with_their_place() {
    let mut day = Day::new().await;
    day.file("005_latin.sql", b"select 1;\nselect 'caf\xe9';\n");
    let given = day.step("scripts").await;
    assert_eq!(given.found("migration-file-readable"), ["005_latin.sql:2:12"]);
    assert!(given.observed("migration-file-readable").contains("0xe9"));
    assert_eq!(given.found("dry-run-applies"), ["005_latin.sql:2"]);
    day.close().await;
}

#[tokio::test]
async fn a_down_script_that_does_not_run_breaks_the_round_trip() {
    let mut day = Day::new().await;
    day.file("003_keys.down.sql", "alter table public.pages drop constraint nothing_of_the_name;");
    let given = day.step("scripts").await;
    assert_eq!(given.word("dry-run-applies"), "pass");
    assert_eq!(given.found("dry-run-round-trip"), ["003_keys.down.sql:1"]);
    // A do-nothing down script runs; that 004 then does not run again is seen here too.
    day.file("003_keys.down.sql", text("003_keys.down.sql"));
    day.file("004_index.down.sql", "select 1;");
    assert_eq!(day.step("scripts").await.found("dry-run-round-trip"), ["004_index.sql:1"]);
    day.file("004_index.down.sql", text("004_index.down.sql"));
    assert_eq!(day.step("scripts").await.word("dry-run-round-trip"), "pass");
    day.close().await;
}

#[tokio::test]
async fn an_applied_file_that_was_changed_removed_or_slipped_in_is_found() {
    let mut day = Day::new().await;
    day.step("scripts").await;
    let given = day.step("execute").await;
    assert_eq!(given.complaints(), Vec::<String>::new());
    day.file("005_next.sql", "select 1;");
    assert_eq!(day.step("scripts").await.word("applied-file-unchanged"), "pass");

    day.file("002_pages.sql", format!("{}-- a late thought\n", text("002_pages.sql")));
    day.file("003_keys.down.sql", "select 1;");
    let given = day.step("scripts").await;
    assert_eq!(given.found("applied-file-unchanged"), ["002_pages.sql", "003_keys.down.sql"]);
    assert!(given.observed("applied-file-unchanged").starts_with("sha256 "));
    for file in ["002_pages.sql", "003_keys.down.sql"] {
        day.file(file, text(file));
    }
    day.remove("004_index.sql");
    day.file("004_renamed.sql", text("004_index.sql"));
    assert_eq!(day.step("scripts").await.found("applied-file-unchanged"), ["004_renamed.sql"]);
    day.remove("004_renamed.sql");
    day.remove("004_index.down.sql");
    day.remove("004_index.verify.sql");
    assert_eq!(day.step("scripts").await.found("applied-file-unchanged"), ["004 index"]);
    for file in ["004_index.sql", "004_index.down.sql", "004_index.verify.sql"] {
        day.file(file, text(file));
    }
    day.hands().await.batch("update ledger.schema_history set version = '0045' where version = '004'").await.unwrap();
    assert_eq!(day.step("scripts").await.found("pending-in-order"), ["004_index.sql", "005_next.sql"]);
    day.hands().await.batch("update ledger.schema_history set version = '004' where version = '0045'").await.unwrap();
    assert_eq!(day.step("scripts").await.word("pending-in-order"), "pass");
    day.close().await;
}

#[tokio::test]
async fn without_history_and_baseline_and_without_files_nothing_is_established() {
    let mut day = Day::of(BASE, "").await;
    day.back_up().await;
    let given = day.step("scripts").await;
    assert_eq!(given.word("migrations-found"), "unknown");
    assert!(given.check("migrations-found").rows[0].observed.contains("0 SQL files"));
    day.file("002_a.sql", "select 1;");
    let given = day.step("scripts").await;
    assert_eq!(given.word("schema-version-known"), "unknown");
    assert!(given.check("schema-version-known").rows[0].observed.contains("baseline = \"001\""));
    for code in ["dry-run-applies", "migration-syntax", "pending-in-order"] {
        assert_eq!(given.word(code), "unknown", "{code}");
    }
    day.config("[migrations]\nbaseline = \"002\"\n");
    let given = day.step("scripts").await;
    assert_eq!(given.check("dry-run-applies").outcome.why(), Some("nothing is pending: the target is at 002"));
    day.config("[migrations]\nbaseline = \"001\"\ndir = \"nowhere\"\n");
    let error = day.step("scripts").await.result.unwrap_err();
    assert!(error.to_string().starts_with("cannot read ") && error.to_string().contains("nowhere"), "{error}");
    day.products.clear();
    day.config("[migrations]\nbaseline = \"001\"\n");
    assert_eq!(day.step("scripts").await.word("dry-run-applies"), "unknown");
    day.close().await;
}

#[tokio::test]
async fn what_a_file_takes_away_is_found_by_cascade_too_and_can_be_accepted_at_its_place() {
    let mut day = Day::of(
        "create table public.t (id int primary key, tenant int not null, up int check (up > 0));
         create function public.mine(int) returns boolean language sql stable as 'select true';
         alter table public.t enable row level security; alter table public.t force row level security;
         create policy own on public.t using (public.mine(tenant));
         create policy other on public.t using (tenant = 1);
         create function public.stamp() returns trigger language plpgsql as 'begin return new; end';
         create trigger stamp before insert on public.t for each row execute function public.stamp();
         grant select, insert on public.t to app_user;",
        "[migrations]\nbaseline = \"001\"\n",
    )
    .await;
    day.back_up().await;
    day.file("002_a.sql", "drop function public.mine(int) cascade;");
    let given = day.step("scripts").await;
    assert_eq!(given.found("migration-keeps-row-security"), ["002_a.sql policy public.t.own"]);
    assert!(given.observed("migration-keeps-row-security").contains("does not name it: it went along with something else (CASCADE)"));
    assert_eq!(given.word("migration-keeps-guards"), "pass");

    let taken = "alter table public.t no force row level security; drop trigger stamp on public.t; alter table public.t drop constraint t_up_check;
                 alter table public.t alter tenant drop not null; revoke insert on public.t from app_user; alter policy other on public.t rename to third;";
    day.file("002_a.sql", taken);
    let given = day.step("scripts").await;
    assert_eq!(given.found("migration-keeps-row-security"), ["002_a.sql row security public.t"]);
    let mut guards = given.found("migration-keeps-guards");
    guards.sort();
    assert_eq!(
        guards,
        [
            "002_a.sql column public.t.tenant",
            "002_a.sql constraint public.t.t_up_check",
            "002_a.sql grant table public.t to app_user",
            "002_a.sql trigger public.t.stamp"
        ]
    );
    let Some(Product::Scripts(product)) = &given.report.product else { panic!("no product") };
    assert!(product.rehearsed[0].changes.iter().any(|line| line == "trigger public.t.stamp removed"), "{:?}", product.rehearsed[0].changes);

    day.file("002_a.sql", format!("-- ledger: allow-file row-security-lost, policy-lost because the owner is not used any more\n{taken}"));
    let given = day.step("scripts").await;
    assert_eq!(given.word("migration-keeps-row-security"), "pass");
    assert_eq!(given.found("suppressions-used"), ["002_a.sql:1:1"], "no policy is lost");
    day.file("002_a.sql", "create view public.v as select 1 as a;");
    let given = day.step("scripts").await;
    assert_eq!((given.word("migration-keeps-row-security"), given.word("migration-keeps-guards")), ("pass", "pass"));
    day.close().await;
}
