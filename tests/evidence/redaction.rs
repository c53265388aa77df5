//! What is redacted is gone from every byte of the ledger and of later packages, and nothing else changes.

use std::path::Path;

use migration_ledger::chain::{Draft, EntryType, Erased, Error, PartDraft, Store};

use migration_ledger::package::verify::Options;
use migration_ledger::sign::{Namespace, Statement, sshsig};
use serde_json::json;

use super::both;
use super::world::{RUN, World, key};

const ZIP: &str = "evidence/staging_migration_20260108.zip";

/// Stands in every 16 bytes of a canary.
const MARK: &[u8] = b"canary~";

fn canary(size: usize) -> Vec<u8> {
    (0..size.div_ceil(16)).flat_map(|n| format!("<{n:06}canary~>.").into_bytes()).take(size).collect()
}

/// Asserts that no piece of a canary stands anywhere in the file.
#[track_caller]
fn assert_absent(file: &Path) {
    let bytes = std::fs::read(file).unwrap_or_default();
    let found = memchr::memmem::find_iter(&bytes, MARK).count();
    assert_eq!(found, 0, "{found} pieces of a payload are still in {}", file.display());
}

fn files_of(ledger: &Path) -> [std::path::PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| std::path::PathBuf::from(format!("{}{suffix}", ledger.display())))
}

#[test]
fn what_is_redacted_is_in_no_byte_of_the_file_whatever_its_size() {
    // Memory, where there is such a place: the file is written anew for every redaction.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    // Sizes around what fits a page, an overflow page and a chunk, written in an order that splits pages.
    let sizes = [24, 40, 100, 500, 1000, 2000, 4000, 4061, 4096, 5000, 12_000, 70_000, (1 << 20) + 1];
    let payload = |n: usize, size: usize| [format!("{n:08}").into_bytes(), canary(size)].concat();
    for round in 0..3 {
        for (n, size) in sizes.iter().enumerate() {
            let mut draft = Draft::new(EntryType::Note, "ops@example.com");
            let kept = PartDraft::bytes("kept.txt", "text/plain", format!("kept {round} {n} ").repeat(1 + size / 9));
            draft.parts = vec![kept, PartDraft::bytes("gone.txt", "text/plain", payload(n, *size))];
            store.append(draft).unwrap();
        }
    }
    let (size, root) = (store.len().unwrap(), store.root_at(store.len().unwrap()).unwrap());
    let salts: Vec<[u8; 32]> = (1..size).map(|seq| store.part_salt(seq, "gone.txt").unwrap().unwrap()).collect();
    assert!(memchr::memmem::find(&std::fs::read(&path).unwrap(), MARK).is_some(), "this test would show nothing");
    for seq in 1..size {
        let mut draft = Draft::new(EntryType::PartRedacted, "dpo@example.com");
        draft.parts = ["statement.json", "statement.sig"].map(|name| PartDraft::bytes(name, "text/plain", "{}")).into();
        let (entry, erased) = store.redact(draft, seq, "gone.txt").unwrap();
        assert_eq!((entry.seq, erased), (size + seq - 1, Erased::Everywhere));
        assert_eq!(store.part(seq, "gone.txt").unwrap(), None);
        assert!(store.part(seq, "kept.txt").unwrap().is_some());
    }
    for file in files_of(&path) {
        assert_absent(&file);
        let bytes = std::fs::read(&file).unwrap_or_default();
        for salt in &salts {
            assert!(memchr::memmem::find(&bytes, salt).is_none(), "a salt is left in {}", file.display());
        }
    }
    assert_eq!(store.root_at(size).unwrap(), root, "what was signed before still fits");
    store.check_chain().unwrap();
    store.close().unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(store.check_chain().unwrap().size(), 2 * size - 1);
}

#[test]
fn a_reader_keeps_the_bytes_in_the_file_and_that_is_said() {
    let world = World::done();
    let seq = world.note(Some(RUN), &[("output.txt", &canary(9000))]);
    let reader = Store::open_read_only(&world.ledger_file()).unwrap();
    let held = rusqlite::Connection::open(world.ledger_file()).unwrap();
    held.execute_batch("BEGIN; SELECT count(*) FROM chunk").unwrap();
    let redact = ["redact", "--seq", &seq.to_string(), "--part", "output.txt", "--reason", "a customer's name"];
    let ran = world.as_one("dpo@example.com", &redact);
    assert_eq!(ran.code, 21, "{}", ran.all());
    assert!(ran.stderr.contains("not yet erased") && ran.stderr.contains("ledger redact finish"), "{}", ran.all());
    assert_eq!(world.ledger(&["redact", "finish"]).code, 21);
    drop((held, reader));
    world.ledger(&["redact", "finish"]).good();
    for file in files_of(&world.ledger_file()) {
        assert_absent(&file);
    }
    assert_eq!(world.verify("evidence/ledger.db", &[]).good().verdict(), "VERIFIED");
}

#[test]
fn a_redaction_leaves_head_signatures_and_decision_and_takes_the_bytes_out_of_the_package() {
    let world = World::done();
    let loose = world.note(None, &[("loose.txt", &canary(600))]);
    let noted = world.note(Some(RUN), &[("output.txt", &canary(5000))]);
    world.packed();
    let before = world.verify(ZIP, &[]).good();
    assert_eq!(before.verdict(), "VERIFIED");
    let cut = |ran: &super::world::Ran| serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["cut"].clone();

    for (seq, part) in [(noted, "output.txt"), (loose, "loose.txt"), (3, "check-looks-right.json")] {
        let seq = seq.to_string();
        let ran = world.as_one("dpo@example.com", &["redact", "--seq", &seq, "--part", part, "--reason", "a customer's name"]).good();
        assert!(ran.stderr.contains("published before and may show it") || part == "loose.txt", "{}", ran.all());
    }
    let ledger = world.verify("evidence/ledger.db", &[]).good();
    assert_eq!((ledger.verdict(), cut(&ledger)), ("VERIFIED".into(), cut(&before)), "{}", ledger.all());
    let json: serde_json::Value = serde_json::from_str(&ledger.stdout).unwrap();
    assert_eq!(json["decision"], "APPROVED", "the sign-off is over the same checkpoint");

    // What was packed before is not what the ledger says now, and is replaced only on demand.
    assert_eq!(world.ledger(&["package", "--key", "ops@example.com"]).code, 3);
    world.pack(&["--force"]);
    let after = world.verify(ZIP, &[]).good();
    assert_eq!(after.verdict(), "VERIFIED", "{}", after.all());
    let json: serde_json::Value = serde_json::from_str(&after.stdout).unwrap();
    let absent = json["absent"].as_array().unwrap();
    let word = |path: String| absent.iter().find(|a| a["path"] == path).map(|a| a["word"].as_str().unwrap().to_owned());
    assert_eq!(word(format!("evidence/{noted}-output.txt")).as_deref(), Some("REDACTED"));
    assert_eq!(word("evidence/3-check-looks-right.json".into()).as_deref(), Some("REDACTED"));
    // Its redaction belongs to no run either; it lies before a later entry of this run, so the package holds it.
    assert_eq!(word(format!("evidence/{loose}-loose.txt")).as_deref(), Some("REDACTED"));
    assert_absent(&world.path().join(ZIP));
    assert_absent(&world.path().join("evidence").join(RUN).join(format!("evidence/{noted}-output.txt")));

    // The task that needs what is gone is no longer established.
    let status = world.ledger(&["status"]);
    assert_eq!(status.code, 11, "{}", status.all());
    assert!(status.stdout.contains("UNDECIDED"), "{}", status.all());

    // A redaction after the last entry of the run: the package cannot hold it, and says that the payload is left out.
    let late = world.note(None, &[("late.txt", &canary(300))]);
    world.as_one("dpo@example.com", &["redact", "--seq", "3", "--part", "result.json", "--reason", "r"]).good();
    world.as_one("dpo@example.com", &["redact", "--seq", &late.to_string(), "--part", "late.txt", "--reason", "r"]).good();
    world.pack(&["--force"]);
    let again = world.verify(ZIP, &[]).good();
    assert_eq!(again.verdict(), "VERIFIED", "{}", again.all());
    assert!(again.stdout.contains("WITHHELD"), "{}", again.all());
}

#[test]
fn what_must_stay_is_not_redacted_and_each_refusal_says_why() {
    let world = World::done();
    world.packed();
    let store = world.store();
    let decision = (0..store.len().unwrap()).find(|seq| store.entry(*seq).unwrap().header.kind == EntryType::Decision).unwrap();
    store.close().unwrap();
    let entries = || world.store().len().unwrap();
    let before = entries();
    let decision = decision.to_string();
    for (seq, part, said) in [
        (decision.as_str(), "statement.json", "never redacted"),
        ("1", "ledger.toml", "never redacted"),
        ("3", "nothing.txt", "has no part nothing.txt"),
        ("999", "a.txt", "no entry 999"),
    ] {
        let ran = world.as_one("dpo@example.com", &["redact", "--seq", seq, "--part", part, "--reason", "r"]);
        assert!(ran.code == 3 && ran.stderr.contains(said), "{}", ran.all());
    }
    let ran = world.as_one("ops@example.com", &["redact", "--seq", "3", "--part", "result.json", "--reason", "r"]);
    assert!(ran.code == 3 && ran.stderr.contains("redaction@ledger"), "who may not, cannot: {}", ran.all());
    let ran = world.as_one("dpo@example.com", &["redact", "--seq", "3", "--part", "result.json", "--reason", " "]);
    assert!(ran.code == 3 && ran.stderr.contains("reason is empty"), "{}", ran.all());
    assert_eq!(entries(), before, "nothing was appended");
    world.as_one("dpo@example.com", &["redact", "--seq", "3", "--part", "result.json", "--reason", "r"]).good();
    let ran = world.as_one("dpo@example.com", &["redact", "--seq", "3", "--part", "result.json", "--reason", "r"]);
    assert!(ran.code == 3 && ran.stderr.contains("redacted already"), "{}", ran.all());
    assert_eq!(world.ledger(&["redact"]).code, 2);
    assert_eq!(entries(), before + 1);
}

/// Entry and erasure are one transaction: when the entry cannot be written, the payload is still there.
#[test]
fn without_its_entry_nothing_is_erased() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.db");
    let mut store = Store::create(&path, "ops@example.com").unwrap();
    let mut draft = Draft::new(EntryType::Note, "ops@example.com");
    draft.parts = vec![PartDraft::bytes("a.txt", "text/plain", "payload")];
    store.append(draft).unwrap();
    let unsigned = Draft::new(EntryType::PartRedacted, "dpo@example.com");
    assert!(matches!(store.redact(unsigned, 1, "a.txt"), Err(Error::Refused(_))));
    let other = Draft::new(EntryType::Note, "dpo@example.com");
    assert!(matches!(store.redact(other, 1, "a.txt"), Err(Error::Refused(_))));
    assert_eq!(store.part(1, "a.txt").unwrap().as_deref(), Some(&b"payload"[..]));
    assert_eq!(store.len().unwrap(), 2);
}

/// A signed redaction of one part must not serve for another.
#[test]
fn a_statement_erases_what_it_names_and_nothing_else() {
    for (statement, word) in [
        (json!({"seq": 3, "part": "result.json"}), "INTEGRITY-ONLY"),
        (json!({"seq": 3, "part": "other.json"}), "MALFORMED(6)"),
        (json!({"seq": 5, "part": "result.json"}), "MALFORMED(6)"),
        (json!({"seq": true, "part": "result.json"}), "MALFORMED(6)"),
        (json!({"part": "result.json"}), "MALFORMED(6)"),
        (json!({"seq": 3}), "MALFORMED(6)"),
    ] {
        let world = World::done();
        let mut store = world.store();
        let mut signed = Statement::over("redaction", &store.checkpoint(6).unwrap(), Some(RUN), "dpo@example.com", "r");
        signed.fields = statement.as_object().unwrap().clone();
        let bytes = signed.to_bytes().unwrap();
        let mut draft = Draft::new(EntryType::PartRedacted, "dpo@example.com");
        draft.run = Some(RUN.into());
        draft.parts = vec![
            PartDraft::bytes("statement.sig", "text/plain", sshsig::sign(&key(3), Namespace::Redaction, &bytes)),
            PartDraft::bytes("statement.json", "application/json", bytes),
        ];
        store.redact(draft, 3, "result.json").unwrap();
        store.close().unwrap();
        let found = both::verify(&world.ledger_file(), &Options::default()).unwrap();
        assert_eq!(found.verdict, word, "{statement}");
    }
}

#[test]
fn a_secret_that_a_command_prints_is_recorded_nowhere() {
    let world = World::done();
    // Never whole in this file, nor in what the command is called with: only what it prints holds them.
    let secrets = [("kJ8vQ2xLr9", "TnZb4WmYp7"), ("w7Jalr9XUtnF/K7MD3NG", "+bPxR5fiCYe2Xq8Lz4Tv"), ("hunter2", "-but-longer")];
    world.write(
        "print.sh",
        "a=kJ8vQ2xLr9; b=TnZb4WmYp7; c=w7Jalr9XUtnF/K7MD3NG; d=+bPxR5fiCYe2Xq8Lz4Tv; e=hunter2; f=-but-longer\n\
         echo \"seen: the token $a$b was taken\"; echo \"error at $c$d\" >&2; echo \"postgres://app:$e$f@db.example.com/app\"\n\
         printf 'unfinished %s' \"$a$b\"\n",
    );
    let ran = world.ledger(&["exec", "T-1", "--as", "ops@example.com", "--", "bash", "print.sh"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let newest = world.store().len().unwrap() - 1;
    let entry = world.store().entry(newest).unwrap();
    let texts: Vec<String> = entry
        .header
        .parts
        .iter()
        .map(|part| String::from_utf8(world.store().part(newest, &part.name).unwrap().unwrap()).unwrap())
        .collect();
    let recorded = texts.concat();
    assert!(recorded.contains("the token [redacted] was taken") && recorded.contains("error at [redacted]"), "{recorded}");
    world.packed();
    let zip = world.path().join(ZIP);
    both::verify(&zip, &Options::default()).unwrap();
    let mut folders = vec![world.path().to_owned()];
    let (mut files, mut shown) = (0, ran.all().into_bytes());
    while let Some(folder) = folders.pop() {
        for found in std::fs::read_dir(folder).unwrap() {
            let path = found.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                shown.extend(std::fs::read(&path).unwrap());
            }
        }
    }
    assert!(files > 20, "the database, the package, its unpacked files and logs were looked at: {files}");
    for (front, back) in secrets {
        assert!(memchr::memmem::find(&shown, format!("{front}{back}").as_bytes()).is_none(), "{front}… is still somewhere");
    }
}
