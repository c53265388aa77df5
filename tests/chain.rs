//! The ledger's bytes and its writer: golden hashes, the codec's properties, forks, crashes, what others do to the file.

use std::path::Path;

use migration_ledger::chain::encode::{self, Profile};
use migration_ledger::chain::hash::{genesis, leaf, sha256};
use migration_ledger::chain::header::RawHeader;
use migration_ledger::chain::kind::kind_at_the_end;
use migration_ledger::chain::{Checkpoint, Draft, EntryType, Error, ErrorKind, Hash, LedgerId, PartDraft, Store, merkle};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn note(text: &str) -> Draft {
    let mut draft = Draft::new(EntryType::Note, "ops@example.com");
    draft.body.insert("text".into(), text.into());
    draft
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn golden_hashes_never_change() {
    let id = LedgerId(*b"0123456789abcdef");
    assert_eq!(genesis(id).to_hex(), "496bd03d357ab0272b29e1b1d8f0403e50a10d9a6e1e1f5763ba9c6e2b38f297");
    let header = br#"{"actor":"ops@example.com","body":{"ledger_id":"30313233343536373839616263646566"},"host":"h","tool":{"name":"ledger","sha256":"0000000000000000000000000000000000000000000000000000000000000000","version":"0.1.0"},"ts":"2026-01-08T10:00:00.000000Z","type":"ledger.opened","v":1}"#;
    RawHeader::read(0, header).unwrap();
    let first = leaf(id, 0, &genesis(id), header);
    assert_eq!(first.to_hex(), "bf9842b52f9ae1cddf5345f9ad3cae17f9ee882e79e8cbd225e93c07d4b6693b");
    let mut part = migration_ledger::chain::hash::Commitment::new(&[7; 32]);
    part.update(b"payload");
    assert_eq!(part.finish().to_hex(), "e1d71b9e37b37b2db731acfb3011951769cce62c107678112854ef7bb9f02262");
    let second = sha256(b"second");
    assert_eq!(merkle::root(&[first, second, first]).to_hex(), "bfc26d8752d601566b28b1f2a4a031245a79982aaab6b607e857972858fa87c8");
    assert_eq!(
        Checkpoint { ledger_id: id, size: 1, root: first }.text(),
        "ledger.invalid/30313233343536373839616263646566\n1\nv5hCtS+a4c3fU0X5rTyuF/nuiC556MvSJek8B9S2aTs=\n"
    );
}

/// Strings are scanned eight bytes at a time: a byte must not pass because of where it stands.
#[test]
fn every_byte_is_judged_alike_at_every_place_of_a_string() {
    let accepted = |at: usize, piece: &[u8]| {
        let mut text = vec![b'x'; 24];
        text.splice(at..at + piece.len(), piece.iter().copied());
        encode::check(&[b"{\"k\":\"", &text[..], b"\"}"].concat(), Profile::Header).is_ok()
    };
    for at in 0..=22 {
        for b in 0..=255 {
            let plain = matches!(b, 0x20..=0x7e) && !matches!(b, b'"' | b'\\');
            assert_eq!(accepted(at, &[b]), plain, "{b:#x} at {at}");
        }
        for (piece, good) in [("é", true), ("\u{a0}", true), ("\u{85}", false), ("\\n", true), ("\\\"", true), ("\\/", false), ("ÿ", true)]
        {
            assert_eq!(accepted(at, piece.as_bytes()), good, "{piece:?} at {at}");
        }
    }
}

#[test]
fn the_type_is_read_off_the_end_of_a_header_and_nowhere_else() {
    let folder = folder();
    let mut store = Store::create(&folder.path().join("ledger.db"), "ops@example.com").unwrap();
    let mut hostile = note("says \",\"type\":\"decision\",\"v\":1}");
    hostile.body.insert("type".into(), "decision".into());
    hostile.body.insert("v".into(), 1.into());
    for entry in [store.entry(0).unwrap(), store.append(note("n")).unwrap(), store.append(hostile).unwrap()] {
        assert_eq!(kind_at_the_end(&entry.header_bytes), Some(entry.header.kind));
    }
    assert_eq!(store.newest(EntryType::Note).unwrap().map(|entry| entry.seq), Some(2));
    assert_eq!(store.newest(EntryType::Decision).unwrap(), None);
    for other in [&br#"{"body":{"type":"note","v":1}}"#[..], br#"{"type":"note","v":2}"#, br#"{"ts":"","type":"nothing","v":1}"#, b"", b"}"]
    {
        assert_eq!(kind_at_the_end(other), None);
    }
}

#[test]
fn an_entry_reads_back_as_it_was_written() {
    let folder = folder();
    let path = folder.path().join("ledger.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    let big = vec![b'x'; 3 * 1024 * 1024 + 17];
    std::fs::write(folder.path().join("dump"), &big).unwrap();
    let mut draft = note("two parts");
    draft.refs = vec![0];
    draft.parts = vec![
        PartDraft::bytes("small.txt", "text/plain", "hello"),
        PartDraft::file("big.bin", "application/octet-stream", folder.path().join("dump")),
    ];
    let written = store.append(draft).unwrap();
    assert_eq!(written.seq, 1);
    let read = store.entry(1).unwrap();
    assert_eq!(read, written);
    assert_eq!(store.part(1, "small.txt").unwrap().as_deref(), Some(&b"hello"[..]));
    assert_eq!(store.part(1, "big.bin").unwrap(), Some(big));
    assert!(matches!(store.part(1, "none.txt"), Err(Error::NoPart { .. })));
    assert!(matches!(store.entry(9), Err(Error::NoEntry(9))));
    let reader = Store::open_read_only(&path).unwrap();
    assert_eq!(reader.ledger_id(), store.ledger_id());
    assert_eq!(reader.entries(0..9).map(|e| e.unwrap().header.kind).collect::<Vec<_>>(), [EntryType::LedgerOpened, EntryType::Note]);
    assert_eq!(reader.check_chain().unwrap().size(), 2);
}

#[test]
fn root_and_proofs_agree_with_the_walk() {
    let folder = folder();
    let mut store = Store::create(&folder.path().join("l.db"), "ops@example.com").unwrap();
    for n in 0..21 {
        store.append(note(&n.to_string())).unwrap();
    }
    let walk = store.check_chain().unwrap();
    assert_eq!(store.root_at(22).unwrap(), walk.root());
    let leaves: Vec<Hash> = store.entries(0..22).map(|e| e.unwrap().leaf).collect();
    for size in 1..=22u64 {
        let root = store.root_at(size).unwrap();
        assert_eq!(root, merkle::root(&leaves[..size as usize]));
        for seq in 0..size {
            let path = store.inclusion(seq, size).unwrap();
            assert!(merkle::included(&leaves[seq as usize], seq, size, &path, &root));
            assert!(!merkle::included(&leaves[seq as usize], seq + 1, size, &path, &root) || seq + 1 == size);
        }
        for old in 1..=size {
            let proof = store.consistency(old, size).unwrap();
            assert!(merkle::consistent(old, &store.root_at(old).unwrap(), size, &root, &proof), "{old} in {size}");
            assert!(!merkle::consistent(old, &sha256(b"other"), size, &root, &proof));
        }
    }
    let text = store.checkpoint_text(22).unwrap();
    assert_eq!(Checkpoint::parse(&text).unwrap().root, walk.root());
    assert_eq!(Checkpoint::parse(&text.replace("\n22\n", "\n+22\n")), None);
}

#[test]
fn two_writers_on_one_file_both_land() {
    let folder = folder();
    let path = folder.path().join("l.db");
    Store::create(&path, "ops@example.com").unwrap().close().unwrap();
    std::thread::scope(|scope| {
        for who in ["a", "b", "c"] {
            let path = &path;
            scope.spawn(move || {
                let mut store = Store::open(path).unwrap();
                for n in 0..20 {
                    let mut draft = note(&format!("{who}{n}"));
                    draft.parts.push(PartDraft::bytes("p.txt", "text/plain", who));
                    store.append(draft).unwrap();
                }
            });
        }
    });
    let store = Store::open_read_only(&path).unwrap();
    assert_eq!(store.check_chain().unwrap().size(), 61);
    let texts: std::collections::BTreeSet<String> =
        store.entries(1..61).map(|e| e.unwrap().header.body["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 60);
}

#[test]
fn triggers_hold_honest_writers() {
    let folder = folder();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    let mut draft = note("x");
    draft.parts.push(PartDraft::bytes("p.txt", "text/plain", "payload"));
    store.append(draft).unwrap();
    store.close().unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    for sql in [
        "UPDATE entry SET header = x'00' WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 1",
        "INSERT OR REPLACE INTO entry SELECT seq, header, prev, leaf FROM entry WHERE seq = 1",
        "INSERT INTO entry SELECT 7, header, x'01', x'02' FROM entry WHERE seq = 1",
        "INSERT INTO entry SELECT 2, header, x'01', x'02' FROM entry WHERE seq = 1",
        "INSERT OR REPLACE INTO entry SELECT 2, header, (SELECT leaf FROM entry WHERE seq = 1), leaf FROM entry WHERE seq = 0",
        "INSERT INTO part VALUES (0, 'q.txt', x'00', x'00')",
        "INSERT OR REPLACE INTO part VALUES (1, 'p.txt', x'00', x'00')",
        "UPDATE part SET salt = x'00'",
        "DELETE FROM part",
        "DELETE FROM chunk",
        "UPDATE chunk SET bytes = x'00'",
        "INSERT INTO chunk SELECT spool, 1, x'00' FROM part",
    ] {
        assert!(conn.execute(sql, []).is_err(), "{sql}");
    }
    assert_eq!(conn.execute("UPDATE part SET salt = NULL, spool = NULL", []).unwrap(), 1);
    assert_eq!(conn.execute("DELETE FROM chunk", []).unwrap(), 1);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.part(1, "p.txt").unwrap(), None, "erased");
    store.check_chain().unwrap();
}

/// Does what an owner of the file can do: drops the triggers, changes rows, puts the triggers back.
fn tamper(path: &Path, sql: &str) {
    let conn = rusqlite::Connection::open(path).unwrap();
    let triggers: Vec<(String, String)> = conn
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (name, _) in &triggers {
        conn.execute(&format!("DROP TRIGGER {name}"), []).unwrap();
    }
    conn.execute_batch(sql).unwrap();
    for (_, sql) in &triggers {
        conn.execute(sql, []).unwrap();
    }
}

#[test]
fn tampering_is_named() {
    for (sql, word) in [
        ("UPDATE entry SET header = CAST(replace(CAST(header AS TEXT), 'n2', 'n9') AS BLOB) WHERE seq = 2", "EDITED(2)"),
        ("DELETE FROM entry WHERE seq = 2", "GAP(2)"),
        ("DELETE FROM entry WHERE seq = 0", "MALFORMED(0)"),
        ("UPDATE entry SET header = CAST(replace(CAST(header AS TEXT), ',', ', ') AS BLOB) WHERE seq = 3", "MALFORMED(3)"),
        ("UPDATE entry SET header = zeroblob(100000000) WHERE seq = 3", "MALFORMED(3)"),
        (
            "UPDATE entry SET seq = 9 WHERE seq = 1; UPDATE entry SET seq = 1 WHERE seq = 2; UPDATE entry SET seq = 2 WHERE seq = 9",
            "GAP(1)",
        ),
        ("UPDATE entry SET leaf = zeroblob(32) WHERE seq = 4", "EDITED(4)"),
        ("UPDATE entry SET prev = zeroblob(32) WHERE seq = 4", "GAP(4)"),
        ("UPDATE entry SET leaf = zeroblob(3) WHERE seq = 1", "EDITED(1)"),
    ] {
        let folder = folder();
        let path = folder.path().join("l.db");
        let mut store = Store::create(&path, "ops@example.com").unwrap();
        for n in 1..6 {
            store.append(note(&format!("n{n}"))).unwrap();
        }
        store.close().unwrap();
        tamper(&path, sql);
        let fault = match Store::open_read_only(&path).and_then(|store| store.check_chain()) {
            Err(Error::Fault(fault)) => fault.word,
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(fault, word, "{sql}");
    }
}

#[test]
fn a_payload_that_changed_is_named() {
    for (sql, word) in [
        ("UPDATE chunk SET bytes = CAST('PAYLOAD' AS BLOB)", "EDITED(1-p.txt)"),
        ("DELETE FROM chunk", "EDITED(1-p.txt)"),
        ("UPDATE chunk SET n = 1", "EDITED(1-p.txt)"),
        ("UPDATE part SET salt = zeroblob(31)", "EDITED(1-p.txt)"),
        ("DELETE FROM part", "MISSING(1-p.txt)"),
    ] {
        let folder = folder();
        let path = folder.path().join("l.db");
        let mut store = Store::create(&path, "ops@example.com").unwrap();
        let mut draft = note("x");
        draft.parts.push(PartDraft::bytes("p.txt", "text/plain", "payload"));
        store.append(draft).unwrap();
        store.close().unwrap();
        tamper(&path, sql);
        match Store::open_read_only(&path).unwrap().part(1, "p.txt") {
            Err(Error::Fault(fault)) => assert_eq!(fault.word, word, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn drafts_that_the_format_refuses_leave_nothing() {
    let folder = folder();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    let with = |change: &dyn Fn(&mut Draft)| {
        let mut draft = note("x");
        change(&mut draft);
        draft
    };
    let drafts = [
        with(&|d| drop(d.body.insert("f".into(), json!(1.5)))),
        with(&|d| drop(d.body.insert("Upper".into(), json!(1)))),
        with(&|d| drop(d.body.insert("c".into(), json!("a\rb")))),
        with(&|d| drop(d.body.insert("n".into(), json!(1u64 << 53)))),
        with(&|d| drop(d.body.insert("n".into(), json!([null])))),
        with(&|d| drop(d.body.insert("t".into(), json!("x".repeat(70_000))))),
        with(&|d| d.actor.clear()),
        with(&|d| d.refs = vec![5]),
        with(&|d| d.kind = EntryType::TaskStarted),
        with(&|d| d.kind = EntryType::Decision),
        with(&|d| d.kind = EntryType::LedgerOpened),
        with(&|d| d.run = Some("../x".into())),
        with(&|d| d.parts = vec![PartDraft::bytes("Bad.txt", "text/plain", "")]),
        with(&|d| d.parts = vec![PartDraft::bytes("noextension", "text/plain", "")]),
        with(&|d| d.parts = vec![PartDraft::bytes("a.txt", "text/plain", "").at("report/../x.md")]),
        with(&|d| d.parts = vec![PartDraft::bytes("a.txt", "text/plain", "").at("trust/ledger.toml")]),
        with(&|d| d.parts = vec![PartDraft::bytes("a.txt", "text/plain", "1"), PartDraft::bytes("a.txt", "text/plain", "2")]),
    ];
    for draft in drafts {
        match store.append(draft.clone()) {
            Err(error @ Error::Refused(_)) => assert_eq!(error.kind(), ErrorKind::Bug),
            other => panic!("{draft:?}: {other:?}"),
        }
    }
    assert_eq!(store.len().unwrap(), 1);
    store.close().unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(conn.query_row("SELECT count(*) FROM chunk", [], |row| row.get::<_, i64>(0)).unwrap(), 0, "no orphan");
}

#[test]
fn files_that_are_no_ledger_are_refused_with_a_reason() {
    let folder = folder();
    let path = folder.path().join("l.db");
    assert!(matches!(Store::open(&path), Err(Error::NotFound(_))));
    std::fs::write(&path, "not a database at all, only some text that is long enough to look at").unwrap();
    assert!(matches!(Store::open(&path), Err(Error::NotALedger { .. })));
    assert!(matches!(Store::open_read_only(&path), Err(Error::NotALedger { .. })));
    assert!(matches!(Store::create(&path, "ops@example.com"), Err(Error::Exists(_))));
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Store::open(&path), Err(Error::NotALedger { .. })));
    std::fs::remove_file(&path).unwrap();
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    store.append(note("x")).unwrap();
    store.close().unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("DROP TRIGGER entry_never_goes").unwrap();
    let error = Store::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "a writer wants every trigger: {error}");
    assert_eq!(error.kind(), migration_ledger::chain::ErrorKind::Integrity);
    Store::open_read_only(&path).unwrap().check_chain().unwrap();
}

#[test]
fn a_held_ledger_says_so() {
    let folder = folder();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    store.wait_for_others(std::time::Duration::from_millis(50)).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    match store.append(note("x")) {
        Err(error @ Error::Locked(_)) => assert_eq!(error.kind(), ErrorKind::Write),
        other => panic!("{other:?}"),
    }
    other.execute_batch("ROLLBACK").unwrap();
    store.append(note("x")).unwrap();
}

#[test]
fn strict_grammar() {
    let deep = |n: usize| format!("{}{}{}", "{\"a\":".repeat(n - 1), "{}", "}".repeat(n - 1));
    for good in [r#"{}"#, r#"{"a":-1,"b":[true,false,0],"c":"é\n\t\"\\"}"#, r#"{"a":9007199254740991}"#, &deep(16)] {
        encode::check(good.as_bytes(), Profile::Header).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    for bad in [
        "",
        "[]",
        "1",
        "{} ",
        " {}",
        "\u{feff}{}",
        r#"{"a":1,"a":2}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a": 1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1e2}"#,
        r#"{"a":-0}"#,
        r#"{"a":01}"#,
        r#"{"a":9007199254740992}"#,
        r#"{"a":-9007199254740992}"#,
        r#"{"a":99999999999999999999}"#,
        r#"{"a":null}"#,
        r#"{"a":"\u0041"}"#,
        r#"{"a":"\/"}"#,
        "{\"a\":\"\r\"}",
        "{\"a\":\"\u{7f}\"}",
        "{\"a\":\"\u{85}\"}",
        r#"{"a":"\ud800"}"#,
        r#"{"A":1}"#,
        r#"{"":1}"#,
        r#"{"a b":1}"#,
        r#"{"a":tru}"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":"x}"#,
        r#"{"a":+1}"#,
        r#"{"a":-}"#,
        &deep(17),
    ] {
        assert!(encode::check(bad.as_bytes(), Profile::Header).is_err(), "{bad}");
    }
    assert!(encode::check(b"{\"a\":\"\xed\xa0\x80\"}", Profile::Header).is_err(), "surrogate in UTF-8");
    encode::check(br#"{"A":1}"#, Profile::Statement).unwrap();
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-encode::INT_MAX..=encode::INT_MAX).prop_map(Value::from),
        "[^\\p{Cc}]{0,12}|[\\n\\t\"\\\\]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z0-9_]{1,6}", inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect()))
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_accepted_and_reads_back(value in prop::collection::btree_map("[a-z0-9_]{1,6}", values(), 0..6)) {
        let object: Map<String, Value> = value.into_iter().collect();
        let bytes = encode::canonical(&object, Profile::Header).unwrap();
        encode::check(&bytes, Profile::Header).unwrap();
        let read: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(encode::canonical(&read, Profile::Header).unwrap(), bytes);
        prop_assert_eq!(read, object);
    }

    #[test]
    fn accepted_bytes_have_one_spelling(mut bytes in Just(br#"{"a":[1,-2,{"k":"v\n\"x"}],"b":true,"c":"\\ text","d":{}}"#.to_vec()), at in 0usize..56, to in any::<u8>()) {
        let len = bytes.len();
        bytes[at % len] = to;
        if encode::check(&bytes, Profile::Header).is_ok() {
            let read: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(encode::canonical(&read, Profile::Header).unwrap(), bytes);
        }
    }

    #[test]
    fn hostile_headers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = RawHeader::read(1, &bytes);
    }
}

#[test]
fn statements_may_have_upper_case_keys() {
    let statement = map(json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "x"}));
    assert!(encode::canonical(&statement, Profile::Header).is_err());
    assert_eq!(
        encode::canonical(&statement, Profile::Statement).unwrap(),
        br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"x"}"#
    );
}
