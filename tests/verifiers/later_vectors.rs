//! Vectors that came after the first ones, for what those do not reach: separation of duties, ends, revoked keys, what is lawfully absent, zip64.
//!
//! [`add_the_later_vectors`] puts them beside the others and leaves those as they are.

use migration_ledger::chain::header::RawHeader;
use migration_ledger::chain::{Checkpoint, EntryType, LedgerId, Proof, SignatureRow, Signed, hash};
use migration_ledger::package::verify::Options;
use migration_ledger::package::zip::{Record, end};
use migration_ledger::package::{self, View};
use migration_ledger::sign::{Namespace, sshsig, task_message};
use serde_json::{Value, json};

use crate::both::{ask, verify};
use crate::scene::*;
use crate::statements::{KEEPER, KEEPER_NAME, about_key, kept, line_of, signers_with_keeper};
use crate::vectors::{folder, read, signers_named, small_files, write};

const RECORDS: &str = "package_vectors/zip_records.json";

fn number(vector: &Value, member: &str) -> u64 {
    vector[member].as_u64().unwrap_or_else(|| panic!("{member} of {vector}"))
}

/// The bytes that a vector of records must give.
fn records_of(vector: &Value) -> Value {
    if vector.get("count").is_some() {
        return json!({"end": hex::encode(end(number(vector, "count"), number(vector, "start"), number(vector, "length")))});
    }
    let crc = u32::try_from(number(vector, "crc")).unwrap();
    let name = vector["name"].as_str().unwrap().to_owned();
    let record = Record { name, size: number(vector, "size"), crc, offset: number(vector, "offset") };
    json!({"local": hex::encode(record.local()), "central": hex::encode(record.central())})
}

#[test]
fn records_of_archives_have_one_spelling_on_both_sides_of_32_bits() {
    let vectors = read(RECORDS);
    assert!(vectors.iter().any(|v| v["expect"]["end"].as_str().is_some_and(|hex| hex.starts_with("504b0606"))), "none with a zip64 end");
    for vector in vectors {
        assert_eq!(records_of(&vector), vector["expect"], "{vector}");
        let mut question = vector.clone();
        question["ask"] = "zip_bytes".into();
        assert_eq!(ask(&question), vector["expect"], "left verify.py: {vector}");
    }
}

#[test]
#[ignore = "adds vectors to tests/chain_vectors and tests/package_vectors; those that are there already stay as they are"]
fn add_the_later_vectors() {
    add_headers();
    add_proofs();
    add_records();
    add_packages();
}

/// Adds the vectors whose names are new.
fn add(name: &str, new: Vec<Value>) {
    let mut all = if folder(name).exists() { read(name) } else { Vec::new() };
    let known: Vec<Value> = all.iter().map(|vector| vector["name"].clone()).collect();
    all.extend(new.into_iter().filter(|vector| vector["name"].is_null() || !known.contains(&vector["name"])));
    write(name, &all);
}

fn add_headers() {
    let mut scene = Scene::opened();
    let draft = kept(EntryType::KeyRevoked, Namespace::Keys, &about_key(&scene, "revoked", &line_of(CTO)), None);
    let seq = scene.store.append(draft).unwrap().seq;
    let raw = String::from_utf8(scene.store.entry(seq).unwrap().header_bytes).unwrap();
    let of_a_run = raw.replacen("\"tool\":", "\"run\":\"another_run\",\"tool\":", 1);
    let vector = |name: &str, raw: &str| {
        let expect = if RawHeader::read(seq, raw.as_bytes()).is_ok() { "accepted" } else { "MALFORMED" };
        json!({"name": name, "seq": seq, "hex": hex::encode(raw), "expect": expect})
    };
    add("chain_vectors/headers.json", vec![vector("key.revoked", &raw), vector("key.revoked of a run", &of_a_run)]);
}

/// Entry 0 of one ledger as that of another, under a head that somebody trusted signed without looking.
fn add_proofs() {
    let scene = Scene::opened();
    let header = String::from_utf8(scene.store.entry(0).unwrap().header_bytes).unwrap();
    let (id, prev) = (LedgerId([7; 16]), hash::genesis(LedgerId([7; 16])));
    let checkpoint = Checkpoint { ledger_id: id, size: 1, root: hash::leaf(id, 0, &prev, header.as_bytes()) };
    let signature = Some(sshsig::sign(&key(OPS), Namespace::Checkpoint, checkpoint.text().as_bytes()));
    let proof = Proof { ledger_id: id, seq: 0, prev, header, path: Vec::new(), checkpoint, signature };
    let text = String::from_utf8(proof.to_bytes().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proof.json"), &text).unwrap();
    let verdict = verify(&folder.path().join("proof.json"), &trusting()).unwrap().verdict;
    add("chain_vectors/proofs.json", vec![json!({"name": "entry 0 of another ledger", "proof": text, "verdict": verdict})]);
}

fn add_records() {
    if folder(RECORDS).exists() {
        return;
    }
    let full = 0xffff_ffff_u64;
    let mut vectors = Vec::new();
    for (size, offset) in [(0, 0), (full - 1, 0), (full, 0), (5 << 30, 0), (5, full - 1), (5, full), (full, full), (full + 1, 6 << 30)] {
        vectors.push(json!({"name": "evidence/3-log.txt", "size": size, "crc": 0x1234_5678, "offset": offset}));
    }
    for (count, start, length) in
        [(0, 0, 0), (2, 100, 99), (0xfffe, 9, 9), (0xffff, 9, 9), (0x1_0000, 9, 9), (2, full - 1, 99), (2, full, 99)]
    {
        vectors.push(json!({"count": count, "start": start, "length": length}));
    }
    for vector in &mut vectors {
        vector["expect"] = records_of(vector);
    }
    write(RECORDS, &vectors);
}

fn add_packages() {
    let at = folder("package_vectors/packages");
    let with_keeper = "allowed_signers.with_keeper";
    std::fs::write(at.join(with_keeper), signers_with_keeper()).unwrap();
    let known: Vec<Value> = read("package_vectors/packages.json").iter().map(|v| v["name"].clone()).collect();
    let mut vectors = Vec::new();
    let mut put = |name: &str, place: &str, time: &str, signers: Option<&str>, scene: &Scene, view: &View| {
        if known.contains(&json!(name)) {
            return;
        }
        let zip = at.join(place).join("P.zip");
        if !zip.exists() {
            std::fs::create_dir_all(zip.parent().unwrap()).unwrap();
            let written = package::write(&scene.store, RUN, view, scene.folder.path(), true).unwrap();
            repack(&zip, &small_files(&written.zip), true, OPS);
        }
        let options =
            Options { signers: Some(signers_named(signers.unwrap_or("allowed_signers"))), at: Some(time.into()), ..Options::default() };
        let found = verify(&zip, &options).unwrap();
        let mut vector = json!({"name": name, "folder": place, "at": time, "verdict": found.verdict, "decision": found.decision, "absent": found.absent});
        if let Some(signers) = signers {
            vector["signers"] = signers.into();
        }
        vectors.push(vector);
    };
    let now = "2026-11-23T12:00:00.000000Z";
    let full = View::full();

    let mut worked = Scene::new();
    let leaf = worked.store.entry(3).unwrap().leaf;
    let message = task_message(worked.store.ledger_id(), 3, &leaf);
    let bytes = sshsig::sign(&key(DBA), Namespace::Task, message.as_bytes()).into_bytes();
    worked.store.add_signature(&SignatureRow { over: Signed::Task(3), key: key(DBA).public().id(), bytes }).unwrap();
    let n = worked.publish();
    let statement = worked.signoff(n, "dba@example.com", true);
    worked.append_signed(EntryType::Decision, Namespace::Signoff, &statement, DBA);
    put("approver took part in the work", "approver-took-part-in-the-work", now, None, &worked, &full);

    let mut limited = Scene::new();
    let n = limited.publish();
    let statement = limited.signoff(n, "cto@example.com", true).with("valid_until", "2026-11-23T12:00:00.500000Z");
    limited.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
    for (name, time) in [
        ("sign-off before its last moment", "2026-11-23T12:00:00Z"),
        ("sign-off at its last moment", "2026-11-23T12:00:00.5Z"),
        ("sign-off after its last moment", "2026-11-23T12:00:00.500001Z"),
    ] {
        put(name, "sign-off-with-an-end", time, None, &limited, &full);
    }
    let mut endless = Scene::new();
    let n = endless.publish();
    let statement = endless.signoff(n, "cto@example.com", true).with("valid_until", "never");
    endless.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
    put("sign-off that ends at no time", "sign-off-that-ends-at-no-time", now, None, &endless, &full);

    let mut revoked = Scene::opened();
    let draft = kept(EntryType::KeyRevoked, Namespace::Keys, &about_key(&revoked, "revoked", &line_of(CTO)), None);
    revoked.store.append(draft).unwrap();
    revoked.task("CE-20", 1);
    let n = revoked.publish();
    let statement = revoked.signoff(n, "cto@example.com", true);
    revoked.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
    put("sign-off by a revoked key", "sign-off-by-a-revoked-key", now, Some(with_keeper), &revoked, &full);
    put("revoked by whom nobody knows", "sign-off-by-a-revoked-key", now, None, &revoked, &full);

    let mut redacted = Scene::approved();
    let statement = redacted.statement("redaction", 8, KEEPER_NAME).with("seq", 3).with("part", "log.txt");
    redacted.append_signed(EntryType::PartRedacted, Namespace::Redaction, &statement, KEEPER);
    let erase = "UPDATE part SET salt = NULL, spool = NULL WHERE seq = 3 AND name = 'log.txt'";
    rusqlite::Connection::open(redacted.store.path()).unwrap().execute(erase, []).unwrap();
    put("evidence redacted", "evidence-redacted", now, Some(with_keeper), &redacted, &full);

    let view = View { withhold: [(3, "log.txt".to_owned()), (1, "rls-forced.sql".to_owned())].into() };
    put("evidence withheld", "evidence-withheld", now, None, &Scene::approved(), &view);
    add("package_vectors/packages.json", vectors);
}
