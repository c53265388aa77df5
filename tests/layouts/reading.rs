//! Details of single layouts that the table does not show.

use migration_ledger::migrate::MigrationSet;
use migration_ledger::migrate::split::split_bytes;

/// A folder of these files, read in a layout.
pub fn read(layout: &str, files: &[(&str, &str)]) -> MigrationSet {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    MigrationSet::read(folder.path(), layout).unwrap()
}

/// The statements of a script, each with its line.
fn statements(script: &migration_ledger::migrate::Script) -> Vec<(u64, String)> {
    split_bytes(&script.bytes).statements.iter().map(|s| (s.place.line, s.text.to_owned())).collect()
}

#[test]
fn parts_of_a_file_keep_its_lines() {
    let set = read("dbmate", &[("7_x.sql", "\u{feff}-- migrate:up\r\nselect 1;\r\n-- migrate:down\r\nselect 2;\r\n")]);
    assert_eq!(set.oddities, []);
    assert_eq!(statements(&set.migrations[0].up), [(2, "select 1".to_owned())]);
    assert_eq!(statements(set.migrations[0].down.as_ref().unwrap()), [(4, "select 2".to_owned())]);
    let set = read("goose", &[("7_x.sql", "-- +goose up\nselect 1; -- done\n-- +goose down\nselect 2;\n")]);
    assert_eq!(set.oddities, []);
    assert_eq!(statements(set.migrations[0].down.as_ref().unwrap()), [(4, "select 2".to_owned())]);
}

#[test]
fn flyway_orders_by_number_then_repeatables_by_description() {
    let files = [
        ("R__z.sql", "select 1"),
        ("R__b.sql", "select 1"),
        ("V10__c.sql", "select 1"),
        ("V9.1__b.sql", "select 1"),
        ("deep/V2__a.sql", "select 1"),
    ];
    let set = read("flyway", &files);
    assert_eq!(set.migrations.iter().map(|m| m.version.as_str()).collect::<Vec<_>>(), ["2", "9.1", "10", "R__b", "R__z"]);
    assert_eq!(set.last_version(), Some("10"));
}

#[test]
fn what_a_tool_skips_is_skipped_and_said() {
    let files = [("20200101000000_init.sql", "select 1"), ("20260101000000_a.sql", "select 1"), ("seed.sql", "select 1")];
    let set = read("supabase", &files);
    assert_eq!(set.migrations.iter().map(|m| m.version.as_str()).collect::<Vec<_>>(), ["20260101000000"]);
    assert_eq!(set.oddities[0].subject, "seed.sql");
}

#[test]
fn a_sqitch_plan_is_read_with_its_reworked_changes_tags_and_dependencies() {
    let plan = "%syntax-version=1.0.0\n%project=widgets\n\n\
                users 2026-01-01T00:00:00Z Ada Example <ada@example.com> # Users\\nand more\n\
                @v1 2026-01-01T01:00:00Z Ada Example <ada@example.com> # First\n\
                users [users@v1] 2026-01-02T00:00:00Z Ada Example <ada@example.com>\n";
    let files = [
        ("sqitch.plan", plan),
        ("deploy/users@v1.sql", "select 1;"),
        ("deploy/users.sql", "select 2;"),
        ("revert/users.sql", "select 3;"),
        ("deploy/forgotten.sql", "select 4;"),
    ];
    let set = read("sqitch", &files);
    assert_eq!(set.migrations.iter().map(|m| m.up.file.as_str()).collect::<Vec<_>>(), ["deploy/users@v1.sql", "deploy/users.sql"]);
    assert_eq!(set.migrations[1].down.as_ref().unwrap().file, "revert/users.sql");
    assert_eq!(set.oddities.iter().map(|o| o.subject.as_str()).collect::<Vec<_>>(), ["deploy/forgotten.sql"]);
}

#[test]
fn yoyo_runs_first_what_others_depend_on() {
    let files =
        [("0001.a.sql", "-- depends: 0002.b\nselect 1;"), ("0002.b.sql", "select 1;"), ("0003.c.sql", "-- depends: nowhere\nselect 1;")];
    let set = read("yoyo", &files);
    assert_eq!(
        set.migrations.iter().map(|m| (m.version.as_str(), m.up.file.as_str())).collect::<Vec<_>>(),
        [("1", "0002.b.sql"), ("2", "0001.a.sql")]
    );
    assert!(set.oddities[0].message.contains("nowhere"));
}

#[test]
fn liquibase_change_sets_keep_their_lines_and_their_ways_down() {
    let text = "--liquibase formatted sql\n--changeset ada:1\nselect 1;\n--rollback select 2;\n--rollback select 3;\n--changeset ada:2\nselect 4;\n--rollback not required\n";
    let set = read("liquibase", &[("a.sql", text)]);
    assert_eq!(set.oddities, []);
    assert_eq!(statements(&set.migrations[0].up), [(3, "select 1".to_owned())]);
    assert_eq!(statements(set.migrations[0].down.as_ref().unwrap()), [(4, "select 2".to_owned()), (5, "select 3".to_owned())]);
    assert!(set.migrations[1].down.is_none());
    let quoted = read(
        "liquibase",
        &[("a.sql", "--liquibase formatted sql\n--changeset \"Ada Example\":\"the first\" dbms:postgresql\nselect 1;\n")],
    );
    assert_eq!(quoted.migrations[0].name, "Ada Example:the first");
    let sqitch =
        read("sqitch", &[("sqitch.plan", "%project=x\na [b] 2026-01-01T00:00:00Z Ada <ada@example.com>\n"), ("deploy/a.sql", "select 1;")]);
    assert_eq!((sqitch.oddities[0].subject.as_str(), sqitch.oddities.len()), ("sqitch.plan:2", 1));
}

#[test]
fn the_tables_of_a_history_are_known_as_such() {
    let yoyo = read("yoyo", &[("1.a.sql", "select 1;")]);
    assert!(yoyo.keeps("public._yoyo_log") && yoyo.keeps("public.yoyo_lock") && !yoyo.keeps("public.widgets"));
    let dbmate = read("dbmate", &[("1_a.sql", "-- migrate:up\nselect 1;\n-- migrate:down\n")]);
    assert!(dbmate.keeps("public.schema_migrations") && !dbmate.keeps("app.schema_migrations"));
    let sqitch = read("sqitch", &[("sqitch.plan", "%project=x\n")]);
    assert!(sqitch.keeps("sqitch.events") && !sqitch.keeps("public.events"));
}
