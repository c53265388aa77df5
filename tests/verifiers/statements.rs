//! What a statement must say of its own kind, and that no package can leave a revocation out.

use migration_ledger::chain::{Draft, EntryType, PartDraft};
use migration_ledger::package::verify::Options;
use migration_ledger::sign::{AllowedSigners, Namespace, Statement, sshsig};
use serde_json::json;

use crate::both::{ask, verify, verify_store};
use crate::scene::*;

/// The keeper of keys, who may also redact.
pub const KEEPER: u8 = 5;
pub const KEEPER_NAME: &str = "sec@example.com";

/// Those of the scene, and the keeper of keys.
pub fn signers_with_keeper() -> String {
    let line = |s: &migration_ledger::sign::Signer| s.line() + "\n";
    let keeper = format!("{KEEPER_NAME} namespaces=\"keys@ledger,redaction@ledger\" ssh-ed25519 {}\n", key(KEEPER).public().to_base64());
    signers().signers().iter().map(line).collect::<String>() + &keeper
}

pub fn trusting_with_keeper() -> Options {
    Options { signers: Some(AllowedSigners::parse(signers_with_keeper().as_bytes()).unwrap()), ..Options::default() }
}

/// A statement about a key, of no run.
pub fn about_key(scene: &Scene, change: &str, line: &str) -> Statement {
    let newest = scene.store.checkpoint(scene.store.len().unwrap()).unwrap();
    Statement::over("keys", &newest, None, KEEPER_NAME, "left the team").with("change", change).with("key", line)
}

/// An entry of `run` that carries a statement, signed by the keeper.
pub fn kept(kind: EntryType, namespace: Namespace, statement: &Statement, run: Option<&str>) -> Draft {
    let bytes = statement.to_bytes().unwrap();
    let signature = sshsig::sign(&key(KEEPER), namespace, &bytes);
    let mut draft = Draft::new(kind, KEEPER_NAME);
    draft.run = run.map(str::to_owned);
    draft.parts =
        vec![PartDraft::bytes("statement.json", "application/json", bytes), PartDraft::bytes("statement.sig", "text/plain", signature)];
    draft
}

pub fn line_of(who: u8) -> String {
    format!("ssh-ed25519 {}", key(who).public().to_base64())
}

#[test]
fn a_revocation_is_of_no_run_so_that_every_package_holds_it() {
    let mut scene = Scene::opened();
    // A package holds the parts of its own run and of no run: one of another run would take the key away in the ledger alone.
    for kind in [EntryType::KeyRevoked, EntryType::KeyAdded] {
        let change = kind.as_str().strip_prefix("key.").unwrap();
        let statement = about_key(&scene, change, &line_of(CTO));
        let refused = scene.store.append(kept(kind, Namespace::Keys, &statement, Some("another_run")));
        assert!(refused.is_err(), "{kind:?} of a run was appended");
    }
    let revoked = about_key(&scene, "revoked", &line_of(CTO));
    let seq = scene.store.append(kept(EntryType::KeyRevoked, Namespace::Keys, &revoked, None)).unwrap().seq;
    let header = String::from_utf8(scene.store.entry(seq).unwrap().header_bytes).unwrap();
    let good = |header: &str| ask(&json!({"ask": "header", "seq": seq, "hex": hex::encode(header)}))["good"] == true;
    let of_a_run = header.replacen("\"tool\":", "\"run\":\"another_run\",\"tool\":", 1);
    assert!(good(&header) && !good(&of_a_run), "{of_a_run}");

    scene.task("CE-20", 1);
    let n = scene.publish();
    let statement = scene.signoff(n, "cto@example.com", true);
    scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
    let zip = scene.pack();
    let word = format!("KEY-REVOKED(sig/{}-signoff.sig)", seq + 4);
    assert_eq!(verify(&zip, &trusting_with_keeper()).unwrap().verdict, word);
    assert_eq!(verify_store(&scene.store, &trusting_with_keeper()).unwrap().verdict, word);
}

#[test]
fn a_statement_about_a_key_names_the_key_and_the_change() {
    for (kind, change, line) in [
        (EntryType::KeyRevoked, "revoked", "ssh-ed25519 nonsense".to_owned()),
        (EntryType::KeyRevoked, "revoked", key(CTO).public().to_base64()),
        (EntryType::KeyRevoked, "added", line_of(CTO)),
        (EntryType::KeyAdded, "revoked", line_of(CTO)),
    ] {
        let mut scene = Scene::approved();
        let statement = about_key(&scene, change, &line);
        scene.store.append(kept(kind, Namespace::Keys, &statement, None)).unwrap();
        assert_eq!(verify_store(&scene.store, &trusting_with_keeper()).unwrap().verdict, "MALFORMED(8)", "{kind:?} {change} {line}");
    }
}

#[test]
fn a_decision_ends_at_a_time_or_is_malformed() {
    for (until, word) in [
        (json!("2999-01-01T00:00:00.000000Z"), "VERIFIED"),
        (json!("never"), "MALFORMED(7)"),
        (json!("2999-01-01"), "MALFORMED(7)"),
        (json!("2999-01-01T00:00:00Z"), "MALFORMED(7)"),
        (json!(20_990_101), "MALFORMED(7)"),
    ] {
        let mut scene = Scene::new();
        let n = scene.publish();
        let statement = scene.signoff(n, "cto@example.com", true).with("valid_until", until.clone());
        scene.append_signed(EntryType::Decision, Namespace::Signoff, &statement, CTO);
        assert_eq!(verify_store(&scene.store, &trusting()).unwrap().verdict, word, "{until}");
    }
}
