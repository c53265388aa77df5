//! Packages and ledgers under attack: each threat of docs/format.md with the word that both verifiers print.

#[path = "support/both.rs"]
mod both;
#[path = "support/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use migration_ledger::chain::{Checkpoint, Draft, EntryType, Hash};
use migration_ledger::package::verify::Options;
use migration_ledger::package::{self, View};
use migration_ledger::sign::{AllowedSigners, Namespace, Signer, Statement};
use scene::*;

#[test]
fn a_good_package_verifies_and_says_who_approved() {
    let scene = Scene::approved();
    let (zip, found) = scene.packed();
    assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("APPROVED")), "{found:#?}");
    assert_eq!(found.recorded_verdict.as_deref(), Some("GO"));
    assert_eq!((found.size, found.cut), (8, Some(6)));
    assert_eq!(found.signatures.len(), 4, "two tasks, one sign-off, the package");
    assert_eq!(found.findings, Vec::<String>::new());
    let ledger = verify_store(&scene.store, &trusting()).unwrap();
    assert_eq!((ledger.verdict.as_str(), ledger.decision.as_deref()), ("VERIFIED", Some("APPROVED")));
    let unaided = verify(&zip, &Options::default()).unwrap();
    assert_eq!((unaided.verdict.as_str(), unaided.decision), ("INTEGRITY-ONLY", None));
    let folder = scene.folder.path().join("x");
    for (name, bytes) in unpack(&zip) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let found = verify(&folder, &trusting()).unwrap();
    assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("APPROVED")));
}

#[test]
fn the_same_run_packs_to_the_same_bytes() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let first = std::fs::read(&zip).unwrap();
    let again = package::write(&scene.store, RUN, &View::full(), scene.folder.path(), false).unwrap();
    assert!(again.unchanged);
    assert_eq!(std::fs::read(&zip).unwrap(), first);
    std::fs::write(&zip, "something else").unwrap();
    assert!(package::write(&scene.store, RUN, &View::full(), scene.folder.path(), false).is_err(), "never overwritten unasked");
}

#[test]
fn stock_tools_read_the_archive() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let bytes = std::fs::read(&zip).unwrap();
    assert_eq!(&bytes[..10], b"PK\x03\x04\x0a\x00\x00\x00\x00\x00", "stored, no flags, first record at 0");
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    assert_eq!(&bytes[central + 4..central + 6], &[0x1e, 3], "made by 3.30");
    let listed = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&zip).output().unwrap();
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("Done testing"), "{listed:?}");
}

#[test]
fn a_run_without_its_publication_is_not_packed() {
    let mut scene = Scene::new();
    let pack = |scene: &Scene| package::write(&scene.store, RUN, &View::full(), scene.folder.path(), false);
    assert!(pack(&scene).is_err());
    scene.publish();
    pack(&scene).unwrap();
    scene.task("CE-22", 1);
    assert!(pack(&scene).is_err(), "evidence came after the report");
}

/// What a person with the archive can do to single files: word by word. `sums` says whether SHA256SUMS is made to fit.
#[test]
fn a_changed_package_is_named() {
    type Change = fn(&mut BTreeMap<String, Vec<u8>>);
    fn edit(files: &mut BTreeMap<String, Vec<u8>>, name: &str, from: &str, to: &str) {
        let text = String::from_utf8(files[name].clone()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{name} has no {from}");
        files.insert(name.into(), changed.into_bytes());
    }
    fn lines(files: &mut BTreeMap<String, Vec<u8>>, change: fn(&mut Vec<String>)) {
        let text = String::from_utf8(files["ledger/entries.jsonl"].clone()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        change(&mut lines);
        files.insert("ledger/entries.jsonl".into(), (lines.join("\n") + "\n").into_bytes());
    }
    let cases: &[(&str, bool, Change)] = &[
        ("EDITED(report/READINESS.md)", false, |f| edit(f, "report/READINESS.md", "GO", "NO")),
        ("REPORT-MISMATCH(report/READINESS.md)", true, |f| edit(f, "report/READINESS.md", "GO", "NO")),
        ("EDITED(evidence/3-log.txt)", true, |f| edit(f, "evidence/3-log.txt", "log", "log!")),
        ("EXTRA(evidence/new.txt)", false, |f| drop(f.insert("evidence/new.txt".into(), b"x".to_vec()))),
        ("EXTRA(evidence/new.txt)", true, |f| drop(f.insert("evidence/new.txt".into(), b"x".to_vec()))),
        ("MISSING(evidence/3-log.txt)", false, |f| drop(f.remove("evidence/3-log.txt"))),
        ("MISSING(evidence/3-log.txt)", true, |f| drop(f.remove("evidence/3-log.txt"))),
        ("MISSING(ledger/salts)", true, |f| drop(f.remove("ledger/salts"))),
        ("EDITED(ledger/salts)", true, |f| edit(f, "ledger/salts", "1 ", "01 ")),
        ("EDITED(queries/rls-forced.sql)", true, |f| edit(f, "queries/rls-forced.sql", "1", "2")),
        ("EDITED(3)", true, |f| edit(f, "ledger/entries.jsonl", "\"outcome\":\"pass\"", "\"outcome\":\"fail\"")),
        ("GAP(4)", true, |f| lines(f, |l| drop(l.remove(4)))),
        ("GAP(2)", true, |f| lines(f, |l| l.swap(2, 3))),
        ("GAP(3)", true, |f| lines(f, |l| l.insert(3, l[2].clone()))),
        ("TRUNCATED", true, |f| lines(f, |l| drop(l.pop()))),
        ("MALFORMED(1)", true, |f| {
            edit(f, "ledger/entries.jsonl", "\"type\":\"run.opened\"", "\"type\":\"run.opened\",\"type\":\"run.opened\"")
        }),
        ("MALFORMED(0)", true, |f| drop(f.insert("ledger/entries.jsonl".into(), b"\n".to_vec()))),
        ("MALFORMED(8)", true, |f| lines(f, |l| l.push("x".into()))),
        ("EDITED(manifest.json)", true, |f| {
            let longer = [&f["manifest.json"][..], b"\n"].concat();
            f.insert("manifest.json".into(), longer);
        }),
        ("UNSIGNED(7)", true, |f| {
            f.remove("sig/7-signoff.sig");
        }),
        ("EDITED(sig/7-signoff.json)", true, |f| edit(f, "sig/7-signoff.json", "\"decision\":\"go\"", "\"decision\":\"no\"")),
        ("BAD-SIGNATURE(sig/task.3.KEY.sig)", true, |f| {
            let name = f.keys().find(|n| n.starts_with("sig/task.3.")).unwrap().clone();
            let other = f[f.keys().find(|n| n.starts_with("sig/task.5.")).unwrap()].clone();
            f.insert(name, other);
        }),
        ("EXTRA(sig/task.3.x.sig)", true, |f| drop(f.insert("sig/task.3.x.sig".into(), b"x".to_vec()))),
        ("REWRITTEN", true, |f| {
            let text = String::from_utf8(f["ledger/checkpoints/6"].clone()).unwrap();
            let mut checkpoint = Checkpoint::parse(&text).unwrap();
            checkpoint.root = Hash([1; 32]);
            f.insert("ledger/checkpoints/6".into(), checkpoint.text().into_bytes());
        }),
        ("TRUNCATED", true, |f| {
            let text = String::from_utf8(f["ledger/checkpoints/6"].clone()).unwrap();
            let mut checkpoint = Checkpoint::parse(&text).unwrap();
            checkpoint.size = 99;
            f.insert("ledger/checkpoints/99".into(), checkpoint.text().into_bytes());
        }),
        ("WRONG-LEDGER", true, |f| {
            let text = String::from_utf8(f["ledger/checkpoints/6"].clone()).unwrap();
            let mut checkpoint = Checkpoint::parse(&text).unwrap();
            checkpoint.ledger_id.0[0] ^= 1;
            f.insert("ledger/checkpoints/6".into(), checkpoint.text().into_bytes());
        }),
    ];
    let scene = Scene::approved();
    let zip = scene.pack();
    let good = unpack(&zip);
    let id = key(OPS).public().id();
    for (word, sums, change) in cases {
        let mut files = good.clone();
        change(&mut files);
        repack(&zip, &files, *sums, OPS);
        let found = verify(&zip, &trusting()).unwrap();
        assert_eq!(found.verdict, word.replace("KEY", &id), "{:?}", found.fault());
    }
    repack(&zip, &good, true, OPS);
    assert_eq!(verify(&zip, &trusting()).unwrap().verdict, "VERIFIED", "the harness itself changes nothing");
}

#[test]
fn the_files_beside_the_archive_count() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let word = || verify(&zip, &trusting()).unwrap().verdict;
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", zip.display()));
    let bytes = std::fs::read(&zip).unwrap();
    seal(&zip, &bytes, STRANGER);
    assert_eq!(word(), format!("UNTRUSTED-KEY({RUN}.zip.sig)"));
    seal(&zip, &bytes, CTO);
    assert_eq!(word(), "WRONG-ROLE(cto@example.com)");
    seal(&zip, &bytes, OPS);
    assert_eq!(word(), "VERIFIED");
    std::fs::remove_file(beside(".sig")).unwrap();
    assert_eq!(word(), format!("UNSIGNED({RUN}.zip)"));
    std::fs::remove_file(beside(".sha256")).unwrap();
    assert_eq!(word(), format!("MISSING({RUN}.zip.sha256)"));
    std::fs::write(beside(".sha256"), "00  x\n").unwrap();
    assert_eq!(word(), format!("EDITED({RUN}.zip)"));
}

#[test]
fn hostile_archives_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/package_vectors/zip_cases.py"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        seal(&path, &bytes, OPS);
        let found = verify(&path, &trusting()).unwrap();
        assert!(found.verdict.starts_with("MALFORMED-ARCHIVE("), "{}: {}", path.display(), found.verdict);
        assert!(found.size == 0 && found.run.is_none(), "nothing was read");
        seen += 1;
    }
    assert!(seen >= 14, "{seen} cases");
}

/// The same tricks on an archive of our own form, so that each trips over its own defect and not over a foreign writer's habits.
#[test]
fn one_changed_record_is_enough() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let good = std::fs::read(&zip).unwrap();
    let central = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        seal(&zip, &bytes, OPS);
        verify(&zip, &trusting()).unwrap().verdict
    };
    let name = good[central + 46..central + 56].to_vec();
    assert_eq!(name, b"SHA256SUMS");
    let end = good.len() - 22;
    for (word, change) in [
        (
            "no end record at the end: trailing bytes, a comment, or not a zip archive",
            Box::new(|b: &mut Vec<u8>| b.extend(b"tail")) as Box<dyn Fn(&mut Vec<u8>)>,
        ),
        (
            "no end record at the end: trailing bytes, a comment, or not a zip archive",
            Box::new(|b| {
                b.extend(b"hi");
                b[end + 20] = 2;
            }),
        ),
        (
            "prefix or a second archive",
            Box::new(|b| {
                b.splice(0..0, *b"#!/bin/sh\n");
            }),
        ),
        (
            "prefix or a second archive",
            Box::new(|b| {
                let twice = b.clone();
                b.extend(twice);
            }),
        ),
        ("local header differs from central", Box::new(|b| b[30] = b'X')),
        ("central record", Box::new(|b| b[central + 4] = 20)),
        ("flags", Box::new(|b| b[central + 8] = 8)),
        ("compressed", Box::new(|b| b[central + 10] = 8)),
        ("not a regular file", Box::new(|b| b[central + 41] = 0xa1)),
        ("name", Box::new(|b| b[central + 46] = b'/')),
        ("name", Box::new(|b| b[central + 46] = b'\\')),
        ("name", Box::new(|b| b[central + 46] = 0xc3)),
        ("prefix", Box::new(|b| b[central + 42] = 1)),
        ("lying end record", Box::new(|b| b[end + 19] = 0x7f)),
        ("end record", Box::new(|b| b[end + 8] ^= 1)),
        ("CRC of SHA256SUMS", Box::new(|b| b[30 + 10] ^= 1)),
    ] {
        assert_eq!(with(&*change), format!("MALFORMED-ARCHIVE({word})"));
    }
    for length in [0, 1, 21, 22, 100, good.len() / 2, good.len() - 1] {
        assert!(with(&|b| b.truncate(length)).starts_with("MALFORMED-ARCHIVE("), "{length}");
    }
}

#[test]
fn anchors_and_expectations() {
    let scene = Scene::approved();
    let zip = scene.pack();
    let checkpoint = |n| scene.store.checkpoint(n).unwrap();
    let with = |change: &dyn Fn(&mut Options)| {
        let mut options = trusting();
        change(&mut options);
        let words = [verify(&zip, &options).unwrap().verdict, verify_store(&scene.store, &options).unwrap().verdict];
        assert_eq!(words[0], words[1], "package and ledger say the same");
        words[0].clone()
    };
    assert_eq!(with(&|o| o.anchors = vec![checkpoint(3), checkpoint(8)]), "VERIFIED");
    assert_eq!(with(&|o| o.anchors = vec![Checkpoint { size: 9, ..checkpoint(8) }]), "TRUNCATED");
    assert_eq!(with(&|o| o.anchors = vec![Checkpoint { size: 7, ..checkpoint(8) }]), "REWRITTEN");
    assert_eq!(
        with(&|o| o.anchors = vec![Checkpoint { ledger_id: migration_ledger::chain::LedgerId([0; 16]), ..checkpoint(8) }]),
        "WRONG-LEDGER"
    );
    assert_eq!(with(&|o| o.expect = Some((scene.store.ledger_id(), Some(RUN.into())))), "VERIFIED");
    assert_eq!(with(&|o| o.expect = Some((scene.store.ledger_id(), Some("other".into())))), "WRONG-LEDGER");
    assert_eq!(with(&|o| o.expect_head = Some((Some(8), Some(checkpoint(8).root)))), "VERIFIED");
    assert_eq!(with(&|o| o.expect_head = Some((Some(6), Some(checkpoint(8).root)))), "REWRITTEN");
    assert_eq!(with(&|o| o.expect_head = Some((Some(80), None))), "TRUNCATED");
    // Another ledger with the same story is another ledger.
    let other = Scene::approved();
    let mut options = trusting();
    options.anchors = vec![checkpoint(3)];
    assert_eq!(verify_store(&other.store, &options).unwrap().verdict, "WRONG-LEDGER");
}

/// Who signed, and over what: both the ledger and its package, word by word.
#[test]
fn sign_offs_in_words() {
    let judge = |scene: &Scene| {
        let found = scene.packed().1;
        let ledger = verify_store(&scene.store, &trusting()).unwrap();
        assert_eq!((&found.verdict, &found.decision), (&ledger.verdict, &ledger.decision));
        match found.fault() {
            Some(fault) => fault.word.clone(),
            None => found.decision.unwrap(),
        }
    };
    let decided = |change: &dyn Fn(&mut Scene, u64)| {
        let mut scene = Scene::new();
        let n = scene.publish();
        change(&mut scene, n);
        judge(&scene)
    };
    let sign =
        |scene: &mut Scene, statement: &Statement, namespace, who| scene.append_signed(EntryType::Decision, namespace, statement, who);
    assert_eq!(decided(&|_, _| ()), "MISSING(signoff)");
    assert_eq!(
        decided(&|s, n| {
            let st = s.signoff(n, "cto@example.com", false);
            sign(s, &st, Namespace::Signoff, CTO)
        }),
        "DENIED"
    );
    assert_eq!(
        decided(&|s, n| {
            for (who, principal, go) in [(CTO, "cto@example.com", true), (DBA, "dba@example.com", false)] {
                let st = s.signoff(n, principal, go);
                sign(s, &st, Namespace::Signoff, who);
            }
        }),
        "DENIED",
        "one no-go outweighs every go"
    );
    assert_eq!(
        decided(&|s, n| {
            let st = s.signoff(n, "ops@example.com", true);
            sign(s, &st, Namespace::Signoff, OPS)
        }),
        "WRONG-ROLE(ops@example.com)"
    );
    assert_eq!(
        decided(&|s, n| {
            let st = s.signoff(n, "cto@example.com", true);
            sign(s, &st, Namespace::Package, OPS)
        }),
        "WRONG-ROLE(cto@example.com)"
    );
    assert_eq!(
        decided(&|s, n| {
            let st = s.signoff(n, "cto@example.com", true);
            sign(s, &st, Namespace::Signoff, DBA)
        }),
        "WRONG-ROLE(cto@example.com)"
    );
    assert_eq!(
        decided(&|s, n| {
            let st = s.signoff(n, "cto@example.com", true);
            sign(s, &st, Namespace::Signoff, STRANGER)
        }),
        "UNTRUSTED-KEY(sig/7-signoff.sig)"
    );
    assert_eq!(
        decided(&|s, n| {
            let st = s.statement("waiver", n, "cto@example.com");
            sign(s, &st, Namespace::Waiver, CTO)
        }),
        "WRONG-TYPE(sig/7-signoff.json)"
    );
    assert_eq!(
        decided(&|s, n| {
            let mut st = s.signoff(n, "cto@example.com", true);
            st.run = Some("another".into());
            sign(s, &st, Namespace::Signoff, CTO)
        }),
        "WRONG-LEDGER"
    );
    assert_eq!(
        decided(&|s, n| {
            let mut st = s.signoff(n, "cto@example.com", true);
            st.checkpoint = Hash([3; 32]);
            sign(s, &st, Namespace::Signoff, CTO)
        }),
        "REWRITTEN"
    );
    assert_eq!(
        decided(&|s, n| {
            let mut st = s.signoff(n, "cto@example.com", true);
            st.subjects[0].1 = Hash([3; 32]);
            sign(s, &st, Namespace::Signoff, CTO)
        }),
        "REPORT-MISMATCH(report/READINESS.md)"
    );
    assert_eq!(
        decided(&|s, n| {
            let mut st = s.signoff(n, "cto@example.com", true);
            st.subjects.clear();
            sign(s, &st, Namespace::Signoff, CTO)
        }),
        "REPORT-MISMATCH(report/READINESS.md)"
    );
    // New evidence after the decision, published again.
    let mut scene = Scene::approved();
    scene.task("CE-22", 1);
    scene.publish();
    assert_eq!(judge(&scene), "STALE");
    // The approver did part of the work.
    let mut scene = Scene::new();
    let mut note = Draft::new(EntryType::Note, "cto@example.com");
    note.run = Some(RUN.into());
    scene.store.append(note).unwrap();
    let n = scene.publish();
    let statement = scene.signoff(n, "cto@example.com", true);
    scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
    assert_eq!(judge(&scene), "SOD-VIOLATION(cto@example.com took part in the work)");
}

#[test]
fn keys_expire_and_are_revoked() {
    let scene = Scene::approved();
    let mut options = trusting();
    options.revoked = vec![key(CTO).public()];
    assert_eq!(verify_store(&scene.store, &options).unwrap().verdict, "KEY-REVOKED(sig/7-signoff.sig)");
    let lines: Vec<String> =
        signers().signers().iter().map(|s| Signer { valid_before: Some("20260101000000".into()), ..s.clone() }.line()).collect();
    let mut options = Options { signers: Some(AllowedSigners::parse(lines.join("\n").as_bytes()).unwrap()), ..Options::default() };
    assert_eq!(verify_store(&scene.store, &options).unwrap().verdict, "KEY-EXPIRED(sig/7-signoff.sig)");
    options.at = Some("2025-12-31T00:00:00Z".into());
    let found = verify_store(&scene.store, &options).unwrap();
    assert_eq!(found.verdict, "VERIFIED");
    assert!(found.findings[0].starts_with("SIGNERS-DIFFER"), "{:?}", found.findings);
}

#[test]
fn views_withhold_and_redactions_leave_the_chain_whole() {
    let mut scene = Scene::approved();
    let view = View { withhold: [(3, "log.txt".to_owned()), (7, "statement.json".to_owned())].into() };
    let written = package::write(&scene.store, RUN, &view, scene.folder.path(), true).unwrap();
    package::sign(&written, &key(OPS)).unwrap();
    let found = verify(&written.zip, &trusting()).unwrap();
    assert_eq!((found.verdict.as_str(), found.decision.as_deref()), ("VERIFIED", Some("APPROVED")));
    assert_eq!(found.absent, [("evidence/3-log.txt".to_owned(), "WITHHELD")], "a statement is never left out");
    let statement = scene.statement("redaction", 8, "cto@example.com").with("seq", 3).with("part", "log.txt");
    // Nobody here may redact.
    scene.append_signed(EntryType::PartRedacted, Namespace::Redaction, &statement, CTO);
    rusqlite::Connection::open(scene.store.path())
        .unwrap()
        .execute("UPDATE part SET salt = NULL, spool = NULL WHERE seq = 3 AND name = 'log.txt'", [])
        .unwrap();
    let (_, found) = scene.packed();
    assert_eq!(found.verdict, "WRONG-ROLE(cto@example.com)");
    assert_eq!(found.absent, [("evidence/3-log.txt".to_owned(), "REDACTED")]);
    rusqlite::Connection::open(scene.store.path())
        .unwrap()
        .execute("UPDATE part SET salt = NULL, spool = NULL WHERE seq = 5 AND name = 'log.txt'", [])
        .unwrap();
    assert_eq!(scene.packed().1.verdict, "MISSING(evidence/5-log.txt)", "erased without a redaction");
}

#[test]
fn attempts_left_out_are_named() {
    let mut scene = Scene::opened();
    scene.task("CE-20", 2);
    assert_eq!(verify_store(&scene.store, &trusting()).unwrap().verdict, "ATTEMPT-GAP(CE-20)");
}
