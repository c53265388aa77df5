//! Heads that others hold, proofs of single entries, copies that diverged, and what a user remembers.

use migration_ledger::chain::{Proof, Store};
use migration_ledger::package::verify::{Options, leaves};
use serde_json::{Value, json};

use super::both;
use super::world::{RUN, World, ran};

const LEDGER: &str = "evidence/ledger.db";

#[test]
fn a_checkpoint_is_text_that_stock_tools_verify_and_that_catches_a_rewritten_ledger() {
    let world = World::done();
    let text = world.ledger(&["checkpoint"]).good().stdout;
    let store = world.store();
    assert_eq!(text, store.checkpoint_text(6).unwrap());
    store.close().unwrap();
    world.write("head", &text);
    world.ledger(&["checkpoint", "--size", "4", "--key", "ops@example.com", "--out", "signed"]).good();
    let check = ["-Y", "verify", "-f", "allowed_signers", "-I", "ops@example.com", "-n", "checkpoint@ledger", "-s", "signed.sig"];
    let input = std::fs::File::open(world.path().join("signed")).unwrap();
    let checked = ran(world.command("ssh-keygen").args(check).stdin(input));
    assert_eq!(checked.code, 0, "{}", checked.all());
    let found = world.verify(LEDGER, &["--anchor", "head", "signed"]).good();
    assert!(found.stdout.contains("checkpoint.4."), "the signature is kept beside the chain: {}", found.all());

    // One more entry is no contradiction; another history of the same length is, and so is a shorter one.
    world.note(None, &[]);
    world.verify(LEDGER, &["--anchor", "head"]).good();
    std::fs::copy(world.ledger_file(), world.path().join("whole.db")).unwrap();
    let cut = |to: u64| {
        let conn = rusqlite::Connection::open(world.ledger_file()).unwrap();
        conn.execute_batch(&format!(
            "PRAGMA foreign_keys = OFF; DROP TRIGGER entry_never_goes; DROP TRIGGER part_never_goes; DELETE FROM part WHERE seq >= {to};
             DELETE FROM entry WHERE seq >= {to}; DELETE FROM node"
        ))
        .unwrap();
    };
    cut(5);
    let found = world.verify(LEDGER, &["--anchor", "head", "--no-state"]);
    assert_eq!((found.code, found.verdict().as_str()), (20, "TRUNCATED"));
    assert_eq!(world.verify(LEDGER, &["--no-state"]).verdict(), "VERIFIED", "a chain alone does not show it");
    let size = world.verify(LEDGER, &["--expect-size", "6", "--no-state"]);
    assert_eq!(size.verdict(), "TRUNCATED");
    assert_eq!(world.verify(LEDGER, &[]).verdict(), "ROLLED-BACK", "this user has seen more");

    // The tail is written anew: another history from entry 5 on.
    let conn = rusqlite::Connection::open(world.ledger_file()).unwrap();
    let schema = include_str!("../../migrations/ledger/001_ledger.sql");
    for trigger in ["entry_never_goes", "part_never_goes"] {
        let start = schema.find(&format!("CREATE TRIGGER {trigger}")).unwrap();
        conn.execute_batch(&schema[start..start + schema[start..].find("END;").unwrap() + 4]).unwrap();
    }
    drop(conn);
    for _ in 0..3 {
        world.note(None, &[("other.txt", b"other")]);
    }
    assert_eq!(world.verify(LEDGER, &["--anchor", "head", "--no-state"]).verdict(), "REWRITTEN");
    assert_eq!(world.verify(LEDGER, &[]).verdict(), "REWRITTEN", "this user has seen another history");
    assert_eq!(world.verify(LEDGER, &["--against", "whole.db", "--no-state"]).verdict(), "FORKED(5)");
    assert_eq!(world.verify("whole.db", &["--against", LEDGER, "--no-state"]).verdict(), "FORKED(5)");
    let options = Options { against: Some(leaves(&world.path().join("whole.db")).unwrap()), ..Options::default() };
    assert_eq!(both::verify(&world.ledger_file(), &options).unwrap().verdict, "FORKED(5)");
    let python =
        |args: &[&str]| ran(world.command("python3").args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/tools/verify.py")]).args(args));
    let found = python(&[LEDGER, "allowed_signers", "--against", "whole.db"]);
    assert!(found.code == 20 && found.stdout.starts_with("FORKED(5)"), "{}", found.all());
    assert_eq!(python(&[LEDGER, "allowed_signers", "--against", LEDGER]).code, 0);
    assert_eq!(world.verify(LEDGER, &["--no-state"]).verdict(), "VERIFIED", "each is a good chain by itself");
}

#[test]
fn copies_of_one_history_agree_and_another_ledger_is_none() {
    let (world, other) = (World::done(), World::done());
    std::fs::copy(world.ledger_file(), world.path().join("copy.db")).unwrap();
    world.note(None, &[]);
    world.packed();
    for (one, two) in [(LEDGER, "copy.db"), ("copy.db", LEDGER), (LEDGER, "evidence/staging_migration_20260108.zip")] {
        assert_eq!(world.verify(one, &["--against", two, "--no-state"]).good().verdict(), "VERIFIED");
    }
    let theirs = other.ledger_file().display().to_string();
    assert_eq!(world.verify(LEDGER, &["--against", &theirs]).verdict(), "WRONG-LEDGER");
    world.write("broken.zip", "PK");
    let refused = world.verify(LEDGER, &["--against", "broken.zip"]);
    assert!(refused.code == 20 && refused.stderr.contains("cannot be compared with"), "{}", refused.all());
    let (id, theirs) = (world.store().ledger_id().to_hex(), other.store().ledger_id().to_hex());
    let run = format!("{id}/{RUN}");
    for (expect, word) in [(&id, "VERIFIED"), (&run, "VERIFIED"), (&theirs, "WRONG-LEDGER"), (&format!("{id}/other"), "WRONG-LEDGER")] {
        assert_eq!(world.verify(LEDGER, &["--expect", expect]).verdict(), word, "{expect}");
    }
}

#[test]
fn what_was_seen_is_remembered_per_user_and_never_needed() {
    let world = World::done();
    std::fs::copy(world.ledger_file(), world.path().join("old.db")).unwrap();
    world.note(None, &[]);
    assert_eq!(world.verify("old.db", &[]).good().verdict(), "VERIFIED", "a first look");
    assert_eq!(world.verify(LEDGER, &[]).good().verdict(), "VERIFIED");
    let back = world.verify("old.db", &[]);
    assert_eq!((back.code, back.verdict().as_str()), (20, "ROLLED-BACK"));
    assert_eq!(world.verify("old.db", &["--no-state"]).good().verdict(), "VERIFIED");
    // A package ends with its run: that it is shorter than what was seen says nothing.
    world.packed();
    world.note(None, &[]);
    world.verify(LEDGER, &[]).good();
    world.verify("evidence/staging_migration_20260108.zip", &[]).good();
    // Rubbish in the file, or no place for it, never stands in the way.
    let memory = world.path().join("home/.local/state/ledger/heads");
    std::fs::write(&memory, "rubbish\n\n1 2 3 4\n").unwrap();
    assert_eq!(world.verify("old.db", &[]).good().verdict(), "VERIFIED");
    std::fs::remove_file(&memory).unwrap();
    std::fs::create_dir(&memory).unwrap();
    let shy = world.ledger(&["verify", "old.db"]).good();
    assert!(shy.stderr.contains("is not remembered"), "{}", shy.all());
    let mut nowhere = world.command(env!("CARGO_BIN_EXE_ledger"));
    assert_eq!(ran(nowhere.args(["verify", "old.db"]).env_remove("HOME")).good().stderr, "");
}

#[test]
fn an_entry_is_proved_without_the_rest_and_every_change_of_the_proof_is_seen() {
    let world = World::done();
    world.note(Some(RUN), &[("secret-canary.txt", b"x")]);
    world.ledger(&["checkpoint", "--key", "ops@example.com"]).good();
    world.note(None, &[]);
    world.ledger(&["prove", "3", "--out", "three.json"]).good();
    let good = world.verify("three.json", &[]).good();
    assert_eq!(good.verdict(), "VERIFIED", "{}", good.all());
    let text = std::fs::read_to_string(world.path().join("three.json")).unwrap();
    assert!(!text.contains("canary") && text.contains("task.result"), "one entry and no other");
    let proof: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(proof["checkpoint"], world.store().checkpoint_text(7).unwrap(), "the signed head that covers it");
    assert_eq!(world.ledger(&["verify", "three.json", "--message-format", "json"]).good().verdict(), "INTEGRITY-ONLY");

    let changed = |change: &dyn Fn(&mut Value)| {
        let mut proof = proof.clone();
        change(&mut proof);
        world.write("changed.json", serde_json::to_vec(&proof).unwrap());
        let found = world.verify("changed.json", &[]);
        assert_eq!(found.code, 20, "{}", found.all());
        found.verdict()
    };
    let other = "00".repeat(32);
    assert_eq!(changed(&|p| p["seq"] = json!(4)), "EDITED(4)");
    assert_eq!(changed(&|p| p["prev"] = json!(other)), "EDITED(3)");
    assert_eq!(changed(&|p| p["path"][1] = json!(other)), "EDITED(3)");
    assert_eq!(changed(&|p| drop(p["path"].as_array_mut().unwrap().pop())), "EDITED(3)");
    assert_eq!(changed(&|p| p["header"] = json!(p["header"].as_str().unwrap().replace("\"pass\"", "\"fail\""))), "EDITED(3)");
    assert_eq!(changed(&|p| p["header"] = json!("{}")), "MALFORMED(3)");
    assert_eq!(changed(&|p| p["ledger_id"] = json!("00".repeat(16))), "WRONG-LEDGER");
    assert_eq!(changed(&|p| p["checkpoint"] = json!(world.store().checkpoint_text(6).unwrap())), "EDITED(3)");
    assert_eq!(changed(&|p| p["signature"] = json!("x")), "BAD-SIGNATURE(checkpoint)");
    assert_eq!(changed(&|p| drop(p.as_object_mut().unwrap().remove("signature"))), "UNSIGNED(checkpoint)");
    assert_eq!(changed(&|p| p["more"] = json!(1)), "MALFORMED-PROOF");
    assert_eq!(changed(&|p| p["v"] = json!(2)), "MALFORMED-PROOF");
    world.write("spaced.json", text.replacen("{\"", "{\" ", 1));
    assert_eq!(world.verify("spaced.json", &[]).verdict(), "MALFORMED-PROOF");

    // Unsigned, it is as good as the head that somebody holds.
    world.ledger(&["prove", "3", "--size", "6", "--out", "unsigned.json"]).good();
    world.write("head", world.store().checkpoint_text(6).unwrap());
    assert_eq!(world.verify("unsigned.json", &["--anchor", "head"]).good().verdict(), "VERIFIED");
    assert_eq!(world.verify("unsigned.json", &[]).verdict(), "UNSIGNED(checkpoint)");
    world.write("lie", world.store().checkpoint_text(6).unwrap().replace("\n6\n", "\n7\n"));
    assert_eq!(world.verify("three.json", &["--anchor", "lie"]).verdict(), "REWRITTEN");
    assert_eq!(world.ledger(&["prove", "6", "--size", "6"]).code, 2);
    assert_eq!(world.ledger(&["prove", "99"]).code, 3);
    // The first and the last entry of every shape of tree.
    let store = Store::open_read_only(&world.ledger_file()).unwrap();
    for size in 1..=store.len().unwrap() {
        for seq in 0..size {
            let proof = store.prove(seq, size).unwrap();
            proof.check().unwrap();
            assert_eq!(Proof::parse(&proof.to_bytes().unwrap()), Some(proof));
        }
    }
}

#[test]
fn views_of_one_state_share_head_and_signatures() {
    let world = World::done();
    let noted = world.note(Some(RUN), &[("internal.txt", b"for our eyes"), ("public.txt", b"for all")]);
    world.packed();
    world.pack(&["--withhold", &format!("{noted}/internal.txt"), "3/result.json", "--out", "external"]);
    let (whole, part) = ("evidence/staging_migration_20260108.zip", "external/staging_migration_20260108.zip");
    let told = |path: &str| -> Value { serde_json::from_str(&world.verify(path, &[]).good().stdout).unwrap() };
    let (whole_told, part_told) = (told(whole), told(part));
    for member in ["verdict", "decision", "ledger_id", "run", "size", "root", "cut", "recorded_verdict"] {
        assert_eq!(whole_told[member], part_told[member], "{member}");
    }
    assert_eq!(part_told["decision"], "APPROVED");
    let inner = |told: &Value| told["signatures"].as_array().unwrap().iter().filter(|s| s["namespace"] != "package@ledger").count();
    assert!(inner(&whole_told) == inner(&part_told) && inner(&part_told) >= 2);
    let read = |folder: &str, name: &str| std::fs::read(world.path().join(folder).join(RUN).join(name)).ok();
    for name in ["manifest.json", "ledger/entries.jsonl", "ledger/checkpoints/7"] {
        assert!(read("evidence", name).is_some() && read("evidence", name) == read("external", name), "{name}");
    }
    let internal = format!("evidence/{noted}-internal.txt");
    assert_eq!((read("evidence", &internal).as_deref(), read("external", &internal)), (Some(&b"for our eyes"[..]), None));
    let zip = std::fs::read(world.path().join(part)).unwrap();
    assert!(memchr::memmem::find(&zip, b"for our eyes").is_none(), "nor anywhere else in it");
    let signers = migration_ledger::sign::AllowedSigners::parse(super::world::allowed_signers().as_bytes()).unwrap();
    let trusting = migration_ledger::package::verify::Options { signers: Some(signers), ..Default::default() };
    for zip in [whole, part] {
        let found = both::verify(&world.path().join(zip), &trusting).unwrap();
        assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("APPROVED")), "{zip}");
    }
    for (named, said) in
        [("3", "names no part"), ("3/none.txt", "has no part"), ("8/statement.json", "every view"), ("1/ledger.toml", "every view")]
    {
        let refused = world.ledger(&["package", "--withhold", named, "--out", "x"]);
        assert!(refused.code == 2 && refused.stderr.contains(said), "{named}: {}", refused.all());
    }
}
