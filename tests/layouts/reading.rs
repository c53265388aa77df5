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
