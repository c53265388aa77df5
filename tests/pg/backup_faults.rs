//! The catalogue of broken backups: each is made by a `pg_dump` that does what the real one does and then harms the file, and must be found by the
//! check that is about it.

use crate::dump::SMALL;
use crate::environment::{given, world, wrapped};
use crate::support::TestDb;

/// What is done to the file in `$file`; the check that must find it, and what it must say.
const FAULTS: [(&str, &str, &str, &str); 7] = [
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
