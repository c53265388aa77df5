//! The catalogue of broken backups: each is made by a `pg_dump` that does what the real one does and then harms the file, and must be found by the
//! check that is about it.

use crate::dump::SMALL;
use crate::environment::{given, world, wrapped};
use crate::support::TestDb;

/// What is done to the file in `$file`; the check that must find it, and what it must say.
const FAULTS: [(&str, &str, &str, &str); 9] = [
    ("truncated", "truncate -s -700 \"$file\"", "backup-restores", ""),
    (
        "a byte of the data flipped",
        "size=$(wc -c < \"$file\"); printf '\\377\\000\\377' | dd of=\"$file\" bs=1 seek=$((size - 400)) conv=notrunc 2>/dev/null",
        "backup-restores",
        "",
    ),
    ("no archive at all", "echo nothing > \"$file\"", "backup-made", "not a PostgreSQL archive"),
    ("empty", ": > \"$file\"", "backup-made", ""),
    ("of another database", "\"$real\" --format=custom --file=\"$file\" \"$other\"", "backup-matches-source", "differ"),
    ("without the rows", "\"$real\" --format=custom --schema-only --file=\"$file\" \"$same\"", "backup-matches-source", "0 rows"),
    (
        "without the rows of one table",
        "\"$real\" --format=custom --exclude-table-data=notes --file=\"$file\" \"$same\"",
        "backup-matches-source",
        "public.notes: 0 rows",
    ),
    (
        "without keys and indexes",
        "\"$real\" --format=custom --section=pre-data --section=data --file=\"$file\" \"$same\"",
        "backup-matches-source",
        "constraint public.notes.notes_tenant_id_fkey missing",
    ),
    (
        "without the grants",
        "\"$real\" --format=custom --no-privileges --file=\"$file\" \"$same\"",
        "backup-matches-source",
        "grant table public.notes to app_user missing",
    ),
];

#[tokio::test]
async fn every_broken_backup_is_found_by_its_check() {
    let mut wrong = Vec::new();
    let other = TestDb::with("CREATE TABLE tenants (id int)").await;
    for (name, harm, check, says) in FAULTS {
        let db = TestDb::with(SMALL).await;
        let mut world = world("[migrations]\nbaseline = \"001\"\n");
        let real = world.config.backup.pg_dump.clone().unwrap();
        let head = format!("real='{}'; other='{}'; same='{}'; ", real.display(), other.url(), db.url());
        wrapped(&mut world, &(head + harm));
        let given = given(&db.target("postgres").await, &world).await;
        given.result.as_ref().unwrap();
        let failed: Vec<&str> = given.report.evidence.iter().filter(|e| e.outcome.word() == "fail").map(|e| e.check.as_str()).collect();
        let said: Vec<String> = given.found(check).into_iter().map(|(subject, observed)| format!("{subject}: {observed}")).collect();
        if failed != [check] || !said.iter().any(|line| line.contains(says)) {
            wrong.push(format!("{name}: {failed:?} {said:?}"));
        }
        assert!(!given.report.headline.ends_with("restored and compared"), "{name}: {}", given.report.headline);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An archive that says of itself that a later pg_dump made it: nothing is known of it here, and it is no pass.
#[tokio::test]
async fn an_archive_of_a_later_version_is_undecided() {
    let db = TestDb::with(SMALL).await;
    let mut world = world("[migrations]\nbaseline = \"001\"\n");
    // The header's version follows the five letters PGDMP (pg_backup_archiver.c, ReadHead).
    wrapped(&mut world, "printf '\\001\\143\\000' | dd of=\"$file\" bs=1 seek=5 conv=notrunc 2>/dev/null");
    let given = given(&db.target("postgres").await, &world).await;
    assert!(
        given.outcome("backup-made").starts_with("unknown: ") && given.outcome("backup-made").contains("newer pg_dump"),
        "{}",
        given.outcome("backup-made")
    );
    assert!(given.outcome("backup-restores").starts_with("unknown: "));
}

/// A dump that may not fit is not begun, and leaves nothing.
#[tokio::test]
async fn without_room_no_backup_is_begun() {
    let db = TestDb::with(SMALL).await;
    let world = world("[migrations]\nbaseline = \"001\"\n[require]\nfree-space-factor = 1e9\n");
    let given = given(&db.target("postgres").await, &world).await;
    assert_eq!(given.outcome("free-space"), "fail");
    let outcome = given.outcome("backup-made");
    assert!(outcome.starts_with("unknown: ") && outcome.contains("not begun") && outcome.contains("free-space-factor"), "{outcome}");
    assert!(!world.project.root.join("backups").exists());
}

/// The catalogue of planted faults is where the documentation says it is, and as long.
#[test]
fn the_catalogue_counts_more_than_forty_faults() {
    let count = |source: &str, table: &str, opening: &str| {
        let from = source.find(table).unwrap_or_else(|| panic!("no table {table}"));
        let table = &source[from..from + source[from..].find("\n];").unwrap()];
        let found: Vec<&str> = table.match_indices(opening).filter_map(|(at, _)| table[at..].split('"').nth(1)).collect();
        found.into_iter().filter(|name| !["none", "right"].contains(name)).count()
    };
    let (data, ways) = (include_str!("../steps_fk_integrity/catalogue.rs"), include_str!("../migrate/wrong_ways_back.rs"));
    // Beside the tables: a broken key, a later version; a deletion that leaves its children.
    let found = [
        ("The backup", FAULTS.len() + 2, 8),
        ("Foreign keys", count(data, "const KEYS", "Fault(") + 1, 12),
        ("Rows", count(data, "const DATA", "Fault("), 10),
        ("The way back", count(ways, "const WAYS", "Wrong("), 20),
    ];
    for (what, faults, least) in found {
        assert!(faults >= least, "{what}: {faults}");
    }
    let documented = include_str!("../../docs/data-safety.md");
    for (what, faults, _) in found {
        assert!(documented.contains(&format!("| {what} | {faults} |")), "docs/data-safety.md does not say | {what} | {faults} |");
    }
}

/// A key that rows break restores up to that key and no further: the copy adds every key again, whatever `convalidated` says.
#[tokio::test]
async fn a_backup_whose_rows_break_a_validated_key_does_not_restore() {
    let db = TestDb::with(SMALL).await;
    db.admin()
        .await
        .batch("SET session_replication_role = replica; UPDATE notes SET tenant_id = gen_random_uuid() WHERE id = 7")
        .await
        .unwrap();
    let given = given(&db.target("postgres").await, &world("[migrations]\nbaseline = \"001\"\n")).await;
    let found = given.found("backup-restores");
    assert!(found[0].1.contains("a constraint is violated at constraint notes_tenant_id_fkey"), "{found:?}");
}
