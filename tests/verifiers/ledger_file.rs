//! Attacks by whoever owns ledger.db and knows the format: triggers dropped, rows changed, the chain made again.

use std::path::PathBuf;

use migration_ledger::chain::{Checkpoint, Hash, LedgerId, hash};
use migration_ledger::package::verify::{Options, StageResult};
use rusqlite::Connection;

use crate::both::verify;
use crate::scene::*;

/// A ledger file on its own, no program holding it.
pub struct Owned {
    pub folder: tempfile::TempDir,
    pub head: Checkpoint,
}

impl Owned {
    pub fn new() -> Self {
        Self::of(Scene::approved())
    }

    pub fn of(scene: Scene) -> Self {
        let head = scene.store.checkpoint(scene.store.len().unwrap()).unwrap();
        let Scene { folder, store } = scene;
        store.close().unwrap();
        Self { folder, head }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// The database, with every trigger gone.
    pub fn open(&self) -> Connection {
        let conn = Connection::open(self.path()).unwrap();
        let drops = "SELECT coalesce(group_concat('DROP TRIGGER ' || name, '; '), '') FROM sqlite_schema WHERE type = 'trigger'";
        let drops: String = conn.query_row(drops, [], |row| row.get(0)).unwrap();
        conn.execute_batch(&drops).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        conn
    }

    fn word(&self, change: &str, options: &Options) -> String {
        let good = std::fs::read(self.path()).unwrap();
        self.open().execute_batch(change).unwrap_or_else(|error| panic!("{change}: {error}"));
        let found = verify(&self.path(), options).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(self.folder.path().join(format!("ledger.db{suffix}")));
        }
        std::fs::write(self.path(), good).unwrap();
        match found.fault() {
            Some(fault) => fault.word.clone(),
            None => format!("{} {}", found.verdict, found.decision.unwrap_or_default()),
        }
    }
}

/// Replaces text in a header.
fn edit(seq: u64, from: &str, to: &str) -> String {
    format!("UPDATE entry SET header = CAST(replace(CAST(header AS TEXT), '{from}', '{to}') AS BLOB) WHERE seq = {seq}")
}

#[test]
fn what_an_owner_of_the_file_does_is_named() {
    let owned = Owned::new();
    let id = key(OPS).public().id();
    let log = "(SELECT spool FROM part WHERE seq = 3 AND name = 'log.txt')";
    let cases: Vec<(&str, String)> = vec![
        ("VERIFIED APPROVED", "SELECT 1".into()),
        ("EDITED(3)", edit(3, "\"pass\"", "\"fail\"")),
        ("EDITED(3)", "UPDATE entry SET leaf = randomblob(32) WHERE seq = 3".into()),
        ("EDITED(3)", "UPDATE entry SET leaf = x'00' WHERE seq = 3".into()),
        ("EDITED(7)", "UPDATE entry SET leaf = randomblob(32) WHERE seq = 7".into()),
        ("GAP(3)", "UPDATE entry SET prev = randomblob(32) WHERE seq = 3".into()),
        ("GAP(3)", "UPDATE entry SET prev = x'00' WHERE seq = 3".into()),
        ("GAP(0)", "UPDATE entry SET prev = randomblob(32) WHERE seq = 0".into()),
        ("GAP(0)", "DELETE FROM entry WHERE seq = 0".into()),
        ("GAP(3)", "DELETE FROM entry WHERE seq = 3".into()),
        ("MALFORMED(0)", "DELETE FROM entry".into()),
        (
            "GAP(3)",
            "UPDATE entry SET seq = 99 WHERE seq = 3; UPDATE entry SET seq = 3 WHERE seq = 4; UPDATE entry SET seq = 4 WHERE seq = 99"
                .into(),
        ),
        ("GAP(0)", "UPDATE entry SET seq = -5 WHERE seq = 3".into()),
        ("GAP(7)", "UPDATE entry SET seq = 9007199254740993 WHERE seq = 7".into()),
        ("MALFORMED(3)", "UPDATE entry SET header = x'' WHERE seq = 3".into()),
        ("MALFORMED(3)", "UPDATE entry SET header = zeroblob(50000000) WHERE seq = 3".into()),
        ("MALFORMED(3)", edit(3, "{", "{ ")),
        ("MALFORMED(0)", edit(0, "ledger_id", "ledger_ib")),
        ("MALFORMED(0)", edit(0, "ledger.opened", "note")),
        ("MALFORMED(3)", edit(3, "task.result", "task.resul")),
        ("MISSING(evidence/3-log.txt)", "UPDATE part SET salt = NULL, spool = NULL WHERE seq = 3 AND name = 'log.txt'".into()),
        ("MISSING(evidence/3-log.txt)", "DELETE FROM part WHERE seq = 3 AND name = 'log.txt'".into()),
        ("UNSIGNED(7)", "UPDATE part SET salt = NULL, spool = NULL WHERE seq = 7 AND name = 'statement.sig'".into()),
        ("EDITED(evidence/3-log.txt)", "UPDATE part SET salt = NULL WHERE seq = 3 AND name = 'log.txt'".into()),
        ("EDITED(evidence/3-log.txt)", "UPDATE part SET spool = NULL WHERE seq = 3 AND name = 'log.txt'".into()),
        ("EDITED(evidence/3-log.txt)", "UPDATE part SET salt = x'00' WHERE seq = 3 AND name = 'log.txt'".into()),
        ("EDITED(evidence/3-log.txt)", "UPDATE part SET salt = randomblob(32) WHERE seq = 3 AND name = 'log.txt'".into()),
        ("EDITED(evidence/3-log.txt)", format!("UPDATE chunk SET bytes = x'4142' WHERE spool = {log}")),
        ("EDITED(evidence/3-log.txt)", format!("UPDATE chunk SET n = 1 WHERE spool = {log}")),
        ("EDITED(evidence/3-log.txt)", format!("UPDATE chunk SET bytes = zeroblob(30000000) WHERE spool = {log}")),
        ("EDITED(evidence/3-log.txt)", format!("DELETE FROM chunk WHERE spool = {log}")),
        ("EDITED(evidence/3-log.txt)", format!("INSERT INTO chunk SELECT spool, 1, x'00' FROM chunk WHERE spool = {log}")),
        ("VERIFIED APPROVED", "INSERT INTO chunk VALUES (x'00', 0, x'00')".into()),
        (
            "REPORT-MISMATCH(report/READINESS.md)",
            "UPDATE chunk SET bytes = x'4142' WHERE spool = (SELECT spool FROM part WHERE name = 'readiness.md')".into(),
        ),
        ("BAD-SIGNATURE(sig/task.3.KEY.sig)", "UPDATE signature SET bytes = x'00' WHERE n = 3".into()),
        ("BAD-SIGNATURE(sig/task.4.KEY.sig)", "UPDATE signature SET n = 4 WHERE n = 3".into()),
        ("BAD-SIGNATURE(sig/task.9000.KEY.sig)", "UPDATE signature SET n = 9000 WHERE n = 3".into()),
        ("BAD-SIGNATURE(sig/task.3.0.sig)", "UPDATE signature SET key = '0' WHERE n = 3".into()),
        ("BAD-SIGNATURE(sig/checkpoint.3.KEY.sig)", "UPDATE signature SET kind = 'checkpoint' WHERE n = 3".into()),
        ("TRUNCATED", "UPDATE signature SET kind = 'checkpoint', n = 99 WHERE n = 3".into()),
        ("TRUNCATED", "UPDATE signature SET kind = 'checkpoint', n = 0 WHERE n = 3".into()),
        ("VERIFIED APPROVED", "DELETE FROM signature".into()),
        ("VERIFIED APPROVED", "UPDATE node SET hash = randomblob(32)".into()),
        ("VERIFIED APPROVED", "DELETE FROM node".into()),
        ("MALFORMED-LEDGER", "DROP TABLE anchor".into()),
        ("MALFORMED-LEDGER", "CREATE TABLE more (x)".into()),
        ("MALFORMED-LEDGER", "CREATE VIEW more AS SELECT 1".into()),
        ("MALFORMED-LEDGER", "ALTER TABLE entry ADD COLUMN more BLOB".into()),
        ("MALFORMED-LEDGER", "ALTER TABLE entry RENAME COLUMN leaf TO blatt".into()),
        ("MALFORMED-LEDGER", "DROP TABLE node; CREATE VIEW node AS SELECT 1 AS level, 1 AS idx, x'00' AS hash".into()),
    ];
    for (word, change) in cases {
        assert_eq!(owned.word(&change, &trusting()), word.replace("KEY", &id), "{change}");
    }
}

/// A change of a table that is no longer STRICT, so that its columns take values of any type.
fn loose(table: &str, change: &str) -> String {
    format!(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = '{table}';
         PRAGMA writable_schema = RESET; {change}"
    )
}

#[test]
fn values_of_other_types_than_the_formats_are_damage_to_both() {
    let owned = Owned::new();
    let cases: Vec<(&str, String)> = vec![
        ("MALFORMED-LEDGER", loose("entry", "UPDATE entry SET header = CAST(header AS TEXT) WHERE seq = 3")),
        ("MALFORMED-LEDGER", loose("entry", "UPDATE entry SET header = 7 WHERE seq = 3")),
        ("MALFORMED-LEDGER", loose("entry", "UPDATE entry SET prev = 'text' WHERE seq = 3")),
        ("MALFORMED-LEDGER", loose("entry", "UPDATE entry SET leaf = 1.5 WHERE seq = 3")),
        ("EDITED(2)", format!("{}; {}", edit(2, "CE-20", "CE-29"), loose("entry", "UPDATE entry SET prev = 'text' WHERE seq = 3"))),
        ("MALFORMED-LEDGER", loose("part", "UPDATE part SET salt = 'text' WHERE seq = 3")),
        ("MALFORMED-LEDGER", loose("part", "UPDATE part SET spool = 'text' WHERE seq = 3")),
        ("MALFORMED-LEDGER", loose("chunk", "UPDATE chunk SET bytes = CAST(bytes AS TEXT)")),
        ("MALFORMED-LEDGER", loose("chunk", "UPDATE chunk SET n = 0.5")),
        ("MALFORMED-LEDGER", loose("signature", "UPDATE signature SET bytes = 'text' WHERE n = 3")),
        ("MALFORMED-LEDGER", loose("signature", "UPDATE signature SET key = CAST(x'ff' AS TEXT) WHERE n = 3")),
        // What is signed here is neither a task's result nor a head: nobody asks for it.
        ("VERIFIED APPROVED", "PRAGMA ignore_check_constraints = ON; UPDATE signature SET kind = 'other' WHERE n = 3".into()),
        ("VERIFIED APPROVED", "UPDATE signature SET n = 9223372036854775807 WHERE n = 3".into()),
        ("BAD-SIGNATURE(sig/task.18446744073709551615.KEY.sig)", "UPDATE signature SET n = -1 WHERE n = 3".into()),
        ("VERIFIED APPROVED", "INSERT INTO anchor VALUES (-5, 'rfc3161-x.tsr', x'00'), (3, 'rfc3161-y.tsr', zeroblob(2000000))".into()),
        ("MALFORMED-LEDGER", loose("anchor", "INSERT INTO anchor VALUES (3, CAST(x'ff' AS TEXT), x'00')")),
    ];
    let id = key(OPS).public().id();
    for (word, change) in cases {
        assert_eq!(owned.word(&change, &trusting()), word.replace("KEY", &id), "{change}");
    }
}

#[test]
fn a_truncated_ledger_needs_an_anchor() {
    let owned = Owned::new();
    let anchored = Options { anchors: vec![owned.head], ..trusting() };
    let cut = "DELETE FROM part WHERE seq = 7; DELETE FROM entry WHERE seq = 7";
    assert_eq!(owned.word(cut, &trusting()), "VERIFIED MISSING(signoff)", "a truncated chain is a valid chain");
    assert_eq!(owned.word(cut, &anchored), "TRUNCATED");
    let expecting = Options { expect_head: Some((Some(8), Some(owned.head.root))), ..trusting() };
    assert_eq!(owned.word(cut, &expecting), "TRUNCATED");
    assert_eq!(owned.word("SELECT 1", &anchored), "VERIFIED APPROVED");
    // The write-ahead log removed: what was acknowledged lay there.
    let scene = Scene::approved();
    let head = scene.store.checkpoint(8).unwrap();
    let alone = scene.folder.path().join("copy.db");
    std::fs::copy(scene.folder.path().join("ledger.db"), &alone).unwrap();
    let found = verify(&alone, &Options { anchors: vec![head], ..trusting() }).unwrap();
    assert_eq!(found.verdict, "TRUNCATED");
}

#[test]
fn a_rewritten_ledger_needs_an_anchor() {
    let owned = Owned::new();
    let conn = owned.open();
    conn.execute_batch("DELETE FROM signature; DELETE FROM part WHERE seq > 5; DELETE FROM entry WHERE seq > 5").unwrap();
    conn.execute_batch(&edit(3, "\"pass\"", "\"fail\"")).unwrap();
    let id = owned.head.ledger_id;
    rechain(&conn, id);
    drop(conn);
    let found = verify(&owned.path(), &trusting()).unwrap();
    assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("MISSING(signoff)")), "a rewritten chain is a chain");
    let anchor = |size, root| Options { anchors: vec![Checkpoint { ledger_id: id, size, root }], ..trusting() };
    assert_eq!(verify(&owned.path(), &anchor(8, owned.head.root)).unwrap().verdict, "TRUNCATED");
    let found = Scene::approved();
    assert_eq!(verify(&owned.path(), &anchor(5, found.store.root_at(5).unwrap())).unwrap().verdict, "REWRITTEN");
}

/// Makes prev and leaf of every entry again, as whoever knows the format can.
fn rechain(conn: &Connection, id: LedgerId) {
    let mut statement = conn.prepare("SELECT seq, header FROM entry ORDER BY seq").unwrap();
    let rows: Vec<(i64, Vec<u8>)> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let mut prev = hash::genesis(id);
    for (seq, header) in rows {
        let leaf = hash::leaf(id, u64::try_from(seq).unwrap(), &prev, &header);
        conn.execute("UPDATE entry SET prev = ?2, leaf = ?3 WHERE seq = ?1", rusqlite::params![seq, &prev.0[..], &leaf.0[..]]).unwrap();
        prev = leaf;
    }
}

#[test]
fn a_rewritten_signed_result_is_a_bad_signature() {
    let owned = Owned::new();
    let conn = owned.open();
    conn.execute_batch("DELETE FROM part WHERE seq > 5; DELETE FROM entry WHERE seq > 5").unwrap();
    conn.execute_batch(&edit(3, "\"pass\"", "\"fail\"")).unwrap();
    rechain(&conn, owned.head.ledger_id);
    drop(conn);
    let word = verify(&owned.path(), &trusting()).unwrap().verdict;
    assert_eq!(word, format!("BAD-SIGNATURE(sig/task.3.{}.sig)", key(OPS).public().id()));
}

#[test]
fn a_rewritten_sign_off_is_over_another_history() {
    let owned = Owned::new();
    let conn = owned.open();
    conn.execute_batch("DELETE FROM signature").unwrap();
    conn.execute_batch(&edit(3, "\"pass\"", "\"fail\"")).unwrap();
    rechain(&conn, owned.head.ledger_id);
    drop(conn);
    let found = verify(&owned.path(), &trusting()).unwrap();
    assert_eq!(found.verdict, "REPORT-MISMATCH(6)", "published over the old root");
}

#[test]
fn a_clock_set_back_is_a_finding() {
    let owned = Owned::new();
    let conn = owned.open();
    let ts: String = conn
        .query_row(
            "SELECT substr(CAST(header AS TEXT), instr(CAST(header AS TEXT), '\"ts\":') + 6, 27) FROM entry WHERE seq = 4",
            [],
            |r| r.get(0),
        )
        .unwrap();
    conn.execute_batch("DELETE FROM signature; DELETE FROM part WHERE seq > 5; DELETE FROM entry WHERE seq > 5").unwrap();
    conn.execute_batch(&edit(4, &ts, "2020-02-29T23:59:59.000000Z")).unwrap();
    rechain(&conn, owned.head.ledger_id);
    drop(conn);
    let found = verify(&owned.path(), &trusting()).unwrap();
    assert_eq!(found.verdict, "VERIFIED");
    assert!(found.findings.iter().any(|f| f.starts_with("CLOCK(4)")), "{:?}", found.findings);
}

/// Pages of the file overwritten: a word, no crash, and no memory to speak of. Which page breaks which stage is SQLite's affair.
#[test]
fn a_damaged_file_gets_a_word() {
    let owned = Owned::new();
    let good = std::fs::read(owned.path()).unwrap();
    let page = 4096;
    let mut words = std::collections::BTreeSet::new();
    for at in 1..good.len() / page {
        for fill in [0u8, 0xff] {
            let mut bad = good.clone();
            bad[at * page..(at + 1) * page].fill(fill);
            std::fs::write(owned.path(), &bad).unwrap();
            let found = verify(&owned.path(), &trusting()).unwrap();
            words.insert(found.verdict);
        }
    }
    assert!(words.contains("MALFORMED-LEDGER"), "{words:?}");
    // A schema that is no text: SQLite quotes it in what it says.
    let mut bad = good.clone();
    let at = memchr::memmem::find(&bad, b"CREATE TABLE anchor").unwrap();
    bad[at + 8] = 0xff;
    std::fs::write(owned.path(), &bad).unwrap();
    assert_eq!(verify(&owned.path(), &trusting()).unwrap().verdict, "MALFORMED-LEDGER");
    for length in [16, 100, 4096, 8192, good.len() / 2] {
        std::fs::write(owned.path(), &good[..length]).unwrap();
        if let Ok(found) = verify(&owned.path(), &trusting()) {
            assert!(found.fault().is_some(), "{length}: {}", found.verdict);
        }
    }
}

#[test]
fn another_programs_database_is_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE entry (seq)").unwrap();
    assert!(verify(&path, &trusting()).is_err());
    assert!(verify(&folder.path().join("none"), &trusting()).is_err());
}

#[test]
fn stages_stop_at_the_first_fault() {
    let owned = Owned::new();
    owned.open().execute_batch(&edit(3, "\"pass\"", "\"fail\"")).unwrap();
    let found = verify(&owned.path(), &trusting()).unwrap();
    let reached: Vec<bool> = found.stages.iter().map(|(_, result)| *result != StageResult::NotReached).collect();
    assert_eq!(reached, [true, true, true, false, false, false, false, false]);
    assert_eq!(found.root, None::<Hash>);
}

/// Whoever guesses a payload cannot check the guess against its commitment once the salt is gone (threat 23).
#[test]
fn equal_payloads_have_unequal_commitments() {
    let scene = Scene::approved();
    let commits: std::collections::BTreeSet<Hash> = [3, 5]
        .map(|seq| scene.store.entry(seq).unwrap().header.parts.iter().find(|part| part.name == "result.json").unwrap().commit)
        .into();
    assert_eq!(commits.len(), 2, "the same payload twice");
}
